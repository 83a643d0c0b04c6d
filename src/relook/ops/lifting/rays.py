"""Rays of a target view, samples along them, and where source views see those (IBRNet, Wang et al. 2021, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from relook.types import Camera

BEHIND = 1e-2
"""Points nearer than this to a source's plane, in parts of the sample's own depth, are not shown by it."""


@dataclass(frozen=True)
class Cameras:
    """V pinhole cameras whose pictures have one size."""

    K: Float[Tensor, "V 3 3"]
    poses: Float[Tensor, "V 4 4"]
    """World to camera."""
    size: tuple[int, int]
    """(H, W) in pixels."""

    @staticmethod
    def of(cameras: Sequence[Camera], size: tuple[int, int]) -> Cameras:
        """Cameras side by side."""
        return Cameras(
            torch.stack([one.K.float() for one in cameras]),
            torch.stack([one.world_to_camera.float() for one in cameras]),
            size,
        )

    def to(self, device: torch.device) -> Cameras:
        """The same on a device."""
        return Cameras(self.K.to(device), self.poses.to(device), self.size)

    @property
    def centres(self) -> Float[Tensor, "V 3"]:
        """Where they stand in the world: -R^T t."""
        return -torch.einsum("vji,vj->vi", self.poses[:, :3, :3], self.poses[:, :3, 3])


class Rays(NamedTuple):
    """R rays of one camera."""

    origin: Float[Tensor, " 3"]
    directions: Float[Tensor, "R 3"]
    """In the world, with a step of 1 along the camera's axis: a ray's parameter is the depth."""


class Seen(NamedTuple):
    """S samples on each of R rays as V sources see them."""

    grid: Float[Tensor, "V R S 2"]
    """Where, from -1 to 1 across a picture of any size (torch's grid_sample)."""
    shown: Bool[Tensor, "R S V"]
    """Whether a sample lies before the source and inside its picture."""
    turned: Float[Tensor, "R S V 4"]
    """How a source's ray differs from the target's: the difference of unit directions, normalised, and their cosine."""


def cast(camera: Camera, pixels: Float[Tensor, "R 2"]) -> Rays:
    """Rays through pixel coordinates (x, y)."""
    pose, ones = camera.world_to_camera.to(pixels), torch.ones_like(pixels[:, :1])
    rotation = pose[:3, :3]
    local = torch.cat([pixels, ones], 1) @ torch.linalg.inv(camera.K.to(pixels)).T
    return Rays(-(rotation.T @ pose[:3, 3]), local @ rotation)


def seen(rays: Rays, depths: Float[Tensor, "R S"], cameras: Cameras) -> Seen:
    """Samples at depths along the rays, projected into every source at once."""
    points = rays.origin + rays.directions[:, None] * depths[..., None]
    rotation, shift = cameras.poses[:, :3, :3], cameras.poses[:, :3, 3]
    local = torch.einsum("vij,rsj->vrsi", rotation, points) + shift[:, None, None]
    z = local[..., 2]
    pixels = torch.einsum("vij,vrsj->vrsi", cameras.K, local)[..., :2] / z.clamp_min(1e-6)[..., None]
    grid = 2 * pixels / torch.tensor([cameras.size[1], cameras.size[0]]).to(pixels) - 1
    shown = (z > BEHIND * depths) & (grid.abs() < 1).all(-1)
    here = functional.normalize(points - rays.origin, dim=-1)[:, :, None]
    there = functional.normalize(points[:, :, None] - cameras.centres, dim=-1)
    difference = here - there
    turned = torch.cat(
        [difference / (difference.norm(dim=-1, keepdim=True) + 1e-6), (here * there).sum(-1, keepdim=True)], -1
    )
    return Seen(grid.clamp(-2, 2), shown.permute(1, 2, 0), turned)


def fetched(maps: Float[Tensor, "V C h w"], grid: Float[Tensor, "V R S 2"]) -> Float[Tensor, "R S V C"]:
    """Every source's map at its places, bilinear; beyond the border, the border."""
    values = functional.grid_sample(maps, grid.to(maps), "bilinear", "border", align_corners=False)
    return values.permute(2, 3, 0, 1).contiguous()


def ray_weights(density: Float[Tensor, "R S"]) -> Float[Tensor, "R S"]:
    """What each sample adds to its ray: alpha_k prod_{j<k} (1 - alpha_j), alpha = 1 - exp(-density), normalised.

    Normalised, since where nothing is solid the whole ray is unknown: all samples count alike there instead of adding up to black.
    """
    alpha = 1 - torch.exp(-density)
    passed = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-7], 1), 1)[:, :-1]
    weights = alpha * passed + 1e-6
    return weights / weights.sum(1, keepdim=True)


def spread(rays: int, edges: Float[Tensor, " N"], random: bool = False) -> Float[Tensor, "R M"]:
    """One place in each of the M = N - 1 cells between edges, for every ray: the middles, or drawn at random."""
    share = torch.rand(rays, len(edges) - 1, device=edges.device) if random else 0.5
    return (edges[:-1] + (edges[1:] - edges[:-1]) * share).expand(rays, -1)


def refined(
    weights: Float[Tensor, "R M"], edges: Float[Tensor, " N"], count: int, random: bool = False
) -> Float[Tensor, "R S"]:
    """S = `count` places per ray, dense where cells (between N = M + 1 edges) have weight, in the edges' order (NeRF, section 5.2).

    Each cell also takes the larger weight of its neighbours, halved, and a little of everything: a surface at a cell's edge is met from both
    sides.
    """
    around = torch.maximum(functional.pad(weights, (1, 0))[:, :-1], functional.pad(weights, (0, 1))[:, 1:])
    softened = (weights + around) / 2 + 0.02 / weights.shape[1]
    total = functional.pad(torch.cumsum(softened / softened.sum(1, keepdim=True), 1), (1, 0))
    steps = torch.arange(count, device=weights.device)
    jitter = torch.rand(len(weights), count, device=weights.device) if random else 0.5
    wanted = ((steps + jitter) / count).expand(len(weights), count).contiguous()
    cell = (torch.searchsorted(total, wanted, right=True) - 1).clamp(0, weights.shape[1] - 1)
    low, high = total.gather(1, cell), total.gather(1, cell + 1)
    share = (wanted - low) / (high - low).clamp_min(1e-6)
    return edges[cell] + (edges[cell + 1] - edges[cell]) * share
