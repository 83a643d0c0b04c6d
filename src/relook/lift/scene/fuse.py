"""Measured depth of many views made to agree: each pixel's depth moves to what other views say of its point; what they see through goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad, unfold

from relook.ops.align import centre
from relook.ops.geometry import inside, known_depth, project, unproject
from relook.types import Camera, Depth, View

AGREE = 0.04
"""Depths of one point in two views that differ by less than this share are of one surface."""
NEIGHBOURS = 8
"""Other views that a view is compared with: the nearest in place and direction."""
ROUNDS = 2
REACH, ALIKE = 5, 0.03
"""A pixel's depth is first the mean of those in the square of so many pixels around that differ by less than this share."""


def fused(views: Sequence[View]) -> list[View]:
    """Views with a camera and metric depth, whose depth is less noisy; `valid` is false where more views see through a point than see it."""
    cameras = [view.camera for view in views]
    depths = [_smooth(view.metric_depth) for view in views]  # type: ignore[arg-type]
    beside = _beside(cameras)  # type: ignore[arg-type]
    for _ in range(ROUNDS):
        compared = [
            _compared(depths[n], cameras[n], [depths[k] for k in near], [cameras[k] for k in near])  # type: ignore[misc,arg-type]
            for n, near in enumerate(beside.tolist())
        ]
        depths = [torch.where(through, torch.nan, depth) for depth, through in compared]
    return [
        replace(view, depth=Depth(depth.nan_to_num(0.0), "metric", known_depth(depth)))
        for view, depth in zip(views, depths, strict=True)
    ]


def _compared(
    depth: Float[Tensor, "H W"],
    camera: Camera,
    others: Sequence[Float[Tensor, "H W"]],
    cameras: Sequence[Camera],
) -> tuple[Float[Tensor, "H W"], Bool[Tensor, "H W"]]:
    """The mean of what one view and others say of its depth, and where more of these see through its points than see them."""
    points = unproject(depth, camera)
    total, count, through = torch.zeros_like(depth), torch.ones_like(depth), torch.zeros_like(depth)
    for other, second in zip(others, cameras, strict=True):
        pixels, z = project(points, second)
        lands = torch.isfinite(z) & (z > 0) & inside(pixels, (other.shape[0], other.shape[1]))
        x, y = torch.where(lands[..., None], pixels, torch.zeros_like(pixels)).long().unbind(-1)
        change = torch.where(lands, other[y, x], torch.nan).div(z).log()
        agrees = change.abs() < AGREE
        total += torch.where(agrees, change, 0.0)
        count += agrees
        through += change > AGREE
    return depth * (total / count).exp(), through > count


def _smooth(depth: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """Every known pixel the mean of those around that are of its surface."""
    half = REACH // 2
    around = unfold(pad(depth[None, None], (half,) * 4, value=torch.nan), REACH).view(REACH**2, *depth.shape)
    alike = ((around / depth).log().abs() < ALIKE).to(depth)
    mean = (around.nan_to_num(0.0) * alike).sum(0) / alike.sum(0).clamp_min(1)
    return torch.where(known_depth(depth), mean, torch.nan)


def _beside(cameras: Sequence[Camera]) -> Int[Tensor, "V K"]:
    """For every camera the others that are nearest: metres, and metres for a radian of turning."""
    poses = torch.stack([camera.world_to_camera for camera in cameras])
    eyes = torch.stack([centre(camera) for camera in cameras])
    turned = poses[:, 2, :3] @ poses[:, 2, :3].T
    distance = torch.cdist(eyes, eyes) + turned.clamp(-1, 1).acos()
    distance.fill_diagonal_(torch.inf)
    return distance.argsort(1)[:, : min(NEIGHBOURS, len(cameras) - 1)]
