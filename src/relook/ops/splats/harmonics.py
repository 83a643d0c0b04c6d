"""Real spherical harmonics of degree 0 to 3: colours that depend on where one looks from. Linear in the coefficients."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from relook.gaussians import SH_ZERO, Gaussians
from relook.types import Camera


def harmonics(directions: Float[Tensor, "N 3"], degree: int) -> Float[Tensor, "N K"]:
    """The K = (degree + 1)^2 basis functions at unit directions, in the order and with the signs of 3D Gaussian Splatting's files.

    With Condon-Shortley phase; m from -l to l in each degree l. Constants: Ramamoorthi and Hanrahan 2001.
    """
    x, y, z = directions.unbind(1)
    basis = [torch.full_like(x, SH_ZERO)]
    if degree >= 1:
        one = 0.4886025119029199
        basis += [-one * y, one * z, -one * x]
    if degree >= 2:
        two, even, last = 1.0925484305920792, 0.31539156525252005, 0.5462742152960396
        basis += [two * x * y, -two * y * z, even * (3 * z * z - 1), -two * x * z, last * (x * x - y * y)]
    if degree >= 3:
        a, b, c = 0.5900435899266435, 2.890611442640554, 0.4570457994644658
        d, e = 0.3731763325901154, 1.445305721320277
        basis += [
            -a * y * (3 * x * x - y * y),
            b * x * y * z,
            -c * y * (5 * z * z - 1),
            d * z * (5 * z * z - 3),
            -c * x * (5 * z * z - 1),
            e * z * (x * x - y * y),
            -a * x * (x * x - 3 * y * y),
        ]
    return torch.stack(basis, 1)


def seen_colours(gaussians: Gaussians, camera: Camera) -> Float[Tensor, "N 3"]:
    """RGB of every Gaussian as a camera sees it: max(0, 1/2 + harmonics(direction from the camera) . sh)."""
    pose = camera.world_to_camera.to(gaussians.means)
    eye = -pose[:3, :3].T @ pose[:3, 3]
    basis = harmonics(normalize(gaussians.means - eye, dim=1), gaussians.degree)
    return (0.5 + (basis[:, :, None] * gaussians.sh).sum(1)).clamp_min(0)
