"""Regions where no network sees any: floor, ceiling and walls of the room's layout, as far as nothing stands before them.

planes of the layout -> patches of one colour -> those across the foot of a wall are things -> the colours of each plane -> what has them
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from relook.ops.resize import at_most, resized
from relook.perceive.layout.planes import CEILING, FLOOR, UNKNOWN, WALLS, above_eye, seen_planes
from relook.perceive.segment.regions import connected_parts, with_confidence
from relook.perceive.segment.superpixels import means_of
from relook.perceive.segment.vocabulary import ROOM
from relook.types import UNLABELLED, Region, Segments, View

SIDE = 512
"""Longer side of the picture in which they are looked for."""
ACROSS = 0.15
"""A patch with at least this share on the floor and on a wall stands before both."""
REACH = 0.1
"""Standard deviation, in parts of the longer side, of the neighbourhood whose colours a pixel is compared with."""
STEADY = 0.1
"""Share of a neighbourhood at which its own colours count as much as the main colour."""
TOLERANCE = (14.0, 5.0, 6.0)
"""Differences of Lab that are half way to another colour: of light, and of the two axes of colour."""
ROUNDS = 6
"""Of colours and of what has them, in turn."""
SMALLEST = 0.001
"""Share of the picture below which a part of a surface is a mistake, and a hole in it as well."""
FLOORS = ((10.0, 25.0, 65.0, 88.0), (0.1, 1.0, 1.0, 0.1))
"""Lightness, and how much a colour of it counts for a floor: black tables and white beds stand before more floor than anything else."""
WOOD = (30.0, 80.0, 15.0, 2.0)
"""Least and most hue in degrees and least chroma of wood, and how much more it counts for a floor."""
SMALL = 0.02
"""Share of the picture below which the part of a wall above the camera says nothing."""
REACHING, LINEN = 0.1, 3.0
"""Part of a patch of wall that is above the camera, and how much more it counts if one without is lighter than the wall: beds and sofas may be,
while light falls on walls from above."""
PLAIN = {FLOOR: 0.3, CEILING: 0.6, WALLS: 0.6}
"""Share of a plane that must have its main colour for it to be as sure as the layout is; things stand on most of a floor."""
SHOWN = 0.5
"""Part of that which must be seen at least; less may be a thing before it."""
BINS = (10.0, 4.0, 4.0)
"""Steps of Lab in which the main colour is counted."""


def segments(view: View) -> Segments:
    """Floor, ceiling and wall where their colour is seen on a sure plane of the view's layout; all else, and a view without layout, has no label.

    A region is as sure as its planes are, and less where much of them is hidden. A wall is known by what is above the camera, and is as sure
    as the room's directions: how far away it is does not matter here.
    """
    from skimage.color import rgb2lab
    from skimage.segmentation import felzenszwalb

    if view.layout is None:
        return Segments(torch.full(view.size, UNLABELLED))
    size = at_most(view.size, SIDE)
    planes = _bounded(seen_planes(view.layout.resized(size)).ids.numpy())
    lab = rgb2lab(resized(view.image.cpu(), size).clamp(0, 1).permute(1, 2, 0).numpy()).astype(np.float32)
    patches = felzenszwalb(lab / 100, scale=40, sigma=0.6, min_size=40, channel_axis=2)
    free = planes * ~_across(patches, planes)
    layout, labels, chances = view.layout, np.zeros(size, np.int64), np.zeros(size)
    high, anywhere = above_eye(layout.resized(size)).numpy(), np.ones(size, bool)
    sure = {FLOOR: layout.floor, CEILING: layout.ceiling, WALLS: layout.directions}
    for plane in np.unique(free[free > 0]).tolist():
        kind, zone = min(plane, WALLS), free == plane
        clear = high if kind == WALLS and (zone & high).sum() > SMALL * zone.size else anywhere
        likely = _floor_like(lab) if kind == FLOOR else np.ones(size)
        seen = _surface(lab, zone, clear, patches, likely)
        share = (likely * (seen & clear)).sum() / (PLAIN[kind] * ((planes == plane) & clear).sum())
        if share >= SHOWN:
            labels[seen], chances[seen] = kind, sure[kind] * min(1.0, share, likely[seen].mean())
    found = Segments(torch.from_numpy(labels), {id: Region(name) for id, name in enumerate(ROOM, start=1)})
    return with_confidence(found, chances).resized(view.size)


def _bounded(planes: Int[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    """The planes without floor and ceiling in columns whose wall is unknown: where they end is unknown there too."""
    unsure = (planes == UNKNOWN).any(0) & ~(planes >= WALLS).any(0)
    return np.where(unsure, UNKNOWN, planes)


def _across(patches: Int[np.ndarray, "h w"], planes: Int[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Patches that show as much floor as wall, so that they are neither."""
    shares = means_of(patches, np.dstack([planes == FLOOR, planes >= WALLS]))
    return (shares.min(1) >= ACROSS)[patches]


def _surface(
    lab: Float[np.ndarray, "h w 3"],
    zone: Bool[np.ndarray, "h w"],
    clear: Bool[np.ndarray, "h w"],
    patches: Int[np.ndarray, "h w"],
    likely: Float[np.ndarray, "h w"],
) -> Bool[np.ndarray, "h w"]:
    """The patches of a zone that have its main colour, as it changes slowly from place to place.

    clear: where nothing is expected to stand before it; there the main colour is found (see `_main`), likely colours first.
    """
    main = _main(lab[zone & clear], likely[zone & clear])
    pixels = np.bincount(patches[zone], minlength=patches.max() + 1)
    strict = np.bincount(patches[zone], clear[zone], minlength=len(pixels)) < REACHING * pixels
    near = np.broadcast_to(main, lab.shape)
    for _ in range(ROUNDS):
        apart = (lab - near) / TOLERANCE
        apart[..., 0] *= np.where(strict[patches] & (apart[..., 0] > 0), LINEN, 1)
        far = np.sqrt((apart**2).sum(-1))
        alike = np.bincount(patches[zone], far[zone] < 1, minlength=len(pixels)) / np.maximum(pixels, 1)
        seen = zone & (alike > 0.5)[patches]
        near = _around(lab, seen, main)
    return _whole(seen, zone)


def _around(
    lab: Float[np.ndarray, "h w 3"], seen: Bool[np.ndarray, "h w"], main: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "h w 3"]:
    """The mean colour of what is seen around every pixel, drawn to the main one where that is little."""
    side = 2 * round(REACH * max(seen.shape)) + 1
    share = seen.astype(np.float32)
    blurred = [cv2.blur(cv2.blur(one, (side, side)), (side, side)) for one in (lab * share[..., None], share)]
    return (blurred[0] + STEADY * main) / (blurred[1] + STEADY)[..., None]


def _floor_like(lab: Float[np.ndarray, "*size 3"]) -> Float[np.ndarray, "*size"]:
    """How much each pixel's colour counts for a floor."""
    least, most, chroma, more = WOOD
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    wood = (hue > least) & (hue < most) & (np.hypot(lab[..., 1], lab[..., 2]) > chroma)
    return np.interp(lab[..., 0], *FLOORS) * np.where(wood, more, 1)


def _main(colours: Float[np.ndarray, "N 3"], weights: Float[np.ndarray, " N"]) -> Float[np.ndarray, " 3"]:
    """The most frequent colour."""
    from scipy.ndimage import gaussian_filter

    bins = np.floor((colours - colours.min(0)) / BINS).astype(int)
    counts = np.zeros(bins.max(0) + 1)
    np.add.at(counts, tuple(bins.T), weights)
    best = np.unravel_index(gaussian_filter(counts, 0.7, mode="constant").argmax(), counts.shape)
    return np.median(colours[(np.abs(bins - best) <= 1).all(1)], 0)


def _whole(seen: Bool[np.ndarray, "h w"], zone: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Without small parts and without small holes."""
    result = seen.copy()
    for fill, where in ((False, seen), (True, zone & ~seen)):
        for place, part, area in connected_parts(where):
            if area < SMALLEST * seen.size:
                result[place][part] = fill
    return result
