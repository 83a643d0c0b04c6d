"""Attention with exact masks and exact contrast.

`attend` never builds an attention map, and with a mask by groups it runs one dense block per group, which costs less
than attention without a mask. `attend_materialised` builds the map for a few query rows at a time, for what needs it:
clipped contrast and masks that multiply logits (the released codes).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize, scaled_dot_product_attention

from relook.errors import EditError, ShapeError
from relook.ops.groups import Group, Groups

Masking = Literal["exact", "multiplied"]
"""`exact`: excluded keys get zero weight. `multiplied`: the mask multiplies the logits (ReStyle3D eq. 4), so that
excluded keys keep logit 0 and some weight."""

ROWS = 1024
"""Query rows per chunk where a map is needed."""

BLOCKS_FROM = 100_000
"""Pairs of query and key, about 316 tokens of each, from which a block per group is faster than one call with a matrix:
so it was on a CPU with 3 and 12 groups among 64 to 4096 tokens."""

NO_KEYS = "Expected an allowed key for every query, got a row with none; say what such rows attend to."


def attend(
    query: Float[Tensor, "B h N d"],
    key: Float[Tensor, "B h M d"],
    value: Float[Tensor, "B h M d"],
    mask: Bool[Tensor, "#B N M"] | Groups | None = None,
    *,
    contrast: float = 1.0,
    otherwise: tuple[Float[Tensor, "B h K d"], Float[Tensor, "B h K d"]] | None = None,
) -> Float[Tensor, "B h N d"]:
    """softmax(Q K^T / sqrt(d)) V with A <- (A - mean(A)) contrast + mean(A) (Cross-Image Attention, eq. 3).

    mask: True = may attend; excluded keys get exactly zero weight. Rows of A sum to 1 over the m allowed keys, so
    mean(A) = 1/m, and the contrasted product is contrast * A V + (1 - contrast) * mean of the allowed values: no map.
    `Groups` are attended one dense block per group where the map is large.
    otherwise: keys and values for queries that may attend to nothing; these get plain attention, without contrast.
    Differentiable, so training uses it too.
    Raises ShapeError for a mask that does not fit and EditError for a query that may attend to nothing.
    """
    if isinstance(mask, Groups):
        _check_groups(query, key, mask, otherwise)
        if mask.shape[0] * mask.shape[1] >= BLOCKS_FROM:
            return _by_groups(query, key, value, mask, contrast, otherwise)
        mask = mask.matrix
    _check_shape(query, key, mask)
    if mask is not None:
        lost = ~mask.any(-1, keepdim=True)
        if bool(lost.any()):
            if otherwise is None:
                raise EditError(NO_KEYS)
            found = attend(query, key, value, mask | lost, contrast=contrast)
            return torch.where(lost[:, None], attend(query, *otherwise), found)
    blended = scaled_dot_product_attention(query, key, value, attn_mask=None if mask is None else mask[:, None])
    if contrast == 1.0:
        return blended
    return contrast * blended + (1 - contrast) * _allowed_mean(value, mask)


def attend_materialised(
    query: Float[Tensor, "B h N d"],
    key: Float[Tensor, "B h M d"],
    value: Float[Tensor, "B h M d"],
    mask: Bool[Tensor, "#B N M"] | None = None,
    *,
    contrast: float = 1.0,
    masking: Masking = "exact",
    clip: bool = False,
) -> Float[Tensor, "B h N d"]:
    """Attention by its map, ROWS queries at a time: memory B h ROWS M.

    masking: see `Masking`. clip: bound the contrasted map to [0, 1] without renormalising, as the released codes do.
    With `exact` masking, contrast acts on the allowed keys only.
    """
    _check_shape(query, key, mask)
    if mask is not None and masking == "exact" and not bool(mask.any(-1).all()):
        raise EditError(NO_KEYS)
    chunks = []
    for start in range(0, query.shape[2], ROWS):
        part = slice(start, start + ROWS)
        logits = query[:, :, part] @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        allowed = None if mask is None else mask[:, None, part]
        weights = _weights(logits, allowed, masking)
        counted = allowed if masking == "exact" else None
        chunks.append(_contrasted(weights, counted, contrast, clip) @ value)
    return torch.cat(chunks, dim=2)


def nearest_tokens(
    query: Float[Tensor, "B N C"], key: Float[Tensor, "B M C"], mask: Groups | None = None
) -> Int[Tensor, "B N"]:
    """For every query token the allowed key token of largest cosine similarity (key 0 if none is allowed)."""
    query, key = normalize(query, dim=-1), normalize(key, dim=-1)
    if mask is None:
        return _nearest(query, key)
    nearest = torch.zeros(query.shape[:2], dtype=torch.int64, device=query.device)
    for part, groups in mask.parts(len(query)):
        for group in groups:
            if len(group.columns):
                nearest[part, group.rows] = group.columns[_nearest(query[part, group.rows], key[part, group.columns])]
    return nearest


def _nearest(query: Tensor, key: Tensor) -> Tensor:
    """`nearest_tokens` of unit vectors, ROWS queries at a time."""
    return torch.cat([(part @ key.transpose(1, 2)).argmax(-1) for part in query.split(ROWS, dim=1)], dim=1)


def _by_groups(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Groups,
    contrast: float,
    otherwise: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """`attend` in one dense block per group: queries sorted by group once, keys picked out for each."""
    samples = []
    for (part, groups), (order, back) in zip(mask.parts(len(query)), mask.order, strict=True):
        asked, blocks = _take(query[part], order), []
        for group, rows in zip(groups, asked.split([len(group.rows) for group in groups], dim=2), strict=True):
            if len(group.columns):
                keys, values = _allowed(key[part], group), _allowed(value[part], group)
                blocks.append(attend(rows, keys, values, contrast=contrast))
            elif otherwise is not None:
                blocks.append(attend(rows, otherwise[0][part], otherwise[1][part]))
        samples.append(_take(torch.cat([block.transpose(1, 2) for block in blocks], dim=1).transpose(1, 2), back))
    return samples[0] if len(samples) == 1 else torch.cat(samples)


def _allowed(tokens: Tensor, group: Group) -> Tensor:
    """The keys or values that a group may attend to; all of them as they are, since their order does not matter."""
    return tokens if len(group.columns) == tokens.shape[2] else _take(tokens, group.columns)


def _take(tokens: Tensor, indices: Tensor) -> Tensor:
    """tokens [B h N d] at these indices of N.

    A layer's heads are views of [B N h d], where all heads of a token are one piece of memory.
    """
    return tokens.transpose(1, 2).index_select(1, indices).transpose(1, 2)


def _weights(logits: Tensor, allowed: Tensor | None, masking: Masking) -> Tensor:
    if allowed is None:
        return logits.softmax(-1)
    return (logits * allowed if masking == "multiplied" else logits.masked_fill(~allowed, -torch.inf)).softmax(-1)


def _contrasted(weights: Tensor, allowed: Tensor | None, contrast: float, clip: bool) -> Tensor:
    """(A - mean) contrast + mean over the allowed keys of each row (all keys when None)."""
    if contrast != 1.0:
        count = weights.shape[-1] if allowed is None else allowed.sum(-1, keepdim=True)
        mean = weights.sum(-1, keepdim=True) / count
        changed = (weights - mean) * contrast + mean
        weights = changed if allowed is None else torch.where(allowed, changed, 0.0)
    return weights.clamp(0, 1) if clip else weights


def _allowed_mean(value: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return value.mean(dim=2, keepdim=True)
    share = mask.to(value.dtype) / mask.sum(-1, keepdim=True).to(value.dtype)
    return share[:, None] @ value


def _check_shape(query: Tensor, key: Tensor, mask: Tensor | None) -> None:
    if mask is None:
        return
    expected = (query.shape[0], query.shape[2], key.shape[2])
    if mask.dtype != torch.bool or mask.shape[1:] != expected[1:] or mask.shape[0] not in (1, expected[0]):
        got = f"{mask.dtype} {tuple(mask.shape)}"
        raise ShapeError(f"Expected a boolean mask of shape {expected}, got {got}; build it for this grid.")


def _check_groups(query: Tensor, key: Tensor, mask: Groups, otherwise: tuple[Tensor, Tensor] | None) -> None:
    expected = (query.shape[0], query.shape[2], key.shape[2])
    if mask.shape != expected[1:] or len(mask.samples) not in (1, expected[0]):
        got = (len(mask.samples), *mask.shape)
        raise ShapeError(f"Expected groups for a mask of {expected}, got {got}; build them for this grid.")
    if otherwise is None and not bool(mask.filled.all()):
        raise EditError(NO_KEYS)
