"""The room itself: floor of planks, walls with a window, skirting, ceiling, curtains, and what is seen outside."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sin
from random import Random

import numpy as np
from mathutils import Vector

from shaders import Nodes, colour, glowing, plain
from shapes import Material, Object, Point, box, lathe, mesh, place, rough, sheet, tube


@dataclass(frozen=True)
class Room:
    """x from 0 to width, y from near (the wall behind the camera) to depth (the far wall), z up to height; the window is in the right wall (x = width)."""

    width: float
    near: float
    depth: float
    height: float
    window: tuple[float, float, float, float]
    """Of the window: centre along y, width, sill, head."""


def planks(room: Room, material: Material, width: float, length: float, seed: int) -> Object:
    """A floor of bevelled planks along the depth, each row shifted by chance. UV map: metres along and across each plank."""
    chance, gap = Random(seed), 0.002
    points: list[Point] = []
    faces: list[list[int]] = []
    uv: list[tuple[float, float]] = []
    for row in range(int(room.width / width) + 2):
        start = room.near - (1 + chance.random()) * length
        for column in range(int((room.depth - room.near) / length) + 3):
            first, x, y = len(points), row * width, start + column * length
            for inset, z in ((gap, 0.0), (gap / 2, -0.003)):
                ends = (inset, length - inset)
                corners = [(a, b) for b, along in ((inset, ends), (width - inset, ends[::-1])) for a in along]
                points += [(x + b, y + a, z) for a, b in corners]
                uv += corners
            faces.append([first + 3, first + 2, first + 1, first])
            faces += [[first + k, first + (k + 1) % 4, first + 4 + (k + 1) % 4, first + 4 + k] for k in range(4)]
    made = mesh(place(), points, faces, material, smooth=False)
    layer = made.data.uv_layers.new(name="uv")
    layer.data.foreach_set("uv", np.float32([uv[k] for face in faces for k in face]).ravel())
    return made


def walls(room: Room, tone: Material, white: Material) -> None:
    """Walls, ceiling, skirting, cornice, and the window's frame."""
    root = place()
    w, n, d, h = room.width, room.near, room.depth, room.height
    centre, wide, sill, head = room.window
    thick = 0.22
    before, after, x = centre - wide / 2, centre + wide / 2, w + thick / 2
    box(root, (w / 2, d + thick / 2, 0), (w + 2 * thick, thick, h), tone, 0)
    box(root, (w / 2, n - thick / 2, 0), (w + 2 * thick, thick, h), tone, 0)
    box(root, (-thick / 2, (n + d) / 2, 0), (thick, d - n, h), tone, 0)
    for y, long, low, high in (
        ((n + before) / 2, before - n, 0, h),
        ((after + d) / 2, d - after, 0, h),
        (centre, wide, 0, sill),
        (centre, wide, head, h),
    ):
        box(root, (x, y, low), (thick, long, high - low), tone, 0)
    for z in (-0.25, h):
        box(root, (w / 2, (n + d) / 2, z), (w + 1, d - n + 1, 0.2), white, 0)
    for z, deep, tall in ((0, 0.016, 0.11), (h - 0.06, 0.06, 0.06)):
        box(root, (w / 2, d - deep / 2, z), (w, deep, tall), white, deep / 4)
        for side in (deep / 2, w - deep / 2):
            box(root, (side, (n + d) / 2, z), (deep, d - n, tall), white, deep / 4)
    window(room, white)


def window(room: Room, white: Material) -> None:
    """Two casements and a sill."""
    root = place((room.width + 0.12, room.window[0], 0))
    _, wide, sill, head = room.window
    tall = head - sill
    for y in (-wide / 2 + 0.03, wide / 2 - 0.03):
        box(root, (0, y, sill), (0.07, 0.06, tall), white, 0.006)
    for y in (-0.05, 0.05):
        box(root, (0, y, sill), (0.06, 0.055, tall), white, 0.006)
    for z in (sill, head - 0.07):
        box(root, (0, 0, z), (0.07, wide, 0.07), white, 0.006)
    box(root, (-0.12, 0, sill - 0.025), (0.28, wide + 0.1, 0.03), white, 0.006)


def curtain(at: Point, width: float, height: float, cloth: Material, seed: float) -> Object:
    """A curtain that hangs in folds along y, a little gathered at the top; `at`: the middle of its hem."""
    folds = 7

    def shape(u: float, v: float) -> Point:
        drift = rough(Vector((u * 2, v * 0.5, 0)), 0.35, 0.5, seed)
        wave = sin(2 * pi * folds * (u + 0.03 * drift.y)) + 0.35 * sin(2 * pi * folds * 0.53 * u + seed)
        depth = 0.045 * (0.55 + 0.45 * (1 - v)) * (0.8 + 0.4 * drift.x)
        spread = 1 - 0.06 * v
        return (depth * wave, (u - 0.5) * width * spread, v * height + 0.006 * wave * (1 - v))

    made = sheet(place(at), shape, (220, 24), cloth)
    made.modifiers.new("round", "SUBSURF").render_levels = 1
    return made


def curtains(room: Room, cloth: Material, metal: Material, gather: float = 0.55) -> None:
    """Both curtains beside the window, on a rod with knobs."""
    centre, wide, _, head = room.window
    x, top, reach = room.width - 0.11, head + 0.16, wide / 2 + gather * 0.62
    for side, seed in ((-1, 3.0), (1, 8.0)):
        curtain((x, centre + side * (wide / 2 + gather * 0.16), 0.02), gather, top - 0.03, cloth, seed)
        lathe(
            place((x, centre + side * reach, top)),
            (0, 0, -0.025),
            [(0.001, 0), (0.025, 0.01), (0.025, 0.04), (0.001, 0.05)],
            metal,
        )
        box(place((x, centre + side * (reach - 0.05), top)), (0.055, 0, -0.01), (0.11, 0.015, 0.02), metal)
    tube(place(), [(x, centre - reach, top), (x, centre + reach, top)], 0.012, metal)


def ceiling_lights(room: Room, spots: list[tuple[float, float]]) -> None:
    """Recessed lamps with their trim."""
    for x, y in spots:
        root = place((x, y, room.height))
        lathe(root, (0, 0, -0.008), [(0.04, 0.002), (0.042, 0.0), (0.052, 0.0), (0.055, 0.008)], plain("f4f4f2", 0.4))
        lathe(root, (0, 0, -0.004), [(0.001, 0), (0.038, 0), (0.04, 0.003)], glowing("fff0d8", 14.0))


def outside(room: Room) -> None:
    """Trees under a pale sky, far out of focus and brighter than the room: a sheet that only the camera sees."""
    n = Nodes("outside")
    at = n.add("TexCoord", {}, "Object")
    height = n.math("ADD", n.add("SeparateXYZ", {0: at}, 2), n.math("MULTIPLY", n.noise(at, 0.35, 3.0), 7.0))
    leaves = n.math(
        "ADD", n.math("MULTIPLY", n.noise(at, 0.9, 1.0), 0.6), n.math("MULTIPLY", n.noise(at, 3.2, 1.5), 0.4)
    )
    green = n.ramp(leaves, [(0.38, colour("43542f")), (0.5, colour("748a50")), (0.62, colour("b9c78f"))])
    sky = n.add("MapRange", {0: height, 1: 4.4, 2: 5.6}, interpolation_type="SMOOTHSTEP")
    bright = n.add("Emission", {"Color": n.mix(sky, green, (1.5, 1.6, 1.7, 1.0)), "Strength": 3.0})
    made = mesh(
        place((room.width + 18, 0, 0)),
        [(0, -10, -9), (0, 70, -9), (0, 70, 16), (0, -10, 16)],
        [(0, 1, 2, 3)],
        n.surface(bright),
    )
    made.visible_diffuse = made.visible_glossy = made.visible_shadow = False
