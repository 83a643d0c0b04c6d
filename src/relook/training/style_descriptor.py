"""Train the embedded style descriptor: pictures of two rooms in one style are alike, those of other styles are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate

from relook.dollhouse import Geometry, sample_layout, sample_style, shade, trace
from relook.models.pooled_encoder import SIDE, StyleDescriptor
from relook.training.cards import write_network
from relook.training.data import HELD_OUT
from relook.training.loop import LoopConfig, train
from relook.training.subjects import TrainStyleDescriptor

CROP = 80
"""Side of what is looked at in training."""
TEMPERATURE = 0.1
"""Of the descriptors' softmax."""
SHOWN, FRESH, MEMORY = 3, 5, 3000
"""Rooms in each style, styles that are new in each step, and how many of the last styles the others are drawn from."""
WILD = 0.35
"""Share of styles whose colours are drawn at random."""


class StylesInRooms(Iterator[Float[Tensor, "P 3 S S"]]):
    """Endless batches: first one picture of every style, then another picture of every style, other rooms, crops and mirrors."""

    def __init__(self, rooms: int, batch: int, seed: int) -> None:
        self.rng, self.batch, self.next = np.random.default_rng([71, seed]), batch, seed
        self.geometry: Geometry = trace([sample_layout(seed + i) for i in range(rooms)], (SIDE, SIDE))
        self.stored: list[Tensor] = []

    def __next__(self) -> Float[Tensor, "P 3 S S"]:
        missing = max(0, self.batch - len(self.stored))
        for _ in range(max(missing, FRESH)):
            self.stored.append((self._coloured() * 255).round().byte())
        self.stored = self.stored[-MEMORY:]
        chosen = [self.stored[i] for i in self.rng.choice(len(self.stored), self.batch, replace=False)]
        pairs = [one[self.rng.permutation(SHOWN)[:2].tolist()].float() / 255 for one in chosen]
        return torch.cat([torch.stack([cropped(pair[side], self.rng) for pair in pairs]) for side in (0, 1)])

    def _coloured(self) -> Float[Tensor, "R 3 H W"]:
        """Rooms in a style that was not there before."""
        style, self.next = sample_style(self.next, WILD), self.next + 1
        rooms = torch.from_numpy(self.rng.choice(len(self.geometry.depth), SHOWN, replace=False))
        atlas = style.atlas(self.geometry.texels)
        return shade(self.geometry[rooms], SHOWN * [style], atlases=torch.stack(SHOWN * [atlas]))


def cropped(image: Float[Tensor, "3 H W"], rng: np.random.Generator) -> Float[Tensor, "3 S S"]:
    """CROP x CROP pixels of a part of the picture, mirrored at random, now and then softened or noisy: none of it is style."""
    side = int(rng.integers(round(0.6 * min(image.shape[1:])), min(image.shape[1:]) + 1))
    y, x = (int(rng.integers(length - side + 1)) for length in image.shape[1:])
    part = image[None, :, y : y + side, x : x + side]
    part = part.flip(3) if rng.random() < 0.5 else part
    part = interpolate(part, (CROP, CROP), mode="bilinear", antialias=True)
    if rng.random() < 0.3:
        part = torch.lerp(part, avg_pool2d(part, 3, 1, 1, count_include_pad=False), float(rng.uniform(0, 1)))
    if rng.random() < 0.3:
        noise = torch.from_numpy(rng.standard_normal(part.shape, dtype=np.float32))
        part = part + float(rng.uniform(0, 0.05)) * noise
    return part[0].clamp(0, 1)


def contrast(network: StyleDescriptor, images: Float[Tensor, "P 3 S S"]) -> dict[str, Tensor]:
    """InfoNCE both ways: of all second pictures the one of the same style, and of all first ones (van den Oord et al. 2018)."""
    first, second = network(images.contiguous(memory_format=torch.channels_last)).chunk(2)
    scores = first @ second.T / TEMPERATURE
    wanted = torch.arange(len(scores), device=scores.device)
    loss = (cross_entropy(scores, wanted) + cross_entropy(scores.T, wanted)) / 2
    return {"loss": loss, "found": (scores.argmax(1) == wanted).float().mean()}


@torch.no_grad()
def retrieval(network: StyleDescriptor, styles: int = 200, seed: int = HELD_OUT) -> dict[str, float]:
    """How often the picture of the same style is the nearest of so many pictures of unseen rooms, or among the nearest five."""
    side = []
    for first in (0, 10_000):
        found = []
        for start in range(0, styles, 20):
            numbers = [seed + start + i for i in range(min(20, styles - start))]
            geometry = trace([sample_layout(number + first) for number in numbers], (SIDE, SIDE))
            found.append(network(shade(geometry, [sample_style(number, WILD) for number in numbers])))
        side.append(torch.cat(found))
    return ranks(side[0] @ side[1].T)


def ranks(scores: Float[Tensor, "N N"]) -> dict[str, float]:
    """Share of rows whose own column is the highest, and among the highest five."""
    above = (scores > scores.diagonal()[:, None]).sum(1)
    return {"top 1": float((above < 1).float().mean()), "top 5": float((above < 5).float().mean())}


def run(config: TrainStyleDescriptor) -> Path:
    """Train, measure and save in half precision; returns the folder that `load_style_descriptor` reads."""
    torch.manual_seed(config.seed)
    network = StyleDescriptor().train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = LoopConfig(config.steps, rate=2e-3, average=0.995, every=100)
    stream = StylesInRooms(config.rooms, config.batch, config.seed)
    averaged = train(network, stream, lambda images: contrast(network, images), loop, config.out / "run").eval()
    card = CARD.format(**vars(config), measured=_words(retrieval(averaged)))
    return write_network(averaged, config.out, "style_descriptor", card)


def _words(measured: dict[str, float], parts: Sequence[str] = ("top 1", "top 5")) -> str:
    return ", ".join(f"{part} {100 * measured[part]:.1f} %" for part in parts)


CARD = """# dollhouse / style_descriptor

What style a picture has, as a unit vector of 64 numbers (0.4 M parameters, half precision, Apache-2.0): means and deviations of channels at four scales, two layers.

- Data: the procedural world `relook.dollhouse` only, rooms and styles of seeds below 1,000,000; no photograph was used.
- Recipe: `relook train style-descriptor --steps {steps} --batch {batch} --rooms {rooms} --seed {seed}`; the curve lies beside it.
- Measured: a picture of an unseen room in an unseen style finds the one picture in the same style among 200 of other unseen rooms: {measured} (chance .5 %).
- Limits: it knows drawn rooms. What makes the style of a painting it was never shown.
"""
