"""The slow half of rendering: rays of many rooms at once against their solids, kept as buffers that any style can colour.

A picture is cut into tiles; each tile tests only the solids whose outline on the screen touches it. Every pixel sends one ray
through its centre (the exact maps) and, for smooth edges, three more that look among what the pixel and its neighbours hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.dollhouse import solids
from relook.dollhouse.classes import CLASS_ID, CLASSES, FACE_MAPPED, GLOWING
from relook.dollhouse.furniture import BOX, CYLINDER, ELLIPSOID
from relook.dollhouse.layout import Layout, Pose
from relook.dollhouse.patterns import TILE
from relook.dollhouse.scene import REACH, Scene, buckets, by_tile, directions_of, from_tiles, scene_of, touched_tiles
from relook.errors import InputError

OFFSETS = ((0.386, 0.104), (-0.283, 0.283), (-0.104, -0.386))
"""Offsets of the extra rays from the pixel centre: a turned triangle, so that upright and level edges pass the rays one by one."""
BATCH = 16
"""Rooms that are traced at a time."""
GLOW = torch.tensor([GLOWING.get(name, 0.0) for name in CLASSES])
FACED = torch.tensor([name in FACE_MAPPED for name in CLASSES])
NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@dataclass(frozen=True)
class Geometry:
    """Buffers of B rooms at H x W, with S rays a pixel; all that a style needs to colour them."""

    depth: Float[Tensor, "B H W"]
    points: Float[Tensor, "B H W 3"]
    """World points at pixel centres, metres."""
    normals: Float[Tensor, "B H W 3"]
    """World normals, towards the eye's side."""
    classes: Int[Tensor, "B H W"]
    instances: Int[Tensor, "B H W"]
    occlusion: Float[Tensor, "B H W"]
    """Contact shadow, 0 (open) to 1."""
    texel: Int[Tensor, "B N"]
    """Row of the flattened atlas that each ray reads; N = H * W * S, rays of one pixel side by side."""
    ray_normals: Float[Tensor, "B N 3"]
    tint: Float[Tensor, "B N"]
    glow: Float[Tensor, "B N"]

    @property
    def texels(self) -> int:
        """Side of the materials that `texel` counts in."""
        height, width = self.depth.shape[1:]
        return texels_for((height, width))

    def __getitem__(self, index: Tensor | slice) -> Geometry:
        """Some of the rooms."""
        return Geometry(*(getattr(self, entry.name)[index] for entry in fields(self)))

    @staticmethod
    def cat(parts: Sequence[Geometry]) -> Geometry:
        """Join batches of one size."""
        return Geometry(*(torch.cat([getattr(part, entry.name) for part in parts]) for entry in fields(Geometry)))


def texels_for(size: tuple[int, int]) -> int:
    """Side of a material's tile in texels that suits pictures of `size`."""
    return 64 if max(size) <= 256 else 128 if max(size) <= 512 else 256


def trace(
    layouts: Sequence[Layout],
    size: tuple[int, int] = (128, 128),
    *,
    poses: Sequence[Pose] | None = None,
    smooth: bool = True,
) -> Geometry:
    """Cast the rays of every layout, from its own pose or from `poses`; `smooth` sends four rays a pixel instead of one.

    Raises InputError for an empty list or a size below one pixel.
    """
    if not layouts or min(size) < 1:
        raise InputError(f"Expected layouts and a size of at least 1 x 1, got {len(layouts)} and {size}; pass both.")
    poses = [layout.pose for layout in layouts] if poses is None else poses
    parts = [slice(start, start + BATCH) for start in range(0, len(layouts), BATCH)]
    return Geometry.cat([_trace(layouts[part], poses[part], size, smooth) for part in parts])


def _trace(layouts: Sequence[Layout], poses: Sequence[Pose], size: tuple[int, int], smooth: bool) -> Geometry:
    scene = scene_of(layouts, poses, size)
    shape = (len(layouts), *size)
    touched = touched_tiles(scene, size)
    rays = directions_of(scene, size, (0.0, 0.0))
    hit = _first_hit(scene, rays, touched, size)
    rows = torch.arange(len(layouts)).repeat_interleave(size[0] * size[1])
    centre = _look_up(scene, rows, rays.view(-1, 3), hit.flatten())
    occlusion = _occlusion(scene, centre.points.view(*shape, 3), centre.normals.view(*shape, 3), touched, size)
    texels = texels_for(size)
    texel = _texel(centre, centre.uv, texels)[:, None]
    colouring = [centre.normals[:, None], centre.tint[:, None], GLOW[centre.classes][:, None]]
    if smooth:
        edge, across, down = _edges(centre, hit)
        offsets = [directions_of(scene, size, offset).view(-1, 3)[edge] for offset in OFFSETS]
        fresh = _resolve_edges(scene, edge, torch.stack(offsets, 1), hit)
        moved = [_texel(centre, centre.uv + dx * across + dy * down, texels) for dx, dy in OFFSETS]
        texel = torch.stack([texel[:, 0], *moved], 1)
        texel[edge, 1:] = _texel(fresh, fresh.uv, texels).view(len(edge), len(OFFSETS))
        columns = zip(colouring, (fresh.normals, fresh.tint, GLOW[fresh.classes]), strict=True)
        colouring = [_fanned(column, edge, new) for column, new in columns]
    count = len(layouts)
    return Geometry(
        centre.depth.view(shape), centre.points.view(*shape, 3), centre.normals.view(*shape, 3), centre.classes.view(shape),
        centre.instances.view(shape), occlusion.view(shape), texel.view(count, -1),
        colouring[0].reshape(count, -1, 3), colouring[1].reshape(count, -1), colouring[2].reshape(count, -1),
    )  # fmt: skip


def _fanned(column: Tensor, edge: Tensor, fresh: Tensor) -> Tensor:
    """N x 1 x ... values of pixels for all rays of each; those of edge pixels but the first are fresh."""
    rays = 1 + len(OFFSETS)
    values = column.expand(-1, rays, *column.shape[2:]).contiguous()
    values[edge, 1:] = fresh.view(len(edge), rays - 1, *column.shape[2:])
    return values


def _first_hit(scene: Scene, directions: Tensor, touched: Tensor, size: tuple[int, int]) -> Int[Tensor, "B H W"]:
    """Index of the first solid that each ray meets; P stands for the room itself."""
    rays = by_tile(directions, size)
    tiles = touched.shape[1]
    best = torch.full(rays.shape[:2], torch.inf)
    winner = torch.full(rays.shape[:2], touched.shape[2])
    for kind in (BOX, CYLINDER, ELLIPSOID):
        for tile, solid in buckets((touched & (scene.kinds == kind)[:, None]).flatten(0, 1)):
            rows = (tile // tiles)[:, None]
            origin, local = scene.rays(rows[:, None], solid[:, None], rays[tile][:, :, None])
            distance, which = solids.nearest(kind, origin, local).min(-1)
            closer = distance < best[tile]
            best[tile] = torch.where(closer, distance, best[tile])
            winner[tile] = torch.where(closer, solid.gather(1, which), winner[tile])
    return from_tiles(winner, size)


def _room_exit(scene: Scene, directions: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where rays leave the room: depth, class, normal, and material coordinates in metres."""
    half = scene.room / 2
    eye = scene.eye - torch.stack([torch.zeros_like(half[:, 0]), half[:, 1], half[:, 2]], -1)
    ts, signs = [], []
    for component, reach, start in zip(directions.unbind(-1), half.unbind(-1), eye.unbind(-1), strict=True):
        signs.append(component.sign())
        ts.append((reach[rows] * signs[-1] - start[rows]) / component)
    t = torch.minimum(torch.minimum(ts[0], ts[1]), ts[2])
    axes = [ts[0] == t, (ts[1] == t) & (ts[0] != t)]
    axes.append(~(axes[0] | axes[1]))
    normal = torch.stack([torch.where(axis, -sign, 0.0) for axis, sign in zip(axes, signs, strict=True)], -1)
    flat = torch.where(signs[1] > 0, CLASS_ID["ceiling"], CLASS_ID["floor"])
    x, y, z = (scene.eye[rows] + t[:, None] * directions).unbind(-1)
    uv = torch.stack([torch.where(axes[0], z, x), torch.where(axes[1], z, y)], -1)
    return t, torch.where(axes[1], flat, CLASS_ID["wall"]), normal, uv


@dataclass(frozen=True)
class _Hits:
    """What N rays met."""

    depth: Tensor
    points: Tensor  # N 3, world
    normals: Tensor  # N 3, world
    uv: Tensor  # N 2: material coordinates in tiles, or on the unit face for face-mapped classes
    tint: Tensor
    classes: Tensor
    instances: Tensor


def _look_up(scene: Scene, rows: Tensor, directions: Tensor, hit: Tensor) -> _Hits:
    """Meet the solid that is already known for each ray: rows N (room), directions N x 3, hit N."""
    t, cls, normal, metres = _room_exit(scene, directions, rows)
    uv = metres / TILE
    tint, inst = torch.ones_like(t), torch.zeros_like(hit)
    where = torch.nonzero(hit < scene.yaws.shape[1]).flatten()
    r, s = rows[where], hit[where]
    origin, local = scene.rays(r, s, directions[where])
    kinds = scene.kinds[r, s]
    distance = solids.nearest_of_any(kinds, origin, local)
    seen = torch.nonzero(distance < t[where]).flatten()
    where, r, s, distance = where[seen], r[seen], s[seen], distance[seen]
    unit = torch.stack([o[seen] + distance * d[seen] for o, d in zip(origin, local, strict=True)], -1)
    facing, flat, face = solids.surface(kinds[seen], unit, scene.halves[r, s])
    classes = scene.classes[r, s]
    t[where], cls[where], inst[where], tint[where] = distance, classes, scene.instances[r, s], scene.tints[r, s]
    normal[where] = solids.to_world(facing, scene.yaws[r, s])
    uv[where] = torch.where(FACED[classes, None], face, flat / TILE)
    return _Hits(t, scene.eye[rows] + t[:, None] * directions, normal, uv, tint, cls, inst)


def _texel(hits: _Hits, uv: Tensor, texels: int) -> Int[Tensor, " N"]:
    """Row of the flattened atlas (class, v, u) that rays read which meet the same surfaces at `uv`."""
    uv = torch.where(FACED[hits.classes, None], uv.clamp(0, 1 - 1e-6), uv - uv.floor())
    column, row = (uv * texels).int().clamp_max_(texels - 1).unbind(-1)
    return (hits.classes.int() * texels + row) * texels + column


def _edges(centre: _Hits, hit: Int[Tensor, "B H W"]) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels whose neighbours lie on other surfaces (flat indices), and how material coordinates change per pixel."""
    shape = hit.shape
    normals, uv = centre.normals.view(*shape, 3), centre.uv.view(*shape, 2)
    edge = torch.zeros_like(hit, dtype=torch.bool)
    for axis in (1, 2):
        n = shape[axis] - 1
        other = hit.narrow(axis, 0, n) != hit.narrow(axis, 1, n)
        other |= (normals.narrow(axis, 0, n) * normals.narrow(axis, 1, n)).sum(-1) < 0.9
        edge.narrow(axis, 0, n).logical_or_(other)
        edge.narrow(axis, 1, n).logical_or_(other)
    slopes = [torch.gradient(uv, dim=axis)[0] if shape[axis] > 1 else torch.zeros_like(uv) for axis in (2, 1)]
    return torch.nonzero(edge.flatten()).flatten(), slopes[0].reshape(-1, 2), slopes[1].reshape(-1, 2)


def _resolve_edges(scene: Scene, edge: Tensor, directions: Tensor, hit: Int[Tensor, "B H W"]) -> _Hits:
    """Cast rays of edge pixels (flat indices E) anew, against what the pixel and its neighbours met. directions: E x G x 3."""
    height, width = hit.shape[1:]
    y, x, rows = edge % (height * width) // width, edge % width, edge // (height * width)
    candidates = [hit[rows, (y + dy).clamp(0, height - 1), (x + dx).clamp(0, width - 1)] for dy, dx in NEIGHBOURS]
    room = scene.yaws.shape[1]
    near = torch.stack([hit.flatten()[edge], *candidates], 1).sort(1).values
    near[:, 1:] = torch.where(near[:, 1:] == near[:, :-1], room, near[:, 1:])  # each solid once; P is the room
    near = near.sort(1).values
    counts = (near < room).sum(1)
    best = torch.full(directions.shape[:2], room)
    for many in range(1, near.shape[1] + 1):
        some = torch.nonzero(counts == many).flatten()
        if len(some):
            row, solid = rows[some, None, None], near[some, None, :many]
            origin, local = scene.rays(row, solid, directions[some, :, None])
            value, index = solids.nearest_of_any(scene.kinds[row, solid], origin, local).min(2)
            found = solid[:, 0].gather(1, index)
            best[some] = torch.where(torch.isfinite(value), found, room)
    return _look_up(scene, rows.repeat_interleave(directions.shape[1]), directions.flatten(0, 1), best.flatten())


def _occlusion(
    scene: Scene, points: Tensor, normals: Tensor, touched: Tensor, size: tuple[int, int]
) -> Float[Tensor, "B H W"]:
    """Contact shadow by distance fields, (1 - free / h)^2: how much nearer than h the next surface is, h = REACH off the point."""
    position, facing = by_tile(points, size), by_tile(normals, size)
    tiles = touched.shape[1]
    row = torch.arange(len(position)) // tiles
    room = scene.room[row][:, None]
    x, y, z = (position + REACH * facing).unbind(-1)
    free = torch.stack([room[..., 0] / 2 - x.abs(), y, room[..., 1] - y, z + 1.0, room[..., 2] - z]).amin(0)
    for tile, solid in buckets(touched.flatten(0, 1)):
        r = (tile // tiles)[:, None]
        c, s = torch.cos(scene.yaws[r, solid])[:, None], torch.sin(scene.yaws[r, solid])[:, None]
        cx, cy, cz = scene.centres[r, solid][:, None].unbind(-1)
        hx, hy, hz = scene.halves[r, solid][:, None].unbind(-1)
        ax, ay, az = x[tile][..., None] - cx, y[tile][..., None] - cy, z[tile][..., None] - cz
        qx, qy, qz = (c * ax + s * az).abs() - hx, ay.abs() - hy, (c * az - s * ax).abs() - hz
        outside = (qx.clamp_min(0).square() + qy.clamp_min(0).square() + qz.clamp_min(0).square()).sqrt()
        free[tile] = torch.minimum(free[tile], outside.amin(-1))
    return from_tiles((1 - free / REACH).clamp(0, 1).square(), size)
