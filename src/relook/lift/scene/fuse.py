"""Depth of many views made to agree: each pixel's depth moves to what other views say of its point; what they see through goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.captures.frames import spread
from relook.gaussians import Gaussians
from relook.lift.scene.surfels import surfels
from relook.ops.align import centre
from relook.ops.facets import facets
from relook.ops.geometry import inside, known_depth, project, unproject
from relook.types import Camera, Depth, View

AGREE = 0.04
"""Depths of one point in two views that differ by less than this share are of one surface."""
NEIGHBOURS = 8
"""Other views that a view is compared with: the nearest in place and direction."""
SEEING = 16
"""Other views whose measured depth may see through what was estimated."""
THROUGH = 0.06
"""By how much farther, as a logarithm, they must see."""
ASKED = 24
"""Views that are asked whether they contradict each other."""
ROUNDS = 2
TALL = 4.0
"""Cells of measured or estimated depth are so many times as high as wide."""


def fused_surfels(views: Sequence[View], cell: float) -> Gaussians:
    """`surfels` of views whose depth was measured or estimated: it is made to agree first, one layer of high cells, facing as the planes in it do."""
    agreed = fused(views)
    facing = [facets(view.metric_depth, view.camera.K).normals for view in agreed]  # type: ignore[union-attr,arg-type]
    return surfels(agreed, cell, tall=TALL, facing=facing)


def fused(views: Sequence[View]) -> list[View]:
    """Views with a camera and metric depth, which becomes small planes and agrees better; `valid` is false where more views see through a point than see it.

    Estimated depth (`Depth.estimated`) goes first where measured depth of other views sees through it.
    """
    cameras = [view.camera for view in views]
    depths = [
        facets(depth, camera.K).depth  # type: ignore[union-attr]
        for depth, camera in zip(_unrefuted(views), cameras, strict=True)
    ]
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


def _unrefuted(views: Sequence[View]) -> list[Float[Tensor, "H W"]]:
    """Depth without what was estimated where other views measured something farther away: NaN there."""
    cameras, depths = [view.camera for view in views], [view.metric_depth for view in views]
    guesses = [torch.zeros(view.size, dtype=torch.bool) if (one := _guessed(view)) is None else one for view in views]
    if not any(bool(guess.any()) for guess in guesses):
        return depths  # type: ignore[return-value]
    measured = [torch.where(guess, torch.nan, depth) for guess, depth in zip(guesses, depths, strict=True)]  # type: ignore[arg-type]
    found = []
    for n, near in enumerate(_beside(cameras, SEEING).tolist()):  # type: ignore[arg-type]
        changes = [_change(depths[n], cameras[n], measured[k], cameras[k]) for k in near]  # type: ignore[arg-type]
        through = sum((change > THROUGH).float() for change in changes)
        agree = sum((change.abs() < AGREE).float() for change in changes)
        wrong = guesses[n] & (through > agree) if near else torch.zeros_like(guesses[n])
        found.append(torch.where(wrong, torch.nan, depths[n]))  # type: ignore[arg-type]
    return found


def _guessed(view: View) -> Bool[Tensor, "H W"] | None:
    return None if view.depth is None else view.depth.estimated


def _compared(
    depth: Float[Tensor, "H W"],
    camera: Camera,
    others: Sequence[Float[Tensor, "H W"]],
    cameras: Sequence[Camera],
) -> tuple[Float[Tensor, "H W"], Bool[Tensor, "H W"]]:
    """The mean of what one view and others say of its depth, and where more of these see through its points than see them."""
    total, count, through = torch.zeros_like(depth), torch.ones_like(depth), torch.zeros_like(depth)
    for other, second in zip(others, cameras, strict=True):
        change = _change(depth, camera, other, second)
        agrees = change.abs() < AGREE
        total += torch.where(agrees, change, 0.0)
        count += agrees
        through += change > AGREE
    return depth * (total / count).exp(), through > count


def _change(
    depth: Float[Tensor, "H W"], camera: Camera, other: Float[Tensor, "H W"], second: Camera
) -> Float[Tensor, "H W"]:
    """log of how much farther a second view sees where a point of the first should be; NaN where it sees nothing there."""
    pixels, z = project(unproject(depth, camera), second)
    lands = torch.isfinite(z) & (z > 0) & inside(pixels, (other.shape[0], other.shape[1]))
    x, y = torch.where(lands[..., None], pixels, torch.zeros_like(pixels)).long().unbind(-1)
    return torch.where(lands, other[y, x], torch.nan).div(z).log()


def contradicted(views: Sequence[View]) -> float:
    """The share of points through which a neighbouring view sees farther: .01 for exact cameras and depth, a quarter where cameras are 5 degrees off.

    views: at most ASKED of them are asked, with a camera and metric depth; 0 for a single one.
    """
    chosen = [views[k] for k in spread(len(views), ASKED)]
    cameras, depths = [view.camera for view in chosen], [view.metric_depth for view in chosen]
    seen = through = 0
    for n, near in enumerate(_beside(cameras).tolist() if len(chosen) > 1 else []):  # type: ignore[arg-type]
        for k in near[:2]:
            change = _change(depths[n], cameras[n], depths[k], cameras[k])  # type: ignore[arg-type]
            seen, through = seen + int(torch.isfinite(change).sum()), through + int((change > AGREE).sum())
    return through / max(seen, 1)


def _beside(cameras: Sequence[Camera], most: int = NEIGHBOURS) -> Int[Tensor, "V K"]:
    """For every camera the others that are nearest: metres, and metres for a radian of turning."""
    poses = torch.stack([camera.world_to_camera for camera in cameras])
    eyes = torch.stack([centre(camera) for camera in cameras])
    turned = poses[:, 2, :3] @ poses[:, 2, :3].T
    distance = torch.cdist(eyes, eyes) + turned.clamp(-1, 1).acos()
    distance.fill_diagonal_(torch.inf)
    return distance.argsort(1)[:, : min(most, len(cameras) - 1)]
