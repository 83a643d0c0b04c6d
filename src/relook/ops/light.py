"""Light and material of a picture apart: what each class is made of, and how bright surfaces are by where they face.

A pixel of class c with unit normal n is albedo_c · light(n) · residual. light is an ambient cube (McTaggart 2004): six brightnesses, of the
directions along the axes, mixed by the squares of the normal's components. Products stay products under gamma, so nothing depends on
whether colours are linear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

SAMPLES = 1 << 18
"""Pixels that light is found from, at most."""
DARK = 0.02
"""Values below this count as this; black has no ratio to anything."""
SPREAD = 0.25
"""Standard deviation of the logarithms of the six brightnesses that is expected before a picture is seen."""
PATCH = 0.08
"""Side, as a part of the longer side, of a patch that says about as much of the light as one free sample: patterns repeat within it."""
FLAT = 0.03
"""Deviation of log colour that every surface has, however plain."""
ROUNDS = 4
"""Of finding light and how far each pixel is to be trusted, in turn."""
HIGHEST = 0.2
"""What is left of a surface's log colour without its light rises no higher: shadows are real, but what is brighter than the light is
mostly a pixel that a lighter neighbour shines into."""


@dataclass(frozen=True)
class Surfaces:
    """A picture and what it shows."""

    image: Float[Tensor, "3 H W"]
    classes: Int[Tensor, "H W"]
    """0: none that counts."""
    normals: Float[Tensor, "3 H W"] | None = None
    """Unit, in the camera's axes, towards the eye; None where depth is unknown: then light is the same all around."""

    def cube(self) -> Float[Tensor, "N 6"]:
        """How much each of the six directions counts for every pixel: the squares of the normal's positive and negative parts."""
        if self.normals is None:
            return self.image.new_zeros(self.classes.numel(), 6)
        return torch.cat([self.normals.clamp_min(0), self.normals.clamp_max(0)]).square().nan_to_num().flatten(1).T


class Light(NamedTuple):
    """Light and materials of a picture."""

    albedo: dict[int, Float[Tensor, " 3"]]
    """Mean colour of every class under unit light."""
    brightness: Float[Tensor, "6 3"]
    """Logarithms of the light's colour along the positive and the negative axes, up to a common factor."""
    deviation: dict[int, float]
    """Of what is left of every class's log brightness without its light: patterns and shadows."""


def light_of(surfaces: Surfaces) -> Light:
    """Light that all classes share: log I = log albedo_c + cube(n) · b, by robust least squares with b ~ N(0, SPREAD^2).

    A class counts less the more its colours vary about the fit (patterns hide light), a pixel less the farther it is off (Huber).
    """
    step = -(-surfaces.classes.numel() // SAMPLES) | 1  # odd: it meets every column
    pixels = surfaces.image.flatten(1).T[::step].clamp_min(DARK).double()
    cube, classes = surfaces.cube()[::step].double(), surfaces.classes.flatten()[::step]
    chosen = classes > 0
    if not bool(chosen.any()):
        return Light({}, pixels.new_zeros(6, 3).float(), {})
    pixels, cube = pixels[chosen], cube[chosen]
    labels, group = classes[chosen].unique(return_inverse=True)
    area = max(1.0, (PATCH * max(surfaces.classes.shape)) ** 2 / step)
    brightness = _fitted(pixels.log(), cube, group, area)
    alike = torch.ones_like(pixels[:, :1])
    residual = (pixels.log() - cube @ brightness).mean(1, keepdim=True)
    deviation = _means((residual - _means(residual, group, alike)[group]).square(), group, alike).sqrt()[:, 0]
    albedo = _means(pixels / (cube @ brightness).exp(), group, alike).float()
    names = labels.tolist()
    return Light(
        dict(zip(names, albedo, strict=True)), brightness.float(), dict(zip(names, deviation.tolist(), strict=True))
    )


def residual_of(surfaces: Surfaces, light: Light) -> Float[Tensor, "3 H W"]:
    """log I - log albedo - log light(n): patterns, shadows and errors; 0 for pixels of no class that counts."""
    cube, classes = surfaces.cube(), surfaces.classes.flatten()
    pixels = surfaces.image.flatten(1).T
    residual = torch.zeros_like(pixels)
    for label, albedo in light.albedo.items():
        where = classes == label
        residual[where] = pixels[where].clamp_min(DARK).log() - (albedo.log() + cube[where] @ light.brightness)
    return residual.T.reshape(surfaces.image.shape)


def relit(
    structure: Surfaces, style: Surfaces, patterned: Float[Tensor, "H W"] | None = None
) -> Float[Tensor, "3 H W"]:
    """The structure picture with the style's materials and light, class by class; what neither explains (contact shadows, folds) stays.

    albedo' · light'(n) · exp(min(residual, HIGHEST)) with residual = log I - log albedo - log light(n), on average 1 in every class. patterned: how far (0 to 1) the residual
    loses its colour, for shading has none, and varies no more than the style's does. Classes that only one of the pictures has stay as they are.
    """
    old, new = light_of(structure), light_of(style)
    cube, classes = structure.cube(), structure.classes.flatten()
    left, result = residual_of(structure, old).flatten(1).T, structure.image.flatten(1).T.clone()
    grey = result.new_zeros(len(result), 1) if patterned is None else patterned.flatten()[:, None]
    for label in old.albedo.keys() & new.albedo.keys():
        where = classes == label
        residual = left[where]
        gain = min(1.0, new.deviation[label] / max(old.deviation[label], FLAT))
        residual = torch.lerp(
            residual, gain * residual.mean(1, keepdim=True).expand_as(residual), grey[where]
        ).clamp_max(HIGHEST)
        residual = residual - residual.exp().mean(0).log()  # what was bounded must not darken the class
        result[where] = new.albedo[label] * (cube[where] @ new.brightness + residual).exp()
    return result.T.reshape(structure.image.shape).clamp(0, 1)


def _fitted(
    colours: Float[Tensor, "N 3"], cube: Float[Tensor, "N 6"], group: Int[Tensor, " N"], area: float
) -> Float[Tensor, "6 3"]:
    """The ridge regression of `light_of`, each class about its own mean."""
    weight, brightness = torch.ones_like(colours[:, :1]), colours.new_zeros(6, 3)
    prior = torch.eye(6, dtype=colours.dtype, device=colours.device) / SPREAD**2
    for _ in range(ROUNDS):
        seen, sides = (part - _means(part, group, weight)[group] for part in (colours, cube))
        error = seen - sides @ brightness
        variance = _means(error.square().mean(1, keepdim=True), group, weight)[group] + FLAT**2
        weight = (variance.sqrt() / error.abs().mean(1, keepdim=True).clamp_min(1e-9)).clamp_max(1)
        trust = weight / (variance * area)
        brightness = torch.linalg.solve(sides.T @ (trust * sides) + prior, sides.T @ (trust * seen))
    return brightness


def _means(
    values: Float[Tensor, "N K"], group: Int[Tensor, " N"], weight: Float[Tensor, "N 1"]
) -> Float[Tensor, "G K"]:
    """Weighted mean of every group."""
    count = int(group.max()) + 1
    total = values.new_zeros(count, values.shape[1]).index_add_(0, group, weight * values)
    return total / values.new_zeros(count, 1).index_add_(0, group, weight)
