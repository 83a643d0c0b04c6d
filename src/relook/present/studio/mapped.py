"""What was seen of a picture as it is drawn in Regions, and the label map after an edit there."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw
from torch.nn.functional import interpolate

from relook.io import as_pixels
from relook.perceive.overlay import overlay
from relook.present.studio.edits import Point, drawn, merged, painted, parted, renamed, taken_off, taken_on
from relook.types import Segments, View

SHOWN = 1024
"""Longer side of the overlay in pixels."""


@dataclass(frozen=True)
class Edit:
    """What is done to a label map."""

    what: str
    """rename, join, part, draw, onto or off."""
    id: int = 0
    """Of the region that it is done to; 0 for none."""
    name: str = ""
    """What it is called, or what it is joined to."""
    strokes: Sequence[Sequence[Point]] = ()
    width: float = 0.0
    """Of a brush, in parts of the picture's longer side; 0: the points are a shape's corners."""


def edited(segments: Segments, edit: Edit, cut: Bool[np.ndarray, "H W"] | None = None) -> Segments:
    """The map after an edit. cut: the pixels of `draw`, where something else than strokes says them. Raises SegmentsError for what cannot be done."""
    match edit.what:
        case "rename":
            return renamed(segments, edit.id, edit.name)
        case "join":
            return merged(segments, edit.id, edit.name)
        case "part":
            return parted(segments, edit.id)
    mask = _mask(segments, edit) if cut is None else cut
    match edit.what:
        case "onto":
            return taken_on(segments, edit.id, mask)
        case "off":
            return taken_off(segments, edit.id, mask)
    return painted(segments, mask, edit.name)


def _mask(segments: Segments, edit: Edit) -> Bool[np.ndarray, "H W"]:
    """The pixels of strokes, or of the shape whose corners they are."""
    size = (segments.labels.shape[0], segments.labels.shape[1])
    if not edit.width:
        return drawn([point for stroke in edit.strokes for point in stroke], size)
    masks = [drawn(stroke, size, edit.width) for stroke in edit.strokes]
    return np.logical_or.reduce(masks) if masks else np.zeros(size, bool)


def choices_of(segments: Segments) -> list[tuple[str, int]]:
    """(words, id) of every region that is there."""
    ids = segments.labels.unique().tolist()
    return [(_words(segments, one), one) for one in sorted(segments.regions) if one in ids]


def map_html(view: View, chosen: int | None, marks: Sequence[Sequence[Point]], width: float, alt: str) -> str:
    """A picture with its regions, all but the chosen one darkened, with the strokes so far, and a canvas for the next; as HTML."""
    picture, mask = _overlaid(view, chosen)
    held = BytesIO()
    _marked(picture, mask, marks, width).save(held, "JPEG", quality=88)
    source = f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}"
    return f'<div class="map" data-drawn="{time.monotonic_ns()}"><img src="{source}" alt="{escape(alt)}" draggable="false"><canvas></canvas></div>'


def _overlaid(view: View, chosen: int | None) -> tuple[UInt8[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"] | None]:
    """The view with its regions in colours at SHOWN pixels (browsers show a picture no larger than it is), and the mask of the chosen one."""
    factor = SHOWN / max(view.size)
    size = (round(view.size[0] * factor), round(view.size[1] * factor))
    image = interpolate(view.image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    if view.segments is None:
        return as_pixels(image), None
    segments = view.segments.resized(size)
    mask = None if chosen is None else torch.eq(segments.labels, chosen).numpy()
    return as_pixels(overlay(image, segments)), mask if mask is not None and mask.any() else None


def _words(segments: Segments, id: int) -> str:
    """A region in the list."""
    region = segments.regions[id]
    return f"{region.name}{f' {region.instance + 1}' if region.instance else ''} ({100 * region.confidence:.0f} % sure)"


def _marked(
    picture: UInt8[np.ndarray, "H W 3"],
    mask: Bool[np.ndarray, "H W"] | None,
    marks: Sequence[Sequence[Point]],
    width: float,
) -> Image.Image:
    """The overlay with all but the mask darkened, and with the strokes: corners joined by lines, or a brush of a width."""
    if mask is not None:
        picture = np.where(mask[..., None], picture, picture // 2)
    if width:
        strokes = [drawn(stroke, (picture.shape[0], picture.shape[1]), width) for stroke in marks]
        if strokes:
            brushed = np.logical_or.reduce(strokes)[..., None]
            picture = np.where(brushed, picture // 2 + 127, picture)
        return Image.fromarray(picture)
    sheet = Image.fromarray(picture)
    draw = ImageDraw.Draw(sheet)
    places = [(x * sheet.width, y * sheet.height) for stroke in marks for x, y in stroke]
    if len(places) > 1:
        draw.line(places, fill="white", width=3)
    for x, y in places:
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill="white", outline="black")
    return sheet
