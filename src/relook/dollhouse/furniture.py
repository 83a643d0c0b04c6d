"""Furniture as lists of simple solids, in metres, in a local frame: x to the right, y up, the front faces -z."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BOX, CYLINDER, ELLIPSOID = 0, 1, 2
"""Solid kinds: axis-aligned box, upright elliptic cylinder, ellipsoid (all before the object's turn about y)."""


@dataclass(frozen=True)
class Part:
    """One solid of an object."""

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    kind: int = BOX
    tint: float = 1.0
    """Factor on the material's colour (legs are darker than seats)."""


def _legs(width: float, depth: float, height: float, thick: float, tint: float) -> list[Part]:
    x, z, h = width / 2 - thick, depth / 2 - thick, height / 2
    return [Part((sx * x, h, sz * z), (thick, h, thick), BOX, tint) for sx in (-1, 1) for sz in (-1, 1)]


def sofa(rng: np.random.Generator, width: float) -> list[Part]:
    """A seat, a back, two arms and two or three seat pads."""
    depth, seat, back, arm = 0.9, rng.uniform(0.38, 0.46), rng.uniform(0.75, 0.95), rng.uniform(0.1, 0.18)
    arm_top = rng.uniform(0.55, 0.68)
    parts = [
        Part((0.0, seat / 2, 0.0), (width / 2, seat / 2 - 0.02, depth / 2), tint=0.88),
        Part((0.0, back / 2, depth / 2 - 0.11), (width / 2, back / 2, 0.11), tint=0.95),
        Part((-width / 2 + arm / 2, arm_top / 2, 0.0), (arm / 2, arm_top / 2, depth / 2)),
        Part((width / 2 - arm / 2, arm_top / 2, 0.0), (arm / 2, arm_top / 2, depth / 2)),
    ]
    pads = 1 if width < 1.2 else 2 if width < 2.0 else 3
    pad = (width - 2 * arm) / pads
    for index in range(pads):
        x = -width / 2 + arm + pad * (index + 0.5)
        parts.append(Part((x, seat + 0.05, -0.09), (pad / 2 - 0.015, 0.06, depth / 2 - 0.1), tint=1.06))
    return parts


def armchair(rng: np.random.Generator, width: float) -> list[Part]:
    """A one-seat sofa, or a round one on a foot."""
    if rng.random() < 0.6:
        return sofa(rng, width)
    return [
        Part((0.0, 0.3, 0.0), (width / 2, 0.14, 0.42), CYLINDER),
        Part((0.0, 0.62, 0.3), (width / 2, 0.36, 0.14), ELLIPSOID, 0.94),
        Part((0.0, 0.08, 0.0), (0.08, 0.08, 0.08), CYLINDER, 0.5),
    ]


def bed(rng: np.random.Generator, width: float) -> list[Part]:
    """Frame, mattress, folded blanket and headboard; the head is at +z."""
    length, top, head = 2.05, rng.uniform(0.42, 0.55), rng.uniform(0.85, 1.25)
    return [
        Part((0.0, top * 0.3, 0.0), (width / 2 + 0.04, top * 0.3, length / 2), tint=0.62),
        Part((0.0, top * 0.8, -0.02), (width / 2, top * 0.2, length / 2 - 0.03), tint=1.06),
        Part((0.0, top * 0.85, -0.35), (width / 2 + 0.03, top * 0.22, length / 2 - 0.36), tint=0.93),
        Part((0.0, head / 2, length / 2 + 0.05), (width / 2 + 0.06, head / 2, 0.05), tint=0.75),
    ]


def table(rng: np.random.Generator, width: float, depth: float, height: float) -> list[Part]:
    """Four legs and a top, or a round top on one foot."""
    if rng.random() < 0.3:
        radius = min(width, depth) / 2
        return [
            Part((0.0, height - 0.02, 0.0), (width / 2, 0.025, depth / 2), CYLINDER),
            Part((0.0, height / 2, 0.0), (0.06, height / 2, 0.06), CYLINDER, 0.7),
            Part((0.0, 0.015, 0.0), (radius * 0.55, 0.015, radius * 0.55), CYLINDER, 0.7),
        ]
    parts = _legs(width, depth, height, 0.035, 0.75)
    if height < 0.5 and rng.random() < 0.5:
        parts.append(Part((0.0, height * 0.35, 0.0), (width / 2 - 0.05, 0.015, depth / 2 - 0.05), tint=0.85))
    return [Part((0.0, height - 0.025, 0.0), (width / 2, 0.03, depth / 2)), *parts]


def chair(rng: np.random.Generator) -> list[Part]:
    """Seat, back and four legs; the back is at +z."""
    seat, width = 0.46, rng.uniform(0.4, 0.48)
    return [
        Part((0.0, seat, 0.0), (width / 2, 0.03, 0.22)),
        Part((0.0, rng.uniform(0.7, 0.74), 0.2), (width / 2, 0.24, 0.025), tint=0.95),
        *_legs(width, 0.42, seat, 0.022, 0.7),
    ]


def cabinet(width: float, height: float, depth: float) -> list[Part]:
    """A carcass with door fronts standing out by a finger."""
    doors = max(1, round(width / 0.5))
    front = width / doors
    parts = [Part((0.0, height / 2, 0.0), (width / 2, height / 2, depth / 2), tint=0.85)]
    for index in range(doors):
        x = -width / 2 + front * (index + 0.5)
        parts.append(Part((x, height / 2 + 0.01, -depth / 2), (front / 2 - 0.015, height / 2 - 0.05, 0.015)))
    return parts


def shelf(rng: np.random.Generator, width: float, height: float) -> list[Part]:
    """Two sides, boards and a back."""
    boards = int(rng.integers(3, 6))
    parts = [
        Part((-width / 2, height / 2, 0.0), (0.02, height / 2, 0.16)),
        Part((width / 2, height / 2, 0.0), (0.02, height / 2, 0.16)),
        Part((0.0, height / 2, 0.15), (width / 2, height / 2, 0.01), tint=0.6),
    ]
    return parts + [
        Part((0.0, 0.03 + (height - 0.06) * i / (boards - 1), 0.0), (width / 2, 0.018, 0.16)) for i in range(boards)
    ]


def floor_lamp(rng: np.random.Generator) -> list[Part]:
    """A foot, a pole and a shade."""
    height = rng.uniform(1.4, 1.75)
    return [
        Part((0.0, height, 0.0), (0.2, 0.15, 0.2), CYLINDER),
        Part((0.0, height / 2, 0.0), (0.018, height / 2, 0.018), CYLINDER, 0.45),
        Part((0.0, 0.02, 0.0), (0.15, 0.02, 0.15), CYLINDER, 0.45),
    ]


def table_lamp() -> list[Part]:
    """A belly and a shade."""
    return [
        Part((0.0, 0.36, 0.0), (0.14, 0.1, 0.14), CYLINDER),
        Part((0.0, 0.14, 0.0), (0.07, 0.14, 0.07), ELLIPSOID, 0.6),
    ]


def pendant_lamp(rng: np.random.Generator, drop: float) -> list[Part]:
    """A cord of `drop` metres and a shade; its local origin is at the ceiling."""
    return [
        Part((0.0, -drop, 0.0), (0.22, 0.12, 0.22), ELLIPSOID if rng.random() < 0.5 else CYLINDER),
        Part((0.0, -drop / 2, 0.0), (0.008, drop / 2, 0.008), CYLINDER, 0.4),
    ]


def plant(rng: np.random.Generator) -> list[Part]:
    """A pot and a few clouds of leaves."""
    tall = rng.uniform(0.6, 1.2)
    leaves = [
        Part(
            (rng.uniform(-0.16, 0.16), 0.35 + tall * (i + 1) / 5, rng.uniform(-0.16, 0.16)),
            (rng.uniform(0.14, 0.26), rng.uniform(0.12, 0.24), rng.uniform(0.14, 0.26)),
            ELLIPSOID,
            rng.uniform(0.75, 1.1),
        )
        for i in range(4)
    ]
    return [Part((0.0, 0.16, 0.0), (0.15, 0.16, 0.15), CYLINDER, 0.55), *leaves]


def cushion(rng: np.random.Generator) -> list[Part]:
    """A pillow standing upright."""
    size = rng.uniform(0.17, 0.23)
    return [Part((0.0, size, 0.0), (size, size, 0.07), BOX if rng.random() < 0.4 else ELLIPSOID)]


def panel(width: float, height: float, thick: float = 0.03) -> list[Part]:
    """A flat board: painting, window, door or television."""
    return [Part((0.0, height / 2, 0.0), (width / 2, height / 2, thick / 2))]


def curtain(width: float, height: float) -> list[Part]:
    """Folds as a row of flat cylinders."""
    folds = max(3, round(width / 0.1))
    step = width / folds
    return [
        Part((-width / 2 + step * (i + 0.5), height / 2, 0.0), (step * 0.62, height / 2, 0.05), CYLINDER,
             1.0 if i % 2 else 0.93)
        for i in range(folds)
    ]  # fmt: skip
