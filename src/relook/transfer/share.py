"""Rows of a batch that differ only in their attention edits run once through the denoiser's encoder.

Guidance asks for the same latents with and without swapped attention. Edits sit in the decoder, so everything before it is the same
for such rows: it is computed once and handed to each of them at the decoder's door.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

SHARED = ("hidden_states", "temb", "encoder_hidden_states")
"""What a decoder stage gets once per row, beside the encoder's own outputs (res_hidden_states_tuple)."""


def distinct(keys: Sequence[tuple[Any, ...]]) -> tuple[list[int], Int[Tensor, " R"]]:
    """Places of the first of equal rows, and for every row which of those it equals; rows are equal where all parts are one object or number."""
    firsts: list[int] = []
    seen: dict[tuple[Any, ...], int] = {}
    index = []
    for place, parts in enumerate(keys):
        mark = tuple(part if isinstance(part, int | float) else id(part) for part in parts)
        if mark not in seen:
            seen[mark] = len(firsts)
            firsts.append(place)
        index.append(seen[mark])
    return firsts, torch.tensor(index)


@contextmanager
def spread(denoiser: nn.Module, index: Int[Tensor, " R"]) -> Iterator[None]:
    """Run the block with a denoiser that takes few rows and answers for more: row r of the answer continues row index[r] of the input
    from the decoder on. The model is as before afterwards."""
    count = int(index.max()) + 1
    if count == len(index):
        yield
        return

    def enter(_: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        changed = {name: _chosen(options[name], index, count) for name in SHARED if options.get(name) is not None}
        skips = tuple(_chosen(part, index, count) for part in options["res_hidden_states_tuple"])
        return arguments, options | changed | {"res_hidden_states_tuple": skips}

    with ExitStack() as hooks:
        for stage in denoiser.up_blocks:  # type: ignore[union-attr]
            hooks.enter_context(stage.register_forward_pre_hook(enter, with_kwargs=True, prepend=True))
        yield


def _chosen(part: Any, index: Tensor, count: int) -> Any:
    """A part for every row, if it is still one of few."""
    if isinstance(part, Tensor):
        return part[index.to(part.device)] if len(part) == count else part
    return type(part)(_chosen(one, index, count) for one in part)
