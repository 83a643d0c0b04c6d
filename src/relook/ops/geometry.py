"""Pinhole geometry as pure functions: pixels to points, points to pixels, and the flow that depth and cameras imply.

Cameras are OpenCV (x right, y down, z forward); a pixel's centre is at half-integers, so the top left pixel is seen at (0.5, 0.5).
A depth that is not finite or not positive counts as unknown.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from relook.types import Camera

NEAREST = 1e-6
"""Points nearer to the camera's plane than this are projected as if they were this far."""


class ExactFlow(NamedTuple):
    """The flow that depth and cameras imply."""

    flow: Float[Tensor, "2 H W"]
    """(dx, dy) in pixels from every pixel centre of the first view; NaN where its depth is unknown."""
    visible: Bool[Tensor, "H W"]
    """The second view shows the point: it lands inside the picture, before the camera, and nothing nearer is known to hide it."""
    known: Bool[Tensor, "H W"]
    """Whether `visible` is from measured depth: the pixel has depth, and so has the second view where the point lands inside it."""
    depth: Float[Tensor, "H W"]
    """Of the point along the axis of the second camera (negative: behind it); NaN where it is unknown."""


def pixel_centres(size: tuple[int, int], device: torch.device | str = "cpu") -> Float[Tensor, "H W 2"]:
    """(x, y) of every pixel centre of a picture of `size` (H, W)."""
    ys, xs = torch.meshgrid(
        torch.arange(size[0], device=device) + 0.5, torch.arange(size[1], device=device) + 0.5, indexing="ij"
    )
    return torch.stack([xs, ys], -1)


def known_depth(depth: Float[Tensor, "*N"]) -> Bool[Tensor, "*N"]:
    """Where a depth is finite and positive."""
    return torch.isfinite(depth) & (depth > 0)


def to_camera(points: Float[Tensor, "*N 3"], camera: Camera) -> Float[Tensor, "*N 3"]:
    """World points in the camera's own axes: R p + t."""
    pose = camera.world_to_camera.to(points)
    return points @ pose[:3, :3].T + pose[:3, 3]


def to_world(points: Float[Tensor, "*N 3"], camera: Camera) -> Float[Tensor, "*N 3"]:
    """Points in the camera's axes as world points: R^T (p - t)."""
    pose = camera.world_to_camera.to(points)
    return (points - pose[:3, 3]) @ pose[:3, :3]


def unproject(depth: Float[Tensor, "H W"], camera: Camera) -> Float[Tensor, "H W 3"]:
    """World points at pixel centres, p = R^T (z K^-1 (x, y, 1) - t); NaN where depth is unknown."""
    centres = pixel_centres((depth.shape[0], depth.shape[1]), depth.device).to(depth)
    rays = torch.cat([centres, torch.ones_like(centres[..., :1])], -1) @ torch.linalg.inv(camera.K.to(depth)).T
    z = torch.where(known_depth(depth), depth, torch.full_like(depth, float("nan")))
    return to_world(rays * z[..., None], camera)


def project(points: Float[Tensor, "*N 3"], camera: Camera) -> tuple[Float[Tensor, "*N 2"], Float[Tensor, "*N"]]:
    """Where a camera sees world points: (x, y) in pixels, and their depth along its axis (negative: behind it)."""
    local = to_camera(points, camera)
    z = local[..., 2]
    seen = local @ camera.K.to(points).T
    return seen[..., :2] / z.clamp_min(NEAREST)[..., None], z


def inside(pixels: Float[Tensor, "*N 2"], size: tuple[int, int]) -> Bool[Tensor, "*N"]:
    """Whether pixel coordinates lie in a picture of `size` (H, W)."""
    x, y = pixels.unbind(-1)
    return (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])


def sample(values: Float[Tensor, "C H W"], pixels: Float[Tensor, "h w 2"]) -> Float[Tensor, "C h w"]:
    """Values at pixel coordinates, bilinear between pixel centres; outside the picture, those of its border."""
    limits = torch.tensor([values.shape[-1], values.shape[-2]], dtype=pixels.dtype, device=pixels.device)
    grid = (2 * pixels / limits - 1)[None]
    return functional.grid_sample(values[None], grid.to(values), "bilinear", "border", align_corners=False)[0]


def flow_from_depth(
    depth: Float[Tensor, "H W"],
    camera: Camera,
    second_depth: Float[Tensor, "h w"],
    second_camera: Camera,
    *,
    tolerance: float = 0.02,
) -> ExactFlow:
    """Flow in pixels between two views of one room that both have depth and a camera.

    A point is hidden when the second view's depth around the position where it lands is nearer than its own by more than `tolerance`
    (a fraction of it) in all known pixels of the four around; so slopes do not hide themselves. Where none of the four is known,
    it counts as visible and not `known`.
    """
    size, second_size = (depth.shape[0], depth.shape[1]), (second_depth.shape[0], second_depth.shape[1])
    pixels, z = project(unproject(depth, camera), second_camera)
    has_depth = known_depth(depth)
    lands = has_depth & (z > 0) & inside(pixels, second_size)
    farthest = _farthest_around(second_depth, torch.where(lands[..., None], pixels, torch.zeros_like(pixels)))
    measured = torch.isfinite(farthest)
    visible = lands & (~measured | (z < farthest * (1 + tolerance)))
    flow = (pixels - pixel_centres(size, depth.device).to(pixels)).permute(2, 0, 1)
    return ExactFlow(flow, visible, has_depth & (~lands | measured), z)


def _farthest_around(depth: Float[Tensor, "h w"], pixels: Float[Tensor, "H W 2"]) -> Float[Tensor, "H W"]:
    """The farthest known depth of the four pixels whose centres surround each position; -inf where none is known."""
    corner = (pixels - 0.5).floor().long()
    limit = torch.tensor([depth.shape[1] - 1, depth.shape[0] - 1], device=depth.device)
    values = torch.where(known_depth(depth), depth, torch.full_like(depth, float("-inf")))
    around = []
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = (corner + torch.tensor([dx, dy], device=depth.device)).clamp_min(0).minimum(limit).unbind(-1)
            around.append(values[y, x])
    return torch.stack(around).amax(0)
