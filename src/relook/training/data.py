"""Endless training pictures: cached rooms, coloured anew in every batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from relook.dollhouse import Geometry, Pose, Style, sample_layout, sample_style, shade, trace
from relook.errors import InputError

SIDES = 16
"""Crops for networks with a U-Net at a quarter of the side have sides that are multiples of this."""
LEAVES = 0.3
"""Share of the autoencoder's crops that are dead leaves."""
HELD_OUT = 1_000_000
"""Layout and style seeds from here on are never trained on; evaluation draws from them."""


@dataclass(frozen=True)
class World:
    """Rooms traced once and styles baked once, from which any number of pictures can be coloured."""

    geometry: Geometry
    styles: list[Style]
    atlases: UInt8[Tensor, "N C T T 3"]
    """Baked materials, 0 to 255."""

    @staticmethod
    def build(rooms: int, styles: int, size: tuple[int, int], *, seed: int = 0, wild: float = 0.2) -> World:
        """Trace `rooms` layouts and bake `styles` styles; seeds start at `seed`."""
        geometry = trace([sample_layout(seed + i) for i in range(rooms)], size)
        drawn = [sample_style(seed + i, wild) for i in range(styles)]
        atlases = torch.stack([(style.atlas(geometry.texels) * 255).round().to(torch.uint8) for style in drawn])
        return World(geometry, drawn, atlases)

    def colour(self, rooms: Int[Tensor, " B"], styles: Int[Tensor, " B"]) -> Float[Tensor, "B 3 H W"]:
        """Pictures of chosen rooms in chosen styles."""
        baked = self.atlases[styles].float().div_(255)
        return shade(self.geometry[rooms], [self.styles[i] for i in styles.tolist()], atlases=baked)

    def __len__(self) -> int:
        return len(self.geometry.depth)


def dead_leaves(count: int, side: int, generator: torch.Generator) -> Float[Tensor, "N 3 S S"]:
    """Pictures with the statistics of photographs: overlapping discs and half-planes of every size, textured by 1/f noise.

    The dead leaves model (Lee, Mumford & Huang 2001): sizes fall with the cube, so edges occur at every scale.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    ys, xs = torch.meshgrid(*(2 * [torch.linspace(0, 1, side)]), indexing="ij")
    noise = _pink(count, side, generator)
    image = uniform(count, 3, 1, 1).expand(count, 3, side, side).clone()
    for _ in range(24):
        radius = 0.06 / (1 - 0.985 * uniform(count, 1, 1)).sqrt()
        angle = 6.2832 * uniform(count, 1, 1)
        dx, dy = xs - uniform(count, 1, 1), ys - uniform(count, 1, 1)
        turned = dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin()
        stretch = 0.3 + uniform(count, 1, 1)
        square = uniform(count, 1, 1) < 0.5
        x, y = turned[0], turned[1] * stretch
        inside = torch.where(square, torch.maximum(x.abs(), y.abs()), torch.hypot(x, y))
        soft = ((radius - inside) * side * 0.8 + 0.5).clamp(0, 1)[:, None]
        grey = uniform(count, 1, 1, 1)
        colour = grey + 0.6 * (uniform(count, 3, 1, 1) - 0.5) * uniform(count, 1, 1, 1)
        grain = 0.12 * uniform(count, 1, 1, 1).square()
        image = torch.lerp(image, colour + grain * noise, soft)
    return image.clamp(0, 1)


def _pink(count: int, side: int, generator: torch.Generator) -> Float[Tensor, "N 1 S S"]:
    """Noise of unit deviation whose amplitude falls as 1/f."""
    frequency = torch.fft.fftfreq(side)[:, None].square() + torch.fft.rfftfreq(side)[None].square()
    white = torch.fft.rfft2(torch.randn(count, 1, side, side, generator=generator))
    pink = torch.fft.irfft2(white / frequency.clamp_min(1 / side**2).sqrt(), s=(side, side))
    return pink / pink.std((-1, -2), keepdim=True)


def check_side(side: int) -> None:
    """Raise InputError for a side of crops that the networks' strides do not divide."""
    if side % SIDES:
        raise InputError(f"Expected a side that is a multiple of {SIDES}, got {side}; choose {side + -side % SIDES}.")


def crops(world: World, batch: int, side: int, generator: torch.Generator) -> Iterator[Float[Tensor, "B 3 S S"]]:
    """Endless square crops of restyled rooms, LEAVES of them dead leaves."""
    fresh = max(1, int(batch * (1 - LEAVES)) // 4)
    others = batch - 4 * fresh
    for cut in rooms_in(world, fresh, side, generator, 4):
        yield torch.cat([cut, dead_leaves(others, side, generator)]) if others else cut


def rooms_in(
    world: World, fresh: int, side: int, generator: torch.Generator, times: int = 1
) -> Iterator[Float[Tensor, "B 3 S S"]]:
    """Endless batches of `times` square crops of `fresh` restyled rooms."""
    height, width = world.geometry.depth.shape[1:]
    while True:
        rooms = torch.randint(len(world), (fresh,), generator=generator)
        styles = torch.randint(len(world.styles), (fresh,), generator=generator)
        pictures = world.colour(rooms, styles)
        cut = []
        for _ in range(times):
            y = int(torch.randint(height - side + 1, (1,), generator=generator))
            x = int(torch.randint(width - side + 1, (1,), generator=generator))
            cut.append(pictures[:, :, y : y + side, x : x + side])
        yield torch.cat(cut)


def swayed(pose: Pose, rng: np.random.Generator, spread: float) -> Pose:
    """The pose with the camera nodding and swaying a little; spread: the deviation in radians."""
    return replace(pose, yaw=pose.yaw + rng.normal() * spread, pitch=pose.pitch + rng.normal() * spread)
