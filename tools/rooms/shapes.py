"""Shapes: meshes from formulas, in metres, z up. Each function adds one object to the scene, below the empty `place` that carries it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi, sin
from typing import Any

import bpy
import numpy as np
from mathutils import Vector, noise

Point = tuple[float, float, float]
Object = Any  # bpy.types.Object
Material = Any  # bpy.types.Material


def place(at: Point = (0, 0, 0), turn: float = 0.0, below: Object = None) -> Object:
    """An empty that carries what is built below it; turn: degrees about the vertical."""
    empty = bpy.data.objects.new("place", None)
    bpy.context.collection.objects.link(empty)
    empty.location, empty.parent = at, below
    empty.rotation_euler.z = turn * pi / 180
    return empty


def mesh(
    below: Object, points: Sequence[Point], faces: Sequence[Sequence[int]], material: Material, smooth: bool = True
) -> Object:
    """An object of points and faces."""
    data = bpy.data.meshes.new("mesh")
    data.from_pydata([tuple(point) for point in points], [], [tuple(face) for face in faces])
    data.polygons.foreach_set("use_smooth", [smooth] * len(data.polygons))
    data.materials.append(material)
    made = bpy.data.objects.new("shape", data)
    bpy.context.collection.objects.link(made)
    made.parent = below
    return made


def turned(made: Object, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Object:
    """The object turned by degrees about its axes."""
    made.rotation_euler = (x * pi / 180, y * pi / 180, z * pi / 180)
    return made


def box(below: Object, at: Point, size: Point, material: Material, bevel: float = 0.003) -> Object:
    """A box whose bottom face has its centre at `at`, with rounded edges."""
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    points = [(sx * x, sy * y, sz * z) for sz in (0, 1) for sy in (-1, 1) for sx in (-1, 1)]
    faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    made = mesh(below, points, faces, material, smooth=False)
    made.location = at
    if bevel:
        modifier = made.modifiers.new("bevel", "BEVEL")
        modifier.width, modifier.segments, modifier.harden_normals = bevel, 3, True
    return made


def sheet(
    below: Object,
    shape: Callable[[float, float], Point],
    cells: tuple[int, int],
    material: Material,
    closed: bool = False,
) -> Object:
    """A surface point = shape(u, v), u and v in [0, 1]; closed: u = 1 joins u = 0. Carries its u and v as UV coordinates."""
    across, along = cells
    columns = across if closed else across + 1
    points = [shape(i / across, j / along) for j in range(along + 1) for i in range(columns)]
    faces = [
        (j * columns + i, j * columns + (i + 1) % columns, (j + 1) * columns + (i + 1) % columns, (j + 1) * columns + i)
        for j in range(along)
        for i in range(across)
    ]
    made = mesh(below, points, faces, material)
    corners = [
        (i + di, j + dj) for j in range(along) for i in range(across) for di, dj in ((0, 0), (1, 0), (1, 1), (0, 1))
    ]
    layer = made.data.uv_layers.new(name="uv")
    layer.data.foreach_set("uv", np.float32([(i / across, j / along) for i, j in corners]).ravel())
    return made


def lathe(below: Object, at: Point, profile: Sequence[tuple[float, float]], material: Material) -> Object:
    """A solid of revolution; profile: (radius, height) from bottom to top, rounded by subdivision."""

    def shape(u: float, v: float) -> Point:
        radius, height = profile[round(v * (len(profile) - 1))]
        return (radius * cos(2 * pi * u), radius * sin(2 * pi * u), height)

    made = sheet(below, shape, (48, len(profile) - 1), material, closed=True)
    made.location = at
    made.modifiers.new("round", "SUBSURF").render_levels = 2
    return made


def tube(below: Object, points: Sequence[Point], radius: float, material: Material) -> Object:
    """A round rod along points."""
    curve = bpy.data.curves.new("tube", "CURVE")
    curve.dimensions, curve.bevel_depth, curve.bevel_resolution, curve.use_fill_caps = "3D", radius, 4, True
    line = curve.splines.new("POLY")
    line.points.add(len(points) - 1)
    for knot, point in zip(line.points, points, strict=True):
        knot.co = (*point, 1)
    line.use_smooth = True
    curve.materials.append(material)
    made = bpy.data.objects.new("tube", curve)
    bpy.context.collection.objects.link(made)
    made.parent = below
    return made


def rough(point: Vector, amount: float, size: float, seed: float) -> Vector:
    """The point moved by smooth noise: what keeps cloth from being a formula."""
    return point + amount * noise.noise_vector(point / size + Vector((seed, 7 * seed, 3 * seed)))


def upholstered(
    below: Object,
    at: Point,
    size: Point,
    material: Material,
    radius: float = 0.05,
    crown: float = 0.02,
    seed: float = 1.0,
) -> Object:
    """A stuffed box: round edges, faces that swell by `crown`, and the unevenness of cloth; the centre of its bottom face at `at`."""
    half = Vector(size) / 2
    inner = Vector([max(side - radius, 0.001) for side in half])
    points, faces = _cube_grid(18)
    shaped = []
    for unit in points:
        outer = Vector([u * h for u, h in zip(unit, half, strict=True)])
        core = Vector([min(max(o, -i), i) for o, i in zip(outer, inner, strict=True)])
        away = outer - core
        point = core + (away.normalized() * radius if away.length > 0 else away)
        swell = Vector([unit[a] * (1 - unit[(a + 1) % 3] ** 2) * (1 - unit[(a + 2) % 3] ** 2) for a in range(3)])
        point = rough(point + crown * swell, 0.006, 0.16, seed)
        shaped.append(rough(point, 0.002, 0.05, seed) + Vector((0, 0, half.z)))
    made = mesh(below, shaped, faces, material)
    made.location = at
    made.modifiers.new("round", "SUBSURF").render_levels = 1
    return made


def _cube_grid(cells: int) -> tuple[list[Point], list[list[int]]]:
    """The surface of the cube [-1, 1]^3 as a grid, finer towards the edges: points and faces, shared along the edges."""
    steps = np.sin(np.linspace(-pi / 2, pi / 2, cells + 1))
    index: dict[Point, int] = {}
    faces = []
    for axis in range(3):
        for side in (-1.0, 1.0):
            for i in range(cells):
                for j in range(cells):
                    ring = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)][:: int(side)]
                    corners = [tuple(np.roll([side, steps[a], steps[b]], axis).round(6).tolist()) for a, b in ring]
                    faces.append([index.setdefault(corner, len(index)) for corner in corners])
    return list(index), faces
