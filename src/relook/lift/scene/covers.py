"""Materials on the floor of a walk: each lies on the scene's plane once, and every frame shows it there, under the frame's own light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.errors import SegmentsError
from relook.lift.scene.ground import Ground, covered_places
from relook.ops.exemplar import coarser
from relook.ops.flat import Places, places
from relook.perceive.segment.regions import ids_named
from relook.perceive.segment.vocabulary import canonical
from relook.transfer.materials import own_material, shown, style_material
from relook.transfer.materials.cover import MAIN, TYPICAL, Pattern, painted, pattern_over
from relook.transfer.materials.sample import DIRECTED, Material, turned
from relook.transfer.materials.shading import smooth_light
from relook.transfer.materials.swatch import swatch
from relook.transfer.resolve import Run
from relook.types import View

FEWEST = 64
"""Pixels of a region below which a frame shows too little of it to tell its light."""
NEAREST = 0.02
"""Quantile of the sides of what pixels show of a floor: a pattern need be no finer."""


@dataclass(frozen=True)
class GroundCover:
    """A material on regions of the floor's plane."""

    ground: Ground
    pattern: Pattern
    lights: Mapping[int, float]
    """Of every region by its id: the log of its main light in the walk, under which the material has its colour."""

    def on(
        self,
        points: Float[Tensor, "N 3"],
        grain: Float[Tensor, " N"],
        region: Int[Tensor, " N"],
        light: Float[Tensor, " N"],
    ) -> tuple[Bool[Tensor, " N"], Float[Tensor, "3 M"]]:
        """Which points of the world it covers by their regions, and their colours with it.

        grain: sides of the squares that the points stand for, in scene units; light: its log there.
        """
        here = torch.isin(region, torch.tensor(list(self.lights), dtype=region.dtype))
        side, main = grain[here] / self.ground.metre, torch.zeros_like(light[here])
        for id, known in self.lights.items():
            main[region[here] == id] = known
        found = Places(self.ground.places(points[here]), side, torch.stack([side, torch.zeros_like(side)]))
        return here, self.pattern.seen(found, light[here] - main, float(main.mean()) if len(main) else 0.0)

    def left(self, sides: Float[Tensor, " N"]) -> float:
        """How much of the pattern's contrast squares of such sides, in scene units, can show: half of them at least so much."""
        return self.pattern.left(float(sides.median()) / self.ground.metre) if len(sides) else 1.0

    def over(self, image: Float[Tensor, "3 H W"], view: View, strength: float) -> Float[Tensor, "3 H W"]:
        """A picture of the view, which has the scene's segments, with the material; where it has no camera, with the material's colour."""
        for id, light in self.lights.items():
            if view.segments is None:
                return image
            mask = view.segments.labels == id
            if view.camera is None and bool(mask.any()):
                image = painted(image, view.image, mask, self.pattern.material.colour, strength, light)
            elif view.camera is not None and int(mask.sum()) >= FEWEST:
                image = self.pattern.over(image, view.image, self.ground.surface(view.camera, mask), light, strength)
        return image


@dataclass(frozen=True)
class Floors:
    """What is known of a scene's floor: points on it, its plane, and views that stand for all, with the scene's segments."""

    points: Float[Tensor, "N 3"]
    ground: Ground | None
    frames: Sequence[View]
    shrunk: float = 0.0
    """How many times as small as the pictures the views are; 0: a pattern keeps its finest detail."""

    def stated(self, run: Run, sheet: View) -> list[GroundCover]:
        """What a user covers it with. Raises SegmentsError for a thing that no frame shows, or where no plane was found."""
        found = []
        for cover in (cover for cover in run.config.covers if cover.picture is not None):
            shown(sheet, cover.thing)
            if self.ground is None:
                raise SegmentsError(
                    f"Expected a known plane under {cover.thing} for a material, got none in the walk; leave it out, or choose another way "
                    "of carrying."
                )
            found += self._covered(self.ground, swatch(cover), canonical(cover.thing), MAIN)
        return found

    def styled(self, style: View, correspondence: Correspondence) -> list[GroundCover]:
        """The style's floor, turned as the walk's own, else along the room; nothing where either is not seen well enough."""
        material = style_material("floor", style, correspondence)
        if material is None or self.ground is None:
            return []
        lines = self._lines(self.ground)
        if (lines if abs(lines) > DIRECTED else 1.0) * material.lines < 0 and abs(material.lines) > DIRECTED:
            material = turned(material)
        return self._covered(self.ground, material, "floor", TYPICAL)

    def _covered(self, ground: Ground, material: Material, thing: str, share: float) -> list[GroundCover]:
        """The material on all regions of a name, each under its own light."""
        lights = {}
        for id in ids_named(self.frames[0].segments, thing):  # type: ignore[arg-type]
            inside = torch.cat([_light(frame, id) for frame in self.frames])
            if len(inside):
                lights[id] = float(inside[:: 1 + len(inside) // (1 << 20)].quantile(share))
        if self.shrunk and not material.repeats:
            factor = int(self._finest(ground) / self.shrunk / material.detail.cell)
            material = replace(material, detail=coarser(material.detail, max(1, factor)))
        pattern = pattern_over(material, covered_places(self.points, ground)) if lights else None
        return [] if pattern is None else [GroundCover(ground, pattern, lights)]

    def _finest(self, ground: Ground) -> float:
        """Metres of the floor that the nearest pixels of the views show."""
        found = [torch.zeros(0)]
        for frame in self.frames:
            if frame.camera is not None and frame.segments is not None:
                seen = ground.surface(frame.camera, frame.segments.among(ids_named(frame.segments, "floor")))
                found.append(places(seen.H, seen.mask & seen.plane).short)
        sides = torch.cat(found)
        return float(sides[:: 1 + len(sides) // (1 << 20)].quantile(NEAREST)) if len(sides) else 0.0

    def _lines(self, ground: Ground) -> float:
        """In which direction the walk's own floor has lines (`Material.lines`), as the frame says that shows most of it."""
        frames = [frame for frame in self.frames if frame.camera is not None]
        masks = [frame.segments.among(ids_named(frame.segments, "floor")) for frame in frames]  # type: ignore[union-attr,arg-type]
        best = max(range(len(masks)), key=lambda number: int(masks[number].sum()))
        own = own_material(frames[best], ground.surface(frames[best].camera, masks[best]))  # type: ignore[arg-type]
        return 0.0 if own is None else own.lines


def _light(frame: View, id: int) -> Float[Tensor, " N"]:
    """The log of light on a region of a frame; nothing where it shows too little of it."""
    mask = torch.zeros(frame.size, dtype=torch.bool) if frame.segments is None else frame.segments.labels == id
    return smooth_light(frame.image, mask)[mask] if int(mask.sum()) >= FEWEST else torch.zeros(0)
