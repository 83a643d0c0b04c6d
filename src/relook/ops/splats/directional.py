"""Colours that depend on where one looks from, by least squares: spherical harmonics through the same sparse matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from relook.gaussians import SH_ZERO, Gaussians
from relook.ops.splats.blend import Blend
from relook.ops.splats.harmonics import harmonics
from relook.ops.splats.solve import RIDGE, STEPS, Maps, conjugate
from relook.types import Camera

HIGHER = 0.15
"""How strongly coefficients of degree 1 and more are held to 0, in pixels' worth of weight (48 frames of the office: .5 gives .2 dB less)."""


@dataclass(frozen=True)
class _Seen:
    """The Gaussians that a view shows and the harmonics at its directions."""

    count: int
    ids: Int[Tensor, " M"]
    basis: Float[Tensor, "M K 1"]

    def colours(self, sh: Float[Tensor, "N_K 3"]) -> Float[Tensor, "N 3"]:
        """Y sh of those, 0 of all others."""
        rows, width = self.basis.shape[:2]
        out = torch.zeros(self.count, 3)
        out[self.ids] = (self.basis * sh.view(-1, width, 3)[self.ids].view(rows, width, 3)).sum(1)
        return out

    def back(self, total: Float[Tensor, "N_K D"], colours: Float[Tensor, "N D"], power: int = 1) -> None:
        """total += Y^T colours."""
        width = self.basis.shape[1]
        total.view(-1, width, colours.shape[1])[self.ids] += self.basis**power * colours[self.ids][:, None]


def solve_harmonics(
    gaussians: Gaussians,
    cameras: Sequence[Camera],
    blends: Sequence[Blend],
    pictures: Maps,
    degree: int,
    *,
    ridge: tuple[float, float] = (RIDGE, HIGHER),
    steps: int = STEPS,
) -> Float[Tensor, "N K 3"]:
    """Coefficients sh that minimise sum_v |A_v (1/2 + Y_v sh) - picture_v|^2 + ridge0 |colour - own colour|^2 + ridge1 |higher coefficients|^2.

    cameras: those of the blends; degree: 0 to 3. K = (degree + 1)^2. The Gaussians' own colours of degree 0 are where it begins.
    """
    views = [_seen(gaussians, camera, one, degree) for camera, one in zip(cameras, blends, strict=True)]
    width = (degree + 1) ** 2
    hold = torch.full((width, 1), ridge[1])
    hold[0] = ridge[0] * SH_ZERO**2
    hold = hold.repeat(len(gaussians), 1)
    start = torch.zeros(len(gaussians), width, 3)
    start[:, 0] = gaussians.sh[:, 0]
    values = start.view(-1, 3)
    diagonal, residual = hold.clone(), torch.zeros_like(values)
    for number, (view, one) in enumerate(zip(views, blends, strict=True)):
        view.back(diagonal, one.transposed(torch.ones(1, *one.size), power=2), power=2)
        view.back(residual, one.transposed(pictures[number] - 0.5 - one.render(view.colours(values))))

    def normal(direction: Float[Tensor, "N_K 3"]) -> Float[Tensor, "N_K 3"]:
        total = torch.zeros_like(direction)
        for view, one in zip(views, blends, strict=True):
            view.back(total, one.normal(view.colours(direction), torch.ones(one.size)))
        return total

    return conjugate(normal, values, residual, diagonal, (hold, steps)).view(-1, width, 3)


def _seen(gaussians: Gaussians, camera: Camera, blend: Blend, degree: int) -> _Seen:
    pose = camera.world_to_camera.to(gaussians.means)
    shown = torch.zeros(blend.count, dtype=torch.bool)
    shown[torch.from_numpy(blend.matrix.who).long()] = True
    ids = shown.nonzero()[:, 0]
    eye = -pose[:3, :3].T @ pose[:3, 3]
    return _Seen(blend.count, ids, harmonics(normalize(gaussians.means[ids] - eye, dim=1), degree)[:, :, None])
