"""The two rooms: what stands where, of which material."""

from __future__ import annotations

import bpy

import furniture as f
import patterns
import shaders as s
from shapes import place
from shell import Room, ceiling_lights, curtains, outside, planks, walls


def daylight(room: Room, watts: float, tone: str = "eef4ff") -> None:
    """Light of the sky: a panel outside the window, and a dim large one behind the camera for windows that are not seen."""
    centre, wide, sill, head = room.window
    out, back = (room.width + 0.3, centre, (sill + head) / 2), (room.width / 2, room.near + 0.05, room.height * 0.62)
    for at, turn, size, power, code in (
        (out, (0, 1.5708, 0), (head - sill, wide), watts, tone),
        (back, (1.5708, 0, 0), (room.width * 0.8, 1.4), watts * 0.3, "fff4e8"),
    ):
        lamp = bpy.data.lights.new("light", "AREA")
        lamp.shape, lamp.size, lamp.size_y, lamp.energy, lamp.color = "RECTANGLE", *size, power, s.colour(code)[:3]
        made = bpy.data.objects.new("light", lamp)
        bpy.context.collection.objects.link(made)
        made.location, made.rotation_euler, made.visible_camera = at, turn, False


def structure() -> None:
    """A pale living room: oak, linen, wool."""
    room = Room(5.2, -1.2, 4.9, 2.6, (3.0, 1.9, 0.5, 2.25))
    white, black = s.plain("f1f0ec", 0.35), s.plain("1d1d1e", 0.4, 0.6)
    oak = s.wood("9d7f5b", "d0b48c", 0.42)
    planks(room, oak, 0.14, 1.5, 1)
    warm = s.paint("d3cbbc")
    walls(room, warm, s.paint("f6f5f2"))
    curtains(room, s.sheer("efece4", 0.35), black)
    outside(room)
    daylight(room, 190.0)
    linen = s.cloth("a09a90")
    sofa = place((2.35, 4.35, 0))
    f.sofa(sofa, 2.25, linen, s.plain("3a2c22", 0.45), 3)
    f.pillow(sofa, (-0.72, 0.02, 0.47), 0.47, s.cloth("66727c", 0.003), 22, 12, 1.0)
    f.pillow(sofa, (-0.42, -0.06, 0.46), 0.42, s.cloth("d8d2c4", 0.004, slub=0.3), 26, -6, 2.0)
    f.pillow(sofa, (0.74, 0.02, 0.47), 0.46, s.cloth("66727c", 0.003), 21, -14, 3.0)
    f.rug(place((2.3, 2.3, 0)), (2.2, 1.4), s.painted(patterns.bordered_rug((2.2, 1.4), "7d858c", "c9c6bd"), 0.006))
    walnut = s.wood("4c3423", "7d5a3b", 0.35, planks=False)
    f.low_table(place((2.3, 2.22, 0.012)), (1.1, 0.6, 0.38), walnut, black)
    table = place((2.3, 2.22, 0.392))
    f.books(
        place((0.1, -0.1, 0), -15, table), [s.plain("8d9aa3", 0.5), s.plain("ded6c6", 0.5)], s.plain("e9e4d8", 0.9), 2
    )
    f.vase(place((-0.17, 0.0, 0), 0, table), s.plain("e6e0d4", 0.5), 0.16)
    f.armchair(place((4.1, 2.75, 0), -60), s.cloth("80705f", 0.003), s.wood("6e4a2e", "a17347", 0.35, planks=False))
    f.floor_lamp(place((0.5, 3.3, 0)), black, s.cloth("2a2a2c"), s.glowing("ffc98a", 60.0))
    stem, soil = s.plain("5c6b38", 0.6), s.plain("2a211b", 0.95)
    f.plant(place((4.72, 4.4, 0)), s.plain("d9d4ca", 0.6), s.leaf(), stem, soil, 3)
    art = s.painted(patterns.hills(["e8e2d6", "b9c2c4", "8699a3", "556b78", "39434a"], 3), 0.0, 0.7)
    f.framed(place((2.35, 4.9, 1.62)), (1.25, 0.9), art, s.plain("2a2622", 0.4), white)
    ceiling_lights(room, [(1.4, 1.9), (3.6, 1.9), (1.4, 3.7), (3.6, 3.7)])


def style() -> None:
    """A deep-coloured living room: green walls, walnut, velvet, a kilim."""
    room = Room(4.6, -1.2, 5.2, 2.75, (2.75, 1.8, 0.45, 2.35))
    white, brass = s.plain("efece6", 0.35), s.plain("b08a4e", 0.3, 1.0)
    walnut = s.wood("57402c", "93704f", 0.36)
    planks(room, walnut, 0.12, 1.2, 2)
    green = s.paint("76857a")
    walls(room, green, s.paint("f3f1ec"))
    curtains(room, s.sheer("c9b79a", 0.2), brass)
    outside(room)
    daylight(room, 220.0, "fff6ea")
    rust = s.velvet("84482c")
    sofa = place((2.0, 4.65, 0))
    f.sofa(sofa, 2.1, rust, brass, 2, 0.2)
    f.pillow(sofa, (-0.62, 0.0, 0.47), 0.48, s.velvet("3a504c"), 22, 12, 5.0)
    f.pillow(sofa, (0.62, 0.0, 0.47), 0.46, s.cloth("d9c7a3", 0.004, slub=0.3), 22, -12, 6.0)
    rug = patterns.kilim((2.3, 1.6), "e3d6bd", "84483a", "34323a", "b08a55")
    f.rug(place((2.2, 2.7, 0)), (2.3, 1.6), s.painted(rug, 0.003))
    dark = s.wood("3b2a1e", "6b5038", 0.3, planks=False)
    f.low_table(place((2.1, 2.5, 0.012)), (1.1, 0.6, 0.38), dark, s.plain("1d1d1e", 0.4))
    table = place((2.1, 2.5, 0.392))
    f.books(
        place((-0.3, 0, 0), 80, table),
        [s.plain("2f4a45", 0.5), s.plain("c9a15a", 0.5), s.plain("e5ddcd", 0.5)],
        s.plain("e9e4d8", 0.9),
        6,
    )
    f.vase(place((0.28, 0.08, 0), 0, table), s.plain("31555a", 0.15), 0.18)
    f.tub_chair(place((3.75, 3.3, 0), -70), s.leather("7d5c40"), s.plain("2a1c14", 0.4))
    f.floor_lamp(place((0.55, 4.7, 0)), brass, s.cloth("33443c"), s.glowing("ffc98a", 60.0))
    f.plant(place((4.1, 4.75, 0)), s.plain("c9b8a0", 0.5), s.leaf(), s.plain("5c6b38", 0.6), s.plain("2a211b", 0.95), 8)
    for x, seed in ((1.55, 4), (2.45, 9)):
        art = s.painted(patterns.shapes(["ead9bd", "b4532d", "2f4a45", "d3a24c", "23282b"], seed), 0.0, 0.7)
        f.framed(place((x, 5.2, 1.68)), (0.66, 0.86), art, brass, white)
