"""Train the embedded flow network on pairs of views of dollhouse rooms, and on dead leaves that are bent smoothly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from relook.dollhouse import Layout, Pose, exact_flow, rendering, sample_layout, trace, walk
from relook.models.flow_refiner import RADIUS, STRIDE, FlowRefiner, correlate
from relook.perceive.match.embedded import beginning
from relook.training.cards import write_network
from relook.training.data import World, dead_leaves, swayed
from relook.training.loop import LoopConfig, train
from relook.training.subjects import TrainFlow
from relook.types import View

SIDE = 224
"""Side of the pictures in pixels."""
LEAVES = 0.25
"""Share of pairs that are dead leaves."""
FARTHEST = 64.0
"""Longer motions than this (pixels) are not learned."""


@dataclass(frozen=True)
class FlowBatch:
    """B pairs of pictures, their exact flow and what it starts from."""

    first: Float[Tensor, "B 3 H W"]
    second: Float[Tensor, "B 3 H W"]
    flow: Float[Tensor, "B 2 H W"]
    visible: Bool[Tensor, "B H W"]
    start: Float[Tensor, "B 2 H W"]
    confidence: Float[Tensor, "B H W"]


class PairsOfViews(Iterator[FlowBatch]):
    """Endless batches, turned over at random, out of a pool of pairs that is drawn first.

    Two views of one room in one style, each view with its own exposure and noise; LEAVES of the pool are dead leaves.
    """

    def __init__(self, rooms: int, styles: int, pool: int, batch: int, seed: int) -> None:
        self.rng, self.batch = np.random.default_rng([40, seed]), batch
        self.draws = torch.Generator().manual_seed(seed)
        layouts = [sample_layout(seed + i) for i in range(rooms)]
        poses = [second_pose(layout, self.rng) for layout in layouts]
        size = (SIDE, SIDE)
        self.first = World.build(rooms, styles, size, seed=seed, wild=0.35)
        self.second = replace(self.first, geometry=trace(layouts, size, poses=poses))
        self.poses = [(layout.pose, pose) for layout, pose in zip(layouts, poses, strict=True)]
        kinds = self.rng.random(pool) < LEAVES
        self.pool = [self._drawn(bool(leaves)) for leaves in kinds]

    def __next__(self) -> FlowBatch:
        chosen = [turned(self.pool[int(i)], self.rng) for i in self.rng.integers(len(self.pool), size=self.batch)]
        return FlowBatch(*(torch.stack(part) for part in zip(*chosen, strict=True)))

    def _drawn(self, leaves: bool) -> tuple[Tensor, ...]:
        """One pair, with the flow that the network starts from; pictures in half precision."""
        first, second, flow, visible = self._leaves(1) if leaves else self._rooms(1)
        first, second = exposed(first, self.rng), exposed(second, self.rng)
        start = beginning(View(first[0]), View(second[0]))
        return first[0].half(), second[0].half(), flow[0], visible[0], start.flow, start.confidence

    def _rooms(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rooms = torch.from_numpy(self.rng.choice(len(self.first), count, replace=False))
        styles = torch.from_numpy(self.rng.integers(len(self.first.styles), size=count))
        first, second = self.first.colour(rooms, styles), self.second.colour(rooms, styles)
        flows, seen = [], []
        for index, room in enumerate(rooms.tolist()):
            views = [
                rendering(world.geometry, room, image[index], pose)
                for world, image, pose in zip((self.first, self.second), (first, second), self.poses[room], strict=True)
            ]
            if self.rng.random() < 0.5:  # there and back
                views.reverse()
                first[index], second[index] = second[index].clone(), first[index].clone()
            flow, visible = exact_flow(*views)
            flows.append(flow)
            seen.append(visible)
        return first, second, torch.stack(flows), torch.stack(seen)

    def _leaves(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The first picture is the second, bent: first(p) = second(p + flow(p))."""
        second = dead_leaves(count, SIDE, self.draws)
        coarse = (
            torch.randn(count, 2, 3, 3, generator=self.draws) * 6 * torch.rand(count, 1, 1, 1, generator=self.draws)
        )
        shift = torch.randn(count, 2, 1, 1, generator=self.draws) * 6
        flow = F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=True) + shift
        ys, xs = torch.meshgrid(*(2 * [torch.arange(SIDE) + 0.5]), indexing="ij")
        position = torch.stack([xs, ys]) + flow
        first = F.grid_sample(second, (2 * position / SIDE - 1).permute(0, 2, 3, 1), align_corners=False)
        inside = ((position > 0) & (position < SIDE)).all(1)
        first = torch.where(inside[:, None], first, torch.rand(count, 3, 1, 1, generator=self.draws))
        return first, second, flow, inside


def second_pose(layout: Layout, rng: np.random.Generator) -> Pose:
    """A pose further along a walk."""
    pose = walk(layout, 2, stride=float(rng.uniform(0.02, 0.3)), turn=float(rng.uniform(-0.08, 0.2)))[1]
    return swayed(pose, rng, 0.02)


def turned(pair: tuple[Tensor, ...], rng: np.random.Generator) -> tuple[Tensor, ...]:
    """A pair in full precision, mirrored left to right and upside down at random."""
    first, second, flow, visible, start, confidence = (part.float() for part in pair)
    for axis, flip in ((0, rng.random() < 0.5), (1, rng.random() < 0.25)):
        if flip:
            side = -1 - axis
            first, second, visible, confidence = (part.flip(side) for part in (first, second, visible, confidence))
            sign = torch.tensor([-1.0, 1.0] if axis == 0 else [1.0, -1.0]).view(2, 1, 1)
            flow, start = flow.flip(side) * sign, start.flip(side) * sign
    return first, second, flow, visible > 0.5, start, confidence


def exposed(images: Float[Tensor, "B 3 H W"], rng: np.random.Generator) -> Float[Tensor, "B 3 H W"]:
    """Each picture with its own gain, gamma, softness and noise."""
    gain, gamma, noise = (
        torch.from_numpy(rng.uniform(low, high, (len(images), 1, 1, 1)).astype(np.float32))
        for low, high in ((0.85, 1.15), (0.8, 1.25), (0.0, 0.03))
    )
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = torch.lerp(images, soft, float(rng.uniform(0, 1)))
    grain = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    return ((images * gain).clamp(1e-4, 1) ** gamma + noise * grain).clamp(0, 1)


def matching_loss(network: FlowRefiner, batch: FlowBatch) -> Tensor:
    """Cross-entropy of the correlations in the window: around the true flow, moved by whole features, the highest must lie where the
    move is undone. It teaches the encoder to compare, which the flow's own error does only slowly."""
    matter, _ = network.features(batch.first)
    other, _ = network.features(batch.second)
    count, shown = len(matter), F.avg_pool2d(batch.visible[:, None].float(), STRIDE)[:, 0]
    moves = torch.randint(-RADIUS, RADIUS + 1, (count, 2), device=matter.device)
    flow = F.avg_pool2d(batch.flow, STRIDE) / STRIDE + moves[:, :, None, None]
    side = 2 * RADIUS + 1
    scores = correlate(matter, other, flow)[:, : side**2]
    wanted = (RADIUS - moves[:, 1]) * side + RADIUS - moves[:, 0]
    missed = F.cross_entropy(scores, wanted[:, None, None].expand(-1, *scores.shape[2:]), reduction="none")
    weight = shown * (flow.norm(dim=1) < FARTHEST / STRIDE)
    return (missed * weight).sum() / weight.sum().clamp_min(1)


def flow_loss(network: FlowRefiner, batch: FlowBatch) -> dict[str, Tensor]:
    """End-point errors of all rounds (later ones count more, hidden points a fifth), likelihood of the error, hidden or not."""
    found = network(batch.first, batch.second, batch.start, batch.confidence)
    fair = (batch.flow.norm(dim=1) < FARTHEST).float()
    weight = fair * torch.where(batch.visible, 1.0, 0.2)
    total = weight.sum().clamp_min(1)
    errors = [(flow - batch.flow).square().sum(1).add(1e-4).sqrt() for flow in found.rounds]
    # to the power of 0.7: large errors are not all that counts
    rounds = [(error.add(0.1).pow(0.7) * weight).sum() / total for error in errors]
    motion = torch.stack([0.7 ** (len(rounds) - 1 - i) * value for i, value in enumerate(rounds)]).sum()
    shown = fair * batch.visible
    scale = found.log_scale.clamp(-4, 5)
    likelihood = ((errors[-1].detach() * (-scale).exp() + scale) * shown).sum() / shown.sum().clamp_min(1)
    hidden = F.binary_cross_entropy_with_logits(found.hidden, (~batch.visible).float())
    matching = matching_loss(network, batch)
    with torch.no_grad():
        before = (batch.start - batch.flow).norm(dim=1)
        three = [((error < 3) * shown).sum() / shown.sum() for error in (before, errors[-1])]
    return {
        "loss": motion + 0.1 * likelihood + 0.3 * hidden + 0.5 * matching, "motion": rounds[-1], "hidden": hidden,
        "matching": matching, "under3_given": three[0], "under3": three[1],
    }  # fmt: skip


def run(config: TrainFlow) -> Path:
    """Train from nothing on a pool of pairs of views, and save in half precision; returns the folder that `load_flow_refiner` reads."""
    torch.manual_seed(config.seed)
    stream = PairsOfViews(config.rooms, config.styles, config.pool, config.batch, config.seed + 500_000)
    network = FlowRefiner().train()
    loop = LoopConfig(config.steps, rate=1e-3, average=0.995, every=50)
    averaged = train(network, stream, lambda pairs: flow_loss(network, pairs), loop, config.out / "run")
    return write_network(averaged.eval(), config.out, "flow", CARD.format(**vars(config)))


CARD = """# dollhouse / flow

Mends dense flow made of SIFT matches (0.24 M parameters, half precision, Apache-2.0): features at a quarter of the side, windows of correlations,
three rounds; says how sure it is and what is hidden.

- Data: pairs of views of `relook.dollhouse` rooms with exact flow, and dead leaves bent smoothly; seeds below 1,000,000; no photograph was used.
- Recipe: `relook train flow --steps {steps} --batch {batch} --pool {pool} --rooms {rooms} --styles {styles} --seed {seed}`; the curve lies beside it.
- Measured: `relook evaluate matching`, see docs/results.md.
"""
