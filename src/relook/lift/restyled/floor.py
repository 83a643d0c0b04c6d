"""The floor of a scene of Gaussians: the plane that walks know too, and materials that lie on it once, in the Gaussians' own colours."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.config import RestyleConfig
from relook.correspond.semantic import Correspondence
from relook.errors import InputError
from relook.lift.restyled.broad import broad
from relook.lift.restyled.scene import Scene
from relook.lift.scene.covers import Floors, GroundCover
from relook.lift.scene.decided import LYING
from relook.lift.scene.floor import floor_plane
from relook.lift.scene.ground import Ground, ground_on
from relook.perceive.segment.vocabulary import canonical
from relook.transfer.materials.shading import light_of
from relook.transfer.resolve import Run
from relook.types import View

REACH = 0.12
"""Metres over which the light on a floor is averaged."""
SHOWN = 0.5
"""Share of a pattern's contrast that the Gaussians must be able to carry."""
log = logging.getLogger("relook")


def check_materials(config: RestyleConfig) -> None:
    """Raise InputError for a stated material that a scene cannot take: by another method, or on what does not lie on its floor."""
    covered = [cover.thing for cover in config.photo.covers if cover.picture is not None]
    if covered and config.method != "semantic":
        raise InputError(
            f"Expected the method semantic for a material, got {config.method}; choose it, or leave the material out."
        )
    if other := [thing for thing in covered if canonical(thing) not in LYING]:
        raise InputError(
            f"Expected a material for {' or '.join(LYING)} in a scene, got one for {other[0]}; name a colour, or leave it out."
        )


def ground_under(scene: Scene) -> Ground | None:
    """The plane of what lies on the floor; None where nothing does, or most of it lies on none.

    Scene units are metres where the views are as high above it as cameras are held, else their median height is taken for 1.3 m.
    """
    lying = _lying(scene)
    plane = floor_plane(scene.gaussians, lying * scene.gaussians.scales[:, 0].square(), scene.eyes)
    return None if plane is None else ground_on(plane, scene.gaussians, scene.eyes, lying, None)


def floor_covers(
    scene: Scene, ground: Ground | None, run: Run, sheet: View, style: tuple[View, Correspondence] | None
) -> list[GroundCover]:
    """What the user covers the floor with, else the style's floor (with its correspondence), if given and seen well enough.

    Raises SegmentsError for a thing that the scene does not show, or whose plane was not found.
    """
    floors = Floors(scene.gaussians.means[_lying(scene)], ground, scene.views)
    covers = floors.stated(run, sheet)
    if style is None or "floor" in [canonical(cover.thing) for cover in run.config.covers]:
        return covers
    return covers + floors.styled(*style)


def covered(
    scene: Scene, covers: Sequence[GroundCover], colours: Float[Tensor, "N 3"], strength: float
) -> Float[Tensor, "N 3"]:
    """Colours with these materials on the Gaussians of their regions, under the scene's own light. Geometry is not refined:
    a pattern finer than the Gaussians is averaged, and where little is left of it, one sentence says so."""
    gaussians, result = scene.gaussians, colours.clone()
    old = gaussians.colours.clamp(0, 1)
    for cover in covers:
        light = broad(gaussians.means, light_of(old.T[:, None]).T, scene.region, REACH * cover.ground.metre)[:, 0]
        here, new = cover.on(gaussians.means, scene.sides, scene.region, light)
        result[here] = torch.lerp(old[here], new.T, strength)
        left = cover.left(scene.sides[here])
        if left < SHOWN:
            log.warning(
                "The scene's Gaussians are %.0f mm wide on the floor and can show %.0f %% of its new pattern; fit the scene with a smaller --cell for more.",
                1000 * float(scene.sides[here].median()) / cover.ground.metre, 100 * left,
            )  # fmt: skip
    return result


def _lying(scene: Scene) -> Bool[Tensor, " N"]:
    """Gaussians that are called what lies on a floor."""
    ids = [id for id, one in scene.parts.regions.items() if canonical(one.name) in LYING]
    return torch.isin(scene.region, torch.tensor(ids, dtype=torch.int64))
