"""Train the embedded perception network: classes, depth, object centres and descriptors from one picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from relook.dollhouse import CLASSES, sample_layout
from relook.dollhouse.parts import part_coordinates
from relook.dollhouse.trace import Geometry, trace
from relook.models.perceiver import SIDE, STRIDE, Perceived, Perceiver
from relook.perceive.segment.vocabulary import ROOM
from relook.training.cards import write_network
from relook.training.data import World
from relook.training.loop import LoopConfig, Stage, scaled, train_stages
from relook.training.subjects import TrainPerceiver

POINTS = 112
"""Positions per picture whose descriptors are compared."""
ALIKE = 0.15
"""Distance of part coordinates at which two positions of one class are half alike."""
TEMPERATURE = 0.07
"""Of the descriptors' softmax."""


@dataclass(frozen=True)
class Batch:
    """B pictures and their truth at a quarter of the side."""

    images: Float[Tensor, "B 3 H W"]
    shares: Float[Tensor, "B C h w"]
    """Share of every class in every cell."""
    log_depth: Float[Tensor, "B h w"]
    centres: Float[Tensor, "B 2 h w"]
    """From each position to the middle of its object, in parts of the sides."""
    things: Bool[Tensor, "B h w"]
    """Where there is an object, not the room."""
    classes: Int[Tensor, "B h w"]
    """Class at the middle of every cell."""
    parts: Float[Tensor, "B h w 6"]
    """See relook.dollhouse.parts."""


class PictureStream(Iterator[Batch]):
    """Endless coloured rooms; in every batch one room of the store is replaced by a new one."""

    def __init__(self, rooms: int, styles: int, batch: int, seed: int, side: int = SIDE) -> None:
        self.size, self.batch, self.seed, self.drawn = (side, side), batch, seed, rooms
        self.world = World.build(rooms, styles, self.size, seed=seed, wild=0.25)
        self.rng = np.random.default_rng([30, seed])
        layouts = [sample_layout(seed + i) for i in range(rooms)]
        self.parts = torch.cat(
            [_centre(part_coordinates(self.world.geometry[i : i + 1], [one])).half() for i, one in enumerate(layouts)]
        )

    def __next__(self) -> Batch:
        self._renew()
        rooms = torch.from_numpy(self.rng.choice(len(self.world), self.batch, replace=False))
        styles = torch.from_numpy(self.rng.integers(len(self.world.styles), size=self.batch))
        images, geometry = self.world.colour(rooms, styles), self.world.geometry[rooms]
        found = truth(disturbed(images, self.rng), geometry, self.parts[rooms].float())
        return flipped(found) if self.rng.random() < 0.5 else found

    def _renew(self) -> None:
        """Trace one more room over the oldest."""
        layout = sample_layout(self.seed + self.drawn)
        slot, self.drawn = self.drawn % len(self.world), self.drawn + 1
        fresh, store = trace([layout], self.size), self.world.geometry
        for entry in fields(Geometry):
            getattr(store, entry.name)[slot] = getattr(fresh, entry.name)[0]
        self.parts[slot] = _centre(part_coordinates(fresh, [layout]))[0].half()


def truth(images: Float[Tensor, "B 3 H W"], geometry: Geometry, parts: Float[Tensor, "B h w 6"]) -> Batch:
    """What the network should say."""
    classes = geometry.classes.long()
    shares = F.avg_pool2d(F.one_hot(classes, len(CLASSES)).permute(0, 3, 1, 2).float(), STRIDE)
    ids = _centre(classes * 64 + geometry.instances)
    log_depth = F.avg_pool2d(geometry.depth.log()[:, None], STRIDE)[:, 0]
    room = torch.isin(_centre(classes), torch.tensor([CLASSES.index(name) for name in ROOM]))
    return Batch(images, shares, log_depth, to_centres(ids), ~room, _centre(classes), parts)


def to_centres(ids: Int[Tensor, "B h w"]) -> Float[Tensor, "B 2 h w"]:
    """From every position to the mean position of its id, in parts of the sides."""
    batch, height, width = ids.shape
    xs = (torch.arange(width) + 0.5).div(width).expand(batch, height, width)
    ys = (torch.arange(height) + 0.5).div(height)[:, None].expand(batch, height, width)
    _, dense = (ids + torch.arange(batch)[:, None, None] * 4096).unique(return_inverse=True)
    flat, count = dense.flatten(), torch.bincount(dense.flatten()).clamp_min(1)
    means = [torch.bincount(flat, axis.flatten()) / count for axis in (xs, ys)]
    return torch.stack([means[0][dense] - xs, means[1][dense] - ys], 1).float()


def flipped(batch: Batch) -> Batch:
    """The mirror image; left and right of every part are exchanged."""
    parts = batch.parts.flip(2).clone()
    parts[..., 0], parts[..., 3] = 1 - parts[..., 0], -parts[..., 3]
    centres = batch.centres.flip(3) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    return Batch(
        batch.images.flip(3), batch.shares.flip(3), batch.log_depth.flip(2), centres, batch.things.flip(2),
        batch.classes.flip(2), parts,
    )  # fmt: skip


def disturbed(images: Float[Tensor, "B 3 H W"], rng: np.random.Generator) -> Float[Tensor, "B 3 H W"]:
    """Other exposures, casts, contrasts and saturations, noise, blur, and pictures that were small once."""

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (len(images), 1, 1, 1)).astype(np.float32))

    cast = torch.from_numpy(rng.uniform(-0.12, 0.12, (len(images), 3, 1, 1)).astype(np.float32)).exp()
    grey = images.mean(1, keepdim=True)
    colour = grey + draw(0.4, 1.4) * (images - grey)
    colour = (colour * cast).clamp(1e-4, 1).pow(draw(-0.45, 0.45).exp())
    colour = 0.5 + draw(0.7, 1.2) * (colour - 0.5) + draw(-0.08, 0.08)
    if rng.random() < 0.35:
        small = F.interpolate(colour, scale_factor=float(rng.uniform(0.4, 0.9)), mode="bilinear", antialias=True)
        colour = F.interpolate(small, images.shape[-2:], mode="bilinear", align_corners=False)
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    return (colour + draw(0.0, 0.04) * noise).clamp(0, 1)


def perception_loss(network: Perceiver, batch: Batch) -> dict[str, Tensor]:
    """Soft cross entropy of classes, L1 of log depth and of object centres, and a contrast of descriptors."""
    found = network(batch.images)
    entropy = -(batch.shares * class_weights() * found.scores.log_softmax(1)).sum(1).mean()
    depth = (found.log_depth - batch.log_depth).abs().mean()
    centres = ((found.centres - batch.centres).abs().sum(1) * batch.things).sum() / batch.things.sum().clamp_min(1)
    contrast = descriptor_loss(found, batch)
    total = entropy + 2 * depth + 2 * centres + 0.2 * contrast
    return {"loss": total, "classes": entropy, "depth": depth, "centres": centres, "contrast": contrast}


def class_weights() -> Float[Tensor, "1 C 1 1"]:
    """Rare things count somewhat more than the room."""
    common = {"wall": 0.6, "floor": 0.8, "ceiling": 0.6, "rug": 1.0, "television": 3.0, "cushion": 2.5, "lamp": 2.0}
    return torch.tensor([common.get(name, 1.5) for name in CLASSES]).view(1, -1, 1, 1)


def descriptor_loss(found: Perceived, batch: Batch) -> Tensor:
    """InfoNCE between positions of all pictures: a position should find the same part of the same class in the other pictures.

    The target of a position is spread over the others of its class by exp(-d^2 / 2 ALIKE^2), d the distance of part coordinates.
    """
    count = len(batch.classes)
    flat = batch.classes.flatten(1)
    frequency = F.one_hot(flat, len(CLASSES)).float().mean(1).gather(1, flat)
    chosen = torch.multinomial(frequency.rsqrt(), min(POINTS, flat.shape[1]), replacement=False)
    ids = flat.gather(1, chosen).flatten()
    parts = torch.stack([p[c] for p, c in zip(batch.parts.flatten(1, 2), chosen, strict=True)]).flatten(0, 1)
    vectors = found.descriptors.flatten(2).transpose(1, 2)
    vectors = torch.stack([v[c] for v, c in zip(vectors, chosen, strict=True)]).flatten(0, 1)
    picture = torch.arange(count).repeat_interleave(chosen.shape[1])
    other = picture[:, None] != picture[None]
    alike = torch.exp(-torch.cdist(parts, parts).square() / (2 * ALIKE**2)) + 0.02
    target = alike * (ids[:, None] == ids[None]) * other
    total = target.sum(1, keepdim=True)
    logits = (vectors @ vectors.T / TEMPERATURE).masked_fill(~other, -1e4)
    losses = -(target / total.clamp_min(1e-6) * logits.log_softmax(1)).sum(1)
    return losses[total[:, 0] > 0].mean()


SETTLING = 80
"""Batches from which the statistics of the averaged network are measured."""
STAGES = (Stage(128, 1700, 16, 1.5e-3, 1500, 1500), Stage(256, 1900, 8, 1e-3, 600, 900))
"""Small pictures first: they teach what things are at a quarter of the cost."""


def train_perceiver(folder: Path, *, stages: Sequence[Stage] = STAGES, seed: int = 0) -> Perceiver:
    """Train stage after stage, each from the averaged weights of the one before; returns the last average."""
    torch.manual_seed(seed)
    streams: list[Iterator[Batch]] = []

    def prepared(number: int, stage: Stage) -> tuple[Iterator[Batch], LoopConfig]:
        torch.manual_seed(seed + number)
        streams.append(_pictures(stage, seed + 100_000 * number))
        return streams[-1], LoopConfig(stage.steps, rate=stage.rate, warm_up=150, average=0.997, every=50)

    network = train_stages(Perceiver.fresh(CLASSES), stages, prepared, perception_loss, folder)
    return settled(network, (next(streams[-1]).images for _ in range(min(SETTLING, stages[-1].steps)))).eval()


def run(config: TrainPerceiver) -> Path:
    """Train and save in half precision; returns the folder that `load_perceiver` reads."""
    network = train_perceiver(config.out / "run", stages=scaled(STAGES, config.scale), seed=config.seed)
    return write_network(network, config.out, "perceiver", CARD.format(**vars(config)))


@torch.no_grad()
def settled(network: Perceiver, pictures: Iterable[Float[Tensor, "B 3 H W"]]) -> Perceiver:
    """The network with the statistics of its batch norms measured anew: those on record belong to weights before averaging.

    (Izmailov et al. 2018, section 3.2. Without it, depth was 5 % too long.)
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean over all batches
    network.train()
    for batch in pictures:
        network(batch)
    return network


def _pictures(stage: Stage, seed: int) -> Iterator[Batch]:
    """The stage's stream, built only when its first batch is asked for: a finished stage costs nothing when a run goes on."""
    yield from PictureStream(stage.rooms, stage.styles, stage.batch, seed, stage.size)


def _centre(maps: Tensor) -> Tensor:
    """The pixel in the middle of every cell of STRIDE x STRIDE."""
    return maps[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]


CARD = """# dollhouse / perceiver

Residual encoder with a UPerNet pyramid (3.3 M parameters in all, half precision, Apache-2.0) and heads for twenty classes, geometry (log depth in metres, way to the
middle of the object) and descriptors of 48 numbers. config.json and model.safetensors are a plain `UperNetForSemanticSegmentation`.

- Data: the procedural world `relook.dollhouse` only, seeds below 1,000,000; no photograph was used.
- Recipe: `relook train perceiver --scale {scale} --seed {seed}`, 128 pixels first, then 256; the curves lie beside it.
- Measured: `relook evaluate perception` and `relook evaluate dollhouse-correspondence`, see docs/results.md.
- Limits: it knows these rooms. On photographs it is a last resort; metres hold for rooms like these only.
"""
