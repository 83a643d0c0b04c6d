"""Lifted looks along a drawn walk: how far frames are from each other after exact warping, and how much of the lone model's detail they keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from relook.dollhouse import Rendering, exact_flow
from relook.evaluate.lift_rows import COLOURS, SHARPNESS
from relook.evaluate.metrics.segments import mean_of
from relook.evaluate.metrics.views import detail, warp_lpips, warp_rmse
from relook.evaluate.records import WHOLE, Number
from relook.evaluate.scene.rooms import Room
from relook.lift.operators import Operator
from relook.lift.operators.looks import Colourise, MicroAST, Sharpen, grey
from relook.ops.blur import softened
from relook.session import Session
from relook.types import View

PAIRS = {"near": ((0, 1), (7, 8)), "far": ((0, 8),)}
"""Frames that are compared after exact warping."""
COMPARED = sorted({number for pairs in PAIRS.values() for pair in pairs for number in pair})


def looked(part: str, room: Room, session: Session) -> tuple[Operator, list[View]]:
    """What gives the frames of a walk another look, and the frames that it is asked about: soft ones, grey ones, or as they are."""
    if part == SHARPNESS:
        return Sharpen(), [replace(view, image=_soft(view.image, number)) for number, view in enumerate(room.views)]
    if part == COLOURS:
        return Colourise(), [replace(view, image=grey(view.image)) for view in room.views]
    return MicroAST(session, room.new[0].image.flip(2)), room.views


def look_numbers(
    frames: Mapping[int, Float[Tensor, "3 H W"]],
    alone: Mapping[int, Float[Tensor, "3 H W"]],
    walk: Sequence[Rendering],
    session: Session,
) -> list[Number]:
    """Of the compared frames; alone: what the model makes of each by itself."""
    scores = [Number("detail", WHOLE, mean_of([detail(frames[n], alone[n]) for n in COMPARED]))]
    for region, pairs in PAIRS.items():
        found = [(frames[a], frames[b], *exact_flow(walk[a], walk[b])) for a, b in pairs]
        scores.append(Number("warp_rmse", region, mean_of([warp_rmse(*one) for one in found])))
        scores.append(Number("warp_lpips", region, mean_of([warp_lpips(*one, session) for one in found])))
    return scores


def added_numbers(
    frames: Mapping[int, Float[Tensor, "3 H W"]], views: Sequence[View], walk: Sequence[Rendering]
) -> list[Number]:
    """The same of what was added to the grey frames alone: their own light and detail differ more than colours do."""
    added = {number: frame - views[number].image for number, frame in frames.items()}
    return [
        Number("warp_rmse", f"{gap}, added", mean_of([warp_rmse(added[a], added[b], *exact_flow(walk[a], walk[b])) for a, b in pairs]))
        for gap, pairs in PAIRS.items()
    ]  # fmt: skip


def _soft(image: Float[Tensor, "3 H W"], number: int) -> Float[Tensor, "3 H W"]:
    """A frame as an unsteady camera shows it: every one is blurred otherwise."""
    return softened(image[None], torch.Generator().manual_seed(number))[0]
