"""A flat surface as a camera sees it: where every pixel lies on it, and what it shows as seen straight on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import grid_sample

from relook.ops.exemplar import Exemplar
from relook.ops.geometry import pixel_centres
from relook.types import Camera

CERTAIN = 0.98
"""Share of what a cell shows that must be known."""


class Places(NamedTuple):
    """Where pixels lie on a surface."""

    place: Float[Tensor, "2 N"]
    """(u, v)."""
    short: Float[Tensor, " N"]
    """How long the surface is that a pixel shows, across the direction in which it shows most."""
    along: Float[Tensor, "2 N"]
    """That direction, as long as the surface is that a pixel shows along it."""

    @property
    def long(self) -> Float[Tensor, " N"]:
        """The length of `along`."""
        return torch.hypot(*self.along)

    @property
    def grain(self) -> Float[Tensor, " N"]:
        """Side of the square of the same area."""
        return (self.short * self.long).sqrt()


def homography(
    camera: Camera, origin: Float[Tensor, " 3"], across: Float[Tensor, " 3"], down: Float[Tensor, " 3"]
) -> Float[Tensor, "3 3"]:
    """H with (x, y, 1) ~ H (u, v, 1) for the point origin + u across + v down of the world, seen at (x, y)."""
    turn, shift = camera.world_to_camera[:3, :3], camera.world_to_camera[:3, 3]
    return camera.K @ torch.stack([turn @ across, turn @ down, turn @ origin + shift], dim=1)


def before(H: Float[Tensor, "3 3"], size: tuple[int, int]) -> Bool[Tensor, "H W"]:
    """Whether a pixel of a picture of `size` (H, W) sees the surface of a homography before the camera."""
    pixels = pixel_centres(size)
    down = torch.linalg.inv(H.double())[2].float()
    return pixels[..., 0] * down[0] + pixels[..., 1] * down[1] + down[2] > 1e-6


def places(H: Float[Tensor, "3 3"], pixels: Bool[Tensor, "H W"]) -> Places:
    """Where the N pixels of a mask, which see the surface of a homography, lie on it."""
    back = torch.linalg.inv(H.double()).float()
    y, x = (one + 0.5 for one in pixels.nonzero(as_tuple=True))
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in back)
    place = torch.stack([u, v]) / w
    right, down = ((back[:2, axis, None] - place * back[2, axis]) / w for axis in (0, 1))
    area = (right[0] * down[1] - right[1] * down[0]).abs()
    along = torch.where(torch.hypot(*right) > torch.hypot(*down), right, down)
    return Places(place, area / torch.hypot(*along), along)


def straight_on(
    values: Float[Tensor, "C H W"],
    known: Bool[Tensor, "H W"],
    H: Float[Tensor, "3 3"],
    corner: tuple[float, float],
    size: tuple[int, int],
    cell: float,
) -> Exemplar:
    """A surface from its corner (u, v) on in cells (rows, columns), as a picture shows it; known where the picture is."""
    at = pixel_centres(size) * cell + torch.tensor(corner)
    x, y, depth = (torch.cat([at, torch.ones_like(at[..., :1])], -1) @ H.T).unbind(-1)
    sides = values.new_tensor([values.shape[2], values.shape[1]])
    grid = torch.stack([x, y], -1) / depth[..., None].clamp_min(1e-6) / sides * 2 - 1
    seen = grid_sample(values[None], grid[None], mode="bicubic", padding_mode="border", align_corners=False)[0]
    share = grid_sample(known[None, None].to(values), grid[None], align_corners=False)[0, 0]
    return Exemplar(seen, (share > CERTAIN) & (depth > 1e-6), cell, corner)
