"""The pictures of a report: where they come from, sheets of them, and how they lie in a page. One picture is in memory at a time."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from relook.io import as_picture, read_image

Picture = Path | Float[Tensor, "3 _ _"] | Image.Image
"""A file on disk, RGB in [0, 1], or a Pillow picture."""
SIDE = 256
"""Longer side in pixels of a picture in a page or on a sheet; smaller ones stay as they are."""
QUALITY = 92
"""Of the JPEGs in a page."""


@dataclass(frozen=True)
class Gallery:
    """Pictures of the cases of one part of a suite."""

    cases: Sequence[str]
    """Names of the cases, as in the records."""
    given: Callable[[str], Mapping[str, Picture]]
    """Of a case: what was given and what is known, by name, e.g. structure, style, exact answer."""
    made: Callable[[str, str], Picture | None]
    """Of a case and a row: what was made; None where there is none."""
    rows: Sequence[str] = ()
    """Rows on the sheet. Default: the first six."""
    last: str = "exact answer"
    """The given picture that stands after the rows."""
    part: str = ""
    """Part of the suite that the cases are of. Default: the first."""

    def line(self, case: str, rows: Sequence[str]) -> list[tuple[str, Picture | None]]:
        """A case's pictures by name: given, made, and the one that stands last."""
        given = dict(self.given(case))
        answer = [(self.last, given.pop(self.last))] if self.last in given else []
        return [*given.items(), *((row, self.made(case, row)) for row in rows), *answer]

    def sheet(self, rows: Sequence[str], cases: int = 12) -> Image.Image | None:
        """At most `cases` cases, a line each; None without any."""
        shown = [row for row in self.rows if row in rows] or list(rows)[:6]
        lines = [self.line(case, shown) for case in list(self.cases)[:cases]]
        return (
            contact_sheet([[picture for _, picture in line] for line in lines], [n for n, _ in lines[0]])
            if lines
            else None
        )


def contact_sheet(lines: Sequence[Sequence[Picture | None]], names: Sequence[str], gap: int = 4) -> Image.Image:
    """Pictures in lines, with names above the columns; None leaves a place free. They may be of any sizes: large ones are shrunk to SIDE."""
    held = [[None if picture is None else as_pillow(picture) for picture in line] for line in lines]
    columns = [[line[c] for line in held if c < len(line)] for c in range(len(names))]
    widths = [max((p.width for p in column if p is not None), default=SIDE // 4) for column in columns]
    heights = [max((picture.height for picture in line if picture is not None), default=SIDE // 4) for line in held]
    font = ImageFont.load_default(10)
    words = [_wrapped(name, width, font) for name, width in zip(names, widths, strict=True)]
    head = 6 + 13 * max((word.count("\n") + 1 for word in words), default=1)
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


def in_page(picture: Picture, side: int = SIDE) -> str:
    """The picture as a data URI."""
    held = BytesIO()
    as_pillow(picture, side).save(held, format="JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()


def _wrapped(name: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The name broken behind spaces and slashes where it would be wider than its column."""
    lines = [""]
    for word in name.replace("\n", " ").replace("/", "/\0").replace(" ", " \0").split("\0"):
        if lines[-1] and font.getlength(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)
