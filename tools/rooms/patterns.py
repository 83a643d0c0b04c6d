"""Pictures drawn by formula, as arrays [H, W, 3] in linear RGB with their first row at the bottom: rugs and paintings."""

from __future__ import annotations

import numpy as np

from shaders import colour

Array = np.ndarray


def rgb(code: str) -> Array:
    return np.array(colour(code)[:3])


def smooth(seed: int, size: tuple[int, int], cells: int) -> Array:
    """Smooth noise in [0, 1], [H, W]."""
    chance = np.random.default_rng(seed)
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(size[1]) * size[1], np.fft.fftfreq(size[0]) * size[0]))
    spectrum = np.fft.fft2(chance.standard_normal(size)) * np.exp(-((frequencies / cells) ** 2))
    field = np.fft.ifft2(spectrum).real
    return (field - field.min()) / (field.max() - field.min())


def over(ground: Array, mask: Array, code: str) -> Array:
    """The colour over the picture where mask is 1."""
    return ground + mask[..., None] * (rgb(code) - ground)


def edge(distance: Array, width: float = 0.004) -> Array:
    """1 inside (distance < 0), 0 outside, antialiased."""
    return np.clip(0.5 - distance / width, 0, 1)


def bordered_rug(size: tuple[float, float], ground: str, line: str) -> Array:
    """A wool rug with a border of three pale lines and a field of small diamonds (size in metres: along u, along v)."""
    v, u = np.mgrid[0 : size[1] : 0.004, 0 : size[0] : 0.004]
    shape = u.shape
    inside = np.minimum(np.minimum(u, size[0] - u), np.minimum(v, size[1] - v))
    picture = np.full((*shape, 3), rgb(ground)) * (0.8 + 0.4 * smooth(3, shape, 60))[..., None]
    for at, half in ((0.05, 0.02), (0.14, 0.006), (0.17, 0.006)):
        picture = over(picture, edge(np.abs(inside - at) - half) * 0.9, line)
    diamonds = np.abs(u % 0.25 - 0.125) + np.abs(v % 0.25 - 0.125)
    return over(picture, edge(np.abs(diamonds - 0.075) - 0.012) * edge(0.22 - inside) * 0.8, line)


def kilim(size: tuple[float, float], ground: str, field: str, dark: str, accent: str) -> Array:
    """A flat-woven rug: a border, a field, rows of stepped diamonds (size in metres: along u, along v)."""
    v, u = np.mgrid[0 : size[1] : 0.004, 0 : size[0] : 0.004]
    shape = u.shape
    inside = np.minimum(np.minimum(u, size[0] - u), np.minimum(v, size[1] - v))
    picture = np.full((*shape, 3), rgb(field))
    x, y = (u - size[0] / 2) % 0.5 - 0.25, (v - size[1] / 2 + 0.3) % 0.6 - 0.3
    steps = np.round(np.abs(x) / 0.02) * 0.02 + np.round(np.abs(y) / 0.02) * 0.02 * 0.83
    for reach, code in ((0.235, dark), (0.205, ground), (0.15, accent), (0.1, dark), (0.055, ground)):
        picture = over(picture, edge(steps - reach), code)
    zigzag = np.abs((u + v) % 0.12 - 0.06) + np.abs((u - v) % 0.12 - 0.06)
    for width, code in ((0.24, dark), (0.225, ground)):
        picture = over(picture, edge(inside - width), code)
    picture = over(picture, edge(inside - 0.205) * edge(zigzag - 0.055), accent)
    for width, code in ((0.06, dark), (0.045, field)):
        picture = over(picture, edge(inside - width), code)
    return picture * (0.88 + 0.2 * smooth(5, shape, 70))[..., None] * (0.94 + 0.1 * smooth(6, shape, 4))[..., None]


def hills(codes: list[str], seed: int, size: tuple[int, int] = (400, 560)) -> Array:
    """A painting: layers of hills under a pale sky; the first colour is the sky."""
    height, width = size
    rows = np.arange(height)[:, None] / height
    picture = np.full((*size, 3), rgb(codes[0])) * (0.9 + 0.14 * rows)[..., None]
    for k, code in enumerate(codes[1:]):
        line = 0.72 - 0.62 * k / len(codes[1:]) + 0.2 * (smooth(seed + k, (4, width), 3)[:1] - 0.5)
        picture = over(picture, edge(rows - line, 0.01) * (0.8 + 0.2 * smooth(seed + 9 * k, size, 30)), code)
    return picture * (0.9 + 0.2 * smooth(seed + 50, size, 90))[..., None]


def shapes(codes: list[str], seed: int, size: tuple[int, int] = (560, 420)) -> Array:
    """A painting: rounded cut-outs over a pale ground; the first colour is the ground."""
    v, u = np.mgrid[0 : size[0], 0 : size[1]] / size[1]
    chance = np.random.default_rng(seed)
    picture = np.full((*size, 3), rgb(codes[0])) * (0.95 + 0.08 * smooth(seed, size, 60))[..., None]
    for k, code in enumerate(codes[1:]):
        x, y = 0.5 + 0.22 * np.cos(2.3 * k + seed), size[0] / size[1] * (0.5 + 0.27 * np.sin(2.3 * k + seed))
        wobble = 0.1 * (smooth(seed + k + 1, size, 3) - 0.5)
        picture = over(picture, edge(np.hypot((u - x) * chance.uniform(0.8, 1.6), v - y) - 0.17 + wobble, 0.006), code)
    return picture
