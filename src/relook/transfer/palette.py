"""The weight-free method: every object takes the colours and light of its counterpart by optimal transport; its shading stays.

Colours are split into lightness L and chromaticity (a, b) / L in OKLab, which shading does not change. For each pair of classes the
chromaticity follows the Monge map between the two Gaussians (see `monge_map`), and a smooth layer of the lightness follows a
monotone curve through the quantiles of both (transport in one dimension) that leaves black black and light sources bright. Fine
detail is carried over with a bounded gain. Soft region borders follow the edges of the picture, so there are no halos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.errors import ShapeError
from relook.ops.guided import guided_filter
from relook.ops.oklab import oklab_to_displayable, rgb_to_oklab
from relook.ops.soft import soft_weights
from relook.types import Segments, View

SAMPLES = 20_000
"""Pixels of a region that its colour statistics are taken from."""
CORE = 0.8
"""Share of a region's pixels, nearest its main colour, that count; the rest are mostly other things on it."""
NOISE = 0.012
"""Standard deviation of chromaticity below which a surface counts as one colour."""
CHROMA_GAIN = 1.3
"""A difference of chromaticity inside a region grows by at most this factor."""
SLOPES = (0.5, 1.5)
"""Bounds of the lightness curve's slope around the main lightness."""
GAINS = (0.6, 1.35)
"""Bounds of the gain of fine detail."""
RATIOS = (0.35, 1.6)
"""Bounds of the ratio of new to old main lightness (1.6 in OKLab is four times the light)."""
BRIGHTEST = 0.95
"""No main lightness is raised above this: the rest is room for highlights."""
GLOW = 0.65
"""How much of its brightness a light source keeps when its region gets darker."""
UNMATCHED_STRENGTH = 0.5
"""How far regions without a counterpart follow the change of the whole picture."""


@dataclass(frozen=True)
class _Colours:
    """The main colours of one region."""

    lightness: Float[np.ndarray, "3"]
    """10, 50 and 90 % quantiles of OKLab L."""
    mean: Float[np.ndarray, "2"]
    """Mean chromaticity (a, b) / L."""
    covariance: Float[np.ndarray, "2 2"]
    """Its covariance."""


def palette(
    structure: View, style: View, correspondence: Correspondence, strength: float = 1.0
) -> Float[Tensor, "3 H W"]:
    """The structure picture with the colours and light of the style's counterparts.

    strength: 0 leaves the picture as it is, 1 is the full change. Unmatched regions follow the change of the whole picture
    half way (`everything`, `colour`) or stay as they are (`keep`); locked pixels come back bit-identical.
    Raises ShapeError if the correspondence belongs to pictures of other sizes.
    """
    _check(structure, correspondence.structure)
    _check(style, correspondence.style)
    image, kept = structure.image, correspondence.kept
    if strength == 0 or bool(kept.all()):
        return image.clone()
    lab = rgb_to_oklab(image)
    smooth = guided_filter(image, lab[:1], radius=0.015, epsilon=0.002)[0]
    pairs = _pairs(correspondence)
    weights = soft_weights(image, torch.stack([region for region, _ in pairs]))
    flat, flat_smooth = lab.flatten(1), smooth.flatten()
    result, covered = torch.zeros_like(flat), torch.zeros_like(flat_smooth)
    for weight, (region, counterpart) in zip(weights, pairs, strict=True):
        here = (weight.flatten() > 0.004).nonzero()[:, 0]
        pixels, base = flat[:, here], flat_smooth[here]
        if counterpart is not None:
            moved = _transport(pixels, base, _colours(image, region), _colours(style.image, counterpart))
        elif correspondence.unmatched == "keep":
            moved = pixels
        else:
            moved = _transport(pixels, base, _colours(image), _colours(style.image, correspondence.overall))
            moved = pixels + UNMATCHED_STRENGTH * (moved - pixels)
        share = weight.flatten()[here]
        result.index_add_(1, here, share * moved)
        covered.index_add_(0, here, share)
    result = torch.where(covered > 0, result / covered.clamp_min(1e-6), flat).view_as(lab)
    return torch.where(kept, image, oklab_to_displayable(torch.lerp(lab, result, strength)))


def _check(view: View, segments: Segments) -> None:
    """Raise at the boundary."""
    if tuple(segments.labels.shape) != view.size:
        raise ShapeError(
            f"Expected segments of shape {view.size} as the picture, got {tuple(segments.labels.shape)}; segment that picture."
        )


def _pairs(correspondence: Correspondence) -> list[tuple[Bool[Tensor, "H W"], Bool[Tensor, "h w"] | None]]:
    """Mask of each class of the structure with the mask of its counterpart, or None for what is unmatched."""
    classes, style_classes = correspondence.structure_classes, correspondence.style_classes
    shown = set(style_classes.unique().tolist()) - {0}
    return [(classes == id, style_classes == id if id in shown else None) for id in classes.unique().tolist()]


def _colours(image: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"] | None = None) -> _Colours:
    """Statistics of the CORE of a region's pixels (without mask: of the picture's) around their main colour."""
    flat = image.flatten(1)
    inside = torch.arange(flat.shape[1]) if mask is None else mask.flatten().nonzero()[:, 0]
    pixels = rgb_to_oklab(flat[:, inside[:: max(1, len(inside) // SAMPLES)], None])[..., 0].double().numpy()
    features = np.stack([pixels[0], *(pixels[1:] / pixels[0].clip(0.1))], axis=1)
    core = features
    for _ in range(3):
        centre = np.median(core, axis=0)
        spread = core.std(axis=0) + np.array([0.02, NOISE, NOISE])
        distance = (((features - centre) / spread) ** 2).sum(1)
        core = features[distance <= np.quantile(distance, CORE)]
    covariance = np.cov(core[:, 1:], rowvar=False, bias=True) + NOISE**2 * np.eye(2)
    return _Colours(np.quantile(core[:, 0], (0.1, 0.5, 0.9)), core[:, 1:].mean(0), covariance)


def _transport(
    pixels: Float[Tensor, "3 N"], smooth: Float[Tensor, " N"], structure: _Colours, style: _Colours
) -> Float[Tensor, "3 N"]:
    """OKLab pixels of one region, moved to the colours of another; `smooth` is their lightness without fine detail."""
    values, vectors = np.linalg.eigh(monge_map(structure.covariance, style.covariance))
    slope = vectors @ np.diag(values.clip(0, CHROMA_GAIN)) @ vectors.T
    ratio = pixels[1:] / pixels[0].clamp_min(0.1)
    centre, target, matrix = (torch.from_numpy(array).to(pixels) for array in (structure.mean, style.mean, slope))
    chroma = matrix @ (ratio - centre[:, None]) + target[:, None]
    base = _curve(smooth, structure.lightness, style.lightness)
    gain = (base / smooth.clamp_min(0.02)).clamp(*GAINS)
    light = (base + gain * (pixels[0] - smooth)).clamp(0, 1)
    return torch.cat([light[None], chroma * light])


def monge_map(first: Float[np.ndarray, "2 2"], second: Float[np.ndarray, "2 2"]) -> Float[np.ndarray, "2 2"]:
    """The symmetric A that carries N(0, S) to N(0, T) with the least squared motion: A S A = T.

    A = S^-1 # T, the geometric mean of S^-1 and T, which for matrices of two by two and s^2 = det S, t^2 = det T is
    sqrt(t / s) X / sqrt(det X) with X = s S^-1 + T / t (Bhatia 2007, Positive Definite Matrices, proposition 4.1.12).
    """
    s, t = np.sqrt(np.linalg.det(first)), np.sqrt(np.linalg.det(second))
    mixed = s * np.linalg.inv(first) + second / t
    return np.sqrt(t / s / np.linalg.det(mixed)) * mixed


def _curve(
    lightness: Float[Tensor, " N"], structure: Float[np.ndarray, "3"], style: Float[np.ndarray, "3"]
) -> Float[Tensor, " N"]:
    """Monotone curve through matching quantiles with bounded slope; black stays black, white stays bright."""
    from scipy.interpolate import PchipInterpolator

    gap, wanted = np.diff(structure).clip(0.01), np.diff(style)
    low, high = gap * (wanted / gap).clip(*SLOPES)
    middle = float(
        np.clip(style[1], RATIOS[0] * structure[1], RATIOS[1] * structure[1]).clip(
            0.02, max(BRIGHTEST, float(structure[1]))
        )
    )
    white = min(1.0, GLOW + (1 - GLOW) * middle / max(float(structure[1]), 0.02))
    x = [0.0, structure[1] - gap[0], structure[1], structure[1] + gap[1], 1.0]
    y = [0.0, middle - low, middle, middle + high, white]
    knots = [(x[0], y[0])]
    for position, value in zip(x[1:-1], y[1:-1], strict=True):
        if knots[-1][0] + 0.005 < position < 0.995:
            knots.append(
                (position, float(np.clip(value, knots[-1][1] + 0.001, max(white - 0.005, knots[-1][1] + 0.002))))
            )
    knots.append((1.0, max(white, knots[-1][1] + 0.002)))
    table = PchipInterpolator(*zip(*knots, strict=True))(np.linspace(0, 1, 1025)).clip(0, 1)
    position = lightness.clamp(0, 1) * 1024
    left = position.floor().long().clamp_max(1023)
    values = torch.from_numpy(table).to(lightness)
    return values[left] + (values[left + 1] - values[left]) * (position - left)
