"""A real capture restyled: do frames agree along the flow of RAFT and along the sensor's depth; there is no exact answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook import cache
from relook.captures import Capture, read_capture
from relook.config import ViewsConfig
from relook.errors import GeometryError
from relook.evaluate.gallery import contact_sheet
from relook.evaluate.metrics.views import warp_lpips, warp_rmse
from relook.evaluate.perception.photo_sheet import thumbnail
from relook.evaluate.process import held
from relook.evaluate.records import Record
from relook.evaluate.sections import column, section
from relook.evaluate.summary import Score
from relook.evaluate.views.told import Told, records_of
from relook.evaluate.views.walks import ALONE, Images, per_frame
from relook.io import read_image
from relook.lift.source import ViewSource
from relook.lift.views import restyle_views
from relook.perceive.match import MATCHERS, Matcher, exact, matcher
from relook.types import View

GAPS: Mapping[str, int] = {"near": 1, "far": 8}
"""Frames between the two of a pair, by name."""
SIDE = 320
"""Longer side in pixels of the pictures that flow is found on, and compared by it."""
SURE = {"flow": 0.6, "sensor": 0.9}
"""Pixels of less confidence are not compared: flow must come back to within a pixel, and both sensors must have read the point."""
ORIGINAL, RELOOK = "original", "relook"
NOTES = {
    RELOOK: "relook views with its defaults", ALONE: "every frame restyled by itself, from the same style picture",
    ORIGINAL: "the capture as it is: how much is due to the measuring, and to light that moves with the camera",
}  # fmt: skip
COLUMNS = {
    f"{how} {gap} {metric}": column(f"warp_{metric}", f"{gap}, {how}", f"{words} {gap}, {how}", digits=4)
    for metric, words in (("rmse", "RMSE"), ("lpips", "LPIPS")) for how in ("flow", "sensor") for gap in GAPS
}  # fmt: skip
"""What is told of every row."""


@dataclass(frozen=True)
class CaptureTrial:
    """A capture, a style picture, and where the results lie."""

    out: Path
    capture: Path
    style: Path
    base: ViewsConfig
    frames: int
    pairs: int
    """Pairs of each gap, spread over the capture."""
    key: str
    """Hashes everything else that the results depend on."""

    def places(self, count: int) -> list[tuple[str, int, int]]:
        """(gap's name, earlier frame, later frame) of every pair."""
        found = []
        for name, gap in GAPS.items():
            last = count - 1 - gap
            if last >= 0:
                starts = sorted({round(i * last / max(1, self.pairs - 1)) for i in range(self.pairs)})
                found += [(name, start, start + gap) for start in starts]
        return found


def evaluate(trial: CaptureTrial, tick: Callable[[], None]) -> Told:
    """The capture restyled in both ways, and every pair's numbers. Raises an error of relook.errors for what cannot be read."""
    capture = read_capture(trial.capture, workspace=trial.out / "input", limit=trial.frames)
    rows = restyled(trial, capture, tick)
    records: list[Record] = []
    flow = matcher(MATCHERS.chosen("auto"), held())
    for gap, earlier, later in trial.places(len(capture)):
        place = trial.out / "pairs" / f"{earlier:04d}-{later:04d}.json"
        key = cache.key(trial.key, *(torch.stack([rows[name][earlier], rows[name][later]]) for name in rows))
        found = cache.recall(place, key)
        if found is None:
            found = pair_scores(capture, rows, gap, earlier, later, flow)
            cache.remember(place, key, found)
        for name in rows:
            records += records_of(
                "capture", name, f"frames {earlier} and {later} of {len(capture)}", found[name], COLUMNS
            )
        tick()
    count = {gap: sum(place[0] == gap for place in trial.places(len(capture))) for gap in GAPS}
    lead = (
        f"{len(capture)} frames of {trial.capture.name} in the look of {trial.style.name}; {count['near']} pairs 1 frame apart (near), "
        f"{count['far']} pairs 8 apart (far). flow: {MATCHERS.chosen('auto')} on the originals at {SIDE} pixels, where it comes back; sensor: its depth "
        "and poses, where both frames read the point."
    )
    shown = sorted({round(i * (len(capture) - 1) / 5) for i in range(6)})
    lines = [[thumbnail(rows[name][i]) for i in shown] for name in (ORIGINAL, RELOOK, ALONE)]
    sheet = contact_sheet(lines, [f"frame {i}" for i in shown])
    caption = "From top to bottom: as it was, relook, every frame by itself."
    made = section(
        records, title="A capture", lead=lead, columns=list(COLUMNS.values()), notes=NOTES, apart=(ORIGINAL,), reference=RELOOK,
        sheets=((caption, sheet),),
    )  # fmt: skip
    return Told(tuple(records), (made,))


def restyled(trial: CaptureTrial, capture: Capture, tick: Callable[[], None]) -> dict[str, Images]:
    """The capture's frames as they are, carried, and each by itself."""
    from relook.transfer.photo import restyle_photo

    key = cache.key(trial.key, str(trial.capture.resolve()), str(trial.style.resolve()), len(capture))
    views = list(capture.views())
    result = restyle_views(
        capture, trial.style, replace(trial.base, points=False), out=trial.out / f"relook-{key[:12]}"
    )
    tick()
    plain = [View(view.image) for view in views]
    style = restyle_photo(plain[0], trial.style, trial.base.photo).style
    alone = per_frame(trial.out / f"per-frame-{key[:12]}", plain, style, trial.base)
    tick()
    return {
        ORIGINAL: [view.image for view in views],
        RELOOK: [read_image(frame) for frame in result.frames],
        ALONE: alone,
    }


def pair_scores(
    capture: ViewSource, rows: Mapping[str, Images], gap: str, earlier: int, later: int, flow: Matcher
) -> dict[str, Score]:
    """Every row's numbers on one pair: the later frame against the earlier one fetched along the flow, and along the sensor's."""
    first, second = capture.view(later), capture.view(earlier)
    scores: dict[str, Score] = {name: {} for name in rows}
    for how, match, side in (("flow", flow, SIDE), ("sensor", exact, 0)):
        held = _matched(match, first, second, side, SURE[how])
        for name, images in rows.items():
            pair = [_small(images[number], side) for number in (later, earlier)]
            for metric, function in (("rmse", warp_rmse), ("lpips", warp_lpips)):
                scores[name][f"{how} {gap} {metric}"] = None if held is None else function(pair[0], pair[1], *held)
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
    size = [max(1, round(length * scale)) for length in image.shape[1:]]
    return interpolate(image[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)
