"""A mark that says of a picture, to everybody's eyes, that it was restyled."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from relook.types import Result

TEXT = "virtually restyled"
SHARE, SMALLEST = 0.03, 12
"""Height of the letters in parts of the picture's shorter side, and at least so many pixels: they must be read at any size."""


def labelled(result: Result) -> Result:
    """The result with the mark in its lower right corner, opaque, and where it stands in the record: [top, left, bottom, right]."""
    image, box = marked(result.image)
    metadata, (top, left, bottom, right) = result.metadata, box
    if metadata.alpha is not None:
        alpha = metadata.alpha.clone()
        alpha[top:bottom, left:right] = 1
        metadata = replace(metadata, alpha=alpha)
    return replace(result, image=image, metadata=metadata, record=result.record | {"label": {"text": TEXT, "box": box}})


def marked(image: Float[Tensor, "3 H W"]) -> tuple[Float[Tensor, "3 H W"], list[int]]:
    """The picture with a dark plate in its lower right corner that says TEXT in white, and the plate's [top, left, bottom, right].

    In one line where that is at most the picture's width, else in two; in smaller letters where those are too wide as well.
    """
    height, width = image.shape[1:]
    plate = _plate(width, max(SMALLEST, round(SHARE * min(height, width))))
    rows, columns = min(plate.shape[0], height), min(plate.shape[1], width)
    new = image.clone()
    new[:, height - rows :, width - columns :] = plate[:rows, :columns].to(image)
    return new, [height - rows, width - columns, height, width]


def _plate(width: int, size: int) -> Float[Tensor, "h w"]:
    """The plate, at most so wide where that can be, its letters of `size` pixels or less."""
    choices = [(text, each) for each in range(size, 4, -1) for text in (TEXT, TEXT.replace(" ", "\n"))]
    plates = (_drawn(text, each) for text, each in choices)
    found = next((plate for plate in plates if plate.width <= width), None) or _drawn(*choices[-1])
    return torch.frombuffer(bytearray(found.tobytes()), dtype=torch.uint8).view(found.height, found.width) / 255


def _drawn(text: str, size: int) -> Image.Image:
    """White letters on a dark plate, in Pillow's own font."""
    font, gap = ImageFont.load_default(size), max(2, size // 2)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), text, font)
    plate = Image.new("L", (round(right - left) + 2 * gap, round(bottom - top) + 2 * gap), 30)
    ImageDraw.Draw(plate).multiline_text((gap - left, gap - top), text, fill=255, font=font)
    return plate
