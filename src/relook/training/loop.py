"""What every training run shares: an averaged copy of the weights, a learning-rate curve, checkpoints that resume.

accelerate places a run: on the CPU, on a GPU, or in several processes (`accelerate launch`), whose gradients are averaged.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import nn

Trained = TypeVar("Trained", bound=nn.Module)


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train."""

    steps: int
    """Optimiser steps."""
    rate: float = 1e-3
    """Highest learning rate (AdamW)."""
    warm_up: int = 100
    """Steps until the highest rate; afterwards it falls as a half cosine to 2 %."""
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
    state, step = folder / "state.pt", 0
    if state.exists():
        saved = torch.load(state, weights_only=True, map_location=accelerator.device)
        module.load_state_dict(saved["module"])
        averaged.load_state_dict(saved["averaged"])
        optimiser.load_state_dict(saved["optimiser"])
        step = saved["step"]
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
        norm = accelerator.clip_grad_norm_(parameters, 1.0)
        if torch.isfinite(norm):
            optimiser.step()
        step, since = step + 1, since + 1
        decay = min(config.average, step / (step + 9))
        with torch.no_grad():
            torch._foreach_lerp_(list(averaged.parameters()), list(module.parameters()), 1 - decay)
            for mean, now in zip(averaged.buffers(), module.buffers(), strict=True):
                mean.copy_(now)
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if accelerator.is_main_process and (step % config.every == 0 or step == config.steps):
            row = {"step": step, "seconds": round(time.perf_counter() - began, 1)}
            row |= {name: round(total / since, 5) for name, total in sums.items()}
            with (folder / "curve.jsonl").open("a") as curve:
                curve.write(json.dumps(row) + "\n")
            sums, since = {}, 0
            _save(
                state,
                {
                    "module": module.state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                },
            )
    return averaged


def rate_at(step: int, config: LoopConfig) -> float:
    """Learning rate at a step: linear warm-up, then half a cosine to 2 %."""
    if step < config.warm_up:
        return config.rate * (step + 1) / config.warm_up
    share = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return config.rate * (0.02 + 0.98 * 0.5 * (1 + float(torch.cos(torch.tensor(share * torch.pi)))))


def _save(path: Path, state: dict) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)
