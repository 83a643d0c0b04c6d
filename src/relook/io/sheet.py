"""Contact sheets: small pictures in lines, with names above the columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from relook.io.pictures import as_picture, read_image

Picture = Path | Float[Tensor, "3 _ _"] | Image.Image
"""A file on disk, RGB in [0, 1], or a Pillow picture."""
SIDE = 256
"""Longer side in pixels of a picture in a page or on a sheet; smaller ones stay as they are."""


def contact_sheet(
    lines: Sequence[Sequence[Picture | None]], names: Sequence[str], gap: int = 4, *, side: int = SIDE
) -> Image.Image:
    """Pictures in lines, with names above the columns; None leaves a place free. They may be of any sizes: large ones are shrunk to `side`."""
    held = [[None if picture is None else as_pillow(picture, side) for picture in line] for line in lines]
    columns = [[line[c] for line in held if c < len(line)] for c in range(len(names))]
    widths = [max((p.width for p in column if p is not None), default=SIDE // 4) for column in columns]
    heights = [max((picture.height for picture in line if picture is not None), default=SIDE // 4) for line in held]
    size = max(10, side // 40)
    font = ImageFont.load_default(size)
    words = [_wrapped(name, width, font) for name, width in zip(names, widths, strict=True)]
    head = 6 + (size + 3) * max((word.count("\n") + 1 for word in words), default=1)
    sheet = Image.new("RGB", (gap + sum(widths) + gap * len(widths), head + sum(heights) + gap * len(heights)), "white")
    draw, top = ImageDraw.Draw(sheet), head
    lefts = [gap + sum(widths[:column]) + gap * column for column in range(len(widths))]
    for word, left in zip(words, lefts, strict=True):
        draw.multiline_text((left, 2), word, fill="black", font=font, spacing=1)
    for line, height in zip(held, heights, strict=True):
        for picture, left in zip(line, lefts, strict=False):
            if picture is not None:
                sheet.paste(picture, (left, top))
        top += height + gap
    return sheet


def as_pillow(picture: Picture, side: int = SIDE) -> Image.Image:
    """8 bits per channel, RGB, at most `side` pixels on the longer side (0: as it is). Raises InputError for a file that is no picture."""
    if isinstance(picture, Image.Image):
        found = picture.convert("RGB")
    else:
        found = as_picture(read_image(picture) if isinstance(picture, Path) else picture)
    if side and max(found.size) > side:
        found.thumbnail((side, side), Image.Resampling.LANCZOS)
    return found


def _wrapped(name: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The name broken behind spaces and slashes where it would be wider than its column."""
    lines = [""]
    for word in name.replace("\n", " ").replace("/", "/\0").replace(" ", " \0").split("\0"):
        if lines[-1] and font.getlength(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)
