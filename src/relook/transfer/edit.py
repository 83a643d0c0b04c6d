"""Edits of a denoiser's decoder self-attention, as data and as a context manager.

An `AttentionEdit` says which layers change, which rows of the batch ask and which rows answer. `edited` installs it,
counts how often it fires in every layer, puts the model back exactly (also after an exception), and raises EditError
when an edit never fired.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.models.attention_processor import Attention
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from relook.errors import EditError, ShapeError
from relook.ops.attention import Masking, attend, attend_materialised, nearest_tokens

Grid = tuple[int, int]
"""Rows and columns of a grid of tokens (or latents)."""

DECODER = r"^up_blocks\..*\battn1$"
"""Names of the decoder's self-attention layers in a UNet2DConditionModel."""


@dataclass(frozen=True)
class Rows:
    """Which rows of the batch play which part; entry i of each belongs to pair i."""

    output: Sequence[int] | Tensor = (0,)
    """Rows whose attention is edited."""
    style: Sequence[int] | Tensor = (1,)
    """Rows that give the look: as many as `output`, or one for all."""
    structure: Sequence[int] | Tensor = ()
    """Rows that give the shape, for keys = "structure"."""

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
    mask: Callable[[Grid, Grid], Bool[Tensor, "*B N M"]] | None = None
    """`mask(output grid, style grid)` is True where an output token may take from a style token, e.g.
    `Correspondence.mask`: [N M], or one per pair [B N M]; with keys = "both" also [B N N+M]. A token that may take from
    none keeps to its own picture. None allows everything. Not used with keys = "structure"."""
    rearrange: Literal["features", "values"] | None = None
    """Eye-for-an-eye: put each output token's most similar style token (cosine, within `mask`) in its place before Q,
    K, V (`features`) or V only (`values`), then attend within the row. With keys = "structure" the structure's tokens
    are copied, each in its place."""
    places: Callable[[Grid, Grid], Int[Tensor, "*B N"]] | None = None
    """For `rearrange`: `places(output grid, style grid)` says which style token takes each output token's place, in rows
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


@contextmanager
def edited(denoiser: nn.Module, *edits: AttentionEdit) -> Iterator[Counter[tuple[int, str]]]:
    """Run the block with the edits in place; yields the count of firings per (edit number, layer name).

    Where two edits name one layer, the first whose `levels` hold the layer's grid acts. Raises EditError when no layer
    has such a name, when an edit has not fired by the end of the block, or when a layer's tokens do not fit `size`.
    """
    firings: Counter[tuple[int, str]] = Counter()
    originals: dict[Attention, object] = {}
    try:
        for name, layer in _layers(denoiser, edits).items():
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


def level_of(tokens: int, size: Grid) -> tuple[float, Grid]:
    """(level, grid) of a layer with that many tokens: latents of `size`, halved (rounding up) until the count fits.

    Raises EditError when no number of halvings gives it.
    """
    level, (h, w) = 1.0, size
    while h * w > tokens and h * w > 1:
        level, h, w = level / 2, -(-h // 2), -(-w // 2)
    if h * w != tokens:
        raise EditError(
            f"Expected a layer grid that is {size} halved, got {tokens} tokens; give the latents' own size."
        )
    return level, (h, w)


def finest_level(denoiser: nn.Module) -> float:
    """Level of the finest decoder stage with self-attention: 1 in Stable Diffusion 1.5, 0.5 in SDXL and the dollhouse family.

    Raises EditError for a denoiser without any.
    """
    stages = len(getattr(denoiser, "up_blocks", ()))
    found = [int(name.split(".")[1]) for name in _layers(denoiser, [AttentionEdit(Rows(), (1, 1))])]
    return 0.5 ** (stages - 1 - max(found))


def _layers(denoiser: nn.Module, edits: Sequence[AttentionEdit]) -> dict[str, Attention]:
    """Every layer that some edit names."""
    every = {name: module for name, module in denoiser.named_modules() if isinstance(module, Attention)}
    for edit in edits:
        if not any(re.search(edit.layers, name) for name in every):
            raise EditError(
                f"Expected layers named {edit.layers!r} to edit, got none in {type(denoiser).__name__}, which has "
                f"{len(every)} attention layers; use a denoiser with self-attention in its decoder."
            )
    return {name: layer for name, layer in every.items() if any(re.search(edit.layers, name) for edit in edits)}


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
                return _project(attn, _edit(attn, hidden_states, edit, grid))
        return self.original(attn, hidden_states)


def _edit(attn: Attention, hidden: Tensor, edit: AttentionEdit, grid: Grid) -> Tensor:
    """Attended values [R h N d] of every row."""
    count = len(hidden)
    output = _indices(edit.rows.output, count, hidden.device)
    source = _indices(edit.rows.structure if edit.keys == "structure" else edit.rows.style, count, hidden.device)
    if len(output) == 0 or len(source) not in (1, len(output)):
        raise EditError(f"Expected one giving row per output row, got {len(source)} for {len(output)}; name the rows.")
    source = source.expand(len(output))
    masks = None if edit.keys == "structure" else edit.mask
    mask = None if masks is None else _fit(masks(grid, grid), grid, len(output), hidden.device)
    if edit.rearrange is not None:
        places = None if edit.places is None or edit.keys == "structure" else edit.places(grid, grid)
        found = None if places is None else _fit_places(places, grid, len(output), hidden.device)
        return _rearranged(attn, hidden, edit, output, source, mask, found)
    if edit.places is not None:
        raise EditError("Expected places only with a rearrangement, got them with swapped keys; set rearrange.")
    query, key, value = _heads(attn, hidden)
    answer = _attend_style(query, key, value, edit, output, source, mask)
    others = torch.ones(count, dtype=torch.bool, device=hidden.device).index_fill(0, output, False).nonzero()[:, 0]
    result = torch.zeros_like(query).index_copy(0, output, answer)
    return result.index_copy(0, others, attend(query[others], key[others], value[others])) if len(others) else result


def _attend_style(
    query: Tensor, key: Tensor, value: Tensor, edit: AttentionEdit, output: Tensor, source: Tensor, mask: Tensor | None
) -> Tensor:
    """The output rows' attention to the keys that the edit names."""
    asked, own_key, own_value = query[output], key[output], value[output]
    keys, values = key[source], value[source]
    if edit.keys == "both":
        keys, values = torch.cat([own_key, keys], dim=2), torch.cat([own_value, values], dim=2)
        if mask is not None and mask.shape[-1] < keys.shape[2]:
            mask = torch.cat([mask.new_ones(*mask.shape[:2], own_key.shape[2]), mask], dim=-1)
    alone = None if mask is None else ~mask.any(-1)
    if alone is not None and not bool(alone.any()):
        alone = None
    if mask is not None and alone is not None and edit.masking == "exact":
        mask = mask | alone[..., None]
    if edit.clip or edit.masking == "multiplied":
        answer = attend_materialised(
            asked, keys, values, mask, contrast=edit.contrast, masking=edit.masking, clip=edit.clip
        )
    else:
        answer = attend(asked, keys, values, mask, contrast=edit.contrast)
    return answer if alone is None else torch.where(alone[:, None, :, None], attend(asked, own_key, own_value), answer)


def _rearranged(
    attn: Attention,
    hidden: Tensor,
    edit: AttentionEdit,
    output: Tensor,
    source: Tensor,
    mask: Tensor | None,
    places: Tensor | None,
) -> Tensor:
    """Eye-for-an-eye: style tokens moved to where the output needs them, then ordinary self-attention in every row."""
    own, giver = hidden[output], hidden[source]
    matched = mask.any(-1) if places is None and mask is not None else None
    if edit.keys == "structure":
        moved = giver
    else:
        nearest = nearest_tokens(own.detach(), giver.detach(), mask) if places is None else places.clamp_min(0)
        moved = giver.gather(1, nearest[..., None].expand(len(giver), -1, giver.shape[-1]))
        matched = matched if places is None else places >= 0
    if matched is not None:
        moved = torch.where(matched[..., None], moved, own)
    features = hidden.index_copy(0, output, moved)
    query, key, value = _heads(attn, features)
    if edit.rearrange == "values":
        query, key, _ = _heads(attn, hidden)
    return attend(query, key, value)


def _heads(attn: Attention, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value [R h N d] of hidden states [R N C]."""
    query, key, value = (
        layer(hidden).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for layer in (attn.to_q, attn.to_k, attn.to_v)
    )
    return (
        (query if attn.norm_q is None else attn.norm_q(query)),
        (key if attn.norm_k is None else attn.norm_k(key)),
        value,
    )


def _project(attn: Attention, attended: Tensor) -> Tensor:
    """Attended values [R h N d] through the layer's output projection: [R N C]."""
    hidden = attended.transpose(1, 2).flatten(2)
    for layer in attn.to_out:
        hidden = layer(hidden)
    return hidden / attn.rescale_output_factor


def _fit_places(places: Tensor, grid: Grid, pairs: int, device: torch.device) -> Tensor:
    """The places as [1 or pairs, N] on the model's device."""
    places = (places if places.ndim == 2 else places[None]).to(device)
    tokens = grid[0] * grid[1]
    if places.shape[0] not in (1, pairs) or places.shape[1] != tokens or int(places.max()) >= tokens:
        raise ShapeError(
            f"Expected places ({pairs}, {tokens}) of tokens below {tokens} for grid {grid}, got {tuple(places.shape)} up to "
            f"{int(places.max())}; match at this grid."
        )
    return places


def _indices(rows: Sequence[int] | Tensor, count: int, device: torch.device) -> Tensor:
    index = torch.as_tensor(rows if isinstance(rows, Tensor) else list(rows), dtype=torch.int64, device=device)
    if len(index) and not bool(((index >= 0) & (index < count)).all()):
        raise EditError(f"Expected rows below the batch size {count}, got {index.tolist()}; name rows of the batch.")
    return index


def _fit(mask: Tensor, grid: Grid, pairs: int, device: torch.device) -> Tensor:
    """The mask as [1 or pairs, N, M] on the model's device."""
    mask = (mask if mask.ndim == 3 else mask[None]).to(device)
    tokens = grid[0] * grid[1]
    if mask.shape[0] not in (1, pairs) or mask.shape[1] != tokens or mask.shape[2] not in (tokens, 2 * tokens):
        raise ShapeError(
            f"Expected a mask of ({pairs}, {tokens}, {tokens}) for grid {grid}, got {tuple(mask.shape)}; resize it."
        )
    return mask
