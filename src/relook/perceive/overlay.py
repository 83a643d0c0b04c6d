"""What was seen, drawn over the picture: regions in distinct colours with their names, and depth in false colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import ImageDraw, ImageFont
from torch import Tensor

from relook.io import as_picture
from relook.ops.inside import depths_inside
from relook.ops.oklab import oklab_to_displayable, rgb_to_oklab
from relook.perceive.edges import borders
from relook.types import UNLABELLED, Depth, Region, Segments

COLOUR = 0.55
"""How much of a region's colour lies over the picture."""
TURN = 2.399963
"""The golden angle: hues turned by it stay far apart however many there are."""
LETTERS = (0.032, 0.014)
"""Greatest and smallest height of letters, as parts of the picture's longer side."""
READABLE = 10
"""Letters are never lower than this many pixels."""
COARSE = 400
"""Places for names are looked for with at most this many pixels on the longer side."""
INSIDE = 0.6
"""A name is written where at least this part of its box lies in its region."""


@dataclass(frozen=True)
class Name:
    """Words at a place of a picture."""

    text: str
    x: int
    y: int
    """Upper left corner of the box."""
    width: int
    height: int
    letters: int
    """Height of the letters in pixels."""


def overlay(image: Float[Tensor, "3 H W"], segments: Segments) -> Float[Tensor, "3 H W"]:
    """The picture with its regions in distinct colours, their outlines, and their names written inside of them.

    Names are white with a black rim, so they can be read on light and on dark. A region too small for its name has none.
    """
    labels = segments.labels.cpu()
    painted = _outlined(_coloured(image.detach().cpu().float(), labels, segments), labels)
    names = place_names(labels.numpy(), names_of(segments))
    sheet = as_picture(painted)
    draw = ImageDraw.Draw(sheet)
    for name in names:
        rim = max(1, round(name.letters / 9))
        draw.text(
            (name.x + rim, name.y + rim), name.text, fill="white", font=ImageFont.load_default(name.letters), stroke_width=rim,
            stroke_fill="black", anchor="lt",
        )  # fmt: skip
    return torch.from_numpy(np.asarray(sheet, dtype=np.float32) / 255).permute(2, 0, 1).contiguous()


def depth_picture(depth: Depth) -> Float[Tensor, "3 H W"]:
    """Depth in false colours, bright where it is near (OpenCV's colour map inferno on the scaled disparity)."""
    import cv2

    near = (depth.disparity().cpu() * 255).round().to(torch.uint8).numpy()
    colours = cv2.cvtColor(cv2.applyColorMap(near, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return torch.from_numpy(colours.astype(np.float32) / 255).permute(2, 0, 1).contiguous()


def names_of(segments: Segments) -> dict[int, str]:
    """What is written on every region: its class, and its number (from 1) where a class has several."""
    regions = {id: segments.regions[id] for id in segments.labels.unique().tolist() if id != UNLABELLED}
    several = {name for name in segments.names if sum(region.name == name for region in regions.values()) > 1}
    return {id: r.name + (f" {r.instance + 1}" if r.name in several else "") for id, r in regions.items()}


def colours_of(regions: dict[int, Region]) -> dict[int, tuple[float, float, float]]:
    """An RGB colour for every region: hues turn by the golden angle from one class to the next, instances differ in lightness."""
    classes = sorted({region.name for region in regions.values()})
    found = {}
    for id, region in regions.items():
        angle = TURN * classes.index(region.name)
        light = 0.72 - 0.14 * (region.instance % 3) + 0.05 * (region.instance // 3 % 2)
        lab = torch.tensor([light, 0.16 * np.cos(angle), 0.16 * np.sin(angle)], dtype=torch.float32)
        found[id] = tuple(oklab_to_displayable(lab.view(3, 1, 1)).flatten().tolist())
    return found


def place_names(labels: Int[np.ndarray, "H W"], names: dict[int, str]) -> list[Name]:
    """A place for every name that finds one, small regions first: as large as it fits, deep inside its region, beside other names."""
    step = -(-max(labels.shape) // COARSE)
    small = labels[::step, ::step]
    free = np.ones(small.shape, bool)
    sizes = {id: int((small == id).sum()) for id in names}
    placed = []
    for id in sorted(names, key=lambda id: sizes[id]):
        name = _place(small == id, free, names[id], step)
        if name is not None:
            placed.append(name)
            rows, columns = (
                (start // step, -(-size // step)) for start, size in ((name.y, name.height), (name.x, name.width))
            )
            free[rows[0] : sum(rows), columns[0] : sum(columns)] = False
    return placed


def _place(mask: Bool[np.ndarray, "h w"], free: Bool[np.ndarray, "h w"], text: str, step: int) -> Name | None:
    """The largest letters whose box lies wholly in the region; the smallest where INSIDE of their box does; or None."""
    longer = max(mask.shape) * step
    largest, smallest = (max(READABLE, round(part * longer)) for part in LETTERS)
    depths = depths_inside(mask)
    for letters in sorted({largest, (largest + smallest) // 2, smallest}, reverse=True):
        width, height = _box(text, letters)
        across, down = -(-width // step), -(-height // step)
        if down > mask.shape[0] or across > mask.shape[1]:
            continue
        inside, unused = (_shares(where, across, down) for where in (mask, free))
        fits = (inside >= (INSIDE if letters == smallest else 0.999)) & (unused >= 0.999)
        if fits.any():
            deep = depths[down // 2 :, across // 2 :][: fits.shape[0], : fits.shape[1]] / longer
            y, x = np.unravel_index(np.argmax(np.where(fits, inside + deep, -1)), fits.shape)
            return Name(text, int(x) * step, int(y) * step, width, height, letters)
    return None


def _shares(mask: Bool[np.ndarray, "H W"], width: int, height: int) -> Float[np.ndarray, "h w"]:
    """Share of the mask in every box of a size that lies in the picture, by the box's upper left corner."""
    import cv2

    sums = cv2.integral(mask.astype(np.uint8))
    total = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    return total / (width * height)


def _box(text: str, letters: int) -> tuple[int, int]:
    """Width and height of written words with their rim."""
    rim = max(1, round(letters / 9))
    left, top, right, bottom = ImageFont.load_default(letters).getbbox(text, anchor="lt")
    return int(np.ceil(right - left)) + 2 * rim + 1, int(np.ceil(bottom - top)) + 2 * rim + 1


def _coloured(image: Float[Tensor, "3 H W"], labels: Int[Tensor, "H W"], segments: Segments) -> Float[Tensor, "3 H W"]:
    """Every region tinted: its colour, with some of the picture's light left in it."""
    ids, places = labels.unique(return_inverse=True)
    colours = colours_of(dict(segments.regions))
    palette = torch.tensor([colours.get(id, (0.5, 0.5, 0.5)) for id in ids.tolist()])
    tint = palette[places].permute(2, 0, 1)
    light = rgb_to_oklab(image)[:1]
    mixed = (1 - COLOUR) * light + COLOUR * tint
    return torch.where(labels == UNLABELLED, image, mixed)


def _outlined(image: Float[Tensor, "3 H W"], labels: Int[Tensor, "H W"]) -> Float[Tensor, "3 H W"]:
    """White lines where one region ends and another begins, with a dark rim."""
    import cv2

    border = (borders(labels) > 0).numpy().astype(np.uint8)
    thick = max(1, round(0.0016 * max(labels.shape)))
    line = cv2.dilate(border, np.ones((thick, thick), np.uint8)) if thick > 1 else border
    rim = cv2.dilate(line, np.ones((3, 3), np.uint8))
    dark = torch.where(torch.from_numpy(rim > 0), image * 0.45, image)
    return torch.where(torch.from_numpy(line > 0), torch.ones(()), dark)
