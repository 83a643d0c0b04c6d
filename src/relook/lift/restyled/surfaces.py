"""A scene's surfaces in the style's materials: their own light without their own pattern, and over it the style's pattern, which lies once in the world."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.gaussians import Gaussians
from relook.lift.restyled.scene import Scene
from relook.lift.scene.sources import camera_of
from relook.ops.align import centre
from relook.ops.light import Surfaces, relit
from relook.ops.planes import Planes, planes_of
from relook.transfer.belief import beliefs
from relook.transfer.texture import facing_of, textures_on
from relook.types import View

REACH = 0.12
"""Metres over which a surface's own colours are averaged, so that its pattern goes and its shadows stay."""
AROUND = 16
"""Cells of that side that a Gaussian's mean is over, the nearest."""


def in_materials(
    scene: Scene, style: View, found: Correspondence, recoloured: Float[Tensor, "N 3"], strength: float = 1.0
) -> Float[Tensor, "N 3"]:
    """Colours `recoloured`, but what has a counterpart has its material and its light (`relook.ops.light.relit`), as far as it is sure.

    Where the counterpart shows a flat piece, its pattern (`textures_on`) lies on the scene's surfaces in the place of their own: in metres, level,
    in one phase over the whole scene. A pattern finer than the Gaussians that carry it is their mean. As it is where the style's depth is not known in metres.

    found: its structure is `scene.parts`. Scene units count as metres. strength: how far from the scene's own colours.
    """
    faces = _faces(scene)
    textures = textures_on(_planes(scene, faces), style, found)
    if textures is None:
        return recoloured
    old, classes = scene.gaussians.colours.clamp(0, 1), found.structure_classes
    known = textures.known[0]
    flat = torch.where(known[:, None], broad(scene.gaussians.means, old, _groups(scene, faces), REACH), old)
    own = Surfaces(flat.T[:, None], classes, faces.T[:, None])
    whole = torch.ones_like(classes, dtype=torch.float32)
    new = relit(own, Surfaces(style.image, found.style_classes, facing_of(style).normals), whole)[:, 0].T
    new = torch.where(known[:, None], (new * textures.detail[:, 0].T.exp()).clamp(0, 1), new)
    share = (_changes(found) * beliefs(found.structure))[0]
    return torch.lerp(recoloured, torch.lerp(old, new, strength), share[:, None])


def broad(
    points: Float[Tensor, "N 3"], values: Float[Tensor, "N D"], groups: Int[Tensor, " N"], reach: float
) -> Float[Tensor, "N D"]:
    """Means over the points around of the same group, by a Gaussian of that deviation: of cells as wide, the AROUND nearest."""
    result = values.clone()
    for group in groups.unique().tolist():
        here = (groups == group).nonzero()[:, 0]
        cells = _cells(points[here], values[here], reach)
        count = min(AROUND, len(cells.size))
        distance, near = cKDTree(cells.middle.numpy()).query(points[here].numpy(), range(1, count + 1))
        weight = torch.from_numpy(np.exp(-((distance / reach) ** 2) / 2)).float() * cells.size[near] + 1e-12
        result[here] = (weight[..., None] * cells.mean[near]).sum(1) / weight.sum(1, keepdim=True)
    return result


class _Cells(NamedTuple):
    """Points counted as one."""

    middle: Float[Tensor, "M 3"]
    mean: Float[Tensor, "M D"]
    size: Float[Tensor, " M"]
    """How many they are."""


def _cells(points: Float[Tensor, "N 3"], values: Float[Tensor, "N D"], side: float) -> _Cells:
    """Cubes of that side that hold any."""
    _, place = torch.unique((points / side).floor().long(), dim=0, return_inverse=True)
    size = torch.bincount(place).float()
    sums = torch.zeros(len(size), 3 + values.shape[1]).index_add_(0, place, torch.cat([points, values], 1))
    mean = sums / size[:, None]
    return _Cells(mean[:, :3], mean[:, 3:], size)


def _changes(found: Correspondence) -> Bool[Tensor, "1 N"]:
    """What has a counterpart that it takes from."""
    classes, still = found.structure_classes, torch.zeros_like(found.kept)
    for name in found.still:
        still |= found.structure.mask(name)
    return (classes > 0) & torch.isin(classes, found.style_classes) & ~found.kept & ~still


def _faces(scene: Scene) -> Float[Tensor, "N 3"]:
    """Normals in the first view's axes, towards the nearest view."""
    gaussians, turn = scene.gaussians, camera_of(scene.views[0]).world_to_camera[:3, :3]
    eyes = torch.stack([centre(camera_of(view)) for view in scene.views])
    near = torch.from_numpy(cKDTree(eyes.numpy()).query(gaussians.means.numpy())[1])
    towards = ((eyes[near] - gaussians.means) * gaussians.normals).sum(1, keepdim=True)
    return torch.where(towards < 0, -gaussians.normals, gaussians.normals) @ turn.T


def _planes(scene: Scene, faces: Float[Tensor, "N 3"]) -> Planes:
    """Where every Gaussian lies on its surface."""
    pose = camera_of(scene.views[0]).world_to_camera
    points = scene.gaussians.means @ pose[:3, :3].T + pose[:3, 3]
    return planes_of(points.T[:, None], faces.T[:, None], _sides(scene.gaussians)[None])


def _sides(gaussians: Gaussians) -> Float[Tensor, " N"]:
    """Side of the square of surface that every Gaussian covers: two standard deviations of its two longer axes."""
    return 2 * gaussians.scales.sort(1).values[:, 1:].prod(1).sqrt()


def _groups(scene: Scene, faces: Float[Tensor, "N 3"]) -> Int[Tensor, " N"]:
    """What is of one region and faces one way."""
    return 3 * scene.region + faces.abs().argmax(1)
