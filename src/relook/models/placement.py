"""Where and in which precision a family runs: device, fp32 / fp16 / bf16, and what to do where memory is scarce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from relook.errors import InputError

Precision = Literal["auto", "fp32", "fp16", "bf16"]
TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Precisions by name."""


@dataclass(frozen=True)
class Placement:
    """A device with a precision."""

    device: torch.device
    dtype: torch.dtype
    low_vram: bool = False
    """Weights stay in main memory and visit the device layer by layer; the autoencoder works in tiles."""

    @property
    def precision(self) -> Precision:
        """The type by its name."""
        names: dict[torch.dtype, Precision] = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
        return names[self.dtype]

    def placed(self, model: Any) -> Any:
        """The model ready for inference there."""
        model = model.eval().requires_grad_(False)
        return offloaded(model, self.device) if self.low_vram and self.device.type != "cpu" else model.to(self.device)


CPU = Placement(torch.device("cpu"), torch.float32)
"""Where a family runs unless it is told otherwise."""


def placement(device: str = "auto", precision: Precision = "auto", *, low_vram: bool = False) -> Placement:
    """A placement from a user's words.

    device: auto (cuda, else mps, else cpu) or a device of torch. precision: auto is fp32 on the CPU and fp16 elsewhere.
    Raises InputError for a device that this machine does not have, and for fp16 on the CPU.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"Expected a device that torch has here (auto, cpu, cuda, mps), got {device!r}; use cpu."
        ) from error
    if precision == "auto":
        precision = "fp32" if place.type == "cpu" else "fp16"
    if precision == "fp16" and place.type == "cpu":
        raise InputError("Expected fp32 or bf16 on the CPU, got fp16; choose one of them.")
    return Placement(place, TYPES[precision], low_vram)


def offloaded(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with its weights in main memory; every layer fetches its own to `device` while it runs (accelerate)."""
    from accelerate import cpu_offload

    cpu_offload(model, execution_device=device, offload_buffers=True)
    return model
