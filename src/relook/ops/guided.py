"""The guided filter: smooth or sharpen a map so that its edges are those of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.resize import at_most


def guided_filter(
    guide: Float[Tensor, "3 H W"],
    values: Float[Tensor, "C h w"],
    radius: float,
    epsilon: float,
    *,
    working_side: int = 640,
) -> Float[Tensor, "C H W"]:
    """Locally linear in the guide: q = a · I + b, with a = (cov(I) + epsilon)^-1 cov(I, p) (He, Sun, Tang 2013, eq. 19-21).

    `values` may have another size than the guide. radius: half window as a fraction of the longer side. epsilon: variance of
    the guide below which it counts as flat. Coefficients are found with at most `working_side` pixels on the longer side and
    applied at full size (He and Sun 2015), so a picture of any size takes about the same time.
    """
    if guide.ndim != 3 or values.ndim != 3:
        raise ShapeError(
            f"Expected guide 3 x H x W and values C x h x w, got {guide.shape} and {values.shape}; add the channel."
        )
    found = Guide.of(guide, radius, epsilon, working_side)
    return torch.stack([found.filtered(channel) for channel in values])


@dataclass(frozen=True)
class Guide:
    """What the guided filter reads of a picture, found once for all maps that are filtered along it."""

    picture: Float[Tensor, "3 H W"]
    small: Float[Tensor, "3 h w"]
    """At the working size."""
    mean: Float[Tensor, "3 h w"]
    """Of each window."""
    inverse: Float[Tensor, "3 3 h w"]
    """(covariance + epsilon)^-1 of the colours in each window."""
    pixels: int
    """Half a window."""

    @staticmethod
    def of(picture: Float[Tensor, "3 H W"], radius: float, epsilon: float, working_side: int = 640) -> Guide:
        """Numbers as those of `guided_filter`."""
        size = at_most((picture.shape[-2], picture.shape[-1]), working_side)
        small = _resize(picture, size)
        pixels = max(1, round(radius * max(size)))
        exact = small.double()
        mean = box(exact, pixels)
        return Guide(
            picture, small, mean.to(small), _inverse_covariance(exact, mean, pixels, epsilon).to(small), pixels
        )

    def filtered(self, values: Float[Tensor, "y x"]) -> Float[Tensor, "H W"]:
        """One map, of any size, along the picture's edges."""
        size, full = ((one.shape[-2], one.shape[-1]) for one in (self.small, self.picture))
        target = _resize(values[None], size)[0]
        window = self._around(target)
        picture, small, mean, target = self.picture, self.small[:, *window], self.mean[:, *window], target[window]
        mean_target = box(target[None], self.pixels)[0]
        cross = box(target * small, self.pixels).sub_(mean * mean_target)
        slope = (self.inverse[:, :, *window] * cross).sum(1)
        offset = mean_target - (slope * mean).sum(0)
        factors = box(torch.cat([offset[None], slope]), self.pixels)
        if size == full:
            result = picture.new_zeros(full)
            result[window] = (
                factors[0].addcmul(factors[1], small[0]).addcmul_(factors[2], small[1]).addcmul_(factors[3], small[2])
            )
            return result
        factors = _resize(_placed(factors, window, size), full)
        result = factors[0]
        for factor, channel in zip(factors[1:], picture, strict=True):
            result.addcmul_(factor, channel)
        return result

    def _around(self, target: Float[Tensor, "h w"]) -> tuple[slice, slice]:
        """Rows and columns beyond which nothing but zeros comes out."""
        there = target != 0
        reach, found = 2 * self.pixels + 1, []
        for axis in (1, 0):
            lines = there.any(axis).nonzero()[:, 0]
            if not len(lines):
                return slice(0, 1), slice(0, 1)
            found.append(slice(max(0, int(lines[0]) - reach), int(lines[-1]) + 1 + reach))
        return found[0], found[1]


def _placed(
    values: Float[Tensor, "C y x"], window: tuple[slice, slice], size: tuple[int, int]
) -> Float[Tensor, "C h w"]:
    """Values of a window in a map of zeros."""
    result = values.new_zeros(len(values), *size)
    result[:, *window] = values
    return result


def _inverse_covariance(
    guide: Float[Tensor, "3 H W"], mean: Float[Tensor, "3 H W"], radius: int, epsilon: float
) -> Float[Tensor, "3 3 H W"]:
    """(covariance + epsilon)^-1 of the guide's colours in each window, by cofactors (far faster than a solve per pixel).

    Both are of double precision: at an edge from black to white the determinant, 3 covariance epsilon^2, is below what the products of single precision lose.
    """
    c = {(i, j): box((guide[i] * guide[j])[None], radius)[0] - mean[i] * mean[j] for i in range(3) for j in range(i, 3)}
    for i in range(3):
        c[i, i] = c[i, i] + epsilon
    xx, xy, xz, yy, yz, zz = c[0, 0], c[0, 1], c[0, 2], c[1, 1], c[1, 2], c[2, 2]
    first, second, third = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    scale = 1 / (xx * first + xy * second + xz * third).clamp_min(epsilon**3 / 2)
    middle, cross, last = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    rows = [first, second, third, second, middle, cross, third, cross, last]
    return torch.stack(rows).mul_(scale).view(3, 3, *scale.shape)


def box(values: Float[Tensor, "C H W"], radius: int) -> Float[Tensor, "C H W"]:
    """Mean over a square window, mirrored at the borders (OpenCV's running sums: any radius costs the same)."""
    import cv2

    size = (2 * radius + 1, 2 * radius + 1)
    source = values.detach().cpu().contiguous().numpy()
    result = np.empty_like(source)
    for plane, mean in zip(source, result, strict=True):
        cv2.blur(plane, size, dst=mean, borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(result).to(values)


def _resize(values: Float[Tensor, "C H W"], size: tuple[int, int]) -> Float[Tensor, "C h w"]:
    """Area mean when smaller, bilinear when larger."""
    import cv2

    if tuple(values.shape[-2:]) == tuple(size):
        return values
    smaller = size[0] <= values.shape[-2] and size[1] <= values.shape[-1]
    source = values.detach().cpu().contiguous().numpy()
    result = np.empty((len(source), *size), source.dtype)
    for plane, other in zip(source, result, strict=True):
        cv2.resize(plane, size[::-1], dst=other, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return torch.from_numpy(result).to(values)
