"""A rug of a photograph as a whole: the rectangle on the floor in which the segmenter, which doubts half of it, sees most of one."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from relook.errors import SegmentsError
from relook.io import as_pixels
from relook.ops.flat import before, places
from relook.ops.rectangle import Rectangle, fitted
from relook.ops.resize import resized
from relook.ops.slopes import slopes
from relook.perceive.borders.sides import on_edges
from relook.perceive.layout.planes import SURE, level_homography
from relook.perceive.segment.regions import connected_parts, ids_named
from relook.types import Layout, Segments, View

PARTING = 0.25, 0.6
"""Bounds of the share that parts rug from floor: networks say floor more often than rug, so half of a rug may have little of it."""
MOST = 2.0
"""What speaks for rug or against it counts at most so much: the logarithm of its odds, over that of the odds of the parting share."""
COLOURS = 2.0
"""What colours count beside what the network says."""
ROUNDS = 2
"""In which colours and rectangle are found."""
RARE = 1e-5
"""Share of a colour below which it says nothing."""
BINS = np.array([24, 6, 6])
"""Sides of a histogram's cells in Lab (of 8 bits)."""
CALLED, LEAST = 0.003, 0.01
"""Parts of the picture that must be called rug before a rectangle is looked for, and that it must show."""
LITTLE = 0.006
"""Share of what speaks for rug that a side gives up where it is sparse: rims beside a table that hides the rest."""
EXPLAINED = 0.9
"""Part of what speaks for rug that a rectangle must hold, less what speaks against it there: a round rug is none, nor are two."""
FRINGE = 0.15
"""Metres out of the rectangle that what was called rug may reach to be floor; what reaches farther and is like the rug stands on it."""


def rug_whole(view: View, share: Float[np.ndarray, "h w"]) -> Segments:
    """The view's regions with floor and rugs parted by a rectangle on the floor, where one holds nearly all that speaks for rug.

    share: of the chances of rug and floor that of rug, at any size. Its sides move onto the picture's edges beside them. Only pixels of floors
    and rugs change. As they were where the layout's directions are not known, nothing is called rug, or no rectangle is like what is.
    Raises SegmentsError for a view without segments.
    """
    segments, layout = view.segments, view.layout
    if segments is None:
        raise SegmentsError("Expected a view with segments, got one without; segment it first.")
    floors, rugs = (ids_named(segments, name) for name in ("floor", "rug"))
    if layout is None or layout.directions < SURE or not (floors and rugs):
        return segments
    size = (share.shape[0], share.shape[1])
    labels = segments.resized(size).labels.numpy()
    called, either = np.isin(labels, rugs), np.isin(labels, floors + rugs)
    if called.mean() < CALLED:
        return segments
    lab = cv2.cvtColor(as_pixels(resized(view.image.cpu(), size)), cv2.COLOR_RGB2LAB)
    explained = _rectangle(share, lab, either, layout.resized(size))
    if explained is None:
        return segments
    rectangle, odds = explained
    bare = cv2.erode(either.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    sides = on_edges(rectangle, level_homography(layout.resized(size)), slopes(lab), bare)
    H, result = level_homography(layout), segments.labels.clone()
    lies = torch.isin(result, torch.tensor(floors + rugs)) & before(H, layout.size)
    beyond = torch.full(result.shape, torch.inf)
    beyond[lies] = sides.beyond(places(H, lies).place)
    if int((beyond <= 0).sum()) < LEAST * result.numel():
        return segments
    rug, floor = (max(ids, key=lambda id: int((labels == id).sum())) for ids in (rugs, floors))
    fringe = (beyond > 0) & torch.isin(result, torch.tensor(rugs))
    said = cv2.resize(odds, (result.shape[1], result.shape[0]), interpolation=cv2.INTER_NEAREST)
    for place, part, _ in connected_parts(fringe.numpy()):
        if float(beyond[place][part].max()) < FRINGE or said[place][part].mean() < 0:
            result[place][part] = floor
    result[beyond <= 0] = rug
    return Segments(result, segments.regions)


def _rectangle(
    share: Float[np.ndarray, "h w"], lab: UInt8[np.ndarray, "h w 3"], either: Bool[np.ndarray, "h w"], layout: Layout
) -> tuple[Rectangle, Float[np.ndarray, "h w"]] | None:
    """The rectangle on the floor, among pixels of floors and rugs, that explains shares and colours best, and what speaks for rug in each pixel.

    Colours are those of what the network calls rug at first, then those of what lies in the rectangle. None where none does well, or one that
    lies askew in the room: that fits the visible part of a rug more often than a rug.
    """
    from scipy.special import expit

    H = level_homography(layout)
    pixels = torch.from_numpy(either) & before(H, layout.size)
    if not bool(pixels.any()):
        return None
    found, colours = places(H, pixels).place, lab[pixels.numpy()]
    said = _odds(share[pixels.numpy()])
    chance = expit(said)
    for round in range(1, ROUNDS + 1):
        gain = torch.from_numpy(said + COLOURS * _coloured(chance, colours))
        rectangle = fitted(found, gain > 0, gain.abs(), LITTLE)
        if rectangle is None or rectangle.angle != 0:
            return None
        inside = rectangle.holds(found)
        if round == ROUNDS and float(gain[inside].sum()) >= EXPLAINED * float(gain.clamp_min(0).sum()):
            odds = np.zeros(either.shape, np.float32)
            odds[pixels.numpy()] = gain.numpy()
            return rectangle, odds
        chance = inside.numpy().astype(np.float32)
    return None


def _odds(share: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """What speaks for rug, parted from what speaks for floor where the shares themselves fall apart (Otsu 1979)."""
    from scipy.special import logit
    from skimage.filters import threshold_otsu

    parting = np.clip(threshold_otsu(share), *PARTING)
    return (logit(share.astype(np.float64)) - logit(parting)).clip(-MOST, MOST).astype(np.float32)


def _coloured(chance: Float[np.ndarray, " N"], lab: UInt8[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """Logarithm of how much oftener rug than floor has a pixel's colour, MOST at most, by histograms weighted with the chances."""
    from scipy.ndimage import gaussian_filter

    shape = 256 // BINS + 1
    cell = np.ravel_multi_index(tuple((lab // BINS).T), shape)
    both = []
    for weight in (chance, 1 - chance):
        counts = np.bincount(cell, weight, shape.prod()).reshape(shape)
        often = gaussian_filter(counts, 1.0, mode="constant").ravel()
        both.append(often / max(float(often.sum()), 1.0) + RARE)
    return np.log(both[0][cell] / both[1][cell]).clip(-MOST, MOST).astype(np.float32)
