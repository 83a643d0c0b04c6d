"""A room as 3D Gaussians; names and conventions are gsplat's, in the units that the rasteriser takes (not a file's logits)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.errors import ShapeError

SH_ZERO = 0.28209479177387814
"""The spherical harmonic of degree 0, 1 / (2 sqrt(pi)): a colour c is carried as (c - 1/2) / SH_ZERO."""


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians with positions in the world (OpenCV axes as the captures have them), sizes in scene units."""

    means: Float[Tensor, "N 3"]
    """Centres."""
    quats: Float[Tensor, "N 4"]
    """Unit quaternions (w, x, y, z) from a Gaussian's own axes to the world's."""
    scales: Float[Tensor, "N 3"]
    """Standard deviations along its own axes; positive."""
    opacities: Float[Tensor, " N"]
    """From 0 to 1."""
    sh: Float[Tensor, "N K 3"]
    """Coefficients of real spherical harmonics, K = (degree + 1)^2 for degrees 0 to 3; RGB = 1/2 + sum of harmonics(direction) x sh."""

    def __post_init__(self) -> None:
        shapes = {name: tuple(getattr(self, name).shape) for name in ("means", "quats", "scales", "opacities", "sh")}
        n = shapes["means"][0]
        expected = {"means": (n, 3), "quats": (n, 4), "scales": (n, 3), "opacities": (n,)}
        wrong = {name: shapes[name] for name, shape in expected.items() if shapes[name] != shape}
        if (
            wrong
            or self.sh.ndim != 3
            or shapes["sh"][0] != n
            or shapes["sh"][2] != 3
            or shapes["sh"][1] not in (1, 4, 9, 16)
        ):
            raise ShapeError(
                f"Expected Gaussians of shapes {expected} with sh (N, 1 or 4 or 9 or 16, 3), got {shapes}; pass one row for each."
            )

    def __len__(self) -> int:
        return len(self.means)

    @property
    def degree(self) -> int:
        """Of the spherical harmonics: 0 (the same colour from everywhere) to 3."""
        return {1: 0, 4: 1, 9: 2, 16: 3}[self.sh.shape[1]]

    @property
    def colours(self) -> Float[Tensor, "N 3"]:
        """RGB of degree 0, the part that is the same from everywhere; may leave [0, 1]."""
        return 0.5 + SH_ZERO * self.sh[:, 0]

    def coloured(self, colours: Float[Tensor, "N 3"]) -> Gaussians:
        """The same geometry in other colours, the same from everywhere (degree 0)."""
        return replace(self, sh=((colours - 0.5) / SH_ZERO)[:, None])

    def __getitem__(self, chosen: Bool[Tensor, " N"] | Int[Tensor, " M"]) -> Gaussians:
        """Some of them, by a mask or by their numbers."""
        return Gaussians(
            self.means[chosen], self.quats[chosen], self.scales[chosen], self.opacities[chosen], self.sh[chosen]
        )

    def joined(self, other: Gaussians) -> Gaussians:
        """These and those of `other`, which has the same degree."""
        pairs = (
            (getattr(self, name), getattr(other, name)) for name in ("means", "quats", "scales", "opacities", "sh")
        )
        return Gaussians(*(torch.cat(pair) for pair in pairs))

    @property
    def rotations(self) -> Float[Tensor, "N 3 3"]:
        """Rotation matrices, own axes to world: column k is the direction of axis k."""
        w, x, y, z = torch.nn.functional.normalize(self.quats, dim=1).unbind(1)
        rows = (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )
        return torch.stack([torch.stack(row, 1) for row in rows], 1)

    @property
    def covariances(self) -> Float[Tensor, "N 3 3"]:
        """R diag(scales^2) R^T, in the world's axes."""
        spread = self.rotations * self.scales[:, None, :]
        return spread @ spread.mT

    @property
    def normals(self) -> Float[Tensor, "N 3"]:
        """Directions of their thinnest axes, of either sign."""
        thinnest = self.scales.argmin(1)
        return self.rotations[torch.arange(len(self)), :, thinnest]
