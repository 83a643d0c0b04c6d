"""Train the embedded judge of renderings: clean against noisy, sharp against blurred, colourful against dull."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, conv2d, interpolate, pad

from relook.models.pooled_encoder import SCORES, QualityScores
from relook.training.cards import write_network
from relook.training.data import HELD_OUT, World, crops
from relook.training.loop import LoopConfig, train
from relook.training.subjects import TrainQuality

SIDE, CROP = 128, 96
"""Sides of the pictures and of what is cut from them, in pixels."""
SPOILT = 0.6
"""How often each fault is put in."""
BLUR, NOISE, DULL = (0.4, 3.0), (0.01, 0.12), 0.9
"""Least and most deviation of the blur (pixels) and of the noise (RGB); what is taken of the colours at most."""


class Judged(NamedTuple):
    """B pictures and how good they are."""

    images: Float[Tensor, "B 3 S S"]
    scores: Float[Tensor, "B Q"]
    """In the order of SCORES: 1 is untouched, 0 the worst."""


class Spoilt(Iterator[Judged]):
    """Endless pictures of rooms, a third dead leaves, with faults of any strength."""

    def __init__(self, rooms: int, styles: int, batch: int, seed: int) -> None:
        self.rng = np.random.default_rng([72, seed])
        world = World.build(rooms, styles, (SIDE, SIDE), seed=seed, wild=0.35)
        self.crops = crops(world, batch, CROP, torch.Generator().manual_seed(seed))

    def __next__(self) -> Judged:
        images = next(self.crops)
        faults = self.rng.uniform(0, 1, (len(images), 3)) * (self.rng.random((len(images), 3)) < SPOILT)
        severity = torch.from_numpy(faults.astype(np.float32))
        return Judged(spoilt(images, severity, self.rng), 1 - severity)


def spoilt(
    images: Float[Tensor, "B 3 H W"], severity: Float[Tensor, "B 3"], rng: np.random.Generator
) -> Float[Tensor, "B 3 H W"]:
    """Pictures made dull, then blurred, then noisy; severity 0 (untouched) to 1 of noise, blur and dullness (the order of SCORES).

    Noise is as fine as a pixel, or two or four of them, as wrong Gaussians are; of one colour or grey.
    """
    noise, blur, dull = (part[:, None, None, None] for part in severity.unbind(1))
    grey = images.mean(1, keepdim=True)
    found = grey + (1 - DULL * dull) * (images - grey)
    found = torch.lerp(found, found.mean((1, 2, 3), keepdim=True), 0.35 * dull)
    found = blurred(found, torch.where(blur > 0, BLUR[0] + (BLUR[1] - BLUR[0]) * blur, 0.0)[:, 0, 0, 0])
    grain = []
    for _ in range(len(images)):
        coarse, bands = 2 ** int(rng.integers(3)), 3 if rng.random() < 0.7 else 1
        shape = (1, bands, *(-(-side // coarse) for side in images.shape[2:]))
        drawn = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
        drawn = drawn / coarse**0.5
        grain.append(interpolate(drawn, images.shape[2:], mode="nearest").expand(1, 3, -1, -1))
    strength = torch.where(noise > 0, NOISE[0] + (NOISE[1] - NOISE[0]) * noise, 0.0)
    return (found + strength * torch.cat(grain)).clamp(0, 1)


def blurred(images: Float[Tensor, "B 3 H W"], deviation: Float[Tensor, " B"]) -> Float[Tensor, "B 3 H W"]:
    """Each picture blurred by a Gaussian of its own deviation in pixels (0: as it is)."""
    reach = int(3 * float(deviation.max()) + 1)
    at = torch.arange(-reach, reach + 1).float()
    kernel = torch.exp(-at.square() / (2 * deviation.clamp_min(1e-3)[:, None].square()))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    flat = pad(images, 4 * [reach], mode="replicate").flatten(0, 1)[None]
    flat = conv2d(flat, kernel[:, None, :, None], groups=len(kernel))
    return conv2d(flat, kernel[:, None, None, :], groups=len(kernel))[0].view_as(images)


def judging_loss(network: QualityScores, batch: Judged) -> dict[str, Tensor]:
    """Cross entropy of every score with how little of its fault is in the picture."""
    logits = network(batch.images.contiguous(memory_format=torch.channels_last))
    error = (logits.sigmoid() - batch.scores).abs().mean(0)
    named = {name: error[number] for number, name in enumerate(SCORES)}
    return {"loss": binary_cross_entropy_with_logits(logits, batch.scores), **named}


@torch.no_grad()
def ordering(network: QualityScores, count: int = 60, seed: int = HELD_OUT) -> dict[str, float]:
    """How often the better one of two versions of an unseen picture scores higher, by score; both have the other faults too."""
    rng, stream = np.random.default_rng([73, seed]), Spoilt(count, count, count, seed)
    images, right = next(stream.crops), {}
    for number, name in enumerate(SCORES):
        both = torch.from_numpy(rng.uniform(0, 0.5, (2, len(images), 3)).astype(np.float32))
        both[1] = both[0]
        both[1, :, number] += torch.from_numpy(rng.uniform(0.15, 0.5, len(images)).astype(np.float32))
        better, worse = (network(spoilt(images, part, rng))[:, number] for part in both)
        right[name] = float((better > worse).float().mean())
    return right


def run(config: TrainQuality) -> Path:
    """Train, measure and save in half precision; returns the folder that `load_quality` reads."""
    torch.manual_seed(config.seed)
    network = QualityScores().train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = LoopConfig(config.steps, rate=2e-3, average=0.995, every=100)
    stream = Spoilt(config.rooms, config.styles, config.batch, config.seed)
    averaged = train(network, stream, lambda batch: judging_loss(network, batch), loop, config.out / "run").eval()
    measured = ", ".join(f"{name} {100 * share:.0f} %" for name, share in ordering(averaged).items())
    return write_network(averaged, config.out, "quality", CARD.format(**vars(config), measured=measured))


CARD = """# dollhouse / quality

How clean, sharp and colourful a picture is, as three logits (0.07 M parameters, half precision, Apache-2.0): means and deviations of channels at four scales, two layers.

- Data: the procedural world `relook.dollhouse` and dead leaves, seeds below 1,000,000; no photograph was used.
- Recipe: `relook train quality --steps {steps} --batch {batch} --rooms {rooms} --styles {styles} --seed {seed}`; the curve lies beside it.
- Measured: of two versions of an unseen picture, one with 15 to 50 % more of a fault (and some of the others in both), the better one scores higher: {measured} (chance 50 %).
- Limits: it knows drawn rooms and their faults; it is no judge of photographs.
"""
