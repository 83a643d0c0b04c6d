"""Floors in the style's material against the exact answer: drawn rooms, with the exact layout and with the one that lines say.

    python benchmarks/materials.py --rooms 10

Every floor is patterned; segments are exact. The scale is off by the ratio of the camera's heights in the layouts of style and structure.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from common import parser, say, table
from jaxtyping import Bool
from torch import Tensor

from relook.correspond.semantic import match_segments
from relook.dollhouse import Style, render, sample_layout, sample_style
from relook.evaluate.metrics.pattern import pattern_error
from relook.evaluate.sources.shots import exact_layout
from relook.perceive.layout import room_layout
from relook.transfer.materials import with_materials
from relook.transfer.palette import palette
from relook.types import Segments, View

PATTERNS = ("wood", "tiles", "checks", "brick", "gingham")


@dataclass(frozen=True)
class Case:
    """A pair of rooms with what is known of them."""

    views: dict[str, tuple[View, View]]
    """Way of knowing the layouts -> structure and style."""
    answer: Tensor
    floor: Bool[Tensor, "H W"]


def cases(rooms: int, size: int) -> Iterator[Case]:
    """Pairs of rooms, the second with a patterned floor."""
    for number in range(rooms):
        first, second = sample_layout(5000 + number), sample_layout(6000 + number)
        style = _floored(sample_style(7000 + number), PATTERNS[number % len(PATTERNS)])
        pictures = render(first, sample_style(8000 + number), (size, size)), render(second, style, (size, size))
        exact, alone = [], []
        for furnished, picture in zip((first, second), pictures, strict=True):
            view = picture.view()
            exact.append(replace(view, layout=exact_layout(furnished, view)))
            alone.append(replace(view, layout=room_layout(View(view.image, view.segments))))
        segments: Segments = exact[0].segments  # type: ignore[assignment]
        answer = render(first, style, (size, size)).image
        yield Case({"exact": (exact[0], exact[1]), "found": (alone[0], alone[1])}, answer, segments.mask("floor"))


def _floored(style: Style, pattern: str) -> Style:
    return replace(style, materials=style.materials | {"floor": replace(style.materials["floor"], pattern=pattern)})


def main() -> None:
    """Pattern error and PSNR of floors: the palette alone, and with materials by either layout."""
    options = parser(__doc__ or "", repeats=1)
    options.add_argument("--rooms", type=int, default=10)
    options.add_argument("--size", type=int, default=256)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    found: dict[str, list[tuple[float, float, bool]]] = {}
    scales = []
    for case in cases(asked.rooms, asked.size):
        for name, (structure, style) in case.views.items():
            regions = match_segments(structure.segments, style.segments)  # type: ignore[arg-type]
            plain = palette(structure, style, regions)
            new = with_materials(plain, structure, style, regions)
            images = {"palette": plain} if name == "exact" else {}
            for row, image in (images | {f"materials, {name} layout": new}).items():
                error = pattern_error(image, case.answer, case.floor.long())
                psnr = -10 * float((image - case.answer)[:, case.floor].square().mean().log10())
                if error is not None:
                    found.setdefault(row, []).append((error, psnr, not torch.equal(image, plain)))
        eyes = [[view.layout.eye if view.layout else None for view in case.views[name]] for name in ("exact", "found")]
        if None not in eyes[1]:
            scales.append(abs((eyes[1][1] / eyes[0][1]) / (eyes[1][0] / eyes[0][0]) - 1))
    rows = [
        [
            name,
            *(f"{statistics.mean(one[part] for one in values):.2f}" for part in (0, 1)),
            f"{sum(one[2] for one in values)}/{len(values)}",
        ]
        for name, values in found.items()
    ]
    lead = f"{asked.rooms} drawn rooms, {asked.size} pixels, floors alone; scale off by {statistics.median(scales):.1%} (median) where layouts are found"
    say(f"{lead}\n\n{table(['', 'pattern error', 'dB', 'changed'], rows)}", asked.out)


if __name__ == "__main__":
    main()
