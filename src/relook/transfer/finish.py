"""What happens to a decoded picture: colours put right, and the structure picture mixed in where it knows better."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.errors import SegmentsError
from relook.ops.light import Surfaces, relit
from relook.ops.statistics import adain_by_class, lab_to_rgb, rgb_to_lab
from relook.ops.surface import edges, smooth_within
from relook.transfer.settings import Finish
from relook.transfer.texture import Textures, facing_of, style_textures
from relook.types import View

FAINT = 1.0
"""Deviation of lightness (Lab) within a surface below which its pattern counts for little."""
GAIN = 4.0
"""The most by which the contrast of a class of the denoised picture rises when it takes the style's statistics."""
SMOOTH = 0.02
"""Reach, as a fraction of the longer side, within which the structure picture's own patterns are smoothed away."""
PATTERN = 0.04
"""Reach, as a fraction of the longer side, of the patterns that relit surfaces take from the denoised picture."""


def finished(
    image: Float[Tensor, "3 H W"],
    structure: View,
    style: View,
    correspondence: Correspondence,
    finish: Finish,
    strength: float = 1.0,
    textures: Textures | None = None,
) -> Float[Tensor, "3 H W"]:
    """The decoded picture with its classes' statistics put right, and the recoloured structure picture mixed in.

    The denoiser knows patterns and light, the structure picture has fine edges, and the light on plain surfaces; patterns of it that are to
    be replaced are smoothed away first. Where surfaces are relit, the denoiser only adds its patterns. Textures come from the style picture
    itself; textures: those that were decided for several views together. strength: 1 is the preset, 0 the structure picture.
    """
    if finish.statistics:
        image = recoloured(image, style, correspondence, strength, GAIN)
    if not any(finish.shares) and not finish.textures:
        return image
    classes, style_classes = _classes(correspondence, image.device)
    matched = (classes > 0) & torch.isin(classes, style_classes)
    smooth, style_smooth = (_smooth(view, view.image, SMOOTH).to(image) for view in (structure, style))
    patterned = _patterned(structure, smooth, classes, classes)
    plain = 1 - _patterned(style, style_smooth, style_classes, classes)

    own = torch.lerp(structure.image.to(image), smooth, strength * patterned * matched)
    moved = recoloured(own, style, correspondence, strength, 1.0)
    if finish.relight:
        moved = torch.where(
            matched, torch.lerp(own, _relit(own, structure, style, correspondence, patterned), strength), moved
        )
        image = torch.where(matched, moved + image - _smooth(structure, image, PATTERN), image)
    share = _share(finish, structure, plain * (classes > 0), ~matched)
    image = torch.lerp(image, moved, 1 - (1 - share) * strength).clamp(0, 1)
    if finish.textures and textures is None:
        textures = style_textures(structure, style, correspondence)
    if textures is None or not finish.textures:
        return image
    covered = (moved * textures.detail.to(image).exp()).clamp(0, 1)
    return torch.lerp(image, covered, strength * (1 - plain) * textures.known.to(image))


def recoloured(
    image: Float[Tensor, "3 H W"], style: View, correspondence: Correspondence, strength: float, gain: float
) -> Float[Tensor, "3 H W"]:
    """A picture in the style's Lab statistics, class by class; contrast rises by at most `gain`."""
    lab, style_lab = rgb_to_lab(image), rgb_to_lab(style.image.to(image))
    classes = _classes(correspondence, image.device)
    overall = correspondence.unmatched != "keep" and correspondence.overall.to(image.device)
    return lab_to_rgb(adain_by_class(lab, style_lab, *classes, unmatched=overall, strength=strength, gain=gain))


def _share(
    finish: Finish, structure: View, plain: Float[Tensor, "H W"], unmatched: Bool[Tensor, "H W"]
) -> Float[Tensor, "H W"]:
    """How much of the structure picture is mixed in: the largest share that applies to a pixel."""
    everywhere = torch.full(plain.shape, finish.structure_share, device=plain.device)
    near = edges(_labels(structure), _disparity(structure)).to(plain.device)
    shares = (everywhere, finish.plain_share * plain, finish.edge_share * near, finish.unmatched_share * unmatched)
    return torch.stack(shares).amax(0)


def _relit(
    own: Float[Tensor, "3 H W"],
    structure: View,
    style: View,
    correspondence: Correspondence,
    patterned: Float[Tensor, "H W"],
) -> Float[Tensor, "3 H W"]:
    """The structure picture in the style's materials and light; by direction only where both pictures have depth."""
    depths = structure.depth is not None and style.depth is not None
    surfaces = _surfaces(structure, own, correspondence.structure_classes, depths)
    return relit(surfaces, _surfaces(style, style.image.to(own), correspondence.style_classes, depths), patterned)


def _surfaces(view: View, image: Float[Tensor, "3 H W"], classes: Int[Tensor, "H W"], depths: bool) -> Surfaces:
    """What a view shows, on the picture's device; which way it faces by its depth."""
    if not depths:
        return Surfaces(image, classes.to(image.device))
    return Surfaces(image, classes.to(image.device), facing_of(view).normals.to(image))


def _patterned(
    view: View, smooth: Float[Tensor, "3 h w"], classes: Int[Tensor, "h w"], asked: Int[Tensor, "H W"]
) -> Float[Tensor, "H W"]:
    """For every pixel of `asked`, how patterned its class is in a view, 0 (plain) to 1: v / (v + FAINT^2), v the variance of
    lightness about its smoothed self, away from edges."""
    residual = rgb_to_lab(view.image.to(smooth))[0] - rgb_to_lab(smooth)[0]
    inside = edges(_labels(view), _disparity(view)).to(smooth.device) < 0.5
    result = torch.zeros(asked.shape, device=smooth.device)
    for label in asked.unique().tolist():
        where = (classes == label) & inside
        where = where if bool(where.any()) else classes == label
        if bool(where.any()):
            variance = residual[where].square().mean()
            result[asked == label] = variance / (variance + FAINT**2)
    return result


def _smooth(view: View, image: Float[Tensor, "3 H W"], reach: float) -> Float[Tensor, "3 H W"]:
    """A picture without what varies within reach on the surfaces of a view."""
    labels, disparity = _labels(view).to(image.device), _disparity(view)
    return smooth_within(image, labels, None if disparity is None else disparity.to(image.device), reach=reach)


def _classes(correspondence: Correspondence, device: torch.device) -> tuple[Int[Tensor, "H W"], Int[Tensor, "h w"]]:
    """Common class ids of the structure and the style."""
    return correspondence.structure_classes.to(device), correspondence.style_classes.to(device)


def _labels(view: View) -> Int[Tensor, "H W"]:
    if view.segments is None:
        raise SegmentsError("Expected segments of both pictures, got none; perceive them first.")
    return view.segments.labels


def _disparity(view: View) -> Float[Tensor, "H W"] | None:
    return None if view.depth is None else view.depth.disparity()
