"""A contact sheet of photographs and what was made of each: lines of pictures of any sizes, with names above them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from relook.files import replacing

SIDE = 480
"""Longer side in pixels of a picture on the sheet."""
GAP, HEAD = 6, 20
"""Pixels between pictures, and for a line of words."""


def write_photo_sheet(
    path: Path, lines: Sequence[tuple[str, Sequence[Float[Tensor, "3 h w"]]]], columns: Sequence[str]
) -> None:
    """Write one line per photograph: its name above, its pictures beside each other, the columns' names on top."""
    heights = [HEAD + max(picture.shape[1] for picture in pictures) + GAP for _, pictures in lines]
    sheet = Image.new("RGB", (GAP + len(columns) * (SIDE + GAP), HEAD + sum(heights)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, name in enumerate(columns):
        draw.text((GAP + number * (SIDE + GAP), 2), name, fill="black", font=font)
    top = HEAD
    for (name, pictures), height in zip(lines, heights, strict=True):
        draw.text((GAP, top + 2), name, fill="black", font=font)
        for number, picture in enumerate(pictures):
            sheet.paste(as_pillow(picture), (GAP + number * (SIDE + GAP), top + HEAD))
        top += height
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def thumbnail(picture: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 h w"]:
    """The picture with SIDE pixels on its longer side."""
    scale = SIDE / max(picture.shape)
    size = [max(1, round(length * scale)) for length in picture.shape[1:]]
    return functional.interpolate(picture[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def as_pillow(picture: Float[Tensor, "3 H W"]) -> Image.Image:
    """8 bits per channel."""
    return Image.fromarray((picture.clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
