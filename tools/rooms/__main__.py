"""Renders the two rooms of `relook demo` (see README.md): python tools/rooms OUT [--width 1280] [--samples 12] [--only structure] [--walk 20]."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi, sin
from pathlib import Path

import bpy
import numpy as np

from looks import structure, style
from shapes import Point


@dataclass(frozen=True)
class Camera:
    """Eye, degrees to the right of straight ahead (y), focal length in mm of full frame, vertical shift, stops of exposure, degrees up."""

    eye: Point
    right: float
    focal: float
    shift: float = 0.0
    stops: float = 0.0
    up: float = 0.0


CAMERAS = {
    "structure": Camera((1.5, -0.6, 1.4), 12.0, 24.0, -0.05, -0.25),
    "style": Camera((1.2, -0.5, 1.4), 15.0, 24.0, -0.05, 0.2),
}
ROOMS: dict[str, Callable[[], None]] = {"structure": structure, "style": style}


def render(name: str, out: Path, options: argparse.Namespace) -> None:
    """One room as a JPEG file, or the frames of a walk through it as a folder of them."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    sky()
    ROOMS[name]()
    cameras = {out / f"{name}.jpg": CAMERAS[name]}
    if options.walk:
        cameras = {out / name / f"{k:04d}.jpg": one for k, one in enumerate(walk(CAMERAS[name], options.walk))}
    for place, camera in cameras.items():
        look_from(camera)
        settings(options.width, options.samples, options.threads, camera.stops)
        raw = place.with_suffix(".png")
        bpy.context.scene.render.filepath = str(raw)
        bpy.ops.render.render(write_still=True)
        developed(raw, place)
        raw.unlink()


def walk(camera: Camera, count: int) -> list[Camera]:
    """A camera carried by hand: a metre to the side and one ahead, turned back to the middle, never quite still; its exposure drifts."""
    cameras = []
    for number in range(count):
        t = 2 * number / max(count - 1, 1) - 1
        (x, y, z), shake = camera.eye, sin(2.3 * number)
        eye = (x + 0.5 + 0.6 * t + 0.01 * shake, y + 0.4 + 0.5 * t, z + 0.02 * sin(1.7 * number))
        turn = camera.right - 12 - 16 * t + 0.4 * shake
        stops = camera.stops + 0.1 * sin(0.6 * number)
        cameras.append(replace(camera, eye=eye, right=turn, stops=stops, up=-6 + 0.5 * sin(3.1 * number)))
    return cameras


def sky() -> None:
    """A clear sky whose sun stands behind the house: soft light through the window."""
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    nodes, links = world.node_tree.nodes, world.node_tree.links
    texture = nodes.new("ShaderNodeTexSky")
    texture.sun_disc, texture.sun_elevation, texture.sun_rotation = False, 50 * pi / 180, 200 * pi / 180
    background = nodes.get("Background") or nodes.new("ShaderNodeBackground")
    links.new(texture.outputs[0], background.inputs["Color"])
    background.inputs["Strength"].default_value = 0.6


def look_from(camera: Camera) -> None:
    """The scene's camera."""
    lens = bpy.data.cameras.new("camera")
    lens.lens, lens.sensor_width, lens.shift_y = camera.focal, 36.0, camera.shift
    made = bpy.data.objects.new("camera", lens)
    bpy.context.collection.objects.link(made)
    made.location, made.rotation_euler = camera.eye, ((90 + camera.up) * pi / 180, 0, -camera.right * pi / 180)
    bpy.context.scene.camera = made


def settings(width: int, samples: int, threads: int, stops: float) -> None:
    """Path tracing on the CPU with a denoiser, and film-like tones."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = width, width * 2 // 3
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.render.use_persistent_data = True
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.adaptive_threshold = "CPU", samples, 0.02
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 9, 6, 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 8.0
    scene.view_settings.view_transform, scene.view_settings.look = "AgX", "AgX - Medium High Contrast"
    scene.view_settings.exposure = stops
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "PNG", "8"


def developed(raw: Path, out: Path) -> None:
    """What a camera adds: darker corners and fine grain; written with quality 88."""
    picture = bpy.data.images.load(str(raw))
    width, height = picture.size
    pixels = np.empty(width * height * 4, np.float32)
    picture.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, 4)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    grain = np.random.default_rng(0).normal(0, 0.005, (height, width, 1))
    pixels[..., :3] = pixels[..., :3] * (1 - 0.05 * (x * x + y * y))[..., None] + grain
    picture.pixels.foreach_set(np.clip(pixels, 0, 1).astype(np.float32).ravel())
    picture.filepath_raw, picture.file_format = str(out), "JPEG"
    picture.save(quality=88)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("out", type=Path)
    words.add_argument("--width", type=int, default=1280)
    words.add_argument("--samples", type=int, default=12)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--only", choices=tuple(ROOMS))
    words.add_argument(
        "--walk", type=int, default=0, metavar="FRAMES", help="a folder of frames instead of one picture"
    )
    options = words.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in (options.only,) if options.only else ROOMS:
        render(name, options.out, options)


if __name__ == "__main__":
    main()
