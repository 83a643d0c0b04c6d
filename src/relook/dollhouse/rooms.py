"""Rooms drawn from a seed: where furniture stands in living rooms, bedrooms and kitchens."""

from __future__ import annotations

import math

import numpy as np
import torch

from relook.dollhouse import furniture as f
from relook.dollhouse.classes import CLASS_ID, ROOMS
from relook.dollhouse.layout import Layout, Pose
from relook.errors import InputError

WALLS = ("back", "left", "right")
WALL_TURN = {"back": 0.0, "left": math.pi / 2, "right": -math.pi / 2}
"""Turn about y (radians) that makes an object's back face a wall."""


def sample_layout(seed: int, room: str | None = None) -> Layout:
    """A furnished room from a seed; the same seed gives the same room. Raises InputError for an unknown room kind."""
    rng = np.random.default_rng([20, seed])
    if room is not None and room not in ROOMS:
        raise InputError(f"Expected a room among {', '.join(ROOMS)}, got {room!r}; choose one of them.")
    kind = room or ROOMS[int(rng.integers(len(ROOMS)))]
    size = (rng.uniform(3.8, 5.6), rng.uniform(2.45, 2.9), rng.uniform(3.8, 5.4))
    builder = _Builder(rng, size)
    {"living": _living, "bedroom": _bedroom, "kitchen": _kitchen}[kind](builder)
    return builder.finish(kind)


def beside(pose: tuple[float, float, float], right: float, back: float) -> tuple[float, float]:
    """(x, z) so many metres to the right and behind of what stands at the pose (x, z, yaw)."""
    x, z, yaw = pose
    c, s = math.cos(yaw), math.sin(yaw)
    return x + c * right - s * back, z + s * right + c * back


class _Builder:
    """Collects solids while a room is furnished; keeps footprints apart."""

    def __init__(self, rng: np.random.Generator, size: tuple[float, float, float]) -> None:
        self.rng, self.size = rng, size
        self.rows: list[tuple] = []
        self.footprints: list[tuple[float, float, float, float]] = []
        self.counts: dict[str, int] = {}
        self.spans: dict[str, list[tuple[float, float]]] = {"back": [], "left": [], "right": []}

    def add(self, name: str, parts: list[f.Part], x: float, y: float, z: float, yaw: float = 0.0) -> None:
        """Put an object down without asking whether there is room."""
        instance = self.counts.get(name, 0)
        self.counts[name] = instance + 1
        for p in parts:
            px, pz = beside((x, z, yaw), p.centre[0], p.centre[2])
            self.rows.append(((px, y + p.centre[1], pz), p.half, yaw, p.kind, CLASS_ID[name], instance, p.tint))

    def fits(self, x: float, z: float, width: float, depth: float, gap: float = 0.05) -> bool:
        """Whether a footprint lies in the room and off all others; if so it is taken."""
        w, _, d = self.size
        box = (x - width / 2 - gap, x + width / 2 + gap, z - depth / 2 - gap, z + depth / 2 + gap)
        if box[0] < -w / 2 - gap or box[1] > w / 2 + gap or box[2] < 0.6 or box[3] > d + gap:
            return False
        if any(box[0] < b[1] and b[0] < box[1] and box[2] < b[3] and b[2] < box[3] for b in self.footprints):
            return False
        self.footprints.append(box)
        return True

    def stand(
        self, name: str, parts: list[f.Part], wall: str, along: float, width: float, depth: float
    ) -> tuple | None:
        """Put an object with its back to a wall; returns (x, z, yaw), or None when there is no room."""
        w, _, d = self.size
        turn = WALL_TURN[wall]
        if wall == "back":
            x, z, fw, fd = along, d - depth / 2 - 0.03, width, depth
        else:
            x, z, fw, fd = (-1 if wall == "left" else 1) * (w / 2 - depth / 2 - 0.03), along, depth, width
        if not self.fits(x, z, fw, fd):
            return None
        self.add(name, parts, x, 0.0, z, turn)
        return x, z, turn

    def hang(
        self, name: str, parts: list[f.Part], wall: str, along: float, y: float, width: float, out: float = 0.0
    ) -> bool:
        """Put a flat object on a wall at height y, `out` metres off it, unless something hangs there."""
        w, _, d = self.size
        low, high = along - width / 2, along + width / 2
        edges = (-w / 2, w / 2) if wall == "back" else (0.3, d)
        if low < edges[0] + 0.05 or high > edges[1] - 0.05 or any(low < b and a < high for a, b in self.spans[wall]):
            return False
        self.spans[wall].append((low - 0.08, high + 0.08))
        self._on_wall(name, parts, wall, along, y, out)
        return True

    def _on_wall(self, name: str, parts: list[f.Part], wall: str, along: float, y: float, out: float) -> None:
        w, _, d = self.size
        side = (w / 2 - 0.015 - out) * (-1 if wall == "left" else 1)
        x, z = (along, d - 0.015 - out) if wall == "back" else (side, along)
        self.add(name, parts, x, y, z, WALL_TURN[wall])

    def window(self, wall: str, along: float) -> None:
        """A window, mostly with curtains at both sides."""
        rng, height = self.rng, self.size[1]
        width, tall = rng.uniform(1.0, 1.8), rng.uniform(1.1, 1.5)
        sill = min(rng.uniform(0.7, 0.95), height - tall - 0.25)
        if not self.hang("window", f.panel(width, tall, 0.04), wall, along, sill, width + 0.7):
            return
        if rng.random() < 0.75:
            long = sill + tall + 0.1
            for side in (-1, 1):
                cloth = f.curtain(rng.uniform(0.25, 0.4), long)
                self._on_wall("curtain", cloth, wall, along + side * (width / 2 + 0.08), 0.02, 0.06)

    def any_wall(self) -> str:
        """A random wall."""
        return WALLS[int(self.rng.integers(3))]

    def along(self, wall: str) -> float:
        """A random position along a wall."""
        w, _, d = self.size
        return self.rng.uniform(-w / 2 + 0.4, w / 2 - 0.4) if wall == "back" else self.rng.uniform(1.4, d - 0.4)

    def try_stand(self, name: str, parts: list[f.Part], width: float, depth: float, tries: int = 6) -> tuple | None:
        """Try a few random positions at the walls."""
        for _ in range(tries):
            wall = self.any_wall()
            pose = self.stand(name, parts, wall, self.along(wall), width, depth)
            if pose:
                return pose
        return None

    def finish(self, kind: str) -> Layout:
        """Close the room: choose the pose and stack the solids."""
        rng, (w, h, d) = self.rng, self.size
        x, pitch = rng.uniform(-0.32, 0.32) * w, rng.uniform(0.08, 0.26)
        yaw = -math.atan2(x, d * 0.75) + rng.uniform(-0.16, 0.16)
        pose = Pose((x, rng.uniform(1.35, 1.75), rng.uniform(0.08, 0.3)), yaw, pitch, math.radians(rng.uniform(62, 76)))
        columns = list(zip(*self.rows, strict=True))
        floats = [torch.tensor(np.array(columns[i]), dtype=torch.float32) for i in (0, 1, 2, 6)]
        kinds, classes, instances = (torch.tensor(columns[i], dtype=torch.int64) for i in (3, 4, 5))
        centres, halves, yaws, tints = floats
        return Layout(kind, (w, h, d), centres, halves, yaws, kinds, classes, instances, tints, pose)


def _common(b: _Builder) -> None:
    """What every room has: windows, a door, a painting or two, a plant, a lamp."""
    rng = b.rng
    for wall in WALLS:
        if rng.random() < 0.45:
            b.window(wall, b.along(wall))
    if rng.random() < 0.6:
        wall = ("left", "right", "back")[int(rng.integers(3))]
        b.hang("door", f.panel(0.86, 2.02, 0.05), wall, b.along(wall), 0.0, 0.9)
    for wall in WALLS:
        if rng.random() < 0.6:
            width = rng.uniform(0.5, 1.1)
            painting, along = f.panel(width, rng.uniform(0.45, 0.8), 0.04), b.along(wall)
            b.hang("painting", painting, wall, along, rng.uniform(1.2, 1.45), width)
    if rng.random() < 0.7:
        b.try_stand("plant", f.plant(rng), 0.5, 0.5)


def _rug(b: _Builder, x: float, z: float, width: float, depth: float) -> None:
    kind = f.CYLINDER if b.rng.random() < 0.25 else f.BOX
    b.add("rug", [f.Part((0.0, 0.008, 0.0), (width / 2, 0.008, depth / 2), kind)], x, 0.0, z)


def _living(b: _Builder) -> None:
    rng, (w, _, d) = b.rng, b.size
    wall = b.any_wall()
    width = rng.uniform(1.7, 2.4)
    centre = rng.uniform(-0.3, 0.3) if wall == "back" else d * rng.uniform(0.5, 0.62)
    pose = b.stand("sofa", f.sofa(rng, width), wall, centre, width, 0.9)
    if pose:
        x, z, yaw = pose
        for side in (-1, 1):
            if rng.random() < 0.75:
                cx, cz = beside(pose, side * (width / 2 - 0.42), 0.12)
                b.add("cushion", f.cushion(rng), cx, 0.52, cz, yaw)
        front = (x + math.sin(yaw) * 1.15, z - math.cos(yaw) * 1.15)
        if rng.random() < 0.85:
            _rug(b, *front, rng.uniform(1.7, 2.6), rng.uniform(1.4, 2.0))
        across = abs(yaw) > 0.1
        long, deep = rng.uniform(0.8, 1.2), rng.uniform(0.5, 0.65)
        if b.fits(*front, deep if across else long, long if across else deep):
            b.add("table", f.table(rng, long, deep, rng.uniform(0.36, 0.45)), front[0], 0.016, front[1], yaw)
    for _ in range(int(rng.integers(1, 3))):
        x, z = rng.uniform(-w / 2 + 0.6, w / 2 - 0.6), rng.uniform(1.5, d - 0.8)
        if b.fits(x, z, 0.95, 0.95):
            chair = f.armchair(rng, 0.85)
            b.add("armchair", chair, x, 0.0, z, math.atan2(x, d * 0.55 - z) + rng.uniform(-0.3, 0.3) + math.pi)
    if rng.random() < 0.6:
        wide = rng.uniform(1.2, 1.7)
        spot = b.try_stand("cabinet", f.cabinet(wide, 0.5, 0.4), wide, 0.42)
        if spot:
            b.add("television", f.panel(1.05, 0.6, 0.05), spot[0], 0.56, spot[1], spot[2])
    if rng.random() < 0.6:
        b.try_stand("shelf", f.shelf(rng, 0.9, rng.uniform(1.5, 2.0)), 0.95, 0.36)
    if rng.random() < 0.8:
        b.try_stand("lamp", f.floor_lamp(rng), 0.4, 0.4)
    _common(b)


def _bedroom(b: _Builder) -> None:
    rng, (_, h, d) = b.rng, b.size
    wall = b.any_wall()
    width = rng.uniform(1.4, 1.85)
    centre = rng.uniform(-0.4, 0.4) if wall == "back" else d * rng.uniform(0.52, 0.65)
    pose = b.stand("bed", f.bed(rng, width), wall, centre, width, 2.15)
    if pose:
        x, z, yaw = pose
        for side in (-1, 1):
            cx, cz = beside(pose, side * width / 4, 0.82)
            b.add("cushion", f.cushion(rng), cx, 0.5, cz, yaw)
            sx, sz = beside(pose, side * (width / 2 + 0.36), 0.85)
            if rng.random() < 0.8 and b.fits(sx, sz, 0.46, 0.46, 0.0):
                b.add("cabinet", f.cabinet(0.45, 0.5, 0.4), sx, 0.0, sz, yaw)
                if rng.random() < 0.8:
                    b.add("lamp", f.table_lamp(), sx, 0.5, sz, yaw)
        if rng.random() < 0.7:
            _rug(b, x + math.sin(yaw) * 0.7, z - math.cos(yaw) * 0.7, rng.uniform(2.0, 2.8), rng.uniform(1.5, 2.0))
    if rng.random() < 0.7:
        wide = rng.uniform(1.0, 1.6)
        b.try_stand("cabinet", f.cabinet(wide, rng.uniform(0.8, 2.1), 0.5), wide, 0.55)
    if rng.random() < 0.5:
        b.try_stand("armchair", f.armchair(rng, 0.8), 0.85, 0.9)
    if rng.random() < 0.5:
        b.try_stand("chair", f.chair(rng), 0.5, 0.5)
    if rng.random() < 0.4:
        b.try_stand("shelf", f.shelf(rng, 0.8, rng.uniform(1.2, 1.9)), 0.85, 0.36)
    if rng.random() < 0.4:
        b.add("lamp", f.pendant_lamp(rng, rng.uniform(0.4, 0.7)), 0.0, h, d * 0.5)
    _common(b)


def _kitchen(b: _Builder) -> None:
    rng, (_, h, d) = b.rng, b.size
    wall = b.any_wall()
    run = rng.uniform(1.8, 2.8)
    centre = rng.uniform(-0.3, 0.3) if wall == "back" else d * 0.6
    if b.stand("cabinet", f.cabinet(run, 0.9, 0.6), wall, centre, run, 0.62) and rng.random() < 0.8:
        b.hang("cabinet", f.cabinet(run * 0.9, 0.6, 0.32), wall, centre, 1.5, run * 0.9, 0.15)
    b.try_stand("refrigerator", f.cabinet(0.7, 1.8, 0.65), 0.75, 0.7)
    x, z = rng.uniform(-0.3, 0.3), d * rng.uniform(0.42, 0.52)
    long, deep = rng.uniform(1.2, 1.7), rng.uniform(0.8, 0.95)
    if rng.random() < 0.5:
        _rug(b, x, z, long + 1.0, deep + 1.1)
    if b.fits(x, z, long + 0.2, deep + 0.5):
        b.add("table", f.table(rng, long, deep, 0.75), x, 0.0, z)
        for side in (-1, 1):
            for offset in (-0.25, 0.25):
                if rng.random() < 0.85:
                    one, turn = f.chair(rng), (0.0 if side > 0 else math.pi) + rng.uniform(-0.15, 0.15)
                    b.add("chair", one, x + offset * long, 0.0, z + side * (deep / 2 + 0.12), turn)
        if rng.random() < 0.85:
            b.add("lamp", f.pendant_lamp(rng, rng.uniform(0.6, 0.9)), x, h, z)
    if rng.random() < 0.5:
        b.try_stand("shelf", f.shelf(rng, 0.8, rng.uniform(1.0, 1.8)), 0.85, 0.36)
    if rng.random() < 0.3:
        b.try_stand("sofa", f.sofa(rng, 1.5), 1.5, 0.95)
    _common(b)
