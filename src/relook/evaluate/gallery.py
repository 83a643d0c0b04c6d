"""The pictures of a report: where they come from, sheets of them, and how they lie in a page. One picture is in memory at a time."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from relook.io.sheet import SIDE, Picture, as_pillow, contact_sheet

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


def in_page(picture: Picture, side: int = SIDE) -> str:
    """The picture as a data URI."""
    held = BytesIO()
    as_pillow(picture, side).save(held, format="JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()
