"""Rugs as whole objects: the style's rug, border and all, in the place of the structure's, under its light."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.exemplar import Exemplar, fetched
from relook.ops.flat import Places, places
from relook.ops.srgb import from_linear, luminance, to_linear
from relook.session import Session
from relook.transfer.materials.cover import weights_of
from relook.transfer.materials.cut import goes_on, parted, standing_out
from relook.transfer.materials.design import DARK, Design, design_of
from relook.transfer.materials.outline import SEEN, Outline, outline_of
from relook.transfer.materials.shading import lit, shading_of
from relook.transfer.materials.surface import Surface, surfaces_of
from relook.types import View

COMPLETE = 0.9
"""Share of a rug that must be seen, in one of its symmetric parts."""
WHOLE, PLACED = 3, 2
"""Sides that must be seen of the style's rug, and of the structure's."""
LEAST = 0.5
"""Square metres."""
GLANCING = 0.03
"""Metres that a pixel shows of a rug at most, along a side, in the median."""
CUT_SHORT = 0.15
"""Share of what borders on a rug's region, above which it may be rug as well."""
BORDER = 0.5
"""Share of half the shorter side that keeps its proportions; the field between gives way."""
BEYOND = 0.05
"""Metres beyond a rug's outline from which on its region shows something else."""
LIGHT = 0.05
"""Metres over which the light on a rug varies at least."""


@dataclass(frozen=True)
class Rug:
    """A rug of a view."""

    surface: Surface
    """Its pixels, without what stands on it, on the floor's plane."""
    outline: Outline
    design: Design
    bare: Bool[Tensor, "H W"]
    """Pixels that show the floor."""
    cut_short: float
    """How much of what borders on it may be rug as well."""
    standing: Bool[Tensor, "H W"]
    """Pixels of its region that show what stands on it or before its side."""

    @property
    def sides(self) -> int:
        """How many of its sides are seen."""
        return sum(share >= SEEN for share in self.outline.seen)

    @property
    def whole(self) -> bool:
        """Whether enough of it is seen sharply to say how all of it looks."""
        a, b = self.outline.half
        found = places(self.outline.H, self.surface.mask)
        sharp = float(found.long.median()) < GLANCING
        return sharp and 4 * a * b >= LEAST and self.sides >= WHOLE and self.design.known >= COMPLETE

    @property
    def placed(self) -> bool:
        """Whether it is sure enough where it lies that another may lie there."""
        return self.sides >= PLACED and self.cut_short < CUT_SHORT


def rug_of(
    view: View, rug: Bool[Tensor, "H W"], floor: Bool[Tensor, "H W"], session: Session | None = None
) -> Rug | None:
    """The rug that a region of a view shows; None where the floor's plane is not known, no rectangle is like the region, or none of it is seen away from its border.

    session: remembers the picture's patches, and may end this between two steps.
    """
    surface = next(iter(surfaces_of(view, "rug", rug)), None)
    if surface is None:
        return None
    own, standing = parted(view.image, surface.mask, floor)
    surface = surface._replace(mask=own)
    check = (lambda: None) if session is None else session.check
    check()
    outline = outline_of(surface, floor) if bool(own.any()) else None
    if outline is None:
        return None
    check()
    out = standing_out(view.image, own, ~_within(outline, own, BEYOND), session)
    if bool(out.any()):
        surface, standing = surface._replace(mask=own & ~out), standing | out
        outline = outline_of(surface, floor) or outline
    design = design_of(view.image, surface, outline)
    if design is None:
        return None
    short = goes_on(view.image, surface.mask, ~(rug | floor))
    return Rug(surface, design.outline, design, floor & surface.plane, short, standing)


def _within(outline: Outline, pixels: Bool[Tensor, "H W"], margin: float) -> Bool[Tensor, "H W"]:
    """Of those pixels the ones within an outline, so many metres farther on all sides."""
    a, b = outline.half
    grown = replace(outline, rectangle=outline.rectangle._replace(half=(a + margin, b + margin)))
    return pixels.masked_scatter(pixels, grown.inside(places(outline.H, pixels).place))


def with_rug(
    image: Float[Tensor, "3 H W"], original: Float[Tensor, "3 H W"], here: Rug, whole: Exemplar, strength: float = 1.0
) -> Float[Tensor, "3 H W"]:
    """A picture with a whole rug (linear RGB over its two axes, in metres) in the place of the original picture's, under its light.

    What stands on the rug, or before its side, stays before it, as the original picture shows it. Sides that nobody sees lie where the whole rug's proportions put them.
    """
    outline = _whole_outline(here, whole)
    seen = (here.surface.mask | here.bare) & here.surface.plane
    inside = outline.inside(places(outline.H, seen).place)
    target = seen.masked_scatter(seen, inside)
    alpha = weights_of(original, target)
    where = (alpha > 0) & here.surface.plane
    found = places(outline.H, where)
    alpha = alpha[where] * _antialiased(outline, found)
    colour = whole.values.flatten(1).mean(1).clamp_min(DARK)
    other = _mapped(found, outline.half, _half(whole))
    detail = fetched(whole, other.place, other.short, other.along).clamp_min(DARK).log() - colour.log()[:, None]
    new = from_linear(lit(colour, detail, _light_on(original, here, outline)[where])).clamp(0, 1)
    result = image.clone()
    result[:, where] = torch.lerp(image[:, where], new, strength * alpha)
    return torch.lerp(result, original, weights_of(original, here.standing)) if bool(here.standing.any()) else result


def _antialiased(outline: Outline, found: Places) -> Float[Tensor, " N"]:
    """How much of a pixel lies within the outline."""
    half = torch.tensor(outline.half)[:, None]
    if outline.round:
        away = ((found.place / half).square().sum(0).sqrt() - 1) * half.min()
    else:
        away = (found.place.abs() - half).amax(0)
    return (0.5 - away / found.grain).clamp(0, 1)


def _half(design: Exemplar) -> tuple[float, float]:
    rows, columns = design.known.shape
    return columns * design.cell / 2, rows * design.cell / 2


def _whole_outline(here: Rug, whole: Exemplar) -> Outline:
    """The outline with sides that nobody sees as far off as the other rug's proportions ask."""
    a, b = here.outline.half
    seen = [share >= SEEN for share in here.outline.seen]
    wide, long = _half(whole)
    if (a > b) != (wide > long):
        wide, long = long, wide
    sides = [-a, a, -b, b]
    for axis, half in ((0, b * wide / long), (1, a * long / wide)):
        more = 2 * half - 2 * (a, b)[axis]
        low, high = seen[2 * axis], seen[2 * axis + 1]
        if more > 0 and not (low and high) and not here.design.symmetric:
            sides[2 * axis] -= 0 if low else more * (1 if high else 0.5)
            sides[2 * axis + 1] += 0 if high else more * (1 if low else 0.5)
    return here.outline.with_sides(here.surface, (sides[0], sides[1], sides[2], sides[3]))


def _mapped(found: Places, half: tuple[float, float], other: tuple[float, float]) -> Places:
    """Places on one rug as places on another: a quarter turned where that suits its proportions, its border as wide as both sizes ask."""
    turned = abs(math.log(half[0] / half[1] * other[1] / other[0])) > abs(
        math.log(half[0] / half[1] * other[0] / other[1])
    )
    if turned:
        quarter = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
        found = found._replace(place=quarter @ found.place, along=quarter @ found.along)
        half = (half[1], half[0])
    scale = math.sqrt(half[0] * half[1] / other[0] / other[1])
    rim = BORDER * min(other)
    axes = [_stretched(*one, scale, rim) for one in zip(found.place, found.along, half, other, strict=True)]
    place, along = (torch.stack(one) for one in zip(*axes, strict=True))
    return Places(place, found.short / scale, along)


def _stretched(
    place: Float[Tensor, " N"], along: Float[Tensor, " N"], half: float, other: float, scale: float, rim: float
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """Along one axis: near both ends at that scale, between them as it fits."""
    field, its = half - scale * rim, other - rim
    rim = rim if field > 0 else 0.0
    if field <= 0:
        return place * other / half, along * other / half
    outer = place.abs() > field
    ratio = torch.where(outer, 1 / scale, its / field)
    found = torch.where(outer, place.sign() * (other - (half - place.abs()) / scale), place * its / field)
    return found, along * ratio


def _light_on(original: Float[Tensor, "3 H W"], here: Rug, outline: Outline) -> Float[Tensor, "H W"]:
    """log of the light on a rug over its median: what it shows less its own design where that is known by symmetry."""
    if not here.design.symmetric:
        return shading_of(original, here.surface.mask)
    mask = here.surface.mask
    mask = mask.masked_scatter(mask, outline.inside(places(here.outline.H, mask).place))
    found = places(here.outline.H, mask)
    own = fetched(here.design.whole, found.place, found.short, found.along)
    off = torch.zeros(mask.shape)
    seen = luminance(to_linear(original)).clamp_min(DARK).log()[mask]
    off[mask] = seen - luminance(own[..., None])[..., 0].clamp_min(DARK).log()
    sigma = max(2.0, LIGHT / float(found.grain.median()))
    weight, total = (cv2.GaussianBlur(one.numpy(), (0, 0), sigma) for one in (mask.float(), off))
    light = torch.from_numpy(total / (weight + 1e-4))
    return light - light[mask].median()
