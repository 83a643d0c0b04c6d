"""The slow half of rendering: rays of many rooms at once against their solids, kept as buffers that any style can colour.

A picture is cut into tiles; each tile tests only the solids whose outline on the screen touches it. Every pixel sends one ray
through its centre (the exact maps) and, for smooth edges, four more that look among what the pixel and its neighbours hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.dollhouse import solids
from relook.dollhouse.classes import CLASS_ID, CLASSES, FACE_MAPPED, GLOWING
from relook.dollhouse.furniture import BOX, CYLINDER, ELLIPSOID
from relook.dollhouse.layout import Layout, Pose
from relook.dollhouse.patterns import TILE
from relook.errors import InputError

TILE_PIXELS = 16
REACH = 0.3
"""Contact shadows look this far for other solids (metres)."""
ROTATED_GRID = ((0.125, -0.375), (0.375, 0.125), (-0.125, 0.375), (-0.375, -0.125))
"""Offsets of the extra rays from the pixel centre."""
LOOKING_THROUGH = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))


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
    texels: int

    def __getitem__(self, index: Tensor | slice) -> Geometry:
        """Some of the rooms."""
        rows = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "texels"}
        return replace(self, **rows)

    @staticmethod
    def cat(parts: Sequence[Geometry]) -> Geometry:
        """Join batches of one size."""
        names = [f.name for f in fields(Geometry) if f.name != "texels"]
        return Geometry(**{n: torch.cat([getattr(p, n) for p in parts]) for n in names}, texels=parts[0].texels)


def texels_for(size: tuple[int, int]) -> int:
    """Side of a material's tile in texels that suits pictures of `size`."""
    return 64 if max(size) <= 256 else 128 if max(size) <= 512 else 256


def trace(
    layouts: Sequence[Layout],
    size: tuple[int, int] = (128, 128),
    *,
    poses: Sequence[Pose] | None = None,
    smooth: bool = True,
    device: torch.device | str = "cpu",
    batch: int = 8,
) -> Geometry:
    """Cast the rays of every layout, from its own pose or from `poses`; `smooth` sends five rays a pixel instead of one.

    Raises InputError for an empty list or a size below one pixel.
    """
    if not layouts or min(size) < 1:
        raise InputError(f"Expected layouts and a size of at least 1 x 1, got {len(layouts)} and {size}; pass both.")
    poses = [layout.pose for layout in layouts] if poses is None else poses
    starts = range(0, len(layouts), batch)
    return Geometry.cat([_trace(layouts[i : i + batch], poses[i : i + batch], size, smooth, device) for i in starts])


@dataclass(frozen=True)
class _Scene:
    """Solids of B rooms, padded to P, in the frames of their cameras' eyes."""

    origin: Tensor  # B P 3: the eye in each solid's unit frame
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

    def local(self, directions: Tensor, rows: Tensor, solid: Tensor) -> tuple[Tensor, Tensor]:
        """Unit-frame origin and direction for given solids. directions, rows, solid broadcast to one shape."""
        yaw, half = self.yaws[rows, solid], self.halves[rows, solid]
        return self.origin[rows, solid], solids.to_local(directions, yaw) / half


def _scene(layouts: Sequence[Layout], poses: Sequence[Pose], size: tuple[int, int], device: torch.device | str) -> _Scene:
    pad = torch.nn.utils.rnn.pad_sequence

    def column(name: str, fill: float = 0.0) -> Tensor:
        return pad([getattr(layout, name) for layout in layouts], batch_first=True, padding_value=fill).to(device)

    cameras = [pose.camera(size) for pose in poses]
    eye = torch.tensor([pose.eye for pose in poses], dtype=torch.float32, device=device)
    centres, halves, yaws = column("centres"), column("halves", 1e-4), column("yaws")
    lengths = torch.tensor([len(layout.yaws) for layout in layouts], device=device)
    absent = torch.arange(yaws.shape[1], device=device) >= lengths[:, None]
    centres = torch.where(absent[..., None], torch.tensor([0.0, -1e3, 0.0], device=device), centres)
    origin = solids.to_local(eye[:, None] - centres, yaws) / halves
    return _Scene(
        origin, yaws, halves, column("kinds"), column("classes"), column("instances"), column("tints"), centres, eye,
        torch.stack([c.world_to_camera[:3, :3] for c in cameras]).to(device),
        torch.stack([c.K for c in cameras]).to(device),
        torch.tensor([layout.size for layout in layouts], dtype=torch.float32, device=device),
    )  # fmt: skip


def _trace(layouts: Sequence[Layout], poses: Sequence[Pose], size: tuple[int, int], smooth: bool, device: torch.device | str) -> Geometry:
    scene = _scene(layouts, poses, size, device)
    height, width = size
    touched = _touched(scene, size)
    centre = _directions(scene, size, (0.0, 0.0))
    hit = _first_hit(scene, centre, touched, size)
    texels = texels_for(size)
    depth, points, normal, texel, tint, glow, cls, inst = _look_up(scene, centre.flatten(1, 2), hit.flatten(1), texels)
    occlusion = _occlusion(scene, points, normal, touched, size)
    columns = [(texel, normal, tint, glow)]
    if smooth:
        columns += [_sub_sample(scene, _directions(scene, size, offset), hit, texels) for offset in ROTATED_GRID]
    rays = [torch.stack(column, 2).flatten(1, 2) for column in zip(*columns, strict=True)]
    shape = (len(layouts), height, width)
    return Geometry(
        depth.view(shape), points.view(*shape, 3), normal.view(*shape, 3), cls.view(shape), inst.view(shape),
        occlusion.view(shape), rays[0].int(), rays[1], rays[2], rays[3], texels,
    )  # fmt: skip


def _directions(scene: _Scene, size: tuple[int, int], offset: tuple[float, float]) -> Float[Tensor, "B H W 3"]:
    """World ray directions whose camera z is 1, so that the ray parameter is the depth."""
    device = scene.eye.device
    ys = torch.arange(size[0], device=device) + 0.5 + offset[1]
    xs = torch.arange(size[1], device=device) + 0.5 + offset[0]
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1)
    to_world = torch.linalg.inv(scene.K @ scene.rotation)
    directions = torch.einsum("bij,hwj->bhwi", to_world, pixels)
    return torch.where(directions.abs() < 1e-7, 1e-7, directions)


def _touched(scene: _Scene, size: tuple[int, int]) -> Tensor:
    """B x tiles x P: whether a solid, grown by the reach of contact shadows, may show in a tile."""
    device = scene.eye.device
    corners = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], device=device)
    local = corners * (scene.halves + REACH)[:, :, None]
    world = solids.to_world(local, scene.yaws[:, :, None].expand(local.shape[:-1])) + scene.centres[:, :, None]
    camera = torch.einsum("bij,bpkj->bpki", scene.rotation, world - scene.eye[:, None, None])
    z = camera[..., 2]
    pixels = torch.einsum("bij,bpkj->bpki", scene.K, camera)[..., :2] / z.clamp_min(1e-3)[..., None]
    low, high = pixels.amin(2), pixels.amax(2)
    crossing, behind = (z < solids.NEAR).any(2), (z < solids.NEAR).all(2)
    ty, tx = -(-size[0] // TILE_PIXELS), -(-size[1] // TILE_PIXELS)
    y = torch.arange(ty, device=device).repeat_interleave(tx) * TILE_PIXELS
    x = torch.arange(tx, device=device).repeat(ty) * TILE_PIXELS
    inside = (low[:, None, :, 0] < x[:, None] + TILE_PIXELS) & (high[:, None, :, 0] > x[:, None])
    inside &= (low[:, None, :, 1] < y[:, None] + TILE_PIXELS) & (high[:, None, :, 1] > y[:, None])
    return (inside | crossing[:, None]) & ~behind[:, None]


def _by_tile(values: Tensor, size: tuple[int, int]) -> Tensor:
    """B x H x W x C -> (B * tiles) x pixels x C, padded by repeating the border."""
    height, width = size
    py, px = -height % TILE_PIXELS, -width % TILE_PIXELS
    if py or px:
        rows = torch.arange(height + py, device=values.device).clamp_max(height - 1)
        cols = torch.arange(width + px, device=values.device).clamp_max(width - 1)
        values = values[:, rows][:, :, cols]
    b, h, w, c = values.shape
    t = TILE_PIXELS
    return values.view(b, h // t, t, w // t, t, c).transpose(2, 3).reshape(-1, t * t, c)


def _from_tiles(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Inverse of `_by_tile` for one value a pixel: -> B x H x W."""
    t = TILE_PIXELS
    ty, tx = -(-size[0] // t), -(-size[1] // t)
    return values.view(-1, ty, tx, t, t).transpose(2, 3).reshape(-1, ty * t, tx * t)[:, : size[0], : size[1]]


def _buckets(chosen: Tensor) -> list[tuple[Tensor, Tensor]]:
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


def _first_hit(scene: _Scene, directions: Tensor, touched: Tensor, size: tuple[int, int]) -> Int[Tensor, "B H W"]:
    """Index of the first solid that each ray meets; P stands for the room itself."""
    rays = _by_tile(directions, size)
    tiles = touched.shape[1]
    best = torch.full(rays.shape[:2], torch.inf, device=rays.device)
    winner = torch.full(rays.shape[:2], touched.shape[2], device=rays.device)
    for kind in (BOX, CYLINDER, ELLIPSOID):
        for tile, solid in _buckets((touched & (scene.kinds == kind)[:, None]).flatten(0, 1)):
            rows = (tile // tiles)[:, None]
            c, s = torch.cos(scene.yaws[rows, solid])[:, None], torch.sin(scene.yaws[rows, solid])[:, None]
            hx, hy, hz = (1 / scene.halves[rows, solid])[:, None].unbind(-1)
            origin = scene.origin[rows, solid][:, None].unbind(-1)
            dx, dy, dz = rays[tile][:, :, None].unbind(-1)
            local = ((c * hx) * dx + (s * hx) * dz, dy * hy, (c * hz) * dz - (s * hz) * dx)
            distance, which = solids.nearest(kind, origin, local).min(-1)
            closer = distance < best[tile]
            best[tile] = torch.where(closer, distance, best[tile])
            winner[tile] = torch.where(closer, solid.gather(1, which), winner[tile])
    return _from_tiles(winner, size)


def _room_exit(scene: _Scene, directions: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where rays leave the room: depth, class, normal, and material coordinates in metres."""
    half = scene.room / 2
    middle = torch.stack([torch.zeros_like(half[:, 0]), half[:, 1], half[:, 2]], -1)
    origin = (scene.eye - middle)[rows]
    walls = half[rows] * directions.sign()
    ts = (walls - origin) / directions
    t, axis = ts.min(-1)
    point = scene.eye[rows] + t[..., None] * directions
    sign = directions.gather(-1, axis[..., None]).sign()
    normal = -torch.nn.functional.one_hot(axis, 3) * sign
    cls = torch.where(axis == 1, torch.where(sign[..., 0] > 0, CLASS_ID["ceiling"], CLASS_ID["floor"]), CLASS_ID["wall"])
    u = torch.where(axis == 0, point[..., 2], point[..., 0])
    v = torch.where(axis == 1, point[..., 2], point[..., 1])
    return t, cls, normal.float(), torch.stack([u, v], -1)


def _look_up(scene: _Scene, directions: Tensor, hit: Tensor, texels: int) -> tuple[Tensor, ...]:
    """Depth, world point, world normal, texel, tint, glow, class and instance of rays whose solid is known."""
    device, solid_count = hit.device, scene.yaws.shape[1]
    rows = torch.arange(len(hit), device=device)[:, None].expand(hit.shape)
    t, cls, normal, metres = _room_exit(scene, directions, rows)
    tint, inst, unit = torch.ones_like(t), torch.zeros_like(hit), torch.zeros_like(metres)
    where = torch.nonzero(hit < solid_count, as_tuple=True)
    if len(where[0]):
        r, s = where[0], hit[where]
        origin, local = scene.local(directions[where], r, s)
        kinds = scene.kinds[r, s]
        distance = solids.nearest_of_any(kinds, origin, local)
        seen = torch.isfinite(distance) & (distance < t[where])
        where, r, s = (where[0][seen], where[1][seen]), r[seen], s[seen]
        distance = distance[seen]
        facing, flat, face = solids.surface(kinds[seen], origin[seen] + distance[:, None] * local[seen], scene.halves[r, s])
        t[where], cls[where], inst[where], tint[where] = distance, scene.classes[r, s], scene.instances[r, s], scene.tints[r, s]
        normal[where], metres[where], unit[where] = solids.to_world(facing, scene.yaws[r, s]), flat, face
    points = scene.eye[rows] + t[..., None] * directions
    faced = torch.tensor([name in FACE_MAPPED for name in CLASSES], device=device)[cls]
    place = torch.where(faced[..., None], unit.clamp(0, 1 - 1e-6), torch.frac(metres / TILE + 64))
    column, row = (place * texels).long().clamp_max(texels - 1).unbind(-1)
    glow = torch.tensor([GLOWING.get(name, 0.0) for name in CLASSES], device=device)[cls]
    return t, points, normal, (cls * texels + row) * texels + column, tint, glow, cls, inst


def _sub_sample(scene: _Scene, directions: Tensor, hit: Int[Tensor, "B H W"], texels: int) -> tuple[Tensor, ...]:
    """Texel, normal, tint and glow of rays beside the pixel centres, choosing among what the neighbours hit."""
    solid_count = scene.yaws.shape[1]
    height, width = hit.shape[1:]
    ys = torch.arange(height, device=hit.device)
    xs = torch.arange(width, device=hit.device)
    near = torch.stack(
        [hit[:, (ys + dy).clamp(0, height - 1)][:, :, (xs + dx).clamp(0, width - 1)] for dy, dx in LOOKING_THROUGH], -1
    )
    where = torch.nonzero((near != near[..., :1]).any(-1), as_tuple=True)
    best = hit.clone()
    if len(where[0]):
        candidates = near[where]
        rows = where[0][:, None].expand(candidates.shape)
        real = candidates < solid_count
        solid = torch.where(real, candidates, 0)
        origin, local = scene.local(directions[where][:, None].expand(*solid.shape, 3), rows, solid)
        distance = solids.nearest_of_any(scene.kinds[rows, solid], origin, local)
        value, index = torch.where(real, distance, torch.inf).min(1)
        choice = candidates.gather(1, index[:, None])[:, 0]
        best[where] = torch.where(torch.isfinite(value), choice, solid_count)
    _, _, normal, texel, tint, glow, _, _ = _look_up(scene, directions.flatten(1, 2), best.flatten(1), texels)
    return texel, normal, tint, glow


def _occlusion(scene: _Scene, points: Tensor, normals: Tensor, touched: Tensor, size: tuple[int, int]) -> Float[Tensor, "B N"]:
    """Contact shadow by distance fields: how much closer than h the next surface is, h metres off the point."""
    height, width = size
    shape = (len(points), height, width, 3)
    place, facing = _by_tile(points.view(shape), size), _by_tile(normals.view(shape), size)
    tiles = touched.shape[1]
    row = torch.arange(len(place), device=points.device) // tiles
    room = scene.room[row][:, None]
    buckets = _buckets(touched.flatten(0, 1))
    total = torch.zeros(place.shape[:2], device=points.device)
    for step, weight in ((0.06, 0.35), (REACH, 0.65)):
        probe = place + step * facing
        x, y, z = probe.unbind(-1)
        free = torch.stack([room[..., 0] / 2 - x.abs(), y, room[..., 1] - y, z + 1.0, room[..., 2] - z]).amin(0)
        for tile, solid in buckets:
            r = (tile // tiles)[:, None]
            yaw, half = scene.yaws[r, solid][:, None], scene.halves[r, solid][:, None]
            away = probe[tile][:, :, None] - scene.centres[r, solid][:, None]
            c, s = torch.cos(yaw), torch.sin(yaw)
            ax, ay, az = away.unbind(-1)
            qx, qy, qz = (c * ax + s * az).abs() - half[..., 0], ay.abs() - half[..., 1], (c * az - s * ax).abs() - half[..., 2]
            outside = (qx.clamp_min(0).square() + qy.clamp_min(0).square() + qz.clamp_min(0).square()).sqrt()
            distance = outside + torch.maximum(torch.maximum(qx, qy), qz).clamp_max(0)
            free[tile] = torch.minimum(free[tile], distance.amin(-1))
        total += weight * (1 - free / step).clamp(0, 1)
    return _from_tiles(total, size).flatten(1)
