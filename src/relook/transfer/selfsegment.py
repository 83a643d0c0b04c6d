"""Foreground masks from the denoiser's own attention, for pictures without segments.

Self-segmentation of Patashnik et al. 2023, as Cross-Image Attention uses it for AdaIN.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from diffusers.models.attention_processor import Attention
from jaxtyping import Bool, Float, Int
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn
from torch.nn.functional import interpolate

from relook.errors import EditError
from relook.models.families import Family
from relook.transfer.layers import Grid, level_of
from relook.transfer.predict import Row, predict_rows

CLUSTERS = 5
"""k of k-means on the self-attention rows."""
FACTOR = 1.4
"""A cluster is foreground when its attention to the noun is this many times the mean of the other clusters'."""
LEVEL = 0.5
"""The decoder level whose maps are read."""


def foreground(family: Family, latents: Float[Tensor, "1 C h w"], timestep: int, prompt: str) -> Bool[Tensor, "h w"]:
    """Where the noun (the prompt's last word) is in noised latents; everywhere when no cluster stands out.

    Raises EditError for a denoiser without self- and cross-attention at half resolution in its decoder.
    """
    size = latents.shape[-2], latents.shape[-1]
    with _recorded(family.denoiser, size) as maps:
        predict_rows(family, [Row(latents, timestep, family.embed([prompt]))])
    if not maps["attn1"] or not maps["attn2"]:
        raise EditError(
            f"Expected attention at level {LEVEL} of the decoder, got none; give segments of both pictures."
        )
    rows, cross = (torch.stack(maps[kind]).mean(0) for kind in ("attn1", "attn2"))
    noun = len(family.text.tokenizers[0](prompt).input_ids) - 2  # before the end mark
    inside = noun_clusters(rows, cross[:, min(max(noun, 0), cross.shape[1] - 1)])
    _, grid = level_of(len(rows), size)
    return interpolate(inside.view(1, 1, *grid).float(), size, mode="nearest-exact")[0, 0] > 0.5


def noun_clusters(rows: Float[Tensor, "N N"], scores: Float[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """Tokens of the clusters of self-attention rows whose mean score is more than FACTOR times that of the others."""
    labels = _clusters(rows)
    kinds = labels.unique()
    means = torch.stack([scores[labels == kind].mean() for kind in kinds])
    others = (means.sum() - means) / max(len(means) - 1, 1)
    chosen = kinds[means > FACTOR * others]
    return torch.isin(labels, chosen) if 0 < len(chosen) < len(kinds) else torch.ones_like(labels, dtype=torch.bool)


def _clusters(rows: Tensor) -> Int[Tensor, " N"]:
    """k-means labels from the farthest-point start, which is deterministic."""
    chosen = [0]
    distance = torch.full((len(rows),), torch.inf, device=rows.device)
    for _ in range(min(CLUSTERS, len(rows)) - 1):
        distance = torch.minimum(distance, (rows - rows[chosen[-1]]).square().sum(1))
        chosen.append(int(distance.argmax()))
    data = rows.double().cpu().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty cluster is no harm
        _, labels = kmeans2(data, data[chosen], minit="matrix")
    return torch.from_numpy(labels).to(rows.device, torch.int64)


@contextmanager
def _recorded(denoiser: nn.Module, size: Grid) -> Iterator[dict[str, list[Tensor]]]:
    """Head-averaged attention maps of the decoder at LEVEL, by kind (attn1: self, attn2: cross), while the block runs."""
    maps: dict[str, list[Tensor]] = {"attn1": [], "attn2": []}
    handles = []
    for name, module in denoiser.named_modules():
        kind = name.rsplit(".", 1)[-1]
        if name.startswith("up_blocks.") and kind in maps and isinstance(module, Attention):
            handles.append(module.register_forward_pre_hook(_recorder(maps[kind], size), with_kwargs=True))
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _recorder(maps: list[Tensor], size: Grid) -> Callable[..., None]:
    """A hook before an attention layer that appends its map."""

    def hook(module: Attention, arguments: tuple[Tensor, ...], options: dict[str, Tensor | None]) -> None:
        hidden, context = arguments[0], options.get("encoder_hidden_states")
        if level_of(hidden.shape[1], size)[0] != LEVEL:
            return
        asked = hidden if context is None else context
        query, key = module.head_to_batch_dim(module.to_q(hidden)), module.head_to_batch_dim(module.to_k(asked))
        maps.append(module.get_attention_scores(query, key).float().mean(0))

    return hook
