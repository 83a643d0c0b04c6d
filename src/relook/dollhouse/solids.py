"""Rays against convex solids, written once for boxes, upright cylinders and ellipsoids.

In the frame of a solid whose half extents are scaled to 1, a ray o + t d is inside it for one interval of t:
a slab |x| <= 1 gives t in -o/d -+ |1/d|; a round wall x^2 + z^2 <= 1 gives the two roots of a quadratic.
A solid is an intersection of such sets, so its interval is [max of entries, min of exits].
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.dollhouse.furniture import BOX, CYLINDER, ELLIPSOID

NEAR = 0.05
"""Nothing closer to the eye than this is seen (metres)."""


def to_local(vectors: Float[Tensor, "*N 3"], yaws: Float[Tensor, "*N"]) -> Float[Tensor, "*N 3"]:
    """World vectors in frames turned by `yaws` about y: x' = cx + sz, z' = -sx + cz."""
    c, s = torch.cos(yaws), torch.sin(yaws)
    x, y, z = vectors.unbind(-1)
    return torch.stack([c * x + s * z, y, c * z - s * x], -1)


def to_world(vectors: Float[Tensor, "*N 3"], yaws: Float[Tensor, "*N"]) -> Float[Tensor, "*N 3"]:
    """Inverse of `to_local`."""
    return to_local(vectors, -yaws)


def interval(
    kind: int, origin: tuple[Tensor, Tensor, Tensor], direction: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Entry and exit of rays through one kind of unit solid; entry > exit where the ray misses. Inputs broadcast."""
    if kind == ELLIPSOID:
        return _quadratic(origin, direction)
    enter, leave = _slab(origin[1], direction[1])
    if kind == CYLINDER:
        pairs = [_quadratic(origin[::2], direction[::2])]
    else:
        pairs = [_slab(origin[0], direction[0]), _slab(origin[2], direction[2])]
    for first, last in pairs:
        enter, leave = torch.maximum(enter, first), torch.minimum(leave, last)
    return enter, leave


def nearest(kind: int, origin: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
    """Distance at which rays enter a unit solid from outside, infinite where they miss it."""
    enter, leave = interval(kind, origin, direction)  # type: ignore[arg-type]
    return torch.where((enter < leave) & (enter > NEAR), enter, torch.inf)


def nearest_of_any(kinds: Int[Tensor, "*N"], origin: tuple[Tensor, ...], direction: tuple[Tensor, ...]) -> Tensor:
    """`nearest` for a mixture of kinds; origin and kinds broadcast to direction's shape."""
    result = nearest(BOX, origin, direction)
    kinds = kinds.expand(result.shape)
    for kind in (CYLINDER, ELLIPSOID):
        where = torch.nonzero(kinds == kind, as_tuple=True)
        o, d = ([x.expand(result.shape)[where] for x in xs] for xs in (origin, direction))
        result[where] = nearest(kind, tuple(o), tuple(d))
    return result


def _slab(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    inverse = 1 / d
    middle, reach = -o * inverse, inverse.abs()
    return middle - reach, middle + reach


def _quadratic(o: tuple[Tensor, ...], d: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    a, b, c = _dot(d, d), _dot(o, d), _dot(o, o) - 1
    discriminant = b * b - a * c
    root = discriminant.clamp_min(0).sqrt()
    miss = torch.where(discriminant > 0, 0.0, torch.inf)
    return (-b - root) / a + miss, (-b + root) / a - miss


def _dot(x: tuple[Tensor, ...], y: tuple[Tensor, ...]) -> Tensor:
    total = x[0] * y[0]
    for p, q in zip(x[1:], y[1:], strict=True):
        total = total + p * q
    return total


def surface(
    kinds: Int[Tensor, " N"], point: Float[Tensor, "N 3"], halves: Float[Tensor, "N 3"]
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 2"], Float[Tensor, "N 2"]]:
    """Normal (local, unit), material coordinates in metres and on the unit face, at points on unit solids.

    Boxes unfold each face upright; cylinders roll off their side; ellipsoids are projected from the front.
    """
    size = point.abs()
    axis = size.argmax(-1)
    flat = torch.nn.functional.one_hot(axis, 3) * point.sign()
    round_all = torch.nn.functional.normalize(point / halves, dim=-1)
    cap = size[:, 1] > (point[:, 0] ** 2 + point[:, 2] ** 2).sqrt()
    side = torch.nn.functional.normalize(round_all * torch.tensor([1.0, 0.0, 1.0]), dim=-1)
    up = torch.tensor([0.0, 1.0, 0.0]) * point[:, 1:2].sign()
    tube = torch.where(cap[:, None], up, side)
    flat = torch.where((kinds == CYLINDER)[:, None], tube, flat)
    normal = torch.where((kinds == ELLIPSOID)[:, None], round_all, flat)
    metres = point * halves
    x, y, z = metres.unbind(-1)
    lying = ((kinds == BOX) & (axis == 1)) | ((kinds == CYLINDER) & cap)
    sideways = (kinds == BOX) & (axis == 0)
    rolled = torch.atan2(point[:, 0], -point[:, 2]) * halves[:, 0]
    u = torch.where(sideways, z, torch.where((kinds == CYLINDER) & ~cap, rolled, x))
    v = torch.where(lying, z, y)
    px, py, pz = point.unbind(-1)
    face = torch.stack([torch.where(sideways, pz, px), torch.where(lying, pz, py)], -1)
    return normal, torch.stack([u, v], -1), (face.clamp(-1, 1) + 1) / 2
