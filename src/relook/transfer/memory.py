"""What a denoiser makes of a style picture, kept on disk: one style serves many structures without being computed again.

Edited attention asks the style row only for its hidden states before keys and values, layer by layer and step by step. Rows of a
batch do not see each other, so these depend on nothing but the row itself; they are kept under a hash of all that goes into it
(latents, timestep, prompt, depth, image prompt, the family's weights, FreeU). Another seed, prompt or number of steps is another hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from relook.cache import key
from relook.files import replacing
from relook.models.families import Family
from relook.transfer.edit import AttentionEdit
from relook.transfer.guide import FreeU, Row, predict_rows
from relook.transfer.layers import attention_layers, level_of

Features = Mapping[str, Float[Tensor, "1 N C"]]
"""Hidden states of one row at the entrance of self-attention, by layer name."""


@dataclass(frozen=True)
class StyleMemory:
    """Hidden states of style rows in a folder, one file per row."""

    folder: Path
    """Created when something is kept; it may be deleted at any time."""

    def key(
        self, family: Family, row: Row, levels: Sequence[float], setting: FreeU | None, control_scale: float
    ) -> str:
        """Hash of everything that the hidden states depend on."""
        plain: list[Any] = [family.revision, str(family.dtype), row.timestep, list(levels), control_scale]
        tensors = [row.latents, row.text.states, row.text.pooled, row.depth, row.image]
        return key(
            *plain, None if setting is None else asdict(setting),
            *(None if tensor is None else tensor.detach().float().cpu() for tensor in tensors),
        )  # fmt: skip

    def recall(self, key: str, device: torch.device) -> Features | None:
        """What was kept under a key, or None; a broken file counts as none."""
        try:
            return load_file(self._file(key), device=str(device))
        except (OSError, SafetensorError):
            return None

    def keep(self, key: str, features: Features) -> None:
        """Write the hidden states, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._file(key)) as part:
            save_file({name: states.detach().cpu().contiguous() for name, states in features.items()}, part)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


def remembering(
    memory: StyleMemory | None,
    family: Family,
    rows: Sequence[Row],
    giver: Row,
    edits: Sequence[AttentionEdit],
    *,
    setting: FreeU | None = None,
    control_scale: float = 1.0,
) -> Float[Tensor, "R C h w"]:
    """`predict_rows` of the rows and the style row after them, which is left out where the memory has its hidden states.

    The edits name the style row by its place behind the others. setting: the FreeU that is in place, for the key. The noise of the
    style row, which nobody needs, comes only when it was computed.
    """
    if memory is None:
        return predict_rows(family, [*rows, giver], edits, control_scale=control_scale)
    levels = sorted({level for edit in edits for level in edit.levels})
    key = memory.key(family, giver, levels, setting, control_scale)
    features = memory.recall(key, family.device)
    if features is not None:
        given = [replace(edit, given=features) for edit in edits]
        return predict_rows(family, rows, given, control_scale=control_scale)
    with overheard(family.denoiser, edits, len(rows)) as heard:
        noises = predict_rows(family, [*rows, giver], edits, control_scale=control_scale)
    memory.keep(key, heard)
    return noises


@contextmanager
def overheard(denoiser: nn.Module, edits: Sequence[AttentionEdit], row: int) -> Iterator[dict[str, Tensor]]:
    """Run the block and collect the hidden states of one row of the batch at the entrance of every layer that is edited."""
    heard: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def listen(module: nn.Module, arguments: tuple[Tensor, ...], options: dict[str, Any]) -> None:
            hidden = arguments[0] if arguments else options["hidden_states"]
            if any(not edit.levels or level_of(hidden.shape[1], edit.size)[0] in edit.levels for edit in edits):
                heard[name] = hidden[row : row + 1].detach().clone()

        return listen

    layers = attention_layers(denoiser, [edit.layers for edit in edits])
    handles = [layer.register_forward_pre_hook(hook(name), with_kwargs=True) for name, layer in layers.items()]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()
