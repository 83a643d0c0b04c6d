"""Furniture and small things, each on the floor at the origin of its `place`, its front towards -y."""

from __future__ import annotations

from math import cos, pi, sin
from random import Random

import numpy as np
from mathutils import Vector

from shapes import Material, Object, Point, box, lathe, place, rough, sheet, tube, turned, upholstered


def pillow(below: Object, at: Point, size: float, material: Material, lean: float, turn: float, seed: float) -> Object:
    """A stuffed square of cloth with pinched corners, its lower edge at `at`; lean: degrees back from upright."""

    def side(sign: int) -> Object:
        def shape(u: float, v: float) -> Point:
            x, y = 2 * u - 1, 2 * v - 1
            thick = 0.34 * size * ((1 - x * x) * (1 - y * y)) ** 0.42
            pulled = Vector((x * (1 - 0.09 * (1 - y * y)), y * (1 - 0.09 * (1 - x * x)), 0)) * size / 2
            edge = (1 - x**6) * (1 - y**6)
            moved = rough(pulled, 0.035 * edge, 0.17, seed)
            creases = 0.010 * edge * rough(Vector((x * 3, y * 3, 0)), 1.0, 1.0, seed + 2).z
            return (moved.x, moved.y + size / 2, sign * (thick / 2 + creases * (abs(x) + abs(y))))

        return sheet(holder, shape, (36, 36), material)

    holder = turned(place(at, below=below), 90 - lean, 0, turn)
    for sign in (1, -1):
        side(sign)
    return holder


def sofa(below: Object, width: float, cover: Material, leg: Material, seats: int, arm: float = 0.16) -> None:
    """A sofa: legs, frame, arms, seat and back cushions."""
    depth, inside = 0.92, width - 2 * arm
    for x in (-width / 2 + 0.09, width / 2 - 0.09):
        for y in (-depth / 2 + 0.09, depth / 2 - 0.09):
            lathe(below, (x, y, 0), [(0.001, 0), (0.014, 0), (0.014, 0.004), (0.024, 0.13), (0.024, 0.14)], leg)
    upholstered(below, (0, 0, 0.13), (width - 0.02, depth, 0.17), cover, 0.03, 0.0, 2.0)
    upholstered(below, (0, depth / 2 - 0.11, 0.2), (width - 0.03, 0.21, 0.56), cover, 0.07, 0.01, 3.0)
    for sign in (-1, 1):
        upholstered(below, (sign * (width - arm) / 2, -0.01, 0.13), (arm, depth, 0.47), cover, 0.06, 0.012, 4.0 + sign)
    each = inside / seats
    for k in range(seats):
        x = -inside / 2 + each * (k + 0.5)
        upholstered(below, (x, -0.1, 0.29), (each - 0.006, 0.74, 0.16), cover, 0.05, 0.022, 6.0 + k)
        back = upholstered(below, (x, 0.22, 0.43), (each - 0.012, 0.2, 0.42), cover, 0.08, 0.035, 11.0 + k)
        turned(back, -10)


def armchair(below: Object, cover: Material, frame: Material) -> None:
    """A lounge chair: an open wooden frame with two thick cushions."""
    for x in (-0.34, 0.34):
        tube(below, [(x, -0.33, 0), (x, -0.31, 0.3), (x, -0.3, 0.56)], 0.019, frame)
        tube(below, [(x, 0.4, 0), (x, 0.33, 0.3), (x, 0.3, 0.56)], 0.019, frame)
        box(below, (x, 0.0, 0.555), (0.06, 0.76, 0.026), frame, 0.011)
        tube(below, [(x, -0.31, 0.32), (x, 0.33, 0.26)], 0.017, frame)
    for y, z in ((-0.3, 0.3), (0.32, 0.25), (0.36, 0.6)):
        tube(below, [(-0.34, y, z), (0.34, y, z)], 0.015, frame)
    seat = upholstered(below, (0, -0.03, 0.31), (0.6, 0.66, 0.15), cover, 0.055, 0.03, 21.0)
    turned(seat, 4)
    back = upholstered(below, (0, 0.2, 0.4), (0.6, 0.15, 0.56), cover, 0.06, 0.035, 23.0)
    turned(back, -17)


def tub_chair(below: Object, cover: Material, leg: Material) -> None:
    """A rounded armchair: one curved back that runs into the arms, a round seat."""

    def shape(u: float, v: float) -> Point:
        turn = (-0.13 + 1.26 * u) * pi
        ring = 2 * pi * v
        height = 0.43 + 0.2 * sin(pi * min(max(u, 0), 1)) ** 1.5
        end = min(1.0, (min(u, 1 - u) / 0.045) ** 0.5) if 0 < u < 1 else 0.0
        radius = 0.36 + 0.055 * end * cos(ring) + 0.02 * sin(ring)
        z = 0.13 + height / 2 + (height / 2 - 0.001) * np.sign(sin(ring)) * abs(sin(ring)) ** 0.35 * (0.86 + 0.14 * end)
        return tuple(rough(Vector((radius * cos(turn), radius * sin(turn), z)), 0.006, 0.15, 9.0))

    sheet(below, shape, (72, 48), cover).modifiers.new("round", "SUBSURF").render_levels = 1
    lathe(below, (0, -0.02, 0.13), [(0.001, 0), (0.3, 0), (0.31, 0.02), (0.31, 0.15), (0.001, 0.15)], cover)
    lathe(
        below,
        (0, -0.03, 0.27),
        [(0.001, 0), (0.27, 0.0), (0.315, 0.05), (0.3, 0.12), (0.2, 0.15), (0.001, 0.16)],
        cover,
    )
    for x, y in ((-0.22, -0.22), (0.22, -0.22), (-0.22, 0.22), (0.22, 0.22)):
        lathe(below, (x, y, 0), [(0.001, 0), (0.013, 0), (0.02, 0.13), (0.02, 0.14)], leg)


def low_table(below: Object, size: Point, top: Material, leg: Material) -> None:
    """A coffee table: a slab on four square legs with a shelf."""
    x, y, z = size
    for at, piece in (((0, 0, z - 0.035), (x, y, 0.035)), ((0, 0, 0.13), (x - 0.1, y - 0.1, 0.018))):
        _flat_grain(box(below, at, piece, top, 0.005))
    for sx in (-1, 1):
        for sy in (-1, 1):
            box(below, (sx * (x / 2 - 0.045), sy * (y / 2 - 0.045), 0), (0.045, 0.045, z - 0.03), leg)


def _flat_grain(made: Object) -> None:
    """UV coordinates in metres, u along the longer side, for wood."""
    data = made.data
    layer = data.uv_layers.get("uv") or data.uv_layers.new(name="uv")
    for loop in data.loops:
        x, y, z = data.vertices[loop.vertex_index].co
        layer.data[loop.index].uv = (x, y + z)


def rug(below: Object, size: tuple[float, float], material: Material) -> Object:
    """A rug with a rounded edge and an even, slightly wavy pile."""

    def shape(u: float, v: float) -> Point:
        edge = min(u * size[0], (1 - u) * size[0], v * size[1], (1 - v) * size[1])
        pile = 0.014 * min(1.0, edge / 0.012) ** 0.5
        point = rough(Vector(((u - 0.5) * size[0], (v - 0.5) * size[1], 0)), 0.004, 0.3, 3.0)
        return (point.x, point.y, 0.002 + pile * (1 + 40 * point.z))

    return sheet(below, shape, (200, 160), material)


def floor_lamp(below: Object, metal: Material, shade: Material, bulb: Material) -> None:
    """A slim stand with a drum shade that glows."""
    lathe(
        below, (0, 0, 0), [(0.001, 0), (0.14, 0), (0.145, 0.008), (0.14, 0.018), (0.02, 0.024), (0.001, 0.024)], metal
    )
    tube(below, [(0, 0, 0.02), (0, 0, 1.36)], 0.011, metal)
    drum = [(0.26, 1.2), (0.2601, 1.202), (0.23, 1.568), (0.2299, 1.57)]
    lathe(below, (0, 0, 0), drum, shade)
    lathe(below, (0, 0, 1.36), [(0.001, 0), (0.03, 0.02), (0.035, 0.05), (0.02, 0.09), (0.001, 0.1)], bulb)


def plant(
    below: Object, pot: Material, leaf: Material, stem: Material, soil: Material, seed: int, height: float = 1.5
) -> None:
    """A potted plant: broad leaves that bend on arching stems."""
    chance = Random(seed)
    lathe(
        below,
        (0, 0, 0),
        [(0.001, 0), (0.13, 0), (0.14, 0.01), (0.19, 0.34), (0.19, 0.36), (0.175, 0.36), (0.17, 0.3)],
        pot,
    )
    lathe(below, (0, 0, 0.3), [(0.001, 0.01), (0.1, 0.008), (0.172, 0)], soil)
    for number in range(15):
        turn = 2.4 * number + chance.uniform(-0.3, 0.3)
        tall, out = height * chance.uniform(0.35, 0.72), chance.uniform(0.08, 0.4)
        way = Vector((cos(turn), sin(turn), 0))
        stalk = [way * (0.04 + out * t * t) + Vector((0, 0, 0.3 + tall * t)) for t in np.linspace(0, 1, 9)]
        tube(below, [tuple(point) for point in stalk], 0.0065, stem)
        _leaf(below, stalk[-1], turn, chance.uniform(0.4, 0.6), chance.uniform(0.4, 1.2), leaf, number)


def _leaf(below: Object, at: Vector, turn: float, length: float, droop: float, material: Material, seed: int) -> None:
    """One leaf from its stalk, folded along the midrib."""

    def shape(u: float, v: float) -> Point:
        angle = 1.25 - 1.15 * droop * v
        x, z = length * v * cos(angle * 0.8), length * v * sin(angle)
        wide = 0.5 * length * sin(pi * v**0.75) ** 0.8 * (u - 0.5)
        fold = 0.45 * abs(wide) + 0.012 * sin(9 * v + seed) * (abs(u - 0.5) * 2) ** 2
        return (x, wide, z + fold)

    made = sheet(below, shape, (10, 20), material)
    made.location, made.rotation_euler.z = at, turn
    made.modifiers.new("round", "SUBSURF").render_levels = 1


def framed(
    below: Object, size: tuple[float, float], art: Material, frame: Material, mat: Material | None = None
) -> None:
    """A picture on the wall behind (y = 0), its centre at the origin; `mat`: a white border inside the frame."""
    x, z = size
    for at, piece in (
        ((0, -0.015, -z / 2), (x, 0.03, 0.022)),
        ((0, -0.015, z / 2 - 0.022), (x, 0.03, 0.022)),
        ((-x / 2 + 0.011, -0.015, -z / 2), (0.022, 0.03, z)),
        ((x / 2 - 0.011, -0.015, -z / 2), (0.022, 0.03, z)),
    ):
        box(below, at, piece, frame, 0.002)
    border = 0.09 if mat else 0.0
    if mat:
        box(below, (0, -0.006, -z / 2), (x, 0.01, z), mat, 0)

    def shape(u: float, v: float) -> Point:
        return ((u - 0.5) * (x - 2 * border), -0.013, (v - 0.5) * (z - 2 * border))

    sheet(below, shape, (2, 2), art)


def books(below: Object, covers: list[Material], pages: Material, seed: int) -> float:
    """A pile of books; returns its height."""
    chance, height = Random(seed), 0.0
    for cover in covers:
        thick, turn = chance.uniform(0.018, 0.034), chance.uniform(-14, 14)
        pile = place((0, 0, height), turn, below)
        long, deep = chance.uniform(0.24, 0.29), chance.uniform(0.18, 0.21)
        box(pile, (0.004, 0, 0.002), (long - 0.012, deep - 0.008, thick - 0.004), pages, 0)
        for z in (0.0, thick - 0.0025):
            box(pile, (0, 0, z), (long, deep, 0.0025), cover, 0.001)
        box(pile, (-long / 2, 0, 0), (0.003, deep, thick), cover, 0.001)
        height += thick
    return height


def vase(below: Object, glaze: Material, height: float) -> None:
    """A bellied vase."""
    neck = [(0.028, 0.86), (0.03, 1), (0.024, 0.99), (0.02, 0.8)]
    profile = [(0.001, 0), (0.045, 0), (0.06, 0.02), (0.085, 0.35), (0.07, 0.7), *neck]
    lathe(below, (0, 0, 0), [(r * height / 0.24, z * height if z > 0.02 else z) for r, z in profile], glaze)
