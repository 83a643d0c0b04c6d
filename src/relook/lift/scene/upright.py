"""Which way is up in a scene of Gaussians: from cameras where there are some, else from its surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from relook.gaussians import Gaussians
from relook.lift.scene.standing import pieces_of, standing
from relook.types import Camera

MOST = 20_000
"""So many Gaussians, evenly taken, say which way is up."""
TRIED = 400
"""Directions that are tried, from normals evenly over the surface."""
NEAR = 0.995
"""Cosine of what counts as the same direction (5.7 degrees)."""
SNAP = 0.94
"""Cosine within which a surface's normal corrects what cameras say (20 degrees): people tilt them."""

AXES, OTHER = 8, 0.9
"""So many axes are looked at more closely, without those of more than this cosine to a better one."""
TALL = 0.2
"""How much the height by the width counts against an axis (for it: `Standing.likely`)."""


class Surface(NamedTuple):
    """Where a scene's surfaces are and which way they face."""

    points: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]
    """Of either sign."""
    areas: Float[Tensor, " N"]
    """Opacity x the two larger standard deviations."""


def surface_of(gaussians: Gaussians, most: int = MOST) -> Surface:
    """At most `most` of the Gaussians as pieces of surface, evenly taken."""
    some = gaussians[torch.arange(0, len(gaussians), -(-len(gaussians) // most))]
    ordered = some.scales.sort(1).values
    return Surface(some.means, some.normals, some.opacities * ordered[:, 1] * ordered[:, 2])


def up_of(gaussians: Gaussians, cameras: Sequence[Camera] = ()) -> Float[Tensor, " 3"]:
    """The unit vector against gravity, as far as it can be known.

    Cameras are held upright on average; a direction of many normals within 20 degrees corrects them. Without cameras: the axis that most
    surfaces stand on or lie across and on one of whose ends the scene stands; below is the end on which it stands more firmly, where the
    things of a room are, that has legs rather than a plate, and that is darker (`relook.lift.scene.standing`). What is the same upside down, as a plain box, cannot be known.
    """
    surface = surface_of(gaussians)
    if cameras:
        mean = normalize(-torch.stack([one.world_to_camera[1, :3] for one in cameras]).mean(0), dim=0)
        tried = _tried(surface)
        tried = torch.where((tried @ mean < 0)[:, None], -tried, tried)
        tried = tried[tried @ mean > SNAP]
        return mean if not len(tried) else _best(tried, _along(tried, surface))
    axis, pieces = _axis(surface, gaussians), pieces_of(gaussians)
    return axis if standing(pieces, axis.double().cpu().numpy()).upright >= 0 else -axis


def _axis(surface: Surface, gaussians: Gaussians) -> Float[Tensor, " 3"]:
    """The axis, of either sign, that most surfaces stand on or lie across, that is short, and on one of whose ends the scene stands."""
    tried = torch.cat([_tried(surface), _principal(surface)])
    lie, stand = _along(tried, surface), _across(tried, surface)
    scores, pieces = lie + stand, pieces_of(gaussians)
    found: list[tuple[float, Tensor]] = []
    left = scores + 0.5 * _flat(tried, surface)
    while len(found) < AXES and float(left.max()) >= 0:
        best = int(left.argmax())
        seen = standing(pieces, tried[best].double().cpu().numpy())
        found.append((float(scores[best]) - TALL * min(seen.tall, 2.0) + seen.likely, tried[best]))
        left = torch.where((tried @ tried[best]).abs() > OTHER, -1.0, left)
    chosen = max(found, key=lambda one: one[0])[1]
    near = (tried @ chosen).abs() > NEAR
    return _best(tried[near], scores[near])


def _tried(surface: Surface) -> Float[Tensor, "T 3"]:
    """Directions to try: the world's axes and normals, evenly over the surface."""
    total = surface.areas.double().cumsum(0)
    chosen = torch.searchsorted(total, total[-1] * (torch.arange(TRIED) + 0.5) / TRIED).clamp_max(len(total) - 1)
    return torch.cat([torch.eye(3).to(surface.normals), surface.normals[chosen]])


def _principal(surface: Surface) -> Float[Tensor, "3 3"]:
    """The axes of the surface's second moments: those of round things, which few normals lie along."""
    weights = surface.areas / surface.areas.sum()
    off = surface.points - weights @ surface.points
    return torch.linalg.eigh((weights[:, None] * off).T @ off)[1].T


def _along(axes: Float[Tensor, "T 3"], surface: Surface) -> Float[Tensor, " T"]:
    """The share of surface that faces along each axis."""
    return ((axes @ surface.normals.T).abs() > NEAR).float() @ surface.areas / surface.areas.sum()


def _across(axes: Float[Tensor, "T 3"], surface: Surface) -> Float[Tensor, " T"]:
    """The share of surface that stands along each axis."""
    return ((axes @ surface.normals.T).abs() < (1 - NEAR**2) ** 0.5).float() @ surface.areas / surface.areas.sum()


def _flat(axes: Float[Tensor, "T 3"], surface: Surface) -> Float[Tensor, " T"]:
    """How much less far the scene reaches along each axis than along the longest: 0 to 1."""
    reach = torch.stack([torch.diff(torch.stack(spanned(surface.points @ axis, surface.areas)))[0] for axis in axes])
    return 1 - reach / reach.amax().clamp_min(1e-12)


def _best(axes: Float[Tensor, "T 3"], scores: Float[Tensor, " T"]) -> Float[Tensor, " 3"]:
    """The axis of the best score, evened out over those like it."""
    best = axes[scores.argmax()]
    like = axes @ best
    weights = torch.where(like.abs() > NEAR, like.sign() * scores.clamp_min(0) ** 4, 0.0)
    return normalize(weights @ axes, dim=0)


def spanned(values: Float[Tensor, " N"], weights: Float[Tensor, " N"], share: float = 0.01) -> tuple[Tensor, Tensor]:
    """The values below and above which `share` of the weight lies."""
    order = values.argsort()
    total = weights[order].cumsum(0) / weights.sum()
    edges = torch.searchsorted(total, torch.tensor([share, 1 - share]).to(total)).clamp_max(len(values) - 1)
    return values[order[edges[0]]], values[order[edges[1]]]
