"""Train the learned lifter on posed pictures: colours and the features of two encoders must come out as an unseen view shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.models.lifter import Lifter, Sampling
from relook.ops.lifting import Cameras, Standard, cast, fetched, lifted
from relook.session import Session
from relook.training.cards import write_network
from relook.training.loop import LoopConfig, train
from relook.training.posed import Room, captured_rooms, check_encoders, drawn_room, kept_room, room_of
from relook.training.subjects import TrainLift3d
from relook.types import Camera

POOL = (1, 3)
"""Sources are drawn from this many times as many views near the target, at random between (the paper)."""
FIRST, SOON = 14, 24
"""Rooms to begin with; one more after so many steps, so that training need not wait for all to be drawn."""
LOOSE = (0.75, 1.3)
"""The range of depths is widened by up to these factors, at random: a user's is never exact."""


@dataclass(frozen=True)
class Step:
    """One target and its sources."""

    images: Float[Tensor, "V 3 H W"]
    cameras: Cameras
    target: Camera
    pixels: Float[Tensor, "R 2"]
    colour: Float[Tensor, "R 3"]
    depth: Float[Tensor, " R"]
    """NaN where it is unknown."""
    maps: Float[Tensor, "V C h w"]
    feature: Float[Tensor, "R C"]
    sampling: Sampling

    def to(self, device: torch.device) -> Step:
        """The same on a device."""
        placed: dict[str, Any] = {
            name: one.to(device) for name, one in vars(self).items() if isinstance(one, Tensor | Cameras)
        }
        return replace(self, **placed)


class Steps(Iterator[Step]):
    """Endless steps: a room, a target, sources near it, one encoder and rays, all at random. Rooms are made when they are first drawn."""

    def __init__(self, makers: Sequence[Callable[[], Room]], config: TrainLift3d) -> None:
        self.makers, self.config, self.steps = makers, config, 0
        self.rooms: dict[int, Room] = {}
        self.rng = np.random.default_rng([62, config.seed])

    def __next__(self) -> Step:
        self.steps += 1
        number = int(self.rng.integers(min(len(self.makers), FIRST + self.steps // SOON)))
        if number not in self.rooms:
            self.rooms[number] = self.makers[number]()
        room = self.rooms[number]
        count, (height, width) = len(room.images), room.images.shape[2:]
        target = int(self.rng.integers(count))
        chosen = self._sources(room, target)
        at = torch.from_numpy(self.rng.integers(0, height * width, self.config.rays))
        pixels = torch.stack([at % width, at // width], 1) + 0.5
        maps = room.features[str(self.rng.choice(self.config.encoders))]
        standard = Standard.of(maps[chosen].float())
        grid = (2 * pixels / torch.tensor([width, height]) - 1)[None, :, None]
        feature = fetched(standard.applied(maps[target : target + 1].float()), grid)[:, 0, 0]
        near, far = room.range.tolist()
        low, high = float(self.rng.uniform(LOOSE[0], 1)), float(self.rng.uniform(1, LOOSE[1]))
        return Step(
            room.images[chosen].float(), Cameras(room.K[chosen], room.poses[chosen], (height, width)),
            Camera(room.K[target], room.poses[target]), pixels, room.images[target].float().flatten(1).T[at],
            room.depth[target].float().flatten()[at], standard.applied(maps[chosen].float()), feature,
            Sampling(near * low, far * high, self.config.coarse, self.config.fine, random=True),
        )  # fmt: skip

    def _sources(self, room: Room, target: int) -> list[int]:
        """Some of the views that stand near the target and look the same way."""
        cameras = Cameras(room.K, room.poses, (1, 1))
        away = (cameras.centres - cameras.centres[target]).norm(dim=1)
        away = away + (room.poses[:, 2, :3] - room.poses[target, 2, :3]).norm(dim=1)
        order = [one for one in away.argsort().tolist() if one != target]
        low, high = self.config.sources
        wanted = min(int(self.rng.integers(low, high + 1)), len(order))
        pool = order[: max(wanted, round(wanted * float(self.rng.uniform(*POOL))))]
        return [pool[i] for i in self.rng.permutation(len(pool))[:wanted]]


def lifting_loss(network: Lifter, step: Step, config: TrainLift3d) -> dict[str, Tensor]:
    """Squared errors of colour (both stages) and features, equal weights (the paper's equation 4), and a little of disparity where known.

    Rays that fewer than two sources show anywhere count nothing.
    """
    rendered = network(network.sources(step.images, step.cameras), cast(step.target, step.pixels), step.sampling)
    fair = rendered.shown.sum(2).amax(1) > 1
    colour = _mean((rendered.colour - step.colour).square(), fair)
    coarse = _mean((rendered.coarse - step.colour).square(), fair)
    shown = network.corrected(rendered, step.maps) if config.correction else lifted(rendered.blending, step.maps)
    feature = _mean((shown - step.feature).square(), fair)
    known = fair & torch.isfinite(step.depth) & (step.depth > 0)
    span = 1 / step.sampling.near - 1 / step.sampling.far
    disparity = _mean((rendered.disparity - 1 / step.depth.where(known, 1.0)).abs()[:, None] / span, known)
    loss = colour + coarse + config.feature_loss * feature + config.depth_loss * disparity
    return {"loss": loss, "colour": colour, "feature": feature, "disparity": disparity}


def _mean(errors: Float[Tensor, "R C"], fair: Bool[Tensor, " R"]) -> Tensor:
    """Over the rays that count."""
    return (errors.mean(1) * fair).sum() / fair.sum().clamp_min(1)


def rooms_of(config: TrainLift3d, session: Session) -> list[Callable[[], Room]]:
    """What makes the rooms to train on; each is made once and kept in `out/rooms`."""
    (config.out / "rooms").mkdir(parents=True, exist_ok=True)
    makers = [partial(drawn_room, config.seed + 200_000 + n, config.encoders, session) for n in range(config.rooms)]
    if config.captures:
        parts = [part for path in config.captures for part in captured_rooms(path)]
        makers = [partial(room_of, part, config.encoders, session) for part in parts]
    return [partial(kept_room, config.out / "rooms" / f"{number:04d}.pt", make) for number, make in enumerate(makers)]


def run(config: TrainLift3d) -> Path:
    """Train and save in half precision; returns the folder that `load_lifter` reads. Raises MissingModelError without an encoder's weights."""
    torch.manual_seed(config.seed)
    check_encoders(config.encoders)
    network = Lifter(config.width).train()
    loop = LoopConfig(config.steps, rate=config.rate, warm_up=50, average=0.995, every=config.every)
    with Session() as session:
        steps = Steps(rooms_of(config, session), config)
        averaged = train(network, steps, lambda step: lifting_loss(network, step, config), loop, config.out / "run")
    return write_network(averaged.eval(), config.out, "lifter", CARD.format(**vars(config)))


CARD = """# dollhouse / lifter

Novel views and lifted feature maps from posed pictures without depth (0.4 M parameters, half precision, Apache-2.0): IBRNet's aggregation in a coarse and
a fine stage, Lift3D's correction of foreign features.

- Data: the procedural world `relook.dollhouse` with exact cameras, seeds below 1,000,000; no photograph was used. Features of {encoders}.
- Recipe: `relook train lift3d --rooms {rooms} --steps {steps} --rays {rays} --rate {rate} --depth-loss {depth_loss} --seed {seed}`; the curve lies beside it.
- Measured: `relook evaluate dollhouse-lift`, see docs/results.md.
"""
