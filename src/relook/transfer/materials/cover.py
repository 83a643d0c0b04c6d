"""A surface of the structure picture in another material or colour, under its own light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import cv2
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.exemplar import Exemplar, fetched, grown, halved
from relook.ops.flat import Places, places
from relook.ops.soft import soft_weight
from relook.ops.srgb import from_linear
from relook.session import Session, content_key
from relook.transfer.materials.sample import DIRECTED, Material
from relook.transfer.materials.shading import light_of, lit, main_light, shading_of, smooth_light, without_gloss
from relook.transfer.materials.surface import Surface

FULL = (0.08, 0.92)
"""Weights below and above count as none and all."""
LONG = 4.0
"""Aspect of the patches of a pattern with lines."""
FAR = 24.0
"""Pixels that show more than so many cells across show the mean."""
PLAIN = 0.02
"""Deviation of a pattern below which there is none."""
TYPICAL, MAIN = 0.5, 0.75
"""Quantiles of the light on a surface: that under which a style picture shows it, and the room's main light, under which a colour is stated."""


def covered(
    image: Float[Tensor, "3 H W"],
    original: Float[Tensor, "3 H W"],
    surfaces: Sequence[Surface],
    material: Material,
    strength: float = 1.0,
    light: float = TYPICAL,
    session: Session | None = None,
) -> Float[Tensor, "3 H W"]:
    """A picture with a material on surfaces, under the light that the original picture shows there; soft only at their border.

    light: quantile of the light on the surfaces under which the material has its colour. A surface over which the material's pattern
    cannot be grown stays. session: remembers what was grown.
    """
    mask = torch.stack([surface.mask for surface in surfaces]).any(0)
    shading = without_gloss(shading_of(original, mask, light), main_light(original, mask, 0.5), material.colour)
    alpha, result = weights_of(original, mask), image.clone()
    for surface in surfaces:
        where = (alpha > 0) & surface.plane
        found = _turned(places(surface.H, where), material.turn)
        detail = _pattern(found, surface.mask[where], material, session)
        if detail is not None:
            new = from_linear(lit(material.colour, detail, shading[where])).clamp(0, 1)
            result[:, where] = torch.lerp(image[:, where], new, strength * alpha[where])
    return result


@dataclass(frozen=True)
class Pattern:
    """A material over a plane, grown once: every picture of that plane shows the same of it."""

    material: Material
    texture: Exemplar | None
    """What was grown; None where the material repeats, or is plain."""

    def over(
        self,
        image: Float[Tensor, "3 H W"],
        original: Float[Tensor, "3 H W"],
        surface: Surface,
        light: float,
        strength: float = 1.0,
    ) -> Float[Tensor, "3 H W"]:
        """A picture with the pattern on a surface, under the original's light there over that main light (a log)."""
        alpha, result = weights_of(original, surface.mask), image.clone()
        where = (alpha > 0) & surface.plane
        shading = smooth_light(original, surface.mask)[where] - light
        new = self.seen(places(surface.H, where), shading, light)
        result[:, where] = torch.lerp(image[:, where], new, strength * alpha[where])
        return result

    def seen(self, found: Places, shading: Float[Tensor, " N"], light: float) -> Float[Tensor, "3 N"]:
        """Its colours at places on the plane, under shading over a main light (logs)."""
        shading = without_gloss(shading, light, self.material.colour)
        return from_linear(lit(self.material.colour, self._at(found), shading)).clamp(0, 1)

    def left(self, side: float) -> float:
        """Share of the material's contrast that is left in means over squares of that side (metres)."""
        detail, known = self.material.detail, self.material.detail.known
        whole = float(detail.values[:, known].std()) if int(known.sum()) > 1 else 0.0
        reach = round(side / detail.cell)
        if whole < PLAIN or reach < 2:
            return 1.0
        means = cv2.blur(detail.values.permute(1, 2, 0).numpy(), (reach, reach))
        return float(torch.from_numpy(means)[known].std()) / whole

    @cached_property
    def _levels(self) -> list[Float[Tensor, "3 _ _"]] | None:
        """Copies of the texture, halved once for all pictures."""
        return None if self.texture is None else halved(self.texture)

    def _at(self, found: Places) -> Float[Tensor, "3 N"]:
        """The pattern at places on the plane; its mean beyond what was grown."""
        found = _turned(found, self.material.turn)
        if self.material.repeats:
            return fetched(*_repeated(self.material.detail, found.place), found.short, found.along)
        if self.texture is None:
            return torch.zeros(3, found.place.shape[1])
        detail = fetched(self.texture, found.place, found.short, found.along, self._levels)
        return detail * _within(self.texture, found.place)


def pattern_over(material: Material, place: Float[Tensor, "2 N"]) -> Pattern | None:
    """A material's pattern over all N places of a plane (metres); None where it cannot be grown over them."""
    if material.repeats or not bool(material.detail.values.any()):
        return Pattern(material, None)
    texture = _grown(material, _rotation(material.turn) @ place)
    return None if texture is None else Pattern(material, texture)


def painted(
    image: Float[Tensor, "3 H W"],
    original: Float[Tensor, "3 H W"],
    mask: Bool[Tensor, "H W"],
    colour: Float[Tensor, " 3"],
    strength: float = 1.0,
    light: float | None = None,
) -> Float[Tensor, "3 H W"]:
    """A picture with a region in one colour (linear RGB), which it has under the room's main light; its relief and shadows stay.

    light: the log of that light on the region; None: as the original picture shows it.
    """
    if light is None:
        light = main_light(original, mask, MAIN)
    alpha = weights_of(original, mask)
    where = alpha > 0
    shading = light_of(original)[where] - light
    new = from_linear(lit(colour, torch.zeros(3, len(shading)), shading)).clamp(0, 1)
    result = image.clone()
    result[:, where] = torch.lerp(image[:, where], new, strength * alpha[where])
    return result


def weights_of(original: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """How much of every pixel a region has."""
    alpha = soft_weight(original, mask)
    return ((alpha - FULL[0]) / (FULL[1] - FULL[0])).clamp(0, 1)


def _turned(found: Places, angle: float) -> Places:
    """Places as the material counts them, which is turned against the clock."""
    if angle == 0:
        return found
    turn = _rotation(angle)
    return found._replace(place=turn @ found.place, along=turn @ found.along)


def _rotation(angle: float) -> Float[Tensor, "2 2"]:
    """That brings places to a material which is turned by so much against the clock."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, s], [-s, c]])


def _pattern(
    found: Places, inside: Bool[Tensor, " N"], material: Material, session: Session | None
) -> Float[Tensor, "3 N"] | None:
    """The material's pattern at every place, grown over those inside that do not only show its mean."""
    detail = material.detail
    near = inside & (found.short < FAR * detail.cell)
    if not bool(detail.values.any()) or not bool(near.any()):
        return torch.zeros(3, len(inside))
    if material.repeats:
        return fetched(*_repeated(detail, found.place), found.short, found.along)
    place = found.place[:, near]
    grow = partial(_grown, material, place)
    key = (
        content_key(place),
        content_key(detail.values),
        content_key(detail.known),
        detail.cell,
        detail.corner,
        _aspect(material),
    )
    texture = grow() if session is None else session.remembered("grown", key, grow)
    return None if texture is None else fetched(texture, found.place, found.short, found.along)


def _grown(material: Material, place: Float[Tensor, "2 N"]) -> Exemplar | None:
    """The material's pattern over places, its own middle where most of them are."""
    detail = material.detail
    rows, columns = detail.known.nonzero(as_tuple=True)
    middle = torch.stack([columns, rows]).float().mean(1) * detail.cell + torch.tensor(detail.corner)
    shift = place.median(1).values - middle
    return grown(detail, place, (float(shift[0]), float(shift[1])), _aspect(material))


def _within(texture: Exemplar, place: Float[Tensor, "2 N"]) -> Bool[Tensor, " N"]:
    """Whether places lie in what is known of a texture."""
    column, row = ((place - torch.tensor(texture.corner)[:, None]) / texture.cell).floor().long()
    rows, columns = texture.known.shape
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return inside & texture.known[row.clamp(0, rows - 1), column.clamp(0, columns - 1)]


def _repeated(detail: Exemplar, place: Float[Tensor, "2 N"]) -> tuple[Exemplar, Float[Tensor, "2 N"]]:
    """Three by three copies, and the places within the middle one."""
    size = torch.tensor([detail.known.shape[1], detail.known.shape[0]])[:, None] * detail.cell
    copies = detail._replace(values=detail.values.repeat(1, 3, 3), known=detail.known.repeat(3, 3))
    return copies, place.remainder(size) + size


def _aspect(material: Material) -> float:
    """Of patches: long along the pattern's lines."""
    if abs(material.lines) < DIRECTED:
        return 1.0
    return 1 / LONG if material.lines > 0 else LONG
