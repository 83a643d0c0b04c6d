"""Edits of a denoiser's decoder self-attention, as data and as a context manager.

An `AttentionEdit` says at which levels attention changes, which rows of the batch ask and which rows answer. `edited` installs it,
counts how often it fires in every layer, puts the model back exactly (also after an exception), and raises EditError
when an edit never fired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from diffusers.models.attention_processor import Attention
from jaxtyping import Float, Int
from torch import Tensor, nn

from relook.errors import EditError, ShapeError
from relook.ops.attention import Masking, attend, attend_materialised, nearest_tokens
from relook.ops.groups import Groups
from relook.transfer.layers import Grid, decoder_attention, level_of


@dataclass(frozen=True)
class Rows:
    """Which rows of the batch play which part; entry i of each belongs to pair i."""

    output: Sequence[int] = (0,)
    """Rows whose attention is edited."""
    style: Sequence[int] = (1,)
    """Rows that give the look: as many as `output`, or one for all."""
    structure: Sequence[int] = ()
    """Rows that give the shape, for keys = "structure" and `query_share`: as many as `output`, or one for all."""

    @staticmethod
    def pairs(count: int) -> Rows:
        """A batch of `count` outputs followed by their `count` styles, as in training."""
        return Rows(range(count), range(count, 2 * count))


@dataclass(frozen=True)
class AttentionEdit:
    """One change to the decoder's self-attention. Raises EditError for settings that have no meaning together."""

    rows: Rows
    """Which rows of the batch ask and answer."""
    size: Grid
    """Height and width of the latents; with the number of tokens it gives the grid of every layer, square or not."""
    keys: Literal["style", "both", "structure"] = "style"
    """Whose keys and values an output row attends to: the style row's, its own and the style's, or the structure's."""
    mask: Callable[[Grid, Grid], Groups] | None = None
    """`mask(output grid, style grid)` says which style tokens an output token may take from, e.g. `Correspondence.groups`: one
    mask for all pairs or one per pair. A token that may take from none keeps to its own picture. None allows everything. With
    keys = "structure" it says the same of the structure's tokens (ReStyle3D's code)."""
    rearrange: Literal["features", "values"] | None = None
    """Eye-for-an-eye: put each output token's most similar style token (cosine, within `mask`) in its place before Q,
    K, V (`features`) or V only (`values`), then attend within the row. With keys = "structure" the structure's tokens
    are copied, each in its place."""
    matches: Callable[[Grid, Grid], Int[Tensor, "*B N"]] | None = None
    """For `rearrange`: `matches(output grid, style grid)` says which style token corresponds to each output token, in rows
    [N] or one per pair [B N]; -1: none does, and the output keeps its own. `mask` then has no say. None: the cosine of
    the hidden states decides in every layer and step, as the paper has it."""
    levels: tuple[float, ...] = ()
    """Layers by the height of their grid over the latents' (1, 0.5, 0.25 ...); empty means every level."""
    contrast: float = 1.0
    """Factor on the attention map's deviation from its mean (Cross-Image Attention eq. 3)."""
    masking: Masking = "exact"
    """How the mask acts."""
    clip: bool = False
    """Clip the contrasted map to [0, 1] without renormalising, as the released codes do."""
    query_share: float = 0.0
    """g in g Q_structure + (1 - g) Q_output (Chung et al. 2024, query preservation), for rows.structure; not with `rearrange`."""
    temperature: float = 1.0
    """Factor on the logits of swapped keys (the same paper's attention temperature scaling); not with `rearrange`."""
    style_states: Mapping[str, Float[Tensor, "1 N C"]] | None = None
    """Hidden states by layer name of a style row that is not in the batch; the edit names it by the place behind the last row."""

    def __post_init__(self) -> None:
        if self.rearrange is not None and (self.query_share or self.temperature != 1):
            raise EditError("Expected mixed queries and a temperature with swapped keys only, got rearranged features.")
        if self.rearrange is None and self.matches is not None:
            raise EditError("Expected matches only with a rearrangement, got them with swapped keys; set rearrange.")

    def acts_at(self, tokens: int) -> bool:
        """Whether the edit acts in a layer of that many tokens. Raises EditError for tokens that do not fit `size`."""
        return level_of(tokens, self.size)[0] in self.levels or not self.levels


@contextmanager
def edited(denoiser: nn.Module, *edits: AttentionEdit) -> Iterator[Counter[tuple[int, str]]]:
    """Run the block with the edits in place; yields the count of firings per (edit number, layer name).

    In every layer the first edit whose `levels` hold the layer's grid acts. Raises EditError for a denoiser without self-attention
    in its decoder, when an edit has not fired by the end of the block, or when a layer's tokens do not fit `size`.
    """
    firings: Counter[tuple[int, str]] = Counter()
    originals: dict[Attention, object] = {}
    try:
        for name, layer in decoder_attention(denoiser).items() if edits else ():
            originals[layer] = layer.processor
            layer.set_processor(_EditedSelfAttention(name, edits, layer.processor, firings))  # type: ignore[arg-type]
        yield firings
        for number, edit in enumerate(edits):
            if not any(fired == number for fired, _ in firings):
                raise EditError(
                    f"Expected the edit at levels {edit.levels or 'any'} to fire for latents of {edit.size}, got no firing; "
                    "choose levels where the denoiser has self-attention."
                )
    finally:
        for layer, processor in originals.items():
            layer.set_processor(processor)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _EditedSelfAttention:
    """A diffusers attention processor for one layer: rows named as output are edited, all others attend as ever."""

    name: str
    edits: Sequence[AttentionEdit]
    original: Any
    firings: Counter[tuple[int, str]]

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "R N C"],
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Float[Tensor, "R N C"]:
        if encoder_hidden_states is not None or attention_mask is not None or hidden_states.ndim != 3:
            raise EditError(
                f"Expected self-attention in layer {self.name!r}, got cross-attention; use another denoiser."
            )
        for number, edit in enumerate(self.edits):
            if edit.acts_at(hidden_states.shape[1]):
                self.firings[number, self.name] += 1
                if edit.style_states is None:
                    return _projected(attn, _edit(attn, hidden_states, edit))
                whole = torch.cat([hidden_states, edit.style_states[self.name].to(hidden_states)])
                return _projected(attn, _edit(attn, whole, edit)[:-1])
        return self.original(attn, hidden_states)


def _edit(attn: Attention, hidden: Tensor, edit: AttentionEdit) -> Tensor:
    """Attended values [R h N d] of every row."""
    count, (_, grid) = len(hidden), level_of(hidden.shape[1], edit.size)
    output = _indices(edit.rows.output, count, hidden.device)
    giving = _giving(edit.rows.structure if edit.keys == "structure" else edit.rows.style, output, count)
    mask = None if edit.mask is None else edit.mask(grid, grid).to(hidden.device)
    if mask is not None and (len(mask.samples) not in (1, len(output)) or mask.shape != (hidden.shape[1],) * 2):
        raise ShapeError(
            f"Expected a mask of {len(output)} rows for grid {grid}, got {mask.shape}; build it for this grid."
        )
    if edit.rearrange is not None:
        moved = _moved(hidden[output], hidden[giving], edit, grid, mask)
        query, key, value = _heads(attn, hidden.index_copy(0, output, moved))
        if edit.rearrange == "values":
            query, key, _ = _heads(attn, hidden)
        return attend(query, key, value)
    query, key, value = _heads(attn, hidden)
    asked, own = query[output], (key[output], value[output])
    if edit.query_share > 0:
        structure = query[_giving(edit.rows.structure, output, count)]
        asked = edit.query_share * structure + (1 - edit.query_share) * asked
    answer = _attend_style(asked, (key[giving], value[giving]), own, edit, mask)
    count -= edit.style_states is not None  # nobody asks what a row that is not in the batch attends to
    others = torch.ones(count, dtype=torch.bool, device=hidden.device).index_fill(0, output, False).nonzero()[:, 0]
    result = torch.zeros_like(query).index_copy(0, output, answer)
    return result.index_copy(0, others, attend(query[others], key[others], value[others])) if len(others) else result


def _attend_style(
    asked: Tensor, style: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor], edit: AttentionEdit, mask: Groups | None
) -> Tensor:
    """The output rows' attention to the keys that the edit names; a token without any key attends to its own picture."""
    keys, values = style
    if edit.keys == "both":
        keys, values = torch.cat([own[0], keys], dim=2), torch.cat([own[1], values], dim=2)
        mask = None if mask is None else mask.beside_own
    keys = keys if edit.temperature == 1 else edit.temperature * keys  # a lone token's own keys stay as they are
    if not edit.clip and edit.masking == "exact":
        return attend(asked, keys, values, mask, contrast=edit.contrast, otherwise=None if mask is None else own)
    by_map = partial(attend_materialised, asked, keys, values, contrast=edit.contrast, clip=edit.clip)
    if mask is None:
        return by_map()
    alone = ~mask.filled[..., None]
    answer = by_map(mask.matrix | alone if edit.masking == "exact" else mask.matrix, masking=edit.masking)
    return torch.where(alone[:, None], attend(asked, *own), answer) if bool(alone.any()) else answer


def _moved(own: Tensor, giver: Tensor, edit: AttentionEdit, grid: Grid, mask: Groups | None) -> Tensor:
    """Eye-for-an-eye: style tokens moved to where the output needs them; ordinary self-attention follows."""
    if edit.keys == "structure":
        return giver
    if edit.matches is None:
        nearest, matched = nearest_tokens(own.detach(), giver.detach(), mask), None if mask is None else mask.filled
    else:
        matches = _fit_matches(edit.matches(grid, grid), grid, len(own), own.device)
        nearest, matched = matches.clamp_min(0), matches >= 0
    moved = giver.gather(1, nearest[..., None].expand(len(giver), -1, giver.shape[-1]))
    return moved if matched is None else torch.where(matched[..., None], moved, own)


def _fit_matches(matches: Tensor, grid: Grid, pairs: int, device: torch.device) -> Tensor:
    """The matches as [1 or pairs, N] on the model's device."""
    matches = (matches if matches.ndim == 2 else matches[None]).to(device)
    tokens = grid[0] * grid[1]
    if matches.shape[0] not in (1, pairs) or matches.shape[1] != tokens or int(matches.max()) >= tokens:
        raise ShapeError(
            f"Expected matches ({pairs}, {tokens}) of tokens below {tokens} for grid {grid}, got {tuple(matches.shape)} up to "
            f"{int(matches.max())}; match at this grid."
        )
    return matches


def _giving(rows: Sequence[int], output: Tensor, count: int) -> Tensor:
    """The rows that give, one for every output row."""
    giving = _indices(rows, count, output.device)
    if len(output) == 0 or len(giving) not in (1, len(output)):
        raise EditError(f"Expected one giving row per output row, got {len(giving)} for {len(output)}; name the rows.")
    return giving.expand(len(output))


def _indices(rows: Sequence[int], count: int, device: torch.device) -> Tensor:
    if any(not 0 <= row < count for row in rows):
        raise EditError(f"Expected rows below the batch size {count}, got {list(rows)}; name rows of the batch.")
    return torch.tensor(list(rows), dtype=torch.int64, device=device)


def _heads(attn: Attention, hidden: Float[Tensor, "R N C"]) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value [R h N d] that the layer's own matrices make of hidden states."""
    query, key, value = (
        layer(hidden).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for layer in (attn.to_q, attn.to_k, attn.to_v)
    )
    return query if attn.norm_q is None else attn.norm_q(query), key if attn.norm_k is None else attn.norm_k(key), value


def _projected(attn: Attention, attended: Float[Tensor, "R h N d"]) -> Float[Tensor, "R N C"]:
    """Attended values through the layer's output projection."""
    hidden = attended.transpose(1, 2).flatten(2)
    for layer in attn.to_out:
        hidden = layer(hidden)
    return hidden / attn.rescale_output_factor
