"""Train the view refiner (ReStyle3D's warp-and-refine network, section 3.3) on quadruplets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from relook.captures import read_capture
from relook.models.families import Family, load_family
from relook.models.view_refiner import CONDITIONS, condition_pictures, encoded, widened
from relook.session import placement
from relook.training.cards import write_papers
from relook.training.loop import LoopConfig, Stage, scaled, train_stages
from relook.training.quadruplets import Captures, Quadruplet, Source, Walks
from relook.training.subjects import TrainWarpRefine

DROPPED = {"warped": 0.02, "mask": 0.05, "depth": 0.15, "structure": 0.1}
"""How often the network goes without a condition (its latents are zero)."""
WITHOUT_STRUCTURE = 0.15
"""How often it is not shown what the view looked like before, as in the paper."""
WITHOUT_PROMPT = 0.5
"""How often it goes without a prompt, as in the paper."""
FRESH, MEMORY = 0.25, 5000
"""Share of a batch that is drawn anew, and how many of the last quadruplets the rest is drawn from."""
ELSEWHERE = 0.1
"""Weight of the error where the warp is known and will be put back anyway."""


class Batch(NamedTuple):
    """B quadruplets as latents."""

    conditions: Float[Tensor, "B N C h w"]
    complete: Float[Tensor, "B C h w"]
    weight: Float[Tensor, "B 1 h w"]
    """How much the error counts: 1 in holes."""
    states: Float[Tensor, "B T D"]
    """Prompts as the denoiser reads them."""


class Stream(Iterator[Batch]):
    """Endless batches; FRESH of each is new, the rest drawn from the last quadruplets."""

    def __init__(self, source: Source, family: Family, batch: int, seed: int) -> None:
        self.source, self.family, self.batch = source, family, batch
        self.rng = np.random.default_rng([51, seed])
        self.silent = family.embed([""]).states
        self.stored: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def __next__(self) -> Batch:
        fresh = self.batch if len(self.stored) < 4 * self.batch else max(1, round(self.batch * FRESH))
        new, old = [self._drawn() for _ in range(fresh)], []
        if fresh < self.batch:
            old = [self.stored[int(i)] for i in self.rng.integers(len(self.stored), size=self.batch - fresh)]
        self.stored = (self.stored + new)[-MEMORY:]
        conditions, complete, weight, states = (torch.stack(part) for part in zip(*new, *old, strict=True))
        keep = [self.rng.random(self.batch) >= DROPPED[name] for name in CONDITIONS]
        shown = torch.from_numpy(np.stack(keep, 1)).to(conditions).view(self.batch, len(CONDITIONS), 1, 1, 1)
        prompted = torch.from_numpy(self.rng.random(self.batch) >= WITHOUT_PROMPT).view(-1, 1, 1)
        return Batch(conditions * shown, complete, weight, torch.where(prompted, states, self.silent))

    @torch.no_grad()
    def _drawn(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found: Quadruplet = self.source(self.rng)
        structure = found.structure if self.rng.random() >= WITHOUT_STRUCTURE else None
        pictures = condition_pictures(found.warped, found.holes, found.depth, structure)
        latents = encoded(self.family, {**pictures, "complete": found.complete}, (*CONDITIONS, "complete"))[0]
        parts = latents.unflatten(0, (len(CONDITIONS) + 1, -1))
        holes = F.adaptive_max_pool2d(found.holes.float()[None], parts.shape[-2:])
        weight = ELSEWHERE + (1 - ELSEWHERE) * holes
        return parts[:-1], parts[-1], weight, self.family.embed([found.prompt]).states[0]


def refiner_loss(network: UNet2DConditionModel, batch: Batch, family: Family) -> dict[str, Tensor]:
    """Error of the predicted v = sqrt(a) eps - sqrt(1 - a) x_0 (or noise, as the family predicts), mostly in the holes."""
    count, signal_of = len(batch.complete), family.noise_levels()
    # half at the noisy end: few-step runs decide there what a hole shows
    t = torch.where(torch.rand(count) < 0.5, torch.rand(count), torch.rand(count).sqrt()).to(signal_of)
    timesteps = (t * len(signal_of)).long().clamp_max(len(signal_of) - 1)
    signal = signal_of[timesteps].view(-1, 1, 1, 1)
    noise = torch.randn_like(batch.complete)
    noisy = signal.sqrt() * batch.complete + (1 - signal).sqrt() * noise
    velocity = family.scheduler.config["prediction_type"] == "v_prediction"
    goal = signal.sqrt() * noise - (1 - signal).sqrt() * batch.complete if velocity else noise
    inputs = torch.cat([noisy, batch.conditions.flatten(1, 2)], 1).contiguous(memory_format=torch.channels_last)
    predicted = network(inputs, timesteps, encoder_hidden_states=batch.states).sample
    error = (predicted - goal).square().mean(1, keepdim=True)
    each = (error * batch.weight).sum((1, 2, 3)) / batch.weight.sum((1, 2, 3))
    early = each[timesteps > 800]
    return {"loss": each.mean(), "noisiest": early.mean() if len(early) else each.mean()}


STAGES: tuple[Stage, ...] = (Stage(64, 800, 16, 6e-4, 700, 900), Stage(128, 1500, 8, 4e-4, 500, 900))
"""Of the shipped network: small pictures first, where a step costs a quarter. The paper's rate is 1e-4, for a larger network and a hundred
times as many pictures."""


def train_view_refiner(
    folder: Path,
    family: Family,
    source_of: Callable[[Stage, int], Source],
    *,
    stages: Sequence[Stage] = STAGES,
    seed: int = 0,
    precision: Literal["no", "bf16"] = "no",
) -> UNet2DConditionModel:
    """Train stage after stage, from the family's denoiser widened with zeros; returns the averaged network.

    source_of: the quadruplets of a stage, for a seed. Every stage has its own folder with checkpoint and curve, from which it goes on.
    """
    torch.manual_seed(seed)
    network = widened(family.denoiser, len(CONDITIONS)).float()

    def prepared(number: int, stage: Stage) -> tuple[Stream, LoopConfig]:
        own = seed + 10_000 * number
        average = min(0.998, 1 - 6 / max(stage.steps, 7))
        config = LoopConfig(stage.steps, stage.rate, min(100, stage.steps), average, 50, precision)
        return Stream(source_of(stage, own), family, stage.batch, own), config

    return train_stages(network, stages, prepared, lambda one, found: refiner_loss(one, found, family), folder)


def run(config: TrainWarpRefine) -> Path:
    """Train and save in half precision; returns the folder that `load_view_refiner` reads."""
    family = load_family(config.family, placement(config.device, "fp32"))
    stages = STAGES
    if _own_stage(config):
        stages = (Stage(config.size or family.size, config.steps, config.batch, config.rate, 500, 900),)
    stages = scaled(stages, config.scale)
    network = train_view_refiner(
        config.out / "run", family, _source(config), stages=stages, seed=config.seed, precision=config.precision
    )
    folder = config.out / "view_refiner"
    network.half().save_pretrained(folder)
    write_papers(config.out / "run", folder, _card(config))
    return folder


def _own_stage(config: TrainWarpRefine) -> bool:
    """Whether the run has one stage, of the numbers that it names, in place of those of the shipped network."""
    return bool(config.captures) or config.size is not None or config.family != "dollhouse"


def _source(config: TrainWarpRefine) -> Callable[[Stage, int], Source]:
    """Where quadruplets come from."""
    if not config.captures:
        return lambda stage, seed: Walks(stage.rooms, stage.styles, (stage.size, stage.size), seed)
    captures = [
        read_capture(path, workspace=config.out / "input" / str(number)) for number, path in enumerate(config.captures)
    ]
    return lambda stage, _: Captures(captures, (stage.size, stage.size), config.matcher)


def _card(config: TrainWarpRefine) -> str:
    """The model card, but for what the training reached."""
    data = "walks through rooms of `relook.dollhouse`, seeds below 1,000,000; no photograph was used"
    if config.captures:
        data = f"{len(config.captures)} captures, recoloured at random"
    words = f"--family {config.family} --scale {config.scale} --seed {config.seed}"
    if _own_stage(config):
        words += f" --size {config.size} --steps {config.steps} --batch {config.batch} --rate {config.rate}"
    return CARD.format(family=config.family, data=data, words=words)


CARD = """# {family} / view_refiner

UNet2DConditionModel (half precision, Apache-2.0): the denoiser of the family, its first convolution widened with zeros for the latents of four further pictures: the
carried look with its holes guessed, the mask of holes, disparity, and the view as it looked before. It paints what no earlier frame shows.

- Data: {data}.
- Recipe: `relook train warp-refine {words}`; the curves lie beside it.
- Measured: `relook evaluate dollhouse-views`, see docs/results.md.
"""
