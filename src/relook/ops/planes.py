"""Flat surfaces in a room's own axes: which way a pixel's surface faces, and where on it the pixel lies."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.align import nearest_rotation
from relook.ops.geometry import pixel_centres

TURNS = 6
"""Starting directions, over a quarter turn, from which a room's axes are looked for."""
ROUNDS = 8
"""Of deciding which axis a surface faces and of turning the axes, in turn."""
ALONG = 0.9
"""Cosine above which a normal says something about the axis next to it."""
END = 0.01
"""Share of the pixels that may lie beyond a room's far wall, or below its floor: they are errors of depth."""
GRAZING = 0.05
"""Cosine between the line of sight and the normal that counts at least."""


class Planes(NamedTuple):
    """Surfaces of a view as if each were flat and square to the room."""

    axis: Int[Tensor, "H W"]
    """The room's axis nearest to the normal: 0 across, 1 down, 2 ahead."""
    place: Float[Tensor, "2 H W"]
    """Where the pixel's point lies along its surface, in the unit of depth, by the other two axes in their order (ahead comes before down):
    from the middle of the room, its floor and its far wall, so that what looks alike in two rooms has like positions."""
    grain: Float[Tensor, "H W"]
    """Side of the square of surface that a pixel shows."""


def planes(depth: Float[Tensor, "H W"], normals: Float[Tensor, "3 h w"], K: Float[Tensor, "3 3"]) -> Planes:
    """Where every pixel lies on its surface. Raises ShapeError for maps of different sizes."""
    if normals.shape[1:] != depth.shape:
        raise ShapeError(f"Expected normals of {tuple(depth.shape)}, got {tuple(normals.shape[1:])}; resize one.")
    return planes_of(*seen_places(depth, normals, K))


def seen_places(
    depth: Float[Tensor, "H W"], normals: Float[Tensor, "3 H W"], K: Float[Tensor, "3 3"]
) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "3 H W"], Float[Tensor, "H W"]]:
    """Every pixel's point and normal in the camera's axes, and the side of the square of surface that it shows."""
    x, y = pixel_centres((depth.shape[0], depth.shape[1])).unbind(-1)
    rays = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones_like(x)])
    cosine = (normals * rays / rays.norm(dim=0)).sum(0).abs().clamp_min(GRAZING)
    return depth * rays, normals, depth / K[0, 0] / cosine.sqrt()


def planes_of(points: Float[Tensor, "3 H W"], normals: Float[Tensor, "3 H W"], grain: Float[Tensor, "H W"]) -> Planes:
    """Where points lie on their surfaces, in any arrangement; points and normals in the axes of a camera that stands about upright."""
    axes = room_axes(normals)
    placed = (axes @ points.flatten(1)).view_as(points)
    ends = [
        torch.quantile(one.flatten()[:: -(-one.numel() // (1 << 20))], torch.tensor([END, 1 - END])) for one in placed
    ]
    origin = torch.stack([ends[0].mean(), ends[1][1], ends[2][1]])
    across, down, ahead = placed - origin[:, None, None]
    axis = (axes @ normals.flatten(1)).abs().argmax(0).view_as(grain)
    place = torch.stack([torch.where(axis == 0, ahead, across), torch.where(axis == 1, ahead, down)])
    return Planes(axis, place, grain)


def room_axes(normals: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 3"]:
    """Rows: the room's directions across, down and ahead in the camera's axes, along which most surfaces face.

    In turn every normal goes to the axis next to it, and the axes turn to them by the orthogonal Procrustes problem (Schönemann 1966);
    from several starts about the vertical, that which leaves the most normals along an axis. Down is the axis nearest to the picture's,
    ahead the other one nearest to the line of sight.
    """
    facing = normals.flatten(1).T.double()
    best, most = torch.eye(3, dtype=torch.float64), -1.0
    for turn in range(TURNS):
        angle = math.pi / 2 * turn / TURNS
        cosine, sine = math.cos(angle), math.sin(angle)
        axes = facing.new_tensor([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
        for _ in range(ROUNDS):
            seen = facing @ axes.T
            size, next_to = seen.abs().max(1)
            chosen = torch.zeros_like(seen).scatter_(1, next_to[:, None], 1) * seen.sign() * (size > ALONG)[:, None]
            axes = nearest_rotation(chosen.T @ facing)
        share = float(((facing @ axes.T).abs().amax(1) > ALONG).double().mean())
        if share > most + 1e-6:
            best, most = axes, share
    down = int(best[:, 1].abs().argmax())
    across, ahead = sorted({0, 1, 2} - {down}, key=lambda row: float(best[row, 2].abs()))
    ordered = best[[across, down, ahead]]
    return (ordered * ordered.diagonal().sign()[:, None]).to(normals)
