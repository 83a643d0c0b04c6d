"""Attention with exact masks and exact contrast, and slow readable twins as oracles.

`attend` never builds an attention map. `attend_by_class` runs one dense block per class. `attend_materialised` builds
the map for a few query rows at a time, for what needs it: clipped contrast and masks that multiply logits (the released
codes).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize, scaled_dot_product_attention

from relook.errors import EditError, ShapeError

Masking = Literal["exact", "multiplied"]
"""`exact`: excluded keys get zero weight. `multiplied`: the mask multiplies the logits (ReStyle3D eq. 4), so that
excluded keys keep logit 0 and some weight."""

ROWS = 1024
"""Query rows per chunk where a map is needed."""


def attend(
    query: Float[Tensor, "B h N d"],
    key: Float[Tensor, "B h M d"],
    value: Float[Tensor, "B h M d"],
    mask: Bool[Tensor, "#B N M"] | None = None,
    *,
    contrast: float = 1.0,
) -> Float[Tensor, "B h N d"]:
    """softmax(Q K^T / sqrt(d)) V with A <- (A - mean(A)) contrast + mean(A) (Cross-Image Attention, eq. 3).

    mask: True = may attend; excluded keys get exactly zero weight. Rows of A sum to 1 over the m allowed keys, so
    mean(A) = 1/m, and the contrasted product is contrast * A V + (1 - contrast) * mean of the allowed values: no map.
    Differentiable, so training uses it too.
    Raises ShapeError for a mask that does not fit and EditError for a query that may attend to nothing.
    """
    _check(query, key, mask)
    blended = scaled_dot_product_attention(query, key, value, attn_mask=None if mask is None else mask[:, None])
    if contrast == 1.0:
        return blended
    return contrast * blended + (1 - contrast) * _allowed_mean(value, mask)


def attend_by_class(
    query: Float[Tensor, "B h N d"],
    key: Float[Tensor, "B h M d"],
    value: Float[Tensor, "B h M d"],
    query_classes: Int[Tensor, "B N"],
    key_classes: Int[Tensor, "B M"],
    *,
    unmatched: Literal["everything", "error"] = "everything",
    contrast: float = 1.0,
) -> Float[Tensor, "B h N d"]:
    """`attend` where a query may attend to the keys of its class, as one dense block per class.

    Queries of class 0, or of a class without keys, attend to every key (`everything`) or raise EditError (`error`).
    """
    samples = []
    for sample in range(len(query)):
        output = torch.zeros_like(query[sample])
        for label in query_classes[sample].unique().tolist():
            rows = (query_classes[sample] == label).nonzero()[:, 0]
            columns = ((key_classes[sample] == label) & (label != 0)).nonzero()[:, 0]
            if len(columns) == 0:
                if unmatched == "error":
                    raise EditError(f"Expected keys of class {label}, got none; allow unmatched queries everything.")
                columns = torch.arange(key.shape[2], device=key.device)
            one = slice(sample, sample + 1)
            block = attend(query[one, :, rows], key[one, :, columns], value[one, :, columns], contrast=contrast)
            output = output.index_copy(1, rows, block[0])
        samples.append(output)
    return torch.stack(samples)


def attend_materialised(
    query: Float[Tensor, "B h N d"],
    key: Float[Tensor, "B h M d"],
    value: Float[Tensor, "B h M d"],
    mask: Bool[Tensor, "#B N M"] | None = None,
    *,
    contrast: float = 1.0,
    masking: Masking = "exact",
    clip: bool = False,
    rows: int = ROWS,
) -> Float[Tensor, "B h N d"]:
    """Attention by its map, `rows` queries at a time: memory B h rows M.

    masking: see `Masking`. clip: bound the contrasted map to [0, 1] without renormalising, as the released codes do.
    With `exact` masking, contrast acts on the allowed keys only.
    """
    _check(query, key, mask if masking == "exact" else None)
    chunks = []
    for start in range(0, query.shape[2], rows):
        part = slice(start, start + rows)
        logits = query[:, :, part] @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        allowed = None if mask is None else mask[:, None, part]
        weights = _weights(logits, allowed, masking)
        counted = allowed if masking == "exact" else None
        chunks.append(_contrasted(weights, counted, contrast, clip) @ value)
    return torch.cat(chunks, dim=2)


def attend_reference(
    query: Float[Tensor, "B h N d"],
    key: Float[Tensor, "B h M d"],
    value: Float[Tensor, "B h M d"],
    mask: Bool[Tensor, "#B N M"] | None = None,
    *,
    contrast: float = 1.0,
) -> Float[Tensor, "B h N d"]:
    """Slow twin of `attend`: one query after another, the formula as printed, allowed keys picked out by hand."""
    output = torch.zeros_like(query)
    for b in range(query.shape[0]):
        for n in range(query.shape[2]):
            allowed = slice(None) if mask is None else mask[b % len(mask), n].nonzero()[:, 0]
            keys, values = key[b, :, allowed], value[b, :, allowed]
            weights = torch.softmax((keys @ query[b, :, n, :, None])[..., 0] / query.shape[-1] ** 0.5, dim=-1)
            mean = weights.mean(-1, keepdim=True)
            output[b, :, n] = (((weights - mean) * contrast + mean)[..., None] * values).sum(1)
    return output


def nearest_tokens(
    query: Float[Tensor, "B N C"],
    key: Float[Tensor, "B M C"],
    mask: Bool[Tensor, "#B N M"] | None = None,
    *,
    rows: int = ROWS,
) -> Int[Tensor, "B N"]:
    """For every query token the allowed key token of largest cosine similarity (key 0 if none is allowed)."""
    query, key = normalize(query, dim=-1), normalize(key, dim=-1)
    best = []
    for start in range(0, query.shape[1], rows):
        similarity = query[:, start : start + rows] @ key.transpose(1, 2)
        if mask is not None:
            similarity = similarity.masked_fill(~mask[:, start : start + rows], -torch.inf)
        best.append(similarity.argmax(-1))
    return torch.cat(best, dim=1)


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


def _check(query: Tensor, key: Tensor, mask: Tensor | None) -> None:
    if mask is None:
        return
    expected = (query.shape[0], query.shape[2], key.shape[2])
    if mask.dtype != torch.bool or mask.shape[1:] != expected[1:] or mask.shape[0] not in (1, expected[0]):
        got = f"{mask.dtype} {tuple(mask.shape)}"
        raise ShapeError(f"Expected a boolean mask of shape {expected}, got {got}; build it for this grid.")
    if not bool(mask.any(-1).all()):
        raise EditError("Expected an allowed key for every query, got a row with none; say what such rows attend to.")
