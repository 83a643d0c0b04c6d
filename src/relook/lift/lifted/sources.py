"""What is lifted from: the posed views of a capture at one size, how deep their room is, and which of them are near a new view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import GeometryError
from relook.ops.geometry import known_depth
from relook.ops.lifting import Cameras, cast, seen
from relook.ops.resize import resized, scaled
from relook.types import Camera, View

LEAST = 2
"""Views below which nothing can be lifted."""
MULTIPLE = 16
"""Sides of the pictures are multiples of this."""
MARGIN = (0.9, 1.05)
"""The nearest and farthest known depth are widened by these."""
SHARED = 0.05
"""A source is useful if it shows this share of what the new view may show."""
GLANCE = 6
"""Rays along each side, and depths on them, that tell what a source shows."""


@dataclass(frozen=True)
class Posed:
    """V views with cameras, in memory."""

    views: tuple[View, ...]
    cameras: Cameras
    near: float
    far: float
    """Depths between which everything lies, in scene units."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.cameras.size

    @property
    def images(self) -> Float[Tensor, "V 3 H W"]:
        """All pictures."""
        return torch.stack([view.image for view in self.views])

    @property
    def deep(self) -> bool:
        """Whether every view has depth in scene units."""
        return all(view.metric_depth is not None for view in self.views)

    @property
    def depths(self) -> Float[Tensor, "V 1 H W"]:
        """All depths; NaN where they are unknown."""
        unknown = torch.full(self.size, float("nan"))
        found = [view.metric_depth for view in self.views]
        return torch.stack([unknown if one is None else one for one in found])[:, None]

    def check_overlap(self) -> None:
        """Raise GeometryError where no view shows anything that another one shows."""
        cameras = [view.camera for view in self.views if view.camera is not None]
        if not any(self.nearest(camera, 1, number) for number, camera in enumerate(cameras)):
            raise GeometryError(
                f"Expected views that overlap, got {len(cameras)} that share nothing with each other; bring views between."
            )

    def nearest(self, camera: Camera, count: int, without: int | None = None) -> list[int]:
        """Numbers of the `count` views that stand nearest, look the same way and show some of the same; none where none does."""
        pose = camera.world_to_camera
        away = (self.cameras.centres + pose[:3, :3].T @ pose[:3, 3]).norm(dim=1) / self.far
        away = away + (self.cameras.poses[:, 2, :3] - pose[2, :3]).norm(dim=1)
        shares = self._shares(camera)
        order = [n for n in away.argsort().tolist() if n != without and float(shares[n]) >= SHARED]
        return order[:count]

    def _shares(self, camera: Camera) -> Float[Tensor, " V"]:
        """How much of what a camera may see each view may see."""
        height, width = self.size
        ys, xs = torch.meshgrid(
            *((torch.arange(GLANCE) + 0.5) / GLANCE * side for side in (height, width)), indexing="ij"
        )
        rays = cast(camera, torch.stack([xs, ys], -1).reshape(-1, 2))
        depths = 1 / torch.linspace(1 / self.near, 1 / self.far, GLANCE)
        return seen(rays, depths.expand(len(rays.directions), -1), self.cameras).shown.float().mean((0, 1))


def posed(views: Iterable[View], longest: int, near: float | None = None, far: float | None = None) -> Posed:
    """Views at about that longer side, with the depth that holds them.

    Raises GeometryError for fewer than two, for views without cameras, where neither depth, reconstructed points nor `near` and `far`
    say how deep the room is, and where one of these contradicts what is known.
    """
    small = tuple(_small(view, longest) for view in views)
    if len(small) < LEAST:
        raise GeometryError(f"Expected at least {LEAST} posed views, got {len(small)}; bring more.")
    cameras = [view.camera for view in small if view.camera is not None]
    if len(cameras) < len(small):
        raise GeometryError(
            f"Expected a camera for each of {len(small)} views, got {len(cameras)}; bring a COLMAP project, transforms.json or capture.json."
        )
    low, high = (near, far) if near and far else _range(small)
    near, far = near or low, far or high
    if near >= far:
        raise GeometryError(
            f"Expected near below far, got {near:.3g} and {far:.3g} (as depth says what is not stated); state --near and --far."
        )
    return Posed(small, Cameras.of(cameras, small[0].size), near, far)


def _range(views: Sequence[View]) -> tuple[float, float]:
    """The depth of nearly everything that is known of the views."""
    known = [depth[known_depth(depth)] for view in views if (depth := view.metric_depth) is not None]
    known += [view.points.depth.float() for view in views if view.points is not None]
    every = torch.cat(known) if known else torch.empty(0)
    every = every[torch.isfinite(every) & (every > 0)]
    if not len(every):
        raise GeometryError(
            "Expected depth or reconstructed points that say how deep the room is, got none; state --near and --far."
        )
    low, high = torch.quantile(every[:: 1 + len(every) // (1 << 20)], torch.tensor([0.005, 0.995])).tolist()
    return low * MARGIN[0], high * MARGIN[1]


def _small(view: View, longest: int) -> View:
    size = scaled(view.size, min(1.0, longest / max(view.size)), MULTIPLE)
    camera = None if view.camera is None else view.camera.resized(view.size, size)
    depth = None if view.depth is None else view.depth.resized(size)
    return View(resized(view.image, size), None, depth, camera, view.points)
