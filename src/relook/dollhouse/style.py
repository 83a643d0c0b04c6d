"""Styles: one material per class, and a light. `sample_style` draws tasteful ones, and wild ones on request."""

from __future__ import annotations

import colorsys
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.dollhouse.classes import CLASSES, FACE_MAPPED
from relook.dollhouse.patterns import FACE_PATTERNS, PATTERNS

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """Two colours and the pattern that mixes them."""

    pattern: str
    first: RGB
    second: RGB
    frequency: int = 2
    """Repeats per tile of 0.8 m."""
    phase: float = 0.0


@dataclass(frozen=True)
class Light:
    """An ambient light and a key light from far away."""

    direction: RGB
    """Unit vector towards the key light, in world axes (x left, y up, z into the room)."""
    key: RGB
    ambient: RGB
    shadow: float
    """How dark contact shadows are, 0 (none) to 1."""


@dataclass(frozen=True)
class Style:
    """The look of a room: what every class is made of, and the light."""

    materials: Mapping[str, Material]
    light: Light
    theme: str = ""
    """Name of the palette it was drawn from."""

    def atlas(self, texels: int = 64) -> Float[Tensor, "C T T 3"]:
        """Every class's material as a picture of texels x texels; row 0 is v = 0, column 0 is u = 0."""
        v, u = torch.meshgrid(*(2 * [(torch.arange(texels) + 0.5) / texels]), indexing="ij")
        pages = []
        for name in CLASSES:
            m = self.materials[name]
            pattern = FACE_PATTERNS[name] if name in FACE_MAPPED else PATTERNS[m.pattern]
            share = pattern(u, v, m.frequency, m.phase)[..., None]
            first, second = torch.tensor(m.first), torch.tensor(m.second)
            pages.append(first + share * (second - first))
        return torch.stack(pages).clamp(0, 1)


@lru_cache(1)
def _tables() -> dict[str, Any]:
    return json.loads(files("relook.dollhouse").joinpath("palettes.json").read_text())


def themes() -> tuple[str, ...]:
    """Names of the palettes."""
    return tuple(_tables()["palettes"])


def sample_style(seed: int, wild: float = 0.2) -> Style:
    """A style from a seed; with probability `wild` every colour is drawn at random instead of from a palette."""
    rng = np.random.default_rng([22, seed])
    free = rng.random() < wild
    names = themes()
    theme = "wild" if free else names[int(rng.integers(len(names)))]
    palette = {} if free else _tables()["palettes"][theme]
    materials = {name: _material(rng, name, palette) for name in CLASSES}
    return Style(materials, _light(rng), theme)


def _hex(code: str) -> RGB:
    return tuple(int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


def _jitter(rng: np.random.Generator, colour: RGB) -> RGB:
    h, s, v = colorsys.rgb_to_hsv(*colour)
    h = (h + rng.normal(0, 0.015)) % 1
    s = float(np.clip(s * (1 + rng.normal(0, 0.12)), 0, 0.9))
    return colorsys.hsv_to_rgb(h, s, float(np.clip(v + rng.normal(0, 0.07), 0.08, 0.97)))


def _material(rng: np.random.Generator, name: str, palette: Mapping[str, list[str]]) -> Material:
    rules = _tables()["classes"][name]
    if palette:
        roles = rules["roles"]
        colours = palette[roles[int(rng.integers(len(roles)))]]
        first = _jitter(rng, _hex(colours[int(rng.integers(len(colours)))]))
        others = palette[rules.get("second", "accent")]
        partner = _jitter(rng, _hex(others[int(rng.integers(len(others)))]))
    else:
        first, partner = (
            colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.75), rng.uniform(0.25, 0.95)) for _ in range(2)
        )
    weights = rules.get("patterns", {"plain": 1.0})
    choices = list(PATTERNS) if not palette else list(weights)
    odds = np.array([1.0 if not palette else weights[c] for c in choices])
    pattern = choices[int(rng.choice(len(choices), p=odds / odds.sum()))]
    if name in FACE_MAPPED:
        pattern = name
    second = partner if rng.random() < rules.get("contrast", 0.5) else _shade(rng, first)
    if pattern in ("wood", "marble", "speckle", "brick", "tiles") and palette:
        second = _shade(rng, first)
    return Material(pattern, first, second, int(rng.integers(1, 4)), float(rng.random()))


def _shade(rng: np.random.Generator, colour: RGB) -> RGB:
    """The same hue, clearly darker or lighter."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    factor = rng.uniform(0.55, 0.75) if v > 0.45 else rng.uniform(1.4, 1.8)
    return colorsys.hsv_to_rgb(h, min(1.0, s * rng.uniform(0.9, 1.15)), min(0.97, v * factor))


def _light(rng: np.random.Generator) -> Light:
    azimuth, height = rng.uniform(0, 2 * math.pi), rng.uniform(0.35, 1.1)
    direction = (math.cos(azimuth) * math.cos(height), math.sin(height), math.sin(azimuth) * math.cos(height))
    warmth, strength = rng.uniform(-1, 1), rng.uniform(0.35, 0.6)
    key = (strength * (1 + 0.12 * warmth), strength, strength * (1 - 0.16 * warmth))
    level, tint = rng.uniform(0.5, 0.72), 0.05 * rng.normal()
    return Light(direction, key, (level * (1 + tint), level, level * (1 - tint)), rng.uniform(0.3, 0.75))
