"""Rooms as tensors: solids in the frames of their cameras' eyes, rays, and the tiles of the screen that a solid may touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relook.dollhouse import solids
from relook.dollhouse.layout import Layout, Pose

TILE_PIXELS = 16
"""Side of a screen tile."""
REACH = 0.24
"""Contact shadows look this far for other solids (metres)."""


@dataclass(frozen=True)
class Scene:
    """Solids of B rooms, padded to P, in the frames of their cameras' eyes."""

    frames: Tensor  # 8 B P: the eye in each solid's unit frame (3), then the turn and scale of directions (see rays)
    yaws: Tensor
    halves: Tensor
    kinds: Tensor
    classes: Tensor
    instances: Tensor
    tints: Tensor
    centres: Tensor
    eye: Tensor  # B 3
    rotation: Tensor  # B 3 3: world to camera
    K: Tensor  # B 3 3
    room: Tensor  # B 3: width, height, depth

    def rays(self, rows: Tensor, solid: Tensor, directions: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Origin and direction of rays in the unit frames of chosen solids. rows, solid: any shape; directions: that shape x 3."""
        which = rows * self.yaws.shape[1] + solid
        chosen = self.frames.flatten(1).index_select(1, which.flatten()).view(8, *which.shape)
        ox, oy, oz, cx, sx, hy, cz, sz = chosen.unbind(0)
        dx, dy, dz = directions.unbind(-1)
        return (ox, oy, oz), (cx * dx + sx * dz, hy * dy, cz * dz - sz * dx)


def scene_of(layouts: Sequence[Layout], poses: Sequence[Pose], size: tuple[int, int]) -> Scene:
    pad = torch.nn.utils.rnn.pad_sequence

    def column(name: str, fill: float = 0.0) -> Tensor:
        return pad([getattr(layout, name) for layout in layouts], batch_first=True, padding_value=fill)

    cameras = [pose.camera(size) for pose in poses]
    eye = torch.tensor([pose.eye for pose in poses], dtype=torch.float32)
    centres, halves, yaws = column("centres"), column("halves", 1e-4), column("yaws")
    lengths = torch.tensor([len(layout.yaws) for layout in layouts])
    absent = torch.arange(yaws.shape[1]) >= lengths[:, None]
    centres = torch.where(absent[..., None], torch.tensor([0.0, -1e3, 0.0]), centres)
    origin = solids.to_local(eye[:, None] - centres, yaws) / halves
    c, n, (hx, hy, hz) = torch.cos(yaws), torch.sin(yaws), (1 / halves).unbind(-1)
    frames = torch.stack([*origin.unbind(-1), c * hx, n * hx, hy, c * hz, n * hz])
    return Scene(
        frames, yaws, halves, column("kinds"), column("classes"), column("instances"), column("tints"), centres, eye,
        torch.stack([c.world_to_camera[:3, :3] for c in cameras]), torch.stack([c.K for c in cameras]),
        torch.tensor([layout.size for layout in layouts], dtype=torch.float32),
    )  # fmt: skip


def directions_of(scene: Scene, size: tuple[int, int], offset: tuple[float, float]) -> Float[Tensor, "B H W 3"]:
    """World ray directions whose camera z is 1, so that the ray parameter is the depth."""
    ys = torch.arange(size[0]) + 0.5 + offset[1]
    xs = torch.arange(size[1]) + 0.5 + offset[0]
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1)
    to_world = torch.linalg.inv(scene.K @ scene.rotation)
    directions = torch.einsum("bij,hwj->bhwi", to_world, pixels)
    return torch.where(directions.abs() < 1e-7, 1e-7, directions).contiguous()


def touched_tiles(scene: Scene, size: tuple[int, int]) -> Tensor:
    """B x tiles x P: whether a solid, grown by the reach of contact shadows, may show in a tile."""
    corners = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    local = corners * (scene.halves + REACH)[:, :, None]
    world = solids.to_world(local, scene.yaws[:, :, None].expand(local.shape[:-1])) + scene.centres[:, :, None]
    camera = torch.einsum("bij,bpkj->bpki", scene.rotation, world - scene.eye[:, None, None])
    z = camera[..., 2]
    pixels = torch.einsum("bij,bpkj->bpki", scene.K, camera)[..., :2] / z.clamp_min(1e-3)[..., None]
    low, high = pixels.amin(2), pixels.amax(2)
    crossing, behind = (z < solids.NEAR).any(2), (z < solids.NEAR).all(2)
    ty, tx = -(-size[0] // TILE_PIXELS), -(-size[1] // TILE_PIXELS)
    y = torch.arange(ty).repeat_interleave(tx) * TILE_PIXELS
    x = torch.arange(tx).repeat(ty) * TILE_PIXELS
    inside = (low[:, None, :, 0] < x[:, None] + TILE_PIXELS) & (high[:, None, :, 0] > x[:, None])
    inside &= (low[:, None, :, 1] < y[:, None] + TILE_PIXELS) & (high[:, None, :, 1] > y[:, None])
    return (inside | crossing[:, None]) & ~behind[:, None]


def by_tile(values: Tensor, size: tuple[int, int]) -> Tensor:
    """B x H x W x C -> (B * tiles) x pixels x C, padded by repeating the border."""
    height, width = size
    py, px = -height % TILE_PIXELS, -width % TILE_PIXELS
    if py or px:
        rows = torch.arange(height + py).clamp_max(height - 1)
        cols = torch.arange(width + px).clamp_max(width - 1)
        values = values[:, rows][:, :, cols]
    b, h, w, c = values.shape
    t = TILE_PIXELS
    return values.view(b, h // t, t, w // t, t, c).transpose(2, 3).reshape(-1, t * t, c)


def from_tiles(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Inverse of `by_tile` for one value a pixel: -> B x H x W."""
    t = TILE_PIXELS
    ty, tx = -(-size[0] // t), -(-size[1] // t)
    return values.view(-1, ty, tx, t, t).transpose(2, 3).reshape(-1, ty * t, tx * t)[:, : size[0], : size[1]]


def buckets(chosen: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Split tiles by how many solids they test: [(tiles, solids of each, padded by repeats of an unused one)]."""
    counts = chosen.sum(1)
    order = chosen.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    result, low = [], 0
    for high in (3, 6, 10, 16, 28, chosen.shape[1]):
        tiles = torch.nonzero((counts > low) & (counts <= high)).flatten()
        if len(tiles):
            result.append((tiles, order[tiles, : int(counts[tiles].max())]))
        low = high
    return result
