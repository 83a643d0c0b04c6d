"""Numbers for restyled walks: does one frame, moved by the flow, look like the next; does it drift; do cameras come out the same.

Pure functions, each with its better direction, range and source. None where nothing can be said, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import Image, declare
from relook.evaluate.metrics.truth import BEST_PSNR, lpips
from relook.ops.align import align_cameras, centre, rotation_angle
from relook.ops.warp import look_up
from relook.session import Session
from relook.types import Camera

LEAST = 16
"""Fewer pixels that both frames show say nothing."""


@declare("warp_rmse", "RMSE", "lower", (0.0, 1.0), "root mean square of frame(p) - other(p + flow(p)), over RGB", group="views", digits=4)  # fmt: skip
def warp_rmse(frame: Image, other: Image, flow: Float[Tensor, "2 H W"], visible: Bool[Tensor, "H W"]) -> float | None:
    """How far a frame is from another one fetched along the flow (bilinear), over the pixels that both show."""
    moved, shown = _moved(frame, other, flow, visible)
    if int(shown.sum()) < LEAST:
        return None
    return math.sqrt(float((frame - moved).double().square().mean(0)[shown].mean()))


@declare("warp_lpips", "LPIPS", "lower", (0.0, 1.0), "Zhang et al. 2018 between the same two, averaged over the same pixels", group="views")  # fmt: skip
def warp_lpips(
    frame: Image,
    other: Image,
    flow: Float[Tensor, "2 H W"],
    visible: Bool[Tensor, "H W"],
    session: Session | None = None,
) -> float | None:
    """The same as perceptual distance; pixels that the other does not show are the frame's own in both pictures. None without weights."""
    moved, shown = _moved(frame, other, flow, visible)
    return None if int(shown.sum()) < LEAST else lpips(torch.where(shown, moved, frame), frame, shown, session)


@declare("drift", "drift dB", "lower", (-BEST_PSNR, BEST_PSNR), "PSNR of the second frame painted - PSNR of the last one", group="views")  # fmt: skip
def drift(psnrs: Sequence[float | None]) -> float | None:
    """How much worse the last frame is than the second, in dB; frames in the order of painting. None for fewer than three."""
    if len(psnrs) < 3 or psnrs[1] is None or psnrs[-1] is None:
        return None
    return psnrs[1] - psnrs[-1]


@declare("detail", "detail", "higher", (0.0, 100.0), "mean length of the gradient / that of the answer; below 1: blurred, above: torn", group="views")  # fmt: skip
def detail(output: Image, exact: Image) -> float | None:
    """How much of the answer's detail a frame has: blurred frames agree with each other easily. None for an answer without any."""
    wanted = _gradient(exact)
    return None if wanted < 1e-6 else min(100.0, _gradient(output) / wanted)


@declare("pose_auc", "pose AUC", "higher", (0.0, 1.0), "Sarlin et al. 2020: area under the share of pairs of views whose pose is off by at most e degrees, e up to the limit", group="views")  # fmt: skip
@declare("translation_auc", "translation AUC", "higher", (0.0, 1.0), "the same for shifts in parts of the scene's size", group="views")  # fmt: skip
@declare("rotation_auc", "rotation AUC", "higher", (0.0, 1.0), "area under the share of cameras turned by at most e, e up to the limit", group="views")  # fmt: skip
def area_under_curve(errors: Sequence[float], limit: float) -> float | None:
    """Area under the share of errors of at most e, for e from 0 to the limit, divided by the limit; None without any.

    Every error adds max(0, 1 - error / limit) / count, so that an infinite one (a camera that was not placed) adds nothing.
    """
    return sum(max(0.0, 1 - error / limit) for error in errors) / len(errors) if errors else None


def camera_errors(
    found: Mapping[int, Camera], wanted: Mapping[int, Camera], size: float
) -> tuple[list[float], list[float]]:
    """For every wanted camera: degrees between the rotations, and distance of the centres divided by `size`, after the similarity
    that brings the found cameras to them (`align_cameras`). Infinite for cameras that were not found, and for all where fewer than
    three were.
    """
    both = sorted(set(found) & set(wanted))
    missing = len(wanted) - len(both)
    if len(both) < 3:
        return [math.inf] * len(wanted), [math.inf] * len(wanted)
    change = align_cameras([found[i] for i in both], [wanted[i] for i in both])
    pairs = [(change.camera(found[i]), wanted[i]) for i in both]
    turns = [rotation_angle(a.world_to_camera[:3, :3] @ b.world_to_camera[:3, :3].T) for a, b in pairs]
    shifts = [float((centre(a) - centre(b)).norm()) / size for a, b in pairs]
    return [*turns, *[math.inf] * missing], [*shifts, *[math.inf] * missing]


def _gradient(image: Image) -> float:
    """Mean length of the forward differences along y and x, over RGB."""
    y, x = image[:, 1:, :-1] - image[:, :-1, :-1], image[:, :-1, 1:] - image[:, :-1, :-1]
    return float((y.square() + x.square()).sqrt().mean())


def _moved(
    frame: Image, other: Image, flow: Float[Tensor, "2 H W"], visible: Bool[Tensor, "H W"]
) -> tuple[Image, Bool[Tensor, "H W"]]:
    """The other frame as this one sees it, and where it does."""
    if frame.shape[1:] != flow.shape[1:] or frame.shape[1:] != visible.shape:
        raise ShapeError(
            f"Expected a flow for {frame.shape[1]} x {frame.shape[2]} pixels, got {tuple(flow.shape)} and {tuple(visible.shape)}; "
            "pass the flow from this frame to the other."
        )
    moved = look_up(other, flow, visible.to(frame))
    return moved.values, ~moved.holes
