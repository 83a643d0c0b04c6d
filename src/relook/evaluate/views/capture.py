"""A real capture restyled: do frames agree along the flow of RAFT and along the sensor's depth; there is no exact answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from relook import cache
from relook.captures import Capture, read_capture
from relook.captures.frames import spread
from relook.config import ViewsConfig
from relook.errors import GeometryError
from relook.evaluate.metrics.views import warp_lpips, warp_rmse
from relook.evaluate.records import Record
from relook.evaluate.run import Outcome, Place, Results, Trial
from relook.evaluate.sections import Part, column
from relook.evaluate.views.setting import Score, ViewsSuite, numbers_of
from relook.evaluate.views.walks import ALONE, Images, per_frame
from relook.files import replacing, sha256
from relook.io import read_image
from relook.io.sheet import contact_sheet
from relook.lift.source import ViewSource
from relook.lift.views import restyle_views
from relook.ops.resize import resized, scaled
from relook.perceive.match import MATCHERS, Matcher, exact, matcher
from relook.session import Session
from relook.types import View

PART = "capture"
GAPS: Mapping[str, int] = {"near": 1, "far": 8}
"""Frames between the two of a pair, by name."""
SIDE = 320
"""Longer side in pixels of the pictures that flow is found on, and compared by it."""
SURE = {"flow": 0.6, "sensor": 0.9}
"""Pixels of less confidence are not compared: flow must come back to within a pixel, and both sensors must have read the point."""
DRAWN = "dollhouse"
"""The family of drawn rooms, which no photograph is restyled by: captures take the weight-free method then."""
ORIGINAL, RELOOK, CARRIED = "original", "relook", "carried"
NOTES = {
    RELOOK: "relook views with its defaults", CARRIED: "relook views --carry relook: from frame to frame", ALONE: "every frame restyled by itself, from the same style picture",
    ORIGINAL: "the capture as it is: how much is due to the measuring, and to light that moves with the camera",
}  # fmt: skip
COLUMNS = {
    f"{how} {gap} {metric}": column(f"warp_{metric}", f"{gap}, {how}", f"{words} {gap}, {how}", digits=4)
    for metric, words in (("rmse", "RMSE"), ("lpips", "LPIPS")) for how in ("flow", "sensor") for gap in GAPS
}  # fmt: skip
"""What is measured of every row."""


@dataclass(frozen=True, kw_only=True)
class CaptureSuite(ViewsSuite):
    """One trial: the capture in four rows, whose pairs of frames are compared along the same flow."""

    def trials(self) -> Sequence[Trial]:
        """The capture."""
        return [Trial(PART, RELOOK, self.config.capture.name)]

    def depends(self, trial: Trial) -> Any:
        """What all parts share, the capture and the style picture."""
        one = self.config
        place = str(one.capture.resolve()), sha256(one.style), one.capture_frames, one.capture_pairs
        return super().depends(trial), place

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """Every row's numbers on every pair of frames, rows x pairs x columns. Raises an error of relook.errors for what cannot be read."""
        capture = read_capture(self.config.capture, workspace=place.work / "input", limit=self.config.capture_frames)
        rows, flow, found = self.restyled(capture, place, session), matcher(MATCHERS.chosen("auto"), session), []
        pairs = pairs_of(len(capture), self.config.capture_pairs)
        for gap, earlier, later in pairs:
            scores = pair_scores(capture, rows, (gap, earlier, later), flow, session)
            found.append([[scores[name].get(key) for key in COLUMNS] for name in rows])
        shown = spread(len(capture), 6)
        sheet = contact_sheet([[images[i] for i in shown] for images in rows.values()], [f"frame {i}" for i in shown])
        with replacing(place.picture) as temporary:
            sheet.save(temporary, format="PNG")
        values, frames = np.array(found, dtype=float), np.array([pair[1:] for pair in pairs])
        return Outcome([], {"values": values, "frames": frames, "count": np.array(len(capture))}, pictured=True)

    def restyled(self, capture: Capture, place: Place, session: Session) -> dict[str, Images]:
        """The capture's frames as they are, restyled together, carried from frame to frame, and each by itself."""
        views, base = list(capture.views()), self.setting.views()
        if base.photo.family == DRAWN:
            base = replace(base, photo=replace(base.photo, family=None))
        folder = place.work / cache.key(self.depends(self.trials()[0]))[:12]

        def together(name: str, config: ViewsConfig) -> list[Float[Tensor, "3 H W"]]:
            result = restyle_views(capture, self.config.style, config, out=folder / name, session=session)
            return [read_image(frame) for frame in result.frames]

        return {
            ORIGINAL: [view.image for view in views],
            RELOOK: together(RELOOK, base),
            CARRIED: together(CARRIED, replace(base, carry="relook")),
            ALONE: per_frame(
                folder / ALONE, {n: View(view.image) for n, view in enumerate(views)}, self.config.style, base, session
            ),
        }

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """Every row's numbers on every pair of frames; a column that is not about the pair's gap has none."""
        records = []
        for trial in (trial for trial in results.done if trial.part == PART):
            held = results.arrays(trial)
            for (earlier, later), rows in zip(held["frames"], held["values"], strict=True):
                gap = next(name for name, frames in GAPS.items() if frames == later - earlier)
                for name, values in zip((ORIGINAL, RELOOK, CARRIED, ALONE), rows, strict=True):
                    score: Score = {
                        key: None if np.isnan(value) else float(value)
                        for key, value in zip(COLUMNS, values, strict=True)
                        if gap in key.split()
                    }
                    case = f"frames {earlier} and {later} of {int(held['count'])}"
                    records += [Record(self.name, PART, name, case, *number) for number in numbers_of(score, COLUMNS)]
        return records

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table, and a sheet of frames."""
        from PIL import Image

        trial, one = self.trials()[0], self.config
        if trial not in results.done:
            return []
        pairs = results.arrays(trial)["frames"]
        near = sum(later - earlier == GAPS["near"] for earlier, later in pairs)
        lead = (
            f"{int(results.arrays(trial)['count'])} frames of {one.capture.name} in the look of {one.style.name}; {near} pairs 1 frame apart "
            f"(near), {len(pairs) - near} pairs 8 apart (far). flow: {MATCHERS.chosen('auto')} on the originals at {SIDE} pixels, where it comes back; "
            "sensor: its depth and poses, where both frames read the point."
        )
        caption = f"From top to bottom: {ORIGINAL}, {RELOOK}, {ALONE}."
        sheets = [(caption, Image.open(path)) for path in [results.picture(trial)] if path is not None]
        return [Part(PART, "A capture", lead, list(COLUMNS.values()), NOTES, (ORIGINAL,), RELOOK, sheets=sheets)]


def pairs_of(count: int, pairs: int) -> list[tuple[str, int, int]]:
    """(gap's name, earlier frame, later frame): of every gap at most `pairs`, spread over `count` frames."""
    found = []
    for name, gap in GAPS.items():
        found += [(name, start, start + gap) for start in spread(max(0, count - gap), pairs)]
    return found


def pair_scores(
    capture: ViewSource,
    rows: Mapping[str, Images],
    pair: tuple[str, int, int],
    flow: Matcher,
    session: Session | None = None,
) -> dict[str, Score]:
    """Every row's numbers on one pair: the later frame against the earlier one fetched along the flow, and along the sensor's."""
    gap, earlier, later = pair
    first, second = capture.view(later), capture.view(earlier)
    scores: dict[str, Score] = {name: {} for name in rows}
    for how, match, side in (("flow", flow, SIDE), ("sensor", exact, 0)):
        held = _matched(match, first, second, side, SURE[how])
        for name, images in rows.items():
            frame, other = (_small(images[number], side) for number in (later, earlier))
            scores[name][f"{how} {gap} rmse"] = None if held is None else warp_rmse(frame, other, *held)
            scores[name][f"{how} {gap} lpips"] = None if held is None else warp_lpips(frame, other, *held, session)
    return scores


def _matched(
    match: Matcher, first: View, second: View, side: int, sure: float
) -> tuple[Float[Tensor, "2 H W"], Bool[Tensor, "H W"]] | None:
    """Flow from the first view to the second, and where it is sure; None where nothing is known of it."""
    if side:
        first, second = (View(_small(view.image, side)) for view in (first, second))
    try:
        found = match(first, second)
    except GeometryError:
        return None
    return found.flow, (found.confidence >= sure) & ~found.occluded


def _small(image: Float[Tensor, "3 H W"], side: int) -> Float[Tensor, "3 h w"]:
    """The picture with at most `side` pixels on its longer side; 0: as it is."""
    scale = side / max(image.shape[1:])
    if not side or scale >= 1:
        return image
    return resized(image, scaled(image.shape[1:], scale))
