"""The last touch on a decoded picture: colours put right, and the structure picture mixed in where it knows better."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.ops.light import Surfaces, relit
from relook.ops.statistics import adain, adain_by_class, lab_to_rgb, rgb_to_lab
from relook.ops.surface import edges, smooth_within
from relook.transfer.lay import facing_of, laid
from relook.transfer.presets import Preset
from relook.types import View

FAINT = 1.0
"""Deviation of lightness (Lab) within a surface below which its pattern counts for little."""


def finished(
    image: Float[Tensor, "3 H W"],
    structure: View,
    style: View,
    correspondence: Correspondence | None,
    preset: Preset,
    strength: float = 1.0,
) -> Float[Tensor, "3 H W"]:
    """The decoded picture with its classes' statistics put right, and the recoloured structure picture mixed in.

    The denoiser knows patterns and light, the structure picture has fine edges, and the light on plain surfaces. So it is
    mixed in by `structure_share` everywhere, `edge_share` beside edges, `plain_share` where the style's surface is plain and
    `lonely_share` where nothing corresponds; patterns that are to be replaced are smoothed away first. With `pattern`, regions that
    correspond are the structure picture's, and the denoiser only adds its patterns where it would have been mixed in. With `lay`,
    patterned surfaces take the style's own pattern. Without segments only `structure_share` acts.
    """
    if preset.final > 0:
        image = recoloured(image, style, correspondence, preset.final * strength, gain=preset.final_gain)
    if max(preset.structure_share, preset.edge_share, preset.plain_share, preset.lonely_share, preset.lay) <= 0:
        return image
    share = torch.full(image.shape[-2:], preset.structure_share, device=image.device)
    own = structure.image.to(image)
    gain = 1.0 if preset.smooth > 0 else math.inf
    if correspondence is None or structure.segments is None or style.segments is None:
        return torch.lerp(image, recoloured(own, style, correspondence, strength, gain), 1 - (1 - share) * strength)
    labels, depth = structure.segments.labels, _disparity(structure)
    ours, theirs = (c.to(image.device) for c in (correspondence.structure_classes, correspondence.style_classes))
    smooth = _smooth(structure, preset.smooth).to(image)
    patterned = _patterned(structure, smooth, ours, ours)
    matched = (ours > 0) & torch.isin(ours, theirs)
    own = torch.lerp(own, smooth, strength * patterned * matched)
    plain = 1 - _patterned(style, _smooth(style, preset.smooth).to(image), theirs, ours)
    near = edges(labels, depth).to(image.device)
    shares = [share, preset.plain_share * plain * (ours > 0), preset.edge_share * near, preset.lonely_share * ~matched]
    share = torch.stack(shares).amax(0)
    moved = recoloured(own, style, correspondence, strength, gain)
    if preset.relight > 0:
        lit = _relit(own, structure, style, correspondence, patterned)
        moved = torch.where(matched, torch.lerp(own, lit, preset.relight * strength), moved)
    if preset.pattern > 0:
        image = torch.where(matched, moved + image - smooth_within(image, labels, depth, reach=preset.pattern), image)
    image = torch.lerp(image, moved, 1 - (1 - share) * strength).clamp(0, 1)
    pattern = laid(structure, style, correspondence) if preset.lay > 0 else None
    if pattern is None:
        return image
    covered = (moved * pattern.detail.to(image).exp()).clamp(0, 1)
    return torch.lerp(image, covered, preset.lay * strength * (1 - plain) * pattern.known.to(image))


def _relit(
    own: Float[Tensor, "3 H W"],
    structure: View,
    style: View,
    correspondence: Correspondence,
    patterned: Float[Tensor, "H W"],
) -> Float[Tensor, "3 H W"]:
    """The structure picture in the style's materials and light; by direction only where both pictures have depth."""
    depths = structure.depth is not None and style.depth is not None
    ours = _surfaces(structure, own, correspondence.structure_classes, depths)
    return relit(ours, _surfaces(style, style.image.to(own), correspondence.style_classes, depths), patterned)


def _surfaces(view: View, image: Float[Tensor, "3 H W"], classes: Int[Tensor, "H W"], depths: bool) -> Surfaces:
    """What a view shows, on the picture's device; which way it faces by its depth."""
    if not depths:
        return Surfaces(image, classes.to(image.device))
    return Surfaces(image, classes.to(image.device), facing_of(view).normals.to(image))


def recoloured(
    image: Float[Tensor, "3 H W"],
    style: View,
    correspondence: Correspondence | None,
    strength: float,
    gain: float = math.inf,
) -> Float[Tensor, "3 H W"]:
    """A picture in the style's Lab statistics, class by class; contrast rises by at most `gain`."""
    ours, theirs = rgb_to_lab(image), rgb_to_lab(style.image.to(image))
    if correspondence is None:
        return lab_to_rgb(adain(ours, theirs, strength=strength, gain=gain))
    classes = correspondence.structure_classes.to(image.device), correspondence.style_classes.to(image.device)
    everywhere = correspondence.unmatched != "keep"
    return lab_to_rgb(adain_by_class(ours, theirs, *classes, unmatched=everywhere, strength=strength, gain=gain))


def _patterned(
    view: View, smooth: Float[Tensor, "3 h w"], classes: Int[Tensor, "h w"], asked: Int[Tensor, "H W"]
) -> Float[Tensor, "H W"]:
    """For every pixel of `asked`, how patterned its class is in a view, 0 (plain) to 1: v / (v + FAINT^2), v the variance of
    lightness about its smoothed self, away from edges."""
    assert view.segments is not None
    residual = rgb_to_lab(view.image.to(smooth))[0] - rgb_to_lab(smooth)[0]
    inside = edges(view.segments.labels, _disparity(view)).to(smooth.device) < 0.5
    result = torch.zeros(asked.shape, device=smooth.device)
    for label in asked.unique().tolist():
        where = (classes == label) & inside
        where = where if bool(where.any()) else classes == label
        if bool(where.any()):
            variance = residual[where].square().mean()
            result[asked == label] = variance / (variance + FAINT**2)
    return result


def _smooth(view: View, reach: float) -> Float[Tensor, "3 H W"]:
    """The picture without the patterns of its surfaces."""
    assert view.segments is not None
    return smooth_within(view.image, view.segments.labels, _disparity(view), reach=reach)


def _disparity(view: View) -> Float[Tensor, "H W"] | None:
    return None if view.depth is None else view.depth.disparity()
