"""Pictures moved by flow: softmax splatting forwards, looking up backwards, blending of several; holes are masks, never colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.geometry import inside, known_depth, pixel_centres, sample

COVERED = 0.25
"""A splatted pixel that received less than this share of one pixel's weight is a hole."""
LIKE = 0.1
"""Distance of colours (RGB) at which a pixel counts e^-1/2 as much in a guided look-up."""
SHARPNESS = 10.0
"""Of the nearest surface over the farthest, in ReStyle3D's released code."""


class Warped(NamedTuple):
    """A picture as another view sees it."""

    values: Float[Tensor, "C H W"]
    """0 where nothing is known."""
    confidence: Float[Tensor, "H W"]
    """From 0 (a hole) to 1 (certain)."""

    @property
    def holes(self) -> Bool[Tensor, "H W"]:
        """Where nothing is known; a black pixel is no hole."""
        return self.confidence <= 0


def nearness(depth: Float[Tensor, "H W"], sharpness: float = SHARPNESS) -> Float[Tensor, "H W"]:
    """Splatting importance: sharpness (d - 1), with d the disparity scaled to [0, 1] over the known pixels; -inf where depth is unknown.

    sharpness 10 is what ReStyle3D's released code takes; a large one approaches a depth buffer.
    """
    known = known_depth(depth)
    if not bool(known.any()):
        raise ShapeError("Expected depth in at least one pixel, got none; leave that frame out.")
    disparity = 1 / torch.where(known, depth, depth[known].max())
    low, high = disparity[known].min(), disparity[known].max()
    scaled = (disparity - low) / (high - low).clamp_min(1e-12)
    return torch.where(known, sharpness * (scaled - 1), torch.full_like(depth, float("-inf")))


class Sums(NamedTuple):
    """What splatting adds up in every pixel of a view, in double precision: sharp importances span many powers of ten."""

    values: Float[Tensor, "C H W"]
    weights: Float[Tensor, "H W"]
    coverage: Float[Tensor, "H W"]
    """The same sum without importance: 1 where the pixels of the other view lie as densely as here."""


def splatted(
    values: Float[Tensor, "C h w"],
    flow: Float[Tensor, "2 h w"],
    importance: Float[Tensor, "h w"],
    size: tuple[int, int],
) -> Sums:
    """Every pixel drawn where it lands, into the four pixels around, by the bilinear kernel b: sum_q exp(Z_q) b(q + f_q - p) v_q.

    Pixels whose flow or importance is not finite are left out. Raises ShapeError for maps that do not fit.
    """
    height, width = values.shape[1:]
    if flow.shape[1:] != values.shape[1:] or importance.shape != values.shape[1:]:
        raise ShapeError(
            f"Expected flow and importance of {height} x {width} pixels, got {tuple(flow.shape)} and {tuple(importance.shape)}; "
            "pass maps of one size."
        )
    landing = (pixel_centres((height, width), flow.device).to(flow) + flow.permute(1, 2, 0)).reshape(-1, 2) - 0.5
    used = torch.isfinite(landing).all(-1) & torch.isfinite(importance.flatten())
    corner = landing[used].floor()
    share = landing[used] - corner
    corner, share, colours = corner.double(), share.double(), values.flatten(1)[:, used].double()
    weight = torch.exp(importance.flatten()[used].double())
    total = colours.new_zeros(len(values) + 2, size[0] * size[1])
    for dy in (0, 1):
        for dx in (0, 1):
            position = corner + torch.tensor([dx, dy]).to(corner)
            kernel = (share[:, 0] if dx else 1 - share[:, 0]) * (share[:, 1] if dy else 1 - share[:, 1])
            lands = inside(position + 0.5, size)
            index = (position[lands, 1] * size[1] + position[lands, 0]).long()
            drawn = torch.cat([colours * weight, weight[None], torch.ones_like(weight)[None]]) * kernel
            total.index_add_(1, index, drawn[:, lands])
    sums = total.view(-1, *size)
    return Sums(sums[:-2], sums[-2], sums[-1])


def softmax_splat(
    values: Float[Tensor, "C h w"],
    flow: Float[Tensor, "2 h w"],
    importance: Float[Tensor, "h w"],
    size: tuple[int, int],
) -> Warped:
    """Every pixel drawn where it lands; where several land, the softmax of their importance decides.

    sum_q exp(Z_q) b(q + f_q - p) v_q / sum_q exp(Z_q) b(q + f_q - p) (Niklaus and Liu 2020, eq. 10; see `splatted`). Confidence: how
    much of one pixel's weight arrived, at most 1; holes are where less than COVERED did. Raises ShapeError for maps that do not fit.
    """
    colour, weights, coverage = splatted(values, flow, importance, size)
    known = (coverage >= COVERED) & (weights > 0)
    mean = torch.where(known, colour / weights.clamp_min(torch.finfo(weights.dtype).tiny), torch.zeros_like(colour))
    return Warped(mean.to(values), torch.where(known, coverage.clamp_max(1), torch.zeros_like(coverage)).to(values))


def look_up(
    values: Float[Tensor, "C h w"],
    flow: Float[Tensor, "2 H W"],
    confidence: Float[Tensor, "H W"],
    guide: tuple[Float[Tensor, "3 h w"], Float[Tensor, "3 H W"]] | None = None,
) -> Warped:
    """Every pixel fetched from where the other view shows its point (flow from the new view to `values`), bilinear.

    Sharper than splatting and without cracks, where the flow of the new view is known. What lies outside is a hole.
    guide: both views as they were. Of the four pixels around a position, those unlike the pixel that is looked for count less, by
    exp(-|difference|^2 / 2 LIKE^2), so that silhouettes do not mix with what lies behind them.
    """
    landing = pixel_centres((flow.shape[1], flow.shape[2]), flow.device).to(flow) + flow.permute(1, 2, 0)
    known = torch.isfinite(landing).all(-1) & inside(landing, (values.shape[1], values.shape[2])) & (confidence > 0)
    landing = torch.where(known[..., None], landing, torch.zeros_like(landing))
    fetched = sample(values, landing) if guide is None else _sample_alike(values, landing, *guide, known)
    return Warped(torch.where(known, fetched, torch.zeros_like(fetched)), torch.where(known, confidence, 0.0))


def _sample_alike(
    values: Float[Tensor, "C h w"],
    pixels: Float[Tensor, "H W 2"],
    picture: Float[Tensor, "3 h w"],
    wanted: Float[Tensor, "3 H W"],
    known: Bool[Tensor, "H W"],
) -> Float[Tensor, "C H W"]:
    """Bilinear values, the four pixels around each position weighed by their likeness to what is wanted there, exposure apart."""
    corner = (pixels - 0.5).floor()
    share = pixels - 0.5 - corner
    limit = torch.tensor([values.shape[-1] - 1, values.shape[-2] - 1], device=values.device)
    if bool(known.any()):
        change = (sample(picture, pixels) - wanted)[:, known].median(1).values
        wanted = wanted + change[:, None, None]
    total, weights = torch.zeros_like(wanted[:1]).expand(len(values), -1, -1).clone(), torch.zeros_like(wanted[0])
    for dy in (0, 1):
        for dx in (0, 1):
            position = (corner.long() + torch.tensor([dx, dy], device=values.device)).clamp_min(0).minimum(limit)
            x, y = position.unbind(-1)
            kernel = (share[..., 0] if dx else 1 - share[..., 0]) * (share[..., 1] if dy else 1 - share[..., 1])
            unlike = (picture[:, y, x] - wanted).square().sum(0)
            weight = kernel * (torch.exp(-unlike / (2 * LIKE**2)) + 1e-6)
            total += values[:, y, x] * weight
            weights += weight
    return total / weights


def blended(pictures: Sequence[Warped], decay: float, ranks: Sequence[Float[Tensor, "H W"]] | None = None) -> Warped:
    """Several warps of one view as one: weights confidence · exp(-decay · rank); the rank is the picture's index by default.

    Raises ShapeError for no picture, or for several sizes.
    """
    if not pictures or len({picture.values.shape for picture in pictures}) != 1:
        raise ShapeError(f"Expected warps of one size, got {len(pictures)} of several; pass at least one.")
    values = torch.stack([picture.values for picture in pictures])
    confidence = torch.stack([picture.confidence for picture in pictures])
    order = torch.arange(len(pictures), dtype=values.dtype, device=values.device).view(-1, 1, 1)
    rank = order.expand_as(confidence) if ranks is None else torch.stack(list(ranks))
    lowest = torch.where(confidence > 0, rank, torch.full_like(rank, float("inf"))).amin(0)
    weights = torch.where(confidence > 0, confidence * torch.exp(-decay * (rank - lowest)), torch.zeros_like(rank))
    total = weights.sum(0)
    share = weights / total.clamp_min(torch.finfo(total.dtype).tiny)
    return Warped((values * share[:, None]).sum(0), (confidence * share).sum(0))
