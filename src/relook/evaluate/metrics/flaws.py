"""Faults that can be seen without an answer: foreign colours, clouds, halos and crooked lines. A picture that shows none of them has about 0.

Each compares the output with its structure picture, so that what was there before is no fault; docs/metrics.md has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from scipy.optimize import isotonic_regression
from torch import Tensor

from relook.evaluate.metrics.declare import Image, declare
from relook.evaluate.metrics.pixels import lab, same_size

CELL, RARE, NEAR = 2.0, 2e-4, 4.0
"""Side of a cell of chroma in Lab units; cells with a smaller share of the style's pixels do not count as its colours; nobody sees less."""
SLOW = 0.02
"""Width of a cloud in parts of the shorter side."""
BAND = 0.012
"""Width of a halo in parts of the shorter side."""
REACH, VISIBLE, FEWEST = 0.015, 1.5, 16
"""How far beside a line its edge is looked for, in parts of the diagonal; the weakest edge (Lab units per pixel); and places that must show one."""
LEAST = 0.005
"""Regions of a smaller share of the picture say nothing."""


@declare(
    "foreign_chroma", "foreign chroma", "lower", (0.0, 180.0),
    "mean distance in a and b of CIE Lab from the colours of the matched region of the style; see docs/metrics.md",
    group="flaws", digits=2,
)  # fmt: skip
def foreign_chroma(
    output: Image,
    structure: Image,
    style: Float[Tensor, "3 h w"],
    classes: Int[Tensor, "H W"] | None = None,
    style_classes: Int[Tensor, "h w"] | None = None,
) -> float | None:
    """How far chroma lies outside of what the style shows: mean over pixels of max(0, min(d, c) - NEAR).

    d: distance to the nearest colour of the style's region of the same class (of the whole style picture where it has none); c: how far the
    pixel's chroma has moved from the structure's own, so that what stays as it was is no fault.
    """
    same_size(output, structure)
    new, old, given = (lab(image)[..., 1:] for image in (output, structure, style))
    ids = np.zeros(new.shape[:2], int) if classes is None else classes.cpu().numpy()
    style_ids = np.zeros(given.shape[:2], int) if style_classes is None else style_classes.cpu().numpy()
    distance = np.zeros(new.shape[:2])
    for id in np.unique(ids):
        wanted = given[style_ids == id] if id and (style_ids == id).any() else given.reshape(-1, 2)
        distance[ids == id] = _outside(new[ids == id], wanted)
    moved = np.linalg.norm(new - old, axis=-1)
    return float(np.maximum(np.minimum(distance, moved) - NEAR, 0).mean())


@declare(
    "clouds", "clouds", "lower", (0.0, 100.0),
    "slow changes of lightness within regions that are no function of the structure's; see docs/metrics.md", group="flaws", digits=2,
)  # fmt: skip
def clouds(output: Image, structure: Image, regions: Int[Tensor, "H W"]) -> float | None:
    """Root mean square, in units of L of CIE Lab, of what is left of the slow lightness of a region after its best curve of tones.

    Lightness is blurred inside each region (SLOW); the curve is the nearest one that never falls, from the structure's slow lightness to the
    output's, so that light, contrast and shading as the structure has them cost nothing. None without a region that is large enough.
    """
    same_size(output, structure)
    new, old = lab(output)[..., 0], lab(structure)[..., 0]
    sigma = SLOW * min(new.shape)
    squares = []
    for inside in _regions(regions):
        slow_new, slow_old = (_blurred(values, inside, sigma)[inside] for values in (new, old))
        squares.append(np.square(slow_new - _toned(slow_old, slow_new)))
    return math.sqrt(np.concatenate(squares).mean()) if squares else None


@declare(
    "halo", "halo", "lower", (0.0, 200.0),
    "difference in CIE Lab between a region's rim and its inside, beyond the structure's own; see docs/metrics.md", group="flaws", digits=2,
)  # fmt: skip
def halo(output: Image, structure: Image, regions: Int[Tensor, "H W"]) -> float | None:
    """How much more the rim of a region differs from its inside than in the structure picture: root mean square in units of CIE Lab.

    A pixel in the first BAND inside a border is compared with the nearest one two bands in; what pixels further in differ over the same
    distance (patterns, materials) is taken off as energy. None without a region that is wide enough.
    """
    same_size(output, structure)
    band = max(2.0, BAND * min(output.shape[1:]))
    pictures = [gaussian_filter(lab(image), (band / 4, band / 4, 0), truncate=3) for image in (output, structure)]
    rims, insides = list[np.ndarray](), list[np.ndarray]()
    for inside in _regions(regions):
        depth = distance_transform_edt(inside)
        for ring, core, found in (
            ((depth > 1) & (depth <= band), depth > 2 * band, rims),
            ((depth > 3 * band) & (depth <= 4 * band), depth > 5 * band, insides),
        ):
            if ring.any() and core.any():
                found.append(_excess(pictures, inside, ring, core))
    if not rims:
        return None
    ordinary = np.concatenate(insides).mean() if insides else 0.0
    return math.sqrt(max(0.0, float(np.concatenate(rims).mean() - ordinary)))


@declare(
    "crookedness", "crookedness", "lower", (0.0, 60.0),
    "how far edges along straight lines of the room have strayed, in 1/1000 of the diagonal; see docs/metrics.md",
    group="flaws", digits=2,
)  # fmt: skip
def crookedness(output: Image, structure: Image, lines: Float[Tensor, "N 4"]) -> float | None:
    """How far the edges along lines (x0, y0, x1, y1) lie beside the structure picture's: root mean square in thousandths of the diagonal.

    At every pixel of a line the strongest edge within REACH across it is found in both pictures. None with fewer than FEWEST edges.
    """
    same_size(output, structure)
    pictures = [gaussian_filter(lab(image), (0.7, 0.7, 0)) for image in (output, structure)]
    diagonal = math.hypot(*output.shape[1:])
    strayed = [one for line in lines.cpu().numpy() for one in _displaced(pictures, line, REACH * diagonal)]
    return 1000 * math.sqrt(np.square(strayed).mean()) / diagonal if len(strayed) >= FEWEST else None


def _outside(colours: Float[np.ndarray, "N 2"], style: Float[np.ndarray, "M 2"]) -> Float[np.ndarray, " N"]:
    """Distance of chroma to the nearest cell that holds colours of the style."""
    edges = np.arange(-112, 112 + CELL, CELL)
    counts, _, _ = np.histogram2d(style[:, 0], style[:, 1], bins=[edges, edges])
    away = distance_transform_edt(counts < max(1.0, RARE * len(style))) * CELL
    place = np.clip(((colours + 112) / CELL).astype(int), 0, len(edges) - 2)
    return away[place[:, 0], place[:, 1]]


def _regions(regions: Int[Tensor, "H W"]) -> list[Bool[np.ndarray, "H W"]]:
    """The masks of all regions that are large enough."""
    ids = regions.cpu().numpy()
    masks = (ids == id for id in np.unique(ids[ids != 0]))
    return [mask for mask in masks if mask.mean() >= LEAST]


def _blurred(
    values: Float[np.ndarray, "H W"], inside: Bool[np.ndarray, "H W"], sigma: float
) -> Float[np.ndarray, "H W"]:
    """Values blurred over the pixels of a region alone."""
    weight = gaussian_filter(inside.astype(float), sigma, truncate=3)
    return gaussian_filter(np.where(inside, values, 0), sigma, truncate=3) / np.maximum(weight, 1e-6)


def _toned(old: Float[np.ndarray, " N"], new: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The values that never fall as `old` rises and are nearest to `new`."""
    order, found = np.argsort(old, kind="stable"), np.empty_like(new)
    found[order] = isotonic_regression(new[order]).x
    return found


def _excess(
    pictures: Sequence[Float[np.ndarray, "H W 3"]],
    inside: Bool[np.ndarray, "H W"],
    ring: Bool[np.ndarray, "H W"],
    core: Bool[np.ndarray, "H W"],
) -> Float[np.ndarray, " N"]:
    """Squares of how much more the ring differs from the nearest pixel of the core than in the structure picture.

    Where the region has more contrast than the structure's, so may its rim, up to twice.
    """
    nearest = distance_transform_edt(~core, return_distances=False, return_indices=True)
    away = [np.linalg.norm(colours - colours[tuple(nearest)], axis=-1)[ring] for colours in pictures]
    new, old = (float(colours[inside].std(0).mean()) for colours in pictures)
    contrast = min(max(new / max(old, 1e-6), 1.0), 2.0)
    return np.square(np.maximum(away[0] - contrast * away[1], 0))


def _displaced(
    pictures: Sequence[Float[np.ndarray, "H W 3"]], line: Float[np.ndarray, " 4"], reach: float
) -> list[float]:
    """How many pixels the output's edge lies beside the structure's, for every place of a line where both show one.

    It lies where the structure's does as long as it is there at least half as strong as anywhere across the line.
    """
    new, old = (_strengths(colours, line, reach) for colours in pictures)
    rows, place = np.arange(len(old)), old.argmax(1)
    sides = [new[rows, np.clip(place + step, 0, new.shape[1] - 1)] for step in (-1, 0, 1)]
    stays = np.max(sides, axis=0) >= 0.5 * new.max(1)
    seen = (old.max(1) >= VISIBLE) & (new.max(1) >= VISIBLE)
    return list(np.where(stays, 0, np.abs(new.argmax(1) - place))[seen].astype(float))


def _strengths(
    colours: Float[np.ndarray, "H W 3"], line: Float[np.ndarray, " 4"], reach: float
) -> Float[np.ndarray, "N M"]:
    """How strongly colours change across a line: for every pixel of its length, over `reach` on both sides."""
    (x0, y0), (x1, y1) = line.reshape(2, 2)
    length = math.hypot(x1 - x0, y1 - y0)
    along, across = (
        np.linspace(0, 1, max(2, round(length)))[:, None],
        np.arange(-math.ceil(reach), math.ceil(reach) + 1),
    )
    y, x = y0 + (y1 - y0) * along + across * (x1 - x0) / length, x0 + (x1 - x0) * along - across * (y1 - y0) / length
    profile = np.stack([map_coordinates(colours[..., c], (y, x), order=1, mode="nearest") for c in range(3)], -1)
    return np.linalg.norm(np.diff(profile, axis=1), axis=-1)
