"""A scene's surfaces in the style's materials: their own light without their own pattern, and over it the style's pattern, which lies once in the world."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.lift.restyled.broad import broad
from relook.lift.restyled.scene import Scene
from relook.lift.scene.sources import camera_of
from relook.ops.light import Surfaces, relit
from relook.ops.planes import Planes, planes_of
from relook.transfer.belief import beliefs
from relook.transfer.texture import Textures, facing_of, textures_on
from relook.types import View

REACH = 0.12
"""Metres over which a surface's own colours are averaged, so that its pattern goes and its shadows stay."""


def surface_textures(scene: Scene, style: View, found: Correspondence, metre: float) -> Textures | None:
    """The style's patterns on the scene's surfaces (`textures_on`): level, in their size, in one phase over the whole scene.

    None where the style's depth is not known in metres. found: its structure is `scene.parts`; metre: in scene units. A pattern finer than the
    Gaussians that carry it is their mean.
    """
    return textures_on(_planes(scene, metre), style, found)


def in_materials(
    scene: Scene, style: View, found: Correspondence, textures: Textures, metre: float
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, " N"]]:
    """The Gaussians' colours in the style's materials, and how far each of them takes them.

    What has a counterpart has its material and its light (`relook.ops.light.relit`), and where there is a texture, that in the place of its own
    pattern, as far as it is sure of what it is.
    """
    old, faces, known = scene.gaussians.colours.clamp(0, 1), scene.faces, textures.known[0]
    groups = 3 * scene.region + faces.abs().argmax(1)
    flat = torch.where(known[:, None], broad(scene.gaussians.means, old, groups, REACH * metre), old)
    own = Surfaces(flat.T[:, None], found.structure_classes, faces.T[:, None])
    whole = torch.ones_like(found.structure_classes, dtype=torch.float32)
    new = relit(own, Surfaces(style.image, found.style_classes, facing_of(style).normals), whole)[:, 0].T
    new = torch.where(known[:, None], (new * textures.detail[:, 0].T.exp()).clamp(0, 1), new)
    return new, (_changes(found) * beliefs(found.structure))[0]


def _changes(found: Correspondence) -> Bool[Tensor, "1 N"]:
    """What has a counterpart that it takes from."""
    classes, still = found.structure_classes, torch.zeros_like(found.kept)
    for name in found.still:
        still |= found.structure.mask(name)
    return (classes > 0) & torch.isin(classes, found.style_classes) & ~found.kept & ~still


def _planes(scene: Scene, metre: float) -> Planes:
    """Where every Gaussian lies on its surface, in metres."""
    pose = camera_of(scene.views[0]).world_to_camera
    points = scene.gaussians.means @ pose[:3, :3].T + pose[:3, 3]
    return planes_of(points.T[:, None] / metre, scene.faces.T[:, None], scene.sides[None] / metre)
