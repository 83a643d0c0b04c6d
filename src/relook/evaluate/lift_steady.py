"""Whether an object has one label, and a surface one look, in all frames: along drawn walks by exact depth, along captures by a sensor's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.captures import read_capture
from relook.captures.frames import spread
from relook.errors import GeometryError
from relook.evaluate.metrics.segments import IGNORED, label_flicker, mean_of
from relook.evaluate.metrics.views import detail, warp_lpips, warp_rmse
from relook.evaluate.records import WHOLE, Number
from relook.lift.lifted import posed, way_for
from relook.lift.lifted.job import Job, Target, held
from relook.lift.operators import Operator, asked
from relook.lift.scene.labels import scene_labels
from relook.lift.source import Views
from relook.perceive.match import exact
from relook.session import Session
from relook.types import Segments, View

Labels = Int[Tensor, "H W"]
Image = Float[Tensor, "3 H W"]
Flow = Callable[[int, int], tuple[Float[Tensor, "2 H W"], Bool[Tensor, "H W"]]]
"""From a frame to another one: pixels, and where both show the point."""
Pairs = Mapping[str, Sequence[tuple[int, int]]]
SURE = 0.9
"""Confidence from which both sensors have read a point."""
ALONE, REGIONS = "alone", "regions"
GAPS = {"near": 1, "far": 8}


class CaptureRow(NamedTuple):
    """What is lifted over a capture, and how."""

    operator: str
    way: str
    """ALONE: each frame by itself; REGIONS: what the scene decides from each frame's regions; else what is carried, by the scene."""
    note: str


CAPTURE_ROWS: Mapping[str, CaptureRow] = {
    "segments alone": CaptureRow("segments", ALONE, "the regions of every frame by itself, as photographs are restyled by"),
    "segments probabilities": CaptureRow("segments", "probabilities", "the likeliest class of the lifted probabilities"),
    "segments regions": CaptureRow("segments", REGIONS, "what the scene decides: the label maps of `relook lift` (--segments)"),
    "pictures alone": CaptureRow("pictures", ALONE, "the pictures as they are: how much is due to light, poses and the measuring"),
    "microast alone": CaptureRow("microast", ALONE, "MicroAST on every frame by itself"),
    **{
        f"microast {lift}": CaptureRow("microast", lift, f"its {lift}, by scene")
        for lift in ("features", "picture", "change", "contrast")
    },
}  # fmt: skip


class Pictures(Operator):
    """The pictures as they are."""

    kind, stride = "picture", 1

    def encode(self, image: Image) -> Float[Tensor, "C h w"]:
        """The picture."""
        return image

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The same."""
        return features


def flickers(labels: Mapping[int, Labels], pairs: Pairs, flow: Flow) -> list[Number]:
    """How much of a frame has another label in another frame, for near and far pairs."""
    return [
        Number("label_flicker", gap, mean_of([label_flicker(labels[a], labels[b], *flow(a, b)) for a, b in some]))
        for gap, some in pairs.items()
    ]


def decided(views: Sequence[View], operator: Operator, names: Sequence[str]) -> dict[int, Labels]:
    """The numbers of the names that the scene of all views gives their pixels."""
    source = Views(views.__getitem__, range(len(views)))
    labels = scene_labels(source, operator.regions)
    return {n: numbers_of(labels.segments(n, view), names) for n, view in enumerate(views)}


def numbers_of(segments: Segments, names: Sequence[str]) -> Labels:
    """Every pixel's place among names; IGNORED for others."""
    table = torch.full((max([0, *segments.regions]) + 1,), IGNORED)
    for id, region in segments.regions.items():
        table[id] = names.index(region.name) if region.name in names else IGNORED
    return table[segments.labels]


def capture_views(path: Path, frames: int, size: int) -> list[View]:
    """Some successive frames of a capture, spread over it, with camera and depth, at that longer side.

    Raises GeometryError for a capture without them.
    """
    capture = read_capture(path)
    source = posed((capture.view(number) for number in spread(len(capture), frames)), size)
    if not source.deep:
        raise GeometryError(f"Expected depth in every frame of {path}, got some without; name another capture.")
    return list(source.views)


def capture_numbers(
    row: CaptureRow, views: Sequence[View], operator: Operator, session: Session | None
) -> tuple[list[Number], list[Image]]:
    """How steady a row is along a capture, and its frames to look at."""
    pairs = {gap: [(n, n + step) for n in spread(len(views) - step, 8)] for gap, step in GAPS.items()}
    if operator.kind == "labels":
        labels = _labels(row, operator, views)
        palette = torch.rand(len(operator.names) + 1, 3, generator=torch.Generator().manual_seed(3))
        shown = [torch.lerp(view.image, palette[labels[n]].permute(2, 0, 1), 0.6) for n, view in enumerate(views)]
        return flickers(labels, pairs, _sensed(views)), shown
    answers = [asked(operator, view.image) for view in views]
    alone = [prediction for _, prediction in answers]
    frames = alone if row.way == ALONE else _carried(row, operator, views, answers)
    numbers = [Number("detail", WHOLE, mean_of([detail(new, old) for new, old in zip(frames, alone, strict=True)]))]
    flow = _sensed(views)
    for gap, some in pairs.items():
        found = [(frames[a], frames[b], *flow(a, b)) for a, b in some]
        numbers.append(Number("warp_rmse", gap, mean_of([warp_rmse(*one) for one in found])))
        numbers.append(Number("warp_lpips", gap, mean_of([warp_lpips(*one, session) for one in found])))
    return numbers, frames


def _labels(row: CaptureRow, operator: Operator, views: Sequence[View]) -> dict[int, Labels]:
    if row.way == REGIONS:
        return decided(views, operator, operator.names)
    if row.way == ALONE:
        return {n: numbers_of(operator.regions(view), operator.names) for n, view in enumerate(views)}
    return {
        n: one.argmax(0)
        for n, one in enumerate(_carried(row, operator, views, [asked(operator, view.image) for view in views]))
    }


def _carried(
    row: CaptureRow, operator: Operator, views: Sequence[View], answers: Sequence[tuple[Tensor, Tensor]]
) -> list[Tensor]:
    """The predictions of all views, carried through the scene; answers: features and prediction of each by itself."""
    source = posed(views, max(views[0].size))
    _, way = way_for("scene", source, 6)
    job = Job(operator, row.way, source, answers, way.holding(held(operator, row.way, source, answers)))
    targets = [Target("", view.camera, n) for n, view in enumerate(source.views) if view.camera is not None]
    return [one.prediction for one in job.predictions(targets)]


def _sensed(views: Sequence[View]) -> Flow:
    """Along the sensor's depth."""

    def flow(a: int, b: int) -> tuple[Float[Tensor, "2 H W"], Bool[Tensor, "H W"]]:
        found = exact(views[a], views[b])
        return found.flow, (found.confidence >= SURE) & ~found.occluded

    return flow
