"""XFeat's three ways to match: its keypoints by likeness, its whole grid refined within eight pixels, its keypoints by LighterGlue."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from relook.models.store import locate
from relook.ops.geometry import inside
from relook.perceive.match.keypoints import KeypointMatches
from relook.types import View

if TYPE_CHECKING:
    from relook.models.xfeat import XFeatures

SIDE = 1024
"""Longest side, in pixels, of the pictures it looks at."""
SHORTEST = 320
"""Pictures with a shorter side below this are enlarged to it."""
POINTS, GLUED = 4096, 2048
"""Most points per picture, for likeness and for LighterGlue (whose cost grows with the square)."""
KEYPOINT = 0.05
"""Least probability of a keypoint."""
ALIKE = 0.82
"""Least cosine of two keypoints' descriptors."""
REFINED = 0.25
"""Least certainty of a refined match."""
GLUE = 0.1
"""Least probability of a match of LighterGlue."""


class Points(NamedTuple):
    """Described points of one picture."""

    places: Float[Tensor, "N 2"]
    """(x, y) in pixels of the picture as the network saw it."""
    scores: Float[Tensor, "N"]
    descriptors: Float[Tensor, "N 64"]
    """Of unit length, those of the grid of any length."""
    scale: Float[Tensor, "2"]
    """Pixels of the view per pixel that the network saw, along x and y."""
    size: tuple[int, int]
    """(h, w) of the picture as the network saw it."""


def xfeat(first: View, second: View) -> KeypointMatches:
    """Keypoints whose descriptors are each other's most alike, with a cosine of at least ALIKE."""
    a, b = _keypoints(first, POINTS), _keypoints(second, POINTS)
    one, other, cosine = _mutual(a.descriptors, b.descriptors)
    kept = cosine > ALIKE
    scores = ((cosine - ALIKE) / (1 - ALIKE)).clamp(0, 1)
    return _in_views(a, b, one[kept], other[kept], scores[kept])


@torch.no_grad()
def xfeat_dense(first: View, second: View) -> KeypointMatches:
    """Places of the whole grid that are each other's most alike, refined to the pixel ("XFeat*", semi-dense)."""
    from relook.models.xfeat import load_xfeat

    network = load_xfeat(locate("xfeat"))
    a, b = _grid(first), _grid(second)
    one, other, _ = _mutual(functional.normalize(a.descriptors, dim=1), functional.normalize(b.descriptors, dim=1))
    if not len(one):
        return _in_views(a, b, one, other, torch.zeros(0))
    offset, certain = network.refine(a.descriptors[one], b.descriptors[other])
    moved = a._replace(places=a.places.index_add(0, one, offset))
    kept = (certain > REFINED) & inside(moved.places[one], a.size)
    return _in_views(moved, b, one[kept], other[kept], certain[kept].clamp(0, 1))


@torch.no_grad()
def lighterglue(first: View, second: View) -> KeypointMatches:
    """XFeat's keypoints matched by LighterGlue, which sees all points of both pictures at once."""
    from relook.models.lighterglue import load_lighterglue

    network = load_lighterglue(locate("xfeat_lighterglue"))
    a, b = _keypoints(first, GLUED), _keypoints(second, GLUED)
    if not len(a.scores) or not len(b.scores):
        return _in_views(a, b, torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    chances = network(a.descriptors, b.descriptors, _centred(a), _centred(b)).exp()
    best = chances.argmax(1)
    one = torch.arange(len(best))
    kept = (chances.argmax(0)[best] == one) & (chances.amax(1) > GLUE)
    return _in_views(a, b, one[kept], best[kept], chances.amax(1)[kept].clamp(0, 1))


@torch.no_grad()
def _features(view: View) -> tuple[XFeatures, Float[Tensor, "2"], tuple[int, int]]:
    """What the network says of a view, pixels of the view per pixel that it saw, and the size (h, w) that it saw."""
    from relook.models.xfeat import MULTIPLE, load_xfeat

    height, width = view.size
    scale = max(min(1.0, SIDE / max(view.size)), SHORTEST / min(view.size))
    rows, columns = (max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (height, width))
    image = view.image.detach().cpu().float()
    resized = functional.interpolate(image[None], (rows, columns), mode="bilinear", antialias=True)[0]
    found = load_xfeat(locate("xfeat"))(resized)
    return found, torch.tensor([width / columns, height / rows]), (rows, columns)


def _keypoints(view: View, most: int) -> Points:
    """The best keypoints: peaks within 5 x 5 pixels, scored by their probability and the reliability of the place."""
    from relook.models.xfeat import STRIDE

    found, scale, size = _features(view)
    peaks = functional.max_pool2d(found.keypoints[None], 5, 1, 2)[0] == found.keypoints
    rows, columns = (peaks & (found.keypoints > KEYPOINT)).nonzero().unbind(1)
    places = torch.stack([columns, rows], 1) + 0.5
    places = places + _peak(found.keypoints, rows, columns)
    reliability = _at(found.reliability[None], places / STRIDE)[:, 0]
    scores = found.keypoints[rows, columns] * reliability
    best = scores.argsort(descending=True)[:most]
    descriptors = functional.normalize(
        _at(functional.normalize(found.descriptors, dim=0), places[best] / STRIDE), dim=1
    )
    return Points(places[best], scores[best], descriptors, scale, size)


def _peak(values: Float[Tensor, "H W"], rows: Int[Tensor, "N"], columns: Int[Tensor, "N"]) -> Float[Tensor, "N 2"]:
    """How far (x, y) the middle of the 3 x 3 values around each place lies from it, within half a pixel."""
    framed = functional.pad(values, (1, 1, 1, 1))
    around = torch.stack([framed[rows + dy, columns + dx] for dy in range(3) for dx in range(3)], 1).view(-1, 3, 3)
    share = around / around.sum((1, 2), keepdim=True).clamp_min(1e-9)
    steps = torch.tensor([-1.0, 0.0, 1.0])
    return torch.stack([share.sum(1) @ steps, share.sum(2) @ steps], 1).clamp(-0.5, 0.5)


def _grid(view: View) -> Points:
    """The most reliable places of the network's grid."""
    from relook.models.xfeat import STRIDE

    found, scale, size = _features(view)
    rows, columns = torch.meshgrid(*(torch.arange(side // STRIDE) for side in size), indexing="ij")
    places = torch.stack([columns, rows], -1).view(-1, 2) * STRIDE + 0.5
    scores = found.reliability.flatten()
    best = scores.argsort(descending=True)[:POINTS]
    return Points(places[best], scores[best], found.descriptors.flatten(1).T[best], scale, size)


def _at(values: Float[Tensor, "C h w"], places: Float[Tensor, "N 2"]) -> Float[Tensor, "N C"]:
    """Values at places, bicubic."""
    limits = torch.tensor([values.shape[-1], values.shape[-2]])
    wanted = (2 * places / limits - 1)[None, None]
    found = functional.grid_sample(values[None], wanted, "bicubic", "zeros", align_corners=False)
    return found[0, :, 0].T


def _mutual(
    first: Float[Tensor, "N 64"], second: Float[Tensor, "M 64"]
) -> tuple[Int[Tensor, "K"], Int[Tensor, "K"], Float[Tensor, "K"]]:
    """Indices of descriptors that are each other's most alike, and their cosines."""
    if not len(first) or not len(second):
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    cosines = first @ second.T
    best = cosines.argmax(1)
    one = (cosines.argmax(0)[best] == torch.arange(len(best))).nonzero()[:, 0]
    return one, best[one], cosines[one, best[one]]


def _centred(points: Points) -> Float[Tensor, "N 2"]:
    """Places from the middle of the picture, over half its longer side."""
    height, width = points.size
    return (points.places - torch.tensor([width / 2, height / 2])) / (max(height, width) / 2)


def _in_views(
    first: Points, second: Points, one: Int[Tensor, "K"], other: Int[Tensor, "K"], scores: Float[Tensor, "K"]
) -> KeypointMatches:
    """Matched points in the pixels of the views."""
    return KeypointMatches(first.places[one] * first.scale, second.places[other] * second.scale, scores)
