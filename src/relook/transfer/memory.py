"""What a denoiser makes of a style picture, kept on disk: one style serves many structures without being computed again.

Edited attention asks the style row only for its hidden states before keys and values, layer by layer and step by step. Rows of a
batch do not see each other, so these depend on nothing but the row itself; they are kept under a hash of all that goes into it
(latents, timestep, prompt, depth, image prompt, the family's weights, FreeU). Another seed, prompt or number of steps is another hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
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
from relook.transfer.layers import decoder_attention
from relook.transfer.predict import Predict, Row
from relook.transfer.settings import FreeU

States = Mapping[str, Float[Tensor, "1 N C"]]
"""Hidden states of one row at the entrance of self-attention, by layer name."""


@dataclass(frozen=True)
class StyleMemory:
    """Hidden states of style rows in a folder, one file per row."""

    folder: Path
    """Created when something is kept; it may be deleted at any time."""

    def key(self, family: Family, row: Row, levels: Sequence[float], setting: FreeU | None) -> str:
        """Hash of everything that the hidden states depend on."""
        tensors = [row.latents, row.text.states, row.text.pooled, row.depth, row.image]
        return key(
            family.revision, str(family.dtype), row.timestep, list(levels), None if setting is None else asdict(setting),
            *(None if tensor is None else tensor.detach().float().cpu() for tensor in tensors),
        )  # fmt: skip

    def recall(self, key: str, device: torch.device) -> States | None:
        """What was kept under a key, or None; a broken file counts as none."""
        try:
            return load_file(self._file(key), device=str(device))
        except (OSError, SafetensorError):
            return None

    def keep(self, key: str, states: States) -> None:
        """Write the hidden states, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._file(key)) as part:
            save_file({name: kept.detach().cpu().contiguous() for name, kept in states.items()}, part)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


def remembering(predict: Predict, memory: StyleMemory, family: Family, setting: FreeU | None = None) -> Predict:
    """The prediction with its last row, where that is the style row of every edit, left out when the memory has its hidden states.

    setting: the FreeU that is in place, for the key. The noise of the style row, which nobody needs, comes only when it was computed.
    """

    def remembered(rows: Sequence[Row], edits: Sequence[AttentionEdit]) -> Float[Tensor, "R C h w"]:
        last = len(rows) - 1
        if not edits or any(edit.keys == "structure" or list(edit.rows.style) != [last] for edit in edits):
            return predict(rows, edits)
        levels = sorted({level for edit in edits for level in edit.levels})
        key = memory.key(family, rows[last], levels, setting)
        states = memory.recall(key, family.device)
        if states is not None:
            return predict(rows[:last], [replace(edit, style_states=states) for edit in edits])
        with recorded(family.denoiser, edits, last) as found:
            noises = predict(rows, edits)
        memory.keep(key, found)
        return noises

    return remembered


@contextmanager
def recorded(denoiser: nn.Module, edits: Sequence[AttentionEdit], row: int) -> Iterator[dict[str, Tensor]]:
    """Run the block and collect the hidden states of one row of the batch at the entrance of every layer that is edited."""
    found: dict[str, Tensor] = {}

    def record(name: str, module: nn.Module, arguments: tuple[Tensor, ...], options: dict[str, Any]) -> None:
        hidden = arguments[0] if arguments else options["hidden_states"]
        if any(edit.acts_at(hidden.shape[1]) for edit in edits):
            found[name] = hidden[row : row + 1].detach().clone()

    with ExitStack() as hooks:
        for name, layer in decoder_attention(denoiser).items():
            hooks.enter_context(layer.register_forward_pre_hook(partial(record, name), with_kwargs=True))
        yield found
