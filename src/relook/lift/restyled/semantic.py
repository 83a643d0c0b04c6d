"""Every thing of a scene takes the colours of its counterpart: one change per thing, solved over the key views, applied to the Gaussians themselves.

No view is averaged with another, so that detail stays and the look is the same from everywhere.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.gaussians import Gaussians
from relook.lift.restyled.floor import covered, floor_covers, ground_under
from relook.lift.restyled.matching import matched
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.restyled.surfaces import in_materials, surface_textures
from relook.lift.scene.uplift import graph
from relook.ops.srgb import from_linear, to_linear
from relook.transfer.materials.cover import MAIN
from relook.transfer.materials.shading import light_of, lit
from relook.transfer.palette import colour_maps, palette_of_points
from relook.transfer.references import Styles
from relook.transfer.resolve import Run
from relook.types import View

ROUNDS = 3
"""How often colours are the mean of like neighbours, to be without fine detail."""


def semantic(scene: Scene, style: Styles, settings: Settings) -> Float[Tensor, "N 3"]:
    """New colours by the palette's maps (`relook.transfer.palette`), by paint where the user states a colour, each thing at its own strength."""
    known = matched(scene, style, settings)
    run, picture, seen, found = known.run, known.sheet, known.style, known.found
    with settings.progress.stage("solving"):
        maps = colour_maps(picture, seen, found)
    with settings.progress.stage("restyling"):
        old = scene.gaussians.colours.clamp(0, 1)
        smooth = smoothed(scene.gaussians, old)
        points = replace(found, structure=scene.parts)
        new = palette_of_points(old.T, smooth.T, points, maps, run.config.strongest).T
    with settings.progress.stage("materials"):
        new = _in_materials(scene, (seen, points), new, run, picture)
        return _at_strength(scene, old, _painted(scene, old, new, run), run)


def _in_materials(
    scene: Scene, style: tuple[View, Correspondence], new: Float[Tensor, "N 3"], run: Run, sheet: View
) -> Float[Tensor, "N 3"]:
    """The style's materials on all surfaces where its depth is known, else on the floor alone; and what the user covers the floor with."""
    ground, strength = ground_under(scene), run.config.strongest
    metre = 1.0 if ground is None else ground.metre
    textures = surface_textures(scene, *style, metre) if run.materials else None
    if textures is not None:
        made, share = in_materials(scene, *style, textures, metre)
        new = torch.lerp(new, torch.lerp(scene.gaussians.colours.clamp(0, 1), made, strength), share[:, None])
    covers = floor_covers(scene, ground, run, sheet, style if run.materials and textures is None else None)
    return covered(scene, covers, new, strength)


def smoothed(gaussians: Gaussians, colours: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    """Colours without fine detail: means over neighbours of like colour and direction."""
    return colours if len(gaussians) < 2 else graph(gaussians).smoothed(colours, ROUNDS)


def _painted(scene: Scene, old: Float[Tensor, "N 3"], new: Float[Tensor, "N 3"], run: Run) -> Float[Tensor, "N 3"]:
    """Things in the colours that the user states, under their own light."""
    light, new = light_of(old.T[:, None])[0], new.clone()
    for cover in run.config.covers:
        where = scene.named([cover.thing])
        if cover.colour is not None and bool(where.any()):
            shading = light[where] - light[where].quantile(MAIN)
            paint = lit(to_linear(torch.tensor(cover.colour)), torch.zeros(3, len(shading)), shading)
            new[where] = torch.lerp(old[where], from_linear(paint).clamp(0, 1).T, run.config.strongest)
    return new


def _at_strength(scene: Scene, old: Float[Tensor, "N 3"], new: Float[Tensor, "N 3"], run: Run) -> Float[Tensor, "N 3"]:
    """Every thing at its own strength, of what is restyled with the strongest."""
    config = run.config
    if not config.thing_strengths:
        return new
    strength = torch.full((len(old),), config.strength)
    for name, own in config.thing_strengths.items():
        strength[scene.named([name])] = own
    return torch.lerp(old, new, (strength / max(config.strongest, 1e-9))[:, None])
