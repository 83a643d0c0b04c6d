"""Masks as weights between 0 and 1: antialiased where their border is straight, along the picture's edges elsewhere."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.guided import Guide, box
from relook.ops.resize import at_most, resized
from relook.ops.smoother import fast_global_smoother

RADIUS, EDGE = 0.008, 3e-5
"""Reach of the picture's edges in parts of the longer side, and the variance of colour above which one counts as a border."""
WORKING_SIDE = 1280
"""Longer side at which the picture's edges are followed."""
STRAIGHT = 0.0045
"""Standard deviation, in parts of the longer side, of the neighbourhood in which a border is straight or not."""
RAGGED, CLEAN = 0.75, 0.92
"""Straightness up to which a border is ragged (hair, fringe, leaves), and from which on it is a clean line."""
STEEP = 0.3
"""Rise of a guided weight per pixel from which on it follows an edge of the picture; a step rises by a half."""
FAINT, CLEAR = 0.03, 0.06
"""How far the colours on both sides of a border are apart, up to which it has no edge to follow (what rises there is noise), and from which on."""
FLOW, STOP = 0.06, 0.006
"""How far weights flow where the picture has no edge, in parts of the longer side, and the step of OKLab between pixels that stops them."""
KNOWN, LEFT = 1e6, 0.02
"""What a region that is known for certain counts beside one that was perceived, and the weight up to which flowing ones are none."""
SHARP = 0.003, 1e-5
"""Reach and epsilon of the guided filter that brings flowing weights to the full size."""
ANTIALIASED = 0.6
"""Standard deviation in pixels of a clean border."""


def soft_weights(image: Float[Tensor, "3 H W"], masks: Bool[Tensor, "K h w"]) -> Float[Tensor, "K H W"]:
    """Weights of masks that cover the picture; they sum to 1 where a mask is.

    A border that is straight where the picture has no edge (the line in which two white walls meet) stays a line, antialiased. Every other
    one follows the picture's edges (guided filter; He, Sun, Tang 2013), soft where there is hair or fringe. Raises ShapeError for masks of
    another size than the picture's.
    """
    if masks.ndim != 3 or masks.shape[1:] != image.shape[1:]:
        raise ShapeError(
            f"Expected masks K x H x W of a picture of {tuple(image.shape[1:])}, got {tuple(masks.shape)}; resize them."
        )
    if len(masks) == 1:
        return masks.to(image.dtype)
    guide = Guide.of(image, RADIUS, EDGE, WORKING_SIDE)
    found = torch.stack([_soft(guide, mask.to(image.dtype)) for mask in masks])
    return found / found.sum(0).clamp_min(1e-6)


def flowing_weights(
    image: Float[Tensor, "3 H W"], masks: Bool[Tensor, "K H W"], known: Bool[Tensor, "H W"]
) -> Float[Tensor, "K H W"]:
    """`soft_weights` of masks that were perceived: where the picture has no edge at their border, they go over into each other.

    Borders that a network drew through a plain wall would be seen; a change that fades over FLOW of the picture is not, and one that reaches the
    next edge ends there (`fast_global_smoother`). known: where the masks are certain, and stay. Found with at most WORKING_SIDE pixels
    on the longer side.
    """
    if len(masks) == 1 or bool(known.all()):
        return soft_weights(image, masks)
    full = (image.shape[1], image.shape[2])
    size = at_most(full, WORKING_SIDE)
    small, trust = resized(image, size), 1 + KNOWN * resized(known[None].to(image.dtype), size)[0]
    first = soft_weights(small, resized(masks.to(image.dtype), size) > 0.5)
    found = (fast_global_smoother(small, first, FLOW, STOP, trust) - LEFT).clamp_min(0)
    if size != full:
        guide = Guide.of(image, *SHARP, WORKING_SIDE)
        found = torch.stack([guide.filtered(one).clamp(0, 1) for one in found])
    return found / found.sum(0).clamp_min(1e-6)


def soft_weight(image: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """`soft_weights` of a mask and all beside it, of the mask alone: what it leaves is the other's."""
    return _soft(Guide.of(image, RADIUS, EDGE, WORKING_SIDE), mask.to(image.dtype))


def _soft(guide: Guide, mask: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """The weight of one mask."""
    longest = max(mask.shape)
    weight = guide.filtered(mask).clamp_(0, 1)
    here = _near(mask, max(2, round(3 * RADIUS * longest)))
    weight[here] = _with_clean_borders(weight[here], mask[here], guide.picture[:, *here], longest)
    return weight


def _with_clean_borders(
    weight: Float[Tensor, "h w"], mask: Float[Tensor, "h w"], picture: Float[Tensor, "3 h w"], longest: int
) -> Float[Tensor, "h w"]:
    """Guided weights, as antialiased masks where their border is straight and the picture has no edge."""
    radius = max(1, round(RADIUS * longest))
    clean = ((straightness(mask, STRAIGHT * longest) - RAGGED) / (CLEAN - RAGGED)).clamp(0, 1)
    clean *= _without_edge(weight, radius).maximum(_faint(picture, mask, radius))
    return weight.lerp(_blurred(mask, ANTIALIASED), clean)


def _near(mask: Float[Tensor, "H W"], reach: int) -> tuple[slice, slice]:
    """Rows and columns around a mask."""
    there, found = mask > 0, []
    for axis in (1, 0):
        lines = there.any(axis).nonzero()[:, 0]
        first, last = (int(lines[0]), int(lines[-1])) if len(lines) else (0, 0)
        found.append(slice(max(0, first - reach), last + 1 + reach))
    return found[0], found[1]


def straightness(mask: Float[Tensor, "H W"], sigma: float) -> Float[Tensor, "H W"]:
    """How straight a mask's border is near each pixel: 1 for a line, less for a ragged one; 1 also where there is no border.

    A step that is blurred by a Gaussian rises by pdf(d) at distance d from it, and its value there is cdf(d): so the slope that belongs to
    a value v is pdf(cdf^-1(v)). Borders that are ragged within the blur rise less.
    """
    calm = _blurred(mask, sigma)
    down, across = torch.gradient(calm)
    near = (calm > 0.05) & (calm < 0.95)
    normal = torch.special.ndtri(calm[near])
    expected = torch.exp(-normal.square() / 2) / math.sqrt(2 * math.pi) / sigma
    rise = torch.sqrt(down[near].square() + across[near].square())
    return torch.ones_like(calm).masked_scatter(near, (rise / expected).clamp(0, 1))


def _without_edge(weight: Float[Tensor, "H W"], radius: int) -> Float[Tensor, "H W"]:
    """1 where the guided weight near a border rises slowly over the whole window, as it does where the picture has no edge; 0 at edges."""
    import cv2

    down, across = torch.gradient(weight)
    rise = torch.sqrt(down.square() + across.square()).cpu().numpy()
    steepest = torch.from_numpy(cv2.dilate(rise, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))).to(weight)
    slow = 1.2 / (2 * radius + 1)
    return ((STEEP - steepest) / max(STEEP - slow, 0.05)).clamp(0, 1)


def _faint(picture: Float[Tensor, "3 h w"], mask: Float[Tensor, "h w"], radius: int) -> Float[Tensor, "h w"]:
    """1 where the mean colours inside and outside the mask are alike around a pixel, as far as guided weights reach; 0 where clearly apart."""
    everything, share, inside = box(torch.cat([picture, mask[None], picture * mask]), 2 * radius).split([3, 1, 3])
    apart = inside / share.clamp_min(1e-4) - (everything - inside) / (1 - share).clamp_min(1e-4)
    return ((CLEAR - apart.square().sum(0).sqrt()) / (CLEAR - FAINT)).clamp(0, 1)


def _blurred(mask: Float[Tensor, "H W"], sigma: float) -> Float[Tensor, "H W"]:
    """Gaussian blur."""
    import cv2

    return torch.from_numpy(cv2.GaussianBlur(mask.cpu().numpy(), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)).to(
        mask
    )
