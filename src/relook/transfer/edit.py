"""Edits of a denoiser's decoder self-attention, as data and as a context manager.

An `AttentionEdit` says which layers change, which rows of the batch ask and which rows answer. `edited` installs it,
counts how often it fires in every layer, puts the model back exactly (also after an exception), and raises EditError
when an edit never fired.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.models.attention_processor import Attention
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from relook.errors import EditError, ShapeError
from relook.ops.attention import BLOCKS_FROM, Masking, attend, attend_materialised, nearest_tokens
from relook.ops.groups import Groups, grouped
from relook.transfer.heads import heads, projected
from relook.transfer.layers import DECODER, Grid, attention_layers, level_of


@dataclass(frozen=True)
class Rows:
    """Which rows of the batch play which part; entry i of each belongs to pair i."""

    output: Sequence[int] | Tensor = (0,)
    """Rows whose attention is edited."""
    style: Sequence[int] | Tensor = (1,)
    """Rows that give the look: as many as `output`, or one for all."""
    structure: Sequence[int] | Tensor = ()
    """Rows that give the shape, for keys = "structure" and `query_share`: as many as `output`, or one for all."""

    @staticmethod
    def pairs(count: int) -> Rows:
        """A batch of `count` outputs followed by their `count` styles, as in training."""
        return Rows(range(count), range(count, 2 * count))


@dataclass(frozen=True)
class AttentionEdit:
    """One change to the decoder's self-attention."""

    rows: Rows
    """Which rows of the batch ask and answer."""
    size: Grid
    """Height and width of the latents; with the number of tokens it gives the grid of every layer, square or not."""
    keys: Literal["style", "both", "structure"] = "style"
    """Whose keys and values an output row attends to: the style row's, its own and the style's, or the structure's."""
    mask: Callable[[Grid, Grid], Bool[Tensor, "*B N M"] | Groups] | None = None
    """`mask(output grid, style grid)` says which style tokens an output token may take from, by groups (fastest), e.g.
    `Correspondence.groups`, or as a matrix, True = may: [N M], or one per pair [B N M]; with keys = "both" also
    [B N N+M]. A token that may take from none keeps to its own picture. None allows everything. Not used with keys =
    "structure"."""
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
    layers: str = DECODER
    """Regular expression for the names of the layers."""
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


@contextmanager
def edited(denoiser: nn.Module, *edits: AttentionEdit) -> Iterator[Counter[tuple[int, str]]]:
    """Run the block with the edits in place; yields the count of firings per (edit number, layer name).

    Where two edits name one layer, the first whose `levels` hold the layer's grid acts. Raises EditError when no layer
    has such a name, when an edit has not fired by the end of the block, or when a layer's tokens do not fit `size`.
    """
    firings: Counter[tuple[int, str]] = Counter()
    originals: dict[Attention, object] = {}
    try:
        for name, layer in attention_layers(denoiser, [edit.layers for edit in edits]).items():
            chosen = {number: edit for number, edit in enumerate(edits) if re.search(edit.layers, name)}
            originals[layer] = layer.processor
            layer.set_processor(_EditedSelfAttention(name, chosen, layer.processor, firings))  # type: ignore[arg-type]
        yield firings
        for number, edit in enumerate(edits):
            if not any(fired == number for fired, _ in firings):
                raise EditError(
                    f"Expected the edit of {edit.layers!r} at levels {edit.levels or 'any'} to fire for latents of "
                    f"{edit.size}, got no firing; choose levels where the denoiser has self-attention."
                )
    finally:
        for layer, processor in originals.items():
            layer.set_processor(processor)  # type: ignore[arg-type]


class _EditedSelfAttention:
    """A diffusers attention processor for one layer: rows named as output are edited, all others attend as ever."""

    def __init__(
        self, name: str, edits: dict[int, AttentionEdit], original: Any, firings: Counter[tuple[int, str]]
    ) -> None:
        self.name, self.edits, self.original, self.firings = name, edits, original, firings

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
                f"Expected self-attention in layer {self.name!r}, got cross-attention; edit layers named attn1."
            )
        for number, edit in self.edits.items():
            level, grid = level_of(hidden_states.shape[1], edit.size)
            if not edit.levels or level in edit.levels:
                self.firings[number, self.name] += 1
                if edit.style_states is None:
                    return projected(attn, _edit(attn, hidden_states, edit, grid))
                whole = torch.cat([hidden_states, edit.style_states[self.name].to(hidden_states)])
                return projected(attn, _edit(attn, whole, edit, grid)[:-1])
        return self.original(attn, hidden_states)


def _edit(attn: Attention, hidden: Tensor, edit: AttentionEdit, grid: Grid) -> Tensor:
    """Attended values [R h N d] of every row."""
    count = len(hidden)
    output = _indices(edit.rows.output, count, hidden.device)
    source = _giving(edit.rows.structure if edit.keys == "structure" else edit.rows.style, output, count)
    masks = None if edit.keys == "structure" else edit.mask
    mask = None if masks is None else _fit(masks(grid, grid), grid, len(output), hidden.device)
    if edit.rearrange is not None:
        if edit.query_share or edit.temperature != 1:
            raise EditError("Expected mixed queries and a temperature with swapped keys only, got rearranged features.")
        found = None if edit.matches is None or edit.keys == "structure" else edit.matches(grid, grid)
        matches = None if found is None else _fit_matches(found, grid, len(output), hidden.device)
        return _rearranged(attn, hidden, edit, output, source, mask, matches)
    if edit.matches is not None:
        raise EditError("Expected matches only with a rearrangement, got them with swapped keys; set rearrange.")
    query, key, value = heads(attn, hidden)
    answer = _attend_style(query, key, value, edit, output, source, mask)
    count -= edit.style_states is not None  # nobody asks what a row that is not in the batch attends to
    others = torch.ones(count, dtype=torch.bool, device=hidden.device).index_fill(0, output, False).nonzero()[:, 0]
    result = torch.zeros_like(query).index_copy(0, output, answer)
    return result.index_copy(0, others, attend(query[others], key[others], value[others])) if len(others) else result


def _attend_style(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    edit: AttentionEdit,
    output: Tensor,
    source: Tensor,
    mask: Tensor | Groups | None,
) -> Tensor:
    """The output rows' attention to the keys that the edit names."""
    asked, own = _asked(query, output, edit), (key[output], value[output])
    keys, values = key[source], value[source]
    if edit.keys == "both":
        keys, values = torch.cat([own[0], keys], dim=2), torch.cat([own[1], values], dim=2)
        mask = _beside_own(mask, keys.shape[2])
    keys = keys if edit.temperature == 1 else edit.temperature * keys  # a lone token's own keys stay as they are
    if edit.clip or edit.masking == "multiplied":
        return _materialised(asked, keys, values, own, mask, edit)
    return attend(asked, keys, values, mask, contrast=edit.contrast, otherwise=None if mask is None else own)


def _asked(query: Tensor, output: Tensor, edit: AttentionEdit) -> Tensor:
    """The output rows' queries, with the structure's share."""
    if edit.query_share == 0:
        return query[output]
    structure = query[_giving(edit.rows.structure, output, len(query))]
    return edit.query_share * structure + (1 - edit.query_share) * query[output]


def _materialised(
    asked: Tensor,
    keys: Tensor,
    values: Tensor,
    own: tuple[Tensor, Tensor],
    mask: Tensor | Groups | None,
    edit: AttentionEdit,
) -> Tensor:
    """The released codes' attention, which needs its map; a token without any key attends to its own picture."""
    matrix = mask.matrix if isinstance(mask, Groups) else mask
    alone = None if matrix is None else ~matrix.any(-1, keepdim=True)
    if matrix is not None and alone is not None and edit.masking == "exact":
        matrix = matrix | alone
    answer = attend_materialised(
        asked, keys, values, matrix, contrast=edit.contrast, masking=edit.masking, clip=edit.clip
    )
    if alone is None or not bool(alone.any()):
        return answer
    return torch.where(alone[:, None], attend(asked, *own), answer)


def _beside_own(mask: Tensor | Groups | None, keys: int) -> Tensor | Groups | None:
    """The mask for `keys` keys, the first of them the row's own (unless the mask knows them): every token may take from those."""
    if isinstance(mask, Groups):
        return mask if mask.shape[1] == keys else mask.beside_own
    if mask is None or mask.shape[2] == keys:
        return mask
    return torch.cat([mask.new_ones(*mask.shape[:2], keys - mask.shape[2]), mask], dim=-1)


def _rearranged(
    attn: Attention,
    hidden: Tensor,
    edit: AttentionEdit,
    output: Tensor,
    source: Tensor,
    mask: Tensor | Groups | None,
    matches: Tensor | None,
) -> Tensor:
    """Eye-for-an-eye: style tokens moved to where the output needs them, then ordinary self-attention in every row."""
    own, giver = hidden[output], hidden[source]
    matched = _taking(mask) if matches is None and mask is not None else None
    if edit.keys == "structure":
        moved = giver
    else:
        nearest = nearest_tokens(own.detach(), giver.detach(), mask) if matches is None else matches.clamp_min(0)
        moved = giver.gather(1, nearest[..., None].expand(len(giver), -1, giver.shape[-1]))
        matched = matched if matches is None else matches >= 0
    if matched is not None:
        moved = torch.where(matched[..., None], moved, own)
    features = hidden.index_copy(0, output, moved)
    query, key, value = heads(attn, features)
    if edit.rearrange == "values":
        query, key, _ = heads(attn, hidden)
    return attend(query, key, value)


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


def _giving(rows: Sequence[int] | Tensor, output: Tensor, count: int) -> Tensor:
    """The rows that give, one for every output row."""
    given = _indices(rows, count, output.device)
    if len(output) == 0 or len(given) not in (1, len(output)):
        raise EditError(f"Expected one giving row per output row, got {len(given)} for {len(output)}; name the rows.")
    return given.expand(len(output))


def _indices(rows: Sequence[int] | Tensor, count: int, device: torch.device) -> Tensor:
    index = torch.as_tensor(rows if isinstance(rows, Tensor) else list(rows), dtype=torch.int64, device=device)
    if len(index) and not bool(((index >= 0) & (index < count)).all()):
        raise EditError(f"Expected rows below the batch size {count}, got {index.tolist()}; name rows of the batch.")
    return index


def _fit(mask: Tensor | Groups, grid: Grid, pairs: int, device: torch.device) -> Tensor | Groups:
    """The mask as [1 or pairs, N, M] on the model's device; by groups where it is large and its rows are of few kinds."""
    mask = (mask if isinstance(mask, Groups) or mask.ndim == 3 else mask[None]).to(device)
    shape = (len(mask.samples), *mask.shape) if isinstance(mask, Groups) else tuple(mask.shape)
    tokens = grid[0] * grid[1]
    if shape[0] not in (1, pairs) or shape[1] != tokens or shape[2] not in (tokens, 2 * tokens):
        raise ShapeError(f"Expected a mask of ({pairs}, {tokens}, {tokens}) for grid {grid}, got {shape}; resize it.")
    if isinstance(mask, Groups) or tokens**2 < BLOCKS_FROM:
        return mask
    return grouped(mask) or mask


def _taking(mask: Tensor | Groups) -> Bool[Tensor, "_ N"]:
    """Which tokens may take from some token."""
    return mask.filled if isinstance(mask, Groups) else mask.any(-1)
