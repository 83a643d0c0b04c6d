"""What every training run shares: an averaged copy of the weights, a learning-rate curve, checkpoints that resume.

accelerate places a run: on the CPU, on a GPU, or in several processes (`accelerate launch`), whose gradients are averaged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import nn

from relook.files import replacing

Trained = TypeVar("Trained", bound=nn.Module)


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train."""

    steps: int
    """Optimiser steps."""
    rate: float = 1e-3
    """Highest learning rate (AdamW)."""
    warm_up: int = 100
    """Steps until the highest rate, all of them in a shorter run; afterwards it falls as a half cosine to 2 %."""
    average: float = 0.998
    """Decay of the averaged weights."""
    every: int = 100
    """Steps between checkpoints and lines of the curve."""
    precision: Literal["no", "bf16"] = "no"
    """Mixed precision: bf16 pays on GPUs; on CPUs it was slower."""


@dataclass(frozen=True)
class Stage:
    """Part of a run at one size of pictures."""

    size: int
    """Side of the pictures in pixels."""
    steps: int
    """Optimiser steps."""
    batch: int
    """Samples per step: pictures, pairs or quadruplets."""
    rate: float
    """Highest learning rate."""
    rooms: int = 1200
    """Rooms of the dollhouse that are held at a time."""
    styles: int = 1200
    """Styles that colour them."""


def scaled(stages: Sequence[Stage], factor: float) -> tuple[Stage, ...]:
    """The stages with so many times the steps, at least one each."""
    return tuple(replace(stage, steps=max(1, round(stage.steps * factor))) for stage in stages)


def train(
    module: Trained, batches: Iterator, loss: Callable[..., dict[str, torch.Tensor]], config: LoopConfig, folder: Path
) -> Trained:
    """Minimise `loss(batch)["loss"]` over the module's parameters; returns the averaged copy.

    `folder/state.pt` holds everything needed to go on after a kill, `folder/curve.jsonl` one line of means per checkpoint.
    """
    accelerator = Accelerator(mixed_precision=config.precision)
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)
    module.to(accelerator.device)
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=config.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    averaged = deepcopy(module).requires_grad_(False)
    state = {"module": module, "averaged": averaged, "optimiser": optimiser}
    step = _resumed(state, folder, accelerator.device)
    sums: dict[str, float] = {}
    since, began = 0, time.perf_counter()
    while step < config.steps:
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, config)
        with accelerator.autocast():
            values = loss(send_to_device(next(batches), accelerator.device))
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(values["loss"])
        if accelerator.num_processes > 1:
            for parameter in parameters:
                parameter.grad = accelerator.reduce(parameter.grad, "mean")
        if torch.isfinite(accelerator.clip_grad_norm_(parameters, 1.0)):
            optimiser.step()
        step, since = step + 1, since + 1
        _average(averaged, module, min(config.average, step / (step + 9)))
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if accelerator.is_main_process and (step % config.every == 0 or step == config.steps):
            means = {name: round(total / since, 5) for name, total in sums.items()}
            _keep(state, folder, {"step": step, "seconds": round(time.perf_counter() - began, 1)} | means)
            sums, since = {}, 0
    return averaged


def train_stages(
    network: Trained,
    stages: Sequence[Stage],
    prepared: Callable[[int, Stage], tuple[Iterator, LoopConfig]],
    loss: Callable[[Trained, Any], dict[str, torch.Tensor]],
    folder: Path,
) -> Trained:
    """Train stage after stage, each from the averaged weights of the one before; returns the last average.

    prepared: the batches of a stage, and how long to train on them. Every stage has its own folder, from which a stopped run goes on.
    """
    for number, stage in enumerate(stages):
        batches, config = prepared(number, stage)
        network.requires_grad_(True).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        now = network
        network = train(
            now, batches, lambda batch, n=now: loss(n, batch), config, folder / f"{number + 1}-{stage.size}"
        )
    return network.eval()


def rate_at(step: int, config: LoopConfig) -> float:
    """Learning rate at a step: linear warm-up, then half a cosine to 2 %."""
    warm_up = min(config.warm_up, config.steps)
    if step < warm_up:
        return config.rate * (step + 1) / warm_up
    share = (step - warm_up) / max(1, config.steps - warm_up)
    return config.rate * (0.02 + 0.98 * 0.5 * (1 + float(torch.cos(torch.tensor(share * torch.pi)))))


def _resumed(state: dict[str, Any], folder: Path, device: torch.device) -> int:
    """The step at which a run goes on, its modules and its optimiser as they were then."""
    if not (folder / "state.pt").exists():
        return 0
    saved = torch.load(folder / "state.pt", weights_only=True, map_location=device)
    for name, part in state.items():
        part.load_state_dict(saved[name])
    return saved["step"]


@torch.no_grad()
def _average(averaged: nn.Module, module: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the module's; its buffers are the last ones."""
    torch._foreach_lerp_(list(averaged.parameters()), list(module.parameters()), 1 - decay)
    for mean, now in zip(averaged.buffers(), module.buffers(), strict=True):
        mean.copy_(now)


def _keep(state: dict[str, Any], folder: Path, row: dict[str, Any]) -> None:
    """A line of the curve, and a checkpoint."""
    with (folder / "curve.jsonl").open("a") as curve:
        curve.write(json.dumps(row) + "\n")
    with replacing(folder / "state.pt") as part:
        torch.save({name: one.state_dict() for name, one in state.items()} | {"step": row["step"]}, part)
