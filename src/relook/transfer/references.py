"""Several pictures as one style: side by side, with the regions of all; so every method takes from several as it takes from one.

What needs a room of its own (its planes, its camera, its depth in metres) finds the picture that shows a region with `View.showing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.errors import InputError, SegmentsError
from relook.io import read_image
from relook.ops.mosaic import Mosaic, mosaic
from relook.transfer.saving import Picture
from relook.types import UNLABELLED, Depth, Segments, View

FAR = 0.05
"""Disparity of what is farthest away in a picture, as a part of its range: depth stays finite."""
Styles = Picture | Sequence[Picture]
"""The style picture, or several: what the first has no counterpart for takes from the next."""


def listed(style: Styles) -> tuple[Picture, ...]:
    """The style pictures one by one. Raises InputError where there is none."""
    styles = (style,) if isinstance(style, str | Path | View) else tuple(style)
    if not styles:
        raise InputError("Expected at least one style picture, got none; name one.")
    return styles


def check_pictures(style: Styles, config: PhotoConfig) -> None:
    """Raise an error of relook.errors for a file that is no picture, of all that a look is taken from: before long work, not after it."""
    covers = [cover.picture for cover in config.covers if cover.picture is not None]
    for picture in (*listed(style), *config.reference_files, *covers):
        if not isinstance(picture, View):
            read_image(picture)


def joined(pictures: Sequence[View]) -> View:
    """One style of several pictures with segments; a single one comes back as it is.

    Every region gets an id of its own and the number of its picture. Depth is there where all have it, up to scale. Raises SegmentsError
    for a picture without segments.
    """
    if len(pictures) == 1:
        return pictures[0]
    places = mosaic([view.size for view in pictures])
    pictures = _numbered(pictures)
    image = places.pasted([view.image for view in pictures], "bicubic")
    held = [_segments(view) for view in pictures]
    labels = places.pasted([one.labels[None] for one in held])[0]
    regions = {id: region for one in held for id, region in one.regions.items()}
    return View(image, Segments(labels, regions), _depth(pictures, places), pictures=tuple(pictures))


def _numbered(pictures: Sequence[View]) -> list[View]:
    """The pictures with ids of regions that differ between them."""
    found, first = [], 0
    for number, view in enumerate(pictures):
        segments = _segments(view)
        labels = torch.where(segments.labels == UNLABELLED, UNLABELLED, segments.labels + first)
        regions = {id + first: replace(region, picture=number) for id, region in segments.regions.items()}
        found.append(replace(view, segments=Segments(labels, regions)))
        first += max(segments.regions, default=0)
    return found


def _segments(view: View) -> Segments:
    if view.segments is None:
        raise SegmentsError("Expected segments of every style picture, got none; perceive them first.")
    return view.segments


def _depth(pictures: Sequence[View], places: Mosaic) -> Depth | None:
    """Each picture's disparity from far (0) to near (1), beside each other."""
    maps: list[Float[Tensor, "1 H W"]] = [view.depth.disparity()[None] for view in pictures if view.depth is not None]
    if len(maps) < len(pictures):
        return None
    return Depth(1 / (places.pasted(maps)[0] + FAR), "relative")
