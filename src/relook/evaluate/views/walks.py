"""Restyled walks through unseen rooms: do neighbouring frames agree, does the look drift, do cameras come out the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from relook import cache
from relook.captures.frames import spread
from relook.config import Carry, Fill, ViewsConfig
from relook.dollhouse import exact_flow
from relook.evaluate.metrics.segments import mean_of
from relook.evaluate.metrics.truth import lpips, psnr
from relook.evaluate.metrics.views import detail, drift, warp_lpips, warp_rmse
from relook.evaluate.records import EVERY, Record
from relook.evaluate.run import Outcome, Place, Results, Trial
from relook.evaluate.sections import Part, column
from relook.evaluate.views.rooms import Walk, draw_walk
from relook.evaluate.views.setting import Score, ViewsSuite, numbers_of
from relook.io import read_image, write_image
from relook.io.sheet import contact_sheet
from relook.lift.look import Look, RestyledFrame
from relook.lift.propagation import order
from relook.lift.source import key_of, read_walk
from relook.lift.store import WalkStore
from relook.lift.views import restyle_views
from relook.perceive.segment import exact as regions_of
from relook.session import Session
from relook.types import View

Images = list[Float[Tensor, "3 H W"]]
NEAR, FAR = 1, 8
"""Frames between the two of a near pair, and of a far one."""
PART = "walks"
ALONE, EXACT = "per-frame", "exact"
REFERENCE = "relook"
"""The way that the others are compared with, where it was run."""
PARTS = ("near_part", "far_part", "near_lpips_part", "far_lpips_part")
"""What only all walks together have."""
COLUMNS = {
    "near_rmse": column("warp_rmse", "near", "RMSE near"), "far_rmse": column("warp_rmse", "far", "RMSE far"),
    "near_lpips": column("warp_lpips", "near", "LPIPS near", digits=4), "far_lpips": column("warp_lpips", "far", "LPIPS far", digits=4),
    "near_part": column("warp_rmse_part", "near", "RMSE near / per-frame's", digits=2),
    "far_part": column("warp_rmse_part", "far", "RMSE far / per-frame's", digits=2),
    "near_lpips_part": column("warp_lpips_part", "near", "LPIPS near / per-frame's", digits=2),
    "far_lpips_part": column("warp_lpips_part", "far", "LPIPS far / per-frame's", digits=2),
    "psnr": column("psnr"), "psnr_known": column("psnr", "shown by the style", "PSNR dB of what the style shows"), "lpips": column("lpips"),
    "psnr_second": column("psnr", "second frame", "PSNR dB second frame"),
    "psnr_last": column("psnr", "last frame", "PSNR dB last frame"), "drift": column("drift", digits=2),
    "detail": column("detail", title="detail last frame", digits=2, judged=False), "painted": column("painted"),
}  # fmt: skip
"""What is measured of every way to restyle a walk."""


@dataclass(frozen=True)
class Way:
    """One way to restyle a walk."""

    note: str
    """What it is, for readers of the report."""
    carry: Carry | None = "relook"
    """None: every frame by itself."""
    first: int | None = 0
    """Number of the frame that is restyled from the style picture; None: chosen."""
    fill: Fill | None = None
    """What paints the holes; None: what the way of carrying says."""
    from_exact: bool = False
    """The first frame (through the scene: every key frame) is the exact answer, so that only what comes after it is judged."""
    history: int | None = None
    """Most earlier frames that a frame takes its look from; None: what the way of carrying says."""


WAYS: dict[str, Way] = {
    ALONE: Way("every frame restyled by itself, from the same style picture", None),
    "paper": Way(
        "carried as the paper has it: splatted from the previous frame and two random ones, holes by the network",
        "paper",
        fill="refiner",
    ),
    "relook": Way("Relook's own way: fetched from where it was painted, holes recoloured; frame 1 restyled first"),
    "scene": Way("4 key frames restyled, what changed in them carried by a scene of the walk", "scene"),
    "relook/refiner": Way("the same, holes by the network", fill="refiner"),
    "relook/key frame": Way("the same; the frame that shows most of the others restyled first", first=None),
    "paper/exact first frame": Way(
        "the paper's way from the exact frame 1: how much the carrying alone loses",
        "paper",
        fill="refiner",
        from_exact=True,
    ),
    "relook/exact first frame": Way("Relook's way from the exact frame 1", from_exact=True),
    "scene/exact key frames": Way(
        "through the scene from exact key frames: what the way there loses", "scene", from_exact=True
    ),
}
"""Every way, in the table's order."""
BY_HISTORY: dict[str, Way] = {
    f"{name}/history {count}": replace(
        WAYS[name], note=f"as {name}, from at most {count} earlier frames", history=count
    )
    for name in ("paper", "relook")
    for count in (1, 2, 3)
}
"""The same two ways from fewer earlier frames or as many (the paper's code takes one, its text three)."""
NAMED: dict[str, Way] = {
    "released": Way(
        "as the authors' code has it: the previous frame splatted, then painted over whole in 100 steps", "released"
    ),
    **BY_HISTORY,
}
"""Ways that are run only where they are named; what the authors' code does takes seconds a frame on a CPU."""
NOTE = "the answer itself: how much of the numbers is due to the measuring"


@dataclass(frozen=True)
class Restyled:
    """A walk in its new look."""

    images: Images
    first: int = 0
    """The frame that was painted first."""
    painted: float | None = None
    """Mean share that was painted anew in the frames that were not restyled from the style picture; None for no such frame."""


@dataclass(frozen=True, kw_only=True)
class WalkSuite(ViewsSuite):
    """Ways x walks."""

    ways: Mapping[str, Way]

    def trials(self) -> Sequence[Trial]:
        """Every way on every walk, and the answer itself."""
        return [Trial(PART, row, self.case(n)) for n in range(self.config.walks) for row in (*self.ways, EXACT)]

    def depends(self, trial: Trial) -> Any:
        """What all parts share, and the size."""
        return super().depends(trial), self.config.size, self.config.frames

    def case(self, number: int) -> str:
        """Name of a walk in the records: another length is another walk."""
        return f"walk {number} of {self.config.frames} frames"

    def walk(self, case: str, session: Session) -> Walk:
        """A walk by its name."""
        one, number = self.config, int(case.split()[1])
        key = one.seed, number, one.frames, one.size
        return session.remembered("walk", key, lambda: draw_walk(*key), 1)

    def restyled(self, trial: Trial, place: Place, session: Session) -> Restyled:
        """The walk in its new look; frames that are on disk are not made again."""
        walk = self.walk(trial.case, session)
        if trial.row == EXACT:
            return Restyled([room.image for room in walk.new])
        folder = place.work / cache.key(self.depends(trial))[:12]
        return restyled(folder, self.ways[trial.row], walk, self.setting.views(walk.prompt), session)

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One way on one walk; its picture is a strip of frames."""
        found, walk = self.restyled(trial, place, session), self.walk(trial.case, session)
        write_image(place.picture, torch.cat([found.images[i] for i in self.shown], dim=2))
        return Outcome(numbers_of(score_of(found, walk, session), COLUMNS), pictured=True)

    @property
    def shown(self) -> list[int]:
        """Numbers of the frames on a strip."""
        return spread(self.config.frames, 7)

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """Every way's disagreement as a part of that of frames restyled each by itself, means over all walks."""
        found: list[Record] = []
        for c in (COLUMNS[key] for key in PARTS):
            values: dict[str, list[float | None]] = {}
            for trial, region, value in results.numbers(PART, c.metric.removesuffix("_part")):
                if region == c.region:
                    values.setdefault(trial.row, []).append(value)
            whole = mean_of(values.get(ALONE, []))
            for row, of_row in values.items():
                mean = mean_of(of_row)
                value = mean / whole if mean is not None and whole else None
                found.append(Record(self.name, PART, row, EVERY, *c.key, value))
        return found

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """The numbers, and a sheet of frames for each walk."""
        one = self.config
        lead = (
            f"{one.walks} walks of {one.frames} frames, {one.size} pixels. Near: frames {NEAR} apart, far: "
            f"{min(FAR, one.frames - 1)} apart, over the pixels that both show, by exact flow. PSNR and LPIPS against the exact "
            "answer, PSNR also over things of classes that the style picture shows, as nobody can know the others' colours; drift: second "
            "frame painted - last one. The answer does not agree with itself exactly either: fetching between pixels blurs what is sharp. "
            "Detail: mean gradient as a part of the answer's, since blur agrees easily."
        )
        rows = results.rows(PART)
        notes = {row: NOTE if row == EXACT else self.ways[row].note for row in rows}
        apart = (EXACT, *(name for name, way in self.ways.items() if way.from_exact))
        sheets = [self._sheet(case, rows, results, session) for case in results.cases(PART)]
        return [Part(PART, "Restyled walks", lead, list(COLUMNS.values()), notes, apart, REFERENCE, sheets=sheets)]

    def _sheet(self, case: str, rows: Sequence[str], results: Results, session: Session) -> tuple[str, Image.Image]:
        """A walk's frames: a line as they were, then one for each row."""
        pictures = {row: results.picture(Trial(PART, row, case)) for row in rows}
        strips = {row: read_image(path) for row, path in pictures.items() if path is not None}
        before = [self.walk(case, session).old[i].image for i in self.shown]
        lines = [before, *(list(strip.chunk(len(self.shown), dim=2)) for strip in strips.values())]
        caption = f"{case.split(' of ')[0].capitalize()}, from top to bottom: as it was, {', '.join(strips)}."
        return caption, contact_sheet(lines, [f"frame {i + 1}" for i in self.shown])


def restyled(folder: Path, way: Way, walk: Walk, base: ViewsConfig, session: Session) -> Restyled:
    """A walk restyled in one way, in a folder where a stopped run goes on."""
    views = [room.view() for room in walk.old]
    if way.carry is None:
        return Restyled(per_frame(folder, dict(enumerate(views)), walk.style, base, session))
    config = replace(base, carry=way.carry, fill=way.fill, first=way.first, history=way.history)
    if way.from_exact:
        _begin_with(folder, views, walk.style, config, [room.image for room in walk.new])
    result = restyle_views(views, walk.style, config, out=folder, session=session)
    notes = result.record["frames"]
    shares = [float(note["painted"]) for note in notes if not note["key_frame"]]
    first = next(i for i, note in enumerate(notes) if not note["history"])
    return Restyled(
        [read_image(frame) for frame in result.frames], first, sum(shares) / len(shares) if shares else None
    )


def _begin_with(folder: Path, views: Sequence[View], style: View, config: ViewsConfig, images: Images) -> None:
    """Begin the run in the folder, if it has not begun, with its first frame finished as the first of these pictures, or with them as key frames."""
    source, _ = read_walk(views, style, config, folder)
    store = WalkStore(folder)
    store.open(key_of(views, source, style, config), lambda: {"first": 0, "geometry": "exact"})
    if config.carry == "scene":
        for number, image in enumerate(images):
            write_image(store.folder_of("keys") / f"{number:06d}.png", image)
    elif store.notes(0) is None:
        notes = {
            "number": 0, "key_frame": True, "history": [], "painted": 1.0, "moving": 0.0, "candidates": [0], "weights": {}, "seconds": 0.0,
        }  # fmt: skip
        store.add(RestyledFrame(0, views[0], Look.painted(images[0], views[0]), notes))


def per_frame(
    folder: Path, views: Mapping[int, View], style: View | Path, config: ViewsConfig, session: Session
) -> Images:
    """Every view, by its number, restyled by itself; finished ones are read from the folder."""
    from relook.transfer.photo import restyle_photo

    images = []
    for number, view in views.items():
        place = folder / "frames" / f"{number:06d}.png"
        if not place.is_file():
            result = restyle_photo(view, style, config.photo, session=session)
            style = result.style
            write_image(place, result.image)
        images.append(read_image(place))
    return images


def score_of(found: Restyled, walk: Walk, session: Session | None = None) -> Score:
    """Every number of one restyled walk."""
    images, painted = found.images, found.painted
    exact = [psnr(image, room.image) for image, room in zip(images, walk.new, strict=True)]
    known = [
        psnr(*three) for three in zip(images, (room.image for room in walk.new), shown_by_style(walk), strict=True)
    ]
    far_off = [lpips(image, room.image, session=session) for image, room in zip(images, walk.new, strict=True)]
    path = order(found.first, len(images))
    ordered, last = [exact[number] for number in path], path[-1]
    return {
        **agreement(images, walk, NEAR, "near", session), **agreement(images, walk, min(FAR, len(images) - 1), "far", session),
        "psnr": mean_of(exact), "psnr_known": mean_of(known), "lpips": mean_of(far_off), "psnr_second": ordered[min(1, len(ordered) - 1)],
        "psnr_last": ordered[-1], "drift": drift(ordered), "detail": detail(images[last], walk.new[last].image), "painted": None if painted is None else 100 * painted,
    }  # fmt: skip


def shown_by_style(walk: Walk) -> list[Bool[Tensor, "H W"]]:
    """Where every frame shows a thing of a class that the style picture shows too: nobody can know the colours of others."""
    names = set(regions_of(walk.style).names)
    frames = [regions_of(room.view()) for room in walk.old]
    return [one.among([id for id, region in one.regions.items() if region.name in names]) for one in frames]


def agreement(images: Images, walk: Walk, gap: int, name: str, session: Session | None = None) -> Score:
    """Mean over all pairs `gap` apart: the later frame against the earlier one fetched along the exact flow."""
    errors, distances = [], []
    for i in range(len(images) - gap):
        flow, visible = exact_flow(walk.old[i + gap], walk.old[i])
        errors.append(warp_rmse(images[i + gap], images[i], flow, visible))
        distances.append(warp_lpips(images[i + gap], images[i], flow, visible, session))
    return {f"{name}_rmse": mean_of(errors), f"{name}_lpips": mean_of(distances)}
