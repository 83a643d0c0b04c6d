"""Texture transfer: the style's own patterns, flattened by its depth, grown, and seen again from where the structure shows the surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from relook.correspond.semantic import Correspondence
from relook.errors import InputError
from relook.ops.exemplar import Exemplar, fetched, grown, rectified
from relook.ops.light import Surfaces, light_of, residual_of
from relook.ops.means import mean_of_known
from relook.ops.mosaic import mosaic
from relook.ops.normals import Facing, facing, pinhole
from relook.ops.planes import Planes, planes, planes_of, seen_places
from relook.ops.surface import edges
from relook.types import Depth, Segments, View

MARGINS = ((0.02, 0.04), (0.012, 0.0075))
"""How far a piece stays from edges (as a fraction of the longer side: shadows lie there), and the least part of the style picture that it must
fill then; where no piece of a class is large enough for the first, the second."""
SLOW = 0.1
"""Brightness that varies over more than this part of a piece's longer side is shading, not pattern."""
CALM = 0.5
"""Depth that can be trusted less than this (relook.ops.normals) is a rough guess."""
LEVEL = 1
"""The room's axis of floors, ceilings and tops."""


class Textures(NamedTuple):
    """The style's patterns on the structure's surfaces."""

    detail: Float[Tensor, "3 H W"]
    """log of colour over that of material and light, on average 1 in every class."""
    known: Bool[Tensor, "H W"]
    """Where there is one."""


def style_textures(structure: View, style: View, correspondence: Correspondence) -> Textures | None:
    """The style's patterns on what a structure picture shows (`textures_on`). None where its depth is not in metres, or is a rough guess."""
    if not _metric(structure):
        return None
    towards = facing_of(structure)
    return None if towards.calm < CALM else textures_on(_planes(structure, towards), style, correspondence)


def textures_over(views: Sequence[View], style: View, correspondence: Correspondence) -> list[Textures] | None:
    """The style's patterns on several views of one room, with cameras and depth in metres, one below the other the correspondence's structure.

    Each lies once in the world, in the axes of the first view (`textures_on`), so that views agree where it does. None where a depth is a rough guess.
    """
    if not all(map(_metric, views)):
        return None
    faces = [facing_of(view) for view in views]
    if min(one.calm for one in faces) < CALM:
        return None
    parts = [_in_world(view, one) for view, one in zip(views, faces, strict=True)]
    first = views[0].camera.world_to_camera.cpu()  # type: ignore[union-attr]
    points = first[:3, :3] @ torch.cat([one[0].flatten(1) for one in parts], 1) + first[:3, 3:]
    normals = first[:3, :3] @ torch.cat([one[1].flatten(1) for one in parts], 1)
    grain = torch.cat([one[2] for one in parts])
    here = planes_of(points.view(3, *grain.shape), normals.view(3, *grain.shape), grain)
    found = textures_on(here, style, correspondence)
    if found is None:
        return None
    count = len(views)
    return [Textures(*one) for one in zip(found.detail.chunk(count, 1), found.known.chunk(count), strict=True)]


def textures_on(here: Planes, style: View, correspondence: Correspondence) -> Textures | None:
    """Every class's pattern, in the size and the direction that it has in the style's room, on surfaces of the correspondence's structure.

    What is seen of a class on its largest flat piece in the style picture, less material, light (relook.ops.light) and shading, is seen
    straight on and grown by image quilting over all that there is of the class, level surfaces and upright ones apart. Both lie
    in the axes of their rooms, so a pattern stays level, and where both rooms have the same place it stands there as in the style's. None
    where the style's depth is not in metres, or is a rough guess: patterns would come out bent.
    """
    rooms = style.pictures or (style,)
    if not all(map(_metric, rooms)):
        return None
    away = list(map(facing_of, rooms))
    if min(one.calm for one in away) < CALM:
        return None
    classes, style_classes = correspondence.structure_classes.cpu(), correspondence.style_classes.cpu()
    pieces = [_pieces(room, correspondence, faces) for room, faces in zip(rooms, away, strict=True)]
    detail, known = torch.zeros(3, *classes.shape), torch.zeros(classes.shape, dtype=torch.bool)
    for label in sorted((set(classes.unique().tolist()) & set(style_classes.unique().tolist())) - {0}):
        for level in (False, True):
            where = (classes == label) & ((here.axis == LEVEL) == level)
            seen = (one.exemplar(label, level) for one in pieces if bool(where.any()))
            exemplar = next((one for one in seen if one is not None), None)
            texture = None if exemplar is None else grown(exemplar, here.place[:, where])
            if texture is not None:
                detail[:, where] = fetched(texture, here.place[:, where], here.grain[where])
                known = known | where
        where = known & (classes == label)
        detail[:, where] -= detail[:, where].exp().mean(1, keepdim=True).log()
    return Textures(detail, known)


def facing_of(view: View) -> Facing:
    """Which way the surfaces of a view with depth and segments face, by its camera where it has one; each picture's of a style of several.

    Raises InputError for a view without them.
    """
    if view.pictures:
        parts = [facing_of(one) for one in view.pictures]
        whole = mosaic([one.size for one in view.pictures]).pasted([one.normals for one in parts])
        normals = interpolate(whole[None], view.size, mode="nearest-exact")[0]
        return Facing(normals, min(one.calm for one in parts))
    depth, segments = _known(view)
    return facing(depth.values.cpu(), segments.labels.cpu(), _camera(view))


def _metric(view: View) -> bool:
    return view.depth is not None and view.depth.kind == "metric"


def _known(view: View) -> tuple[Depth, Segments]:
    if view.depth is None or view.segments is None:
        raise InputError("Expected depth and segments of both pictures, got a picture without; perceive them first.")
    return view.depth, view.segments


def _planes(view: View, faces: Facing) -> Planes:
    """Where every pixel lies on the plane of its surface."""
    return planes(_known(view)[0].values.cpu(), faces.normals, _camera(view))


def _in_world(view: View, faces: Facing) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "3 H W"], Float[Tensor, "H W"]]:
    """What `seen_places` says of a view with a camera, in the world's axes."""
    if view.camera is None:
        raise InputError("Expected a camera in every view of one room, got a view without; bring cameras.")
    points, normals, grain = seen_places(_known(view)[0].values.cpu(), faces.normals, _camera(view))
    pose = view.camera.world_to_camera.cpu()
    turned = [pose[:3, :3].T @ one.flatten(1) for one in (points - pose[:3, 3, None, None], normals)]
    return turned[0].view_as(points), turned[1].view_as(normals), grain


def _camera(view: View) -> Float[Tensor, "3 3"]:
    return pinhole(view.size) if view.camera is None else view.camera.K.cpu()


class _Pieces(NamedTuple):
    """The style picture's surfaces, from which patterns are taken."""

    residual: Float[Tensor, "3 h w"]
    """log of colour over that of material and light."""
    planes: Planes
    classes: Int[Tensor, "h w"]
    margins: Sequence[tuple[Bool[Tensor, "h w"], float]]
    """Away from edges, and how large a piece must be (MARGINS)."""

    def exemplar(self, label: int, level: bool) -> Exemplar | None:
        """The pattern of a class on a large enough piece, straight on; from near edges where there is none further inside."""
        found = (_piece((self.classes == label) & inside, self.planes, level, least) for inside, least in self.margins)
        piece = next((one for one in found if one is not None), None)
        if piece is None:
            return None
        seen = rectified(self.planes.place[:, piece], self.residual[:, piece], self.planes.grain[piece])
        return None if seen is None else _even(seen)


def _pieces(style: View, correspondence: Correspondence, faces: Facing) -> _Pieces:
    """Those of one style picture, with the common ids of their classes."""
    depth, segments = _known(style)
    classes = replace(correspondence, style=segments).style_classes.cpu()
    surfaces = Surfaces(style.image.cpu(), classes, faces.normals)
    margins = [(edges(segments.labels, depth.disparity(), reach=reach).cpu() < 0.5, least) for reach, least in MARGINS]
    return _Pieces(residual_of(surfaces, light_of(surfaces)), _planes(style, faces), classes, margins)


def _piece(where: Bool[Tensor, "h w"], there: Planes, level: bool, least: float) -> Bool[Tensor, "h w"] | None:
    """The largest connected piece that faces one way: of those that are level, or upright, as wanted, else of all; None if all are small."""
    from scipy.ndimage import label as components

    best, most = None, (False, least * where.numel())
    for axis in range(3):
        pieces, count = components((where & (there.axis == axis)).numpy())
        sizes = np.bincount(pieces.flatten(), minlength=count + 1)[1:]
        if count and sizes.max() >= least * where.numel() and ((axis == LEVEL) == level, float(sizes.max())) > most:
            best, most = torch.from_numpy(pieces == sizes.argmax() + 1), ((axis == LEVEL) == level, float(sizes.max()))
    return best


def _even(exemplar: Exemplar) -> Exemplar:
    """Without slow changes of brightness."""
    reach = SLOW * max(exemplar.known.shape)
    slow = mean_of_known(exemplar.values.mean(0).numpy(), exemplar.known.numpy().astype(np.float32), reach)
    return exemplar._replace(values=exemplar.values - torch.from_numpy(slow))
