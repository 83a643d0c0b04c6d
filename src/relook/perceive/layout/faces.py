"""Estimated depth made flat: the room's floor, ceiling and walls, and the faces of what stands in it, square to the room."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.ops.faces import square_faces
from relook.ops.normals import facing, pinhole
from relook.ops.planes import room_axes
from relook.perceive.layout.evidence import CEILING, FLOOR, GROUPS, WALLS
from relook.perceive.segment.vocabulary import canonical
from relook.types import Camera, Depth, Segments, View

SURE = 0.2
"""Confidence of a layout's directions from which on they are better than those that rough depth tells."""
NEAR, EXPLAINED = 0.06, 0.7
"""Share of the picture whose depth has to be about (as a difference of logarithms) that of its face; else it is too rough, or no room."""
UPRIGHT = {-1 - FLOOR: False, -1 - CEILING: False, -1 - WALLS: True}
"""Ids of the surfaces that are the room itself: whether they are upright."""


def squared(view: View) -> View:
    """The view with its depth as flat faces square to the room (see `square_faces`), and the camera by which they are; else as it was.

    Camera and directions are those of the view's layout where it is sure of them, else a usual camera and the directions that most of the
    depth's normals follow. What hangs on a wall or lies on the floor is as flat as that. A view without metric depth or without segments
    stays, and so does one that such faces do not explain.
    """
    if view.metric_depth is None or view.segments is None:
        return view
    depth, labels = view.metric_depth, _surfaces(view.segments)
    camera = _camera(view, depth, labels)
    flat = square_faces(depth, labels, camera.K, camera.world_to_camera[:3, :3].T, UPRIGHT)
    if float(((flat / depth).log().abs() < NEAR).double().mean()) < EXPLAINED:
        return view
    return replace(view, depth=Depth(torch.where(flat.isnan(), depth, flat), "metric"), camera=camera)


def _surfaces(segments: Segments) -> Int[Tensor, "H W"]:
    """The regions' ids; floor, ceiling and walls, with what lies flat on them, are one region each, with the ids of UPRIGHT."""
    labels = segments.labels.clone()
    for id, region in segments.regions.items():
        group = GROUPS.get(canonical(region.name))
        if group is not None:
            labels[segments.labels == id] = -1 - group
    return labels


def _camera(view: View, depth: Float[Tensor, "H W"], labels: Int[Tensor, "H W"]) -> Camera:
    """The layout's camera if it is sure, else the view's own or a usual one, in the room's directions by the depth's normals."""
    if view.layout is not None and view.layout.directions >= SURE:
        return view.layout.camera
    K = pinhole(view.size) if view.camera is None else view.camera.K
    pose = torch.eye(4)
    pose[:3, :3] = room_axes(facing(depth, labels, K).normals).T
    return Camera(K, pose)
