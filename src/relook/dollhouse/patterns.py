"""Procedural patterns: each maps tile coordinates to the share of the second colour, periodic over the unit tile.

u runs to the right and v upwards, both in [0, 1) over one tile of TILE metres. Every function takes (u, v, frequency, phase)
and returns values in [0, 1] of the same shape: 0 is the material's first colour, 1 its second.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

TILE = 0.8
"""Side of a material tile in metres."""

Pattern = Callable[[Tensor, Tensor, int, float], Tensor]
TAU = 2 * math.pi


def _wave(x: Tensor) -> Tensor:
    return 0.5 + 0.5 * torch.sin(TAU * x)


def _step(x: Tensor, sharpness: float | int = 14) -> Tensor:
    """A soft threshold at 0."""
    return torch.sigmoid(sharpness * x)


def plain(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """One colour with a breath of unevenness."""
    return 0.06 * _wave(u + _wave(v + phase)) * _wave(2 * v + phase)


def stripes(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Upright stripes."""
    return _step(torch.sin(TAU * (frequency * u + phase)), 9)


def bands(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Level stripes."""
    return stripes(v, u, frequency, phase)


def checks(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """A chequerboard."""
    return _step(torch.sin(TAU * (frequency * u + phase)) * torch.sin(TAU * (frequency * v + phase)), 12)


def gingham(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Two crossing sets of stripes, each of half strength."""
    return 0.5 * stripes(u, v, frequency, phase) + 0.5 * bands(u, v, frequency, phase)


def dots(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Round dots on a square grid."""
    du, dv = torch.frac(frequency * u + phase) - 0.5, torch.frac(frequency * v + phase) - 0.5
    return _step(0.29 - torch.sqrt(du * du + dv * dv), 30)


def diamonds(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """A lattice of diamonds."""
    du, dv = torch.frac(frequency * u + phase) - 0.5, torch.frac(frequency * v + phase) - 0.5
    return _step(0.33 - (du.abs() + dv.abs()), 26)


def chevron(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Zigzag bands."""
    zigzag = (torch.frac(frequency * u + phase) - 0.5).abs()
    return _step(torch.sin(TAU * (frequency * v + 1.0 * zigzag)), 9)


def wood(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Planks along v with grain, and a dark seam between them."""
    planks = 2 * frequency
    plank = torch.floor(planks * u)
    shade = torch.frac(torch.sin((plank + 1) * 12.9898 + phase * 78.2) * 43758.5)
    grain = _wave(planks * 2 * u + 0.35 * _wave(v + shade) + 0.2 * _wave(2 * v + 3 * shade))
    seam = _step((torch.frac(planks * u) - 0.5).abs() - 0.45, 60)
    return (0.5 * shade + 0.25 * grain + 0.9 * seam).clamp(0, 1)


def brick(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Running bond: rows shifted by half a brick; the joints are the second colour."""
    rows = 4 * frequency
    row = torch.floor(rows * v)
    x = torch.frac(2 * frequency * u + 0.5 * torch.remainder(row, 2))
    y = torch.frac(rows * v)
    joint = torch.maximum((x - 0.5).abs() - 0.44, (y - 0.5).abs() - 0.38)
    tone = 0.18 * torch.frac(torch.sin(row * 7.1 + torch.floor(2 * frequency * u) * 3.3 + phase) * 4375.5)
    return (_step(joint, 40) + tone).clamp(0, 1)


def tiles(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Square tiles with thin joints."""
    x, y = torch.frac(2 * frequency * u), torch.frac(2 * frequency * v)
    return _step(torch.maximum((x - 0.5).abs(), (y - 0.5).abs()) - 0.455, 50)


def marble(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Soft veins."""
    warp = 0.45 * _wave(u + phase) + 0.3 * _wave(2 * v + u) + 0.22 * _wave(3 * u - 2 * v + phase)
    return (1 - torch.sin(TAU * (frequency * 0.5 * 2 * (u + v) + warp)).abs()) ** 3


def weave(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Over and under threads of a coarse cloth."""
    n = 3 * frequency
    over = torch.remainder(torch.floor(n * u) + torch.floor(n * v), 2)
    return (0.25 + 0.75 * torch.where(over > 0, _wave(n * u), _wave(n * v))) * 0.8


def speckle(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Terrazzo: irregular chips."""
    n = 4 * frequency
    cu, cv = torch.floor(n * u), torch.floor(n * v)
    a = torch.frac(torch.sin(cu * 12.99 + cv * 78.23 + phase * 37) * 43758.5)
    b = torch.frac(torch.sin(cu * 39.35 + cv * 11.14 + phase * 53) * 24634.6)
    du, dv = torch.frac(n * u) - 0.3 - 0.4 * a, torch.frac(n * v) - 0.3 - 0.4 * b
    return _step(0.12 + 0.22 * a * b - torch.sqrt(du * du + dv * dv), 40)


PATTERNS: dict[str, Pattern] = {
    pattern.__name__: pattern for pattern in (
        plain, stripes, bands, checks, gingham, dots, diamonds, chevron, wood, brick, tiles, marble, weave, speckle,
    )
}  # fmt: skip
"""Every pattern by name."""


def window_view(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """A frame with panes (second colour) around a sky that brightens towards the horizon."""
    frame = torch.maximum((u - 0.5).abs(), (v - 0.5).abs()) - 0.46
    bars = 0.022 - (torch.frac(u * (1 + frequency % 2) + 0.5 * (frequency % 2)) - 0.5).abs() / (1 + frequency % 2)
    rail = 0.022 - (v - 0.62).abs() if frequency > 2 else torch.full_like(v, -1.0)
    wood = torch.maximum(torch.maximum(frame, bars if frequency % 2 else rail), rail)
    return torch.maximum(_step(wood, 90), 0.25 * v)


def door_panels(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """Sunken panels with a dark outline."""
    y = torch.frac(v * (1 + frequency % 3))
    edge = torch.maximum((u - 0.5).abs() - 0.34, (y - 0.5).abs() - 0.38)
    return torch.exp(-((edge / 0.035) ** 2)) * 0.8


def picture(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """An abstract painting of two colours in a frame."""
    x, y = u - 0.5, v - 0.5
    blob = _step(0.16 + 0.1 * math.sin(9 * phase) - torch.hypot(x - 0.15 * math.sin(TAU * phase), y - 0.1), 30)
    hill = _step(0.12 * torch.sin(TAU * (u * (1 + frequency % 3) + phase)) - 0.12 - y, 40)
    return torch.maximum(blob * 0.7, hill)


def screen(u: Tensor, v: Tensor, frequency: int, phase: float) -> Tensor:
    """A dark screen with a reflection across it."""
    return 0.5 * _step(0.16 - (u + 0.4 * v - 0.5 - 0.3 * phase).abs(), 12)


FACE_PATTERNS: dict[str, Pattern] = {
    "window": window_view, "door": door_panels, "painting": picture, "television": screen,
}  # fmt: skip
"""Patterns of the face-mapped classes: they cover a face once."""
