"""Put locked pixels back, exactly."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import ShapeError


def composite(
    structure: Float[Tensor, "3 H W"], output: Float[Tensor, "3 H W"], kept: Bool[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """The output, with the structure's own pixels, bit for bit, where `kept` is True.

    Raises ShapeError unless all three have one size.
    """
    if not structure.shape[1:] == output.shape[1:] == kept.shape:
        sizes = ", ".join(str(tuple(part.shape[-2:])) for part in (structure, output, kept))
        raise ShapeError(f"Expected a structure, an output and a mask of one size, got {sizes}; resize the output.")
    return torch.where(kept.to(output.device), structure.to(output.device), output.clamp(0, 1))
