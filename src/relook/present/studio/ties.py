"""Lines from each thing of the room picture to what it takes from in the look: both pictures side by side, or one above the other on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from relook.types import View

Place = tuple[float, float]
"""x and y in parts of a picture."""
STYLE = """
.ties svg { width: 100%; height: auto; display: block; }
.ties svg.tall { display: none; }
@media (max-width: 700px) { .ties svg.tall { display: block; } .ties svg.wide { display: none; } }
.ties g[role=button] { cursor: pointer; outline: none; }
.ties line { stroke: #fff; stroke-width: 2; vector-effect: non-scaling-stroke; opacity: .8; filter: drop-shadow(0 0 1.5px #000); }
.ties circle { fill: #0f766e; stroke: #fff; stroke-width: 2; vector-effect: non-scaling-stroke; }
.ties .unsure circle { fill: #b45309; }
.ties text { fill: #fff; stroke: #000; stroke-width: 3; paint-order: stroke; stroke-linejoin: round; text-anchor: middle; font: 600 17px system-ui, sans-serif; }
.ties svg.tall text { font-size: 24px; }
.ties g.crowded text { visibility: hidden; }
.ties g.crowded:hover text, .ties g.crowded:focus-visible text, .ties g.crowded.chosen text { visibility: visible; }
.ties g:hover line, .ties g:focus-visible line, .ties g.chosen line { stroke: #ffd23d; stroke-width: 4; opacity: 1; }
.ties g:hover circle, .ties g:focus-visible circle, .ties g.chosen circle { stroke: #ffd23d; stroke-width: 4; }
"""
SCRIPT = """
const choose = event => {
  const thing = event.target.closest('g[role=button]');
  if (!thing || (event.type === 'keydown' && !['Enter', ' '].includes(event.key))) return;
  event.preventDefault();
  for (const one of element.querySelectorAll('g[role=button]')) one.classList.toggle('chosen', one.dataset.thing === thing.dataset.thing);
  trigger('submit', { thing: thing.dataset.thing });
};
element.addEventListener('click', choose);
element.addEventListener('keydown', choose);
"""
"""A clicked thing, or one that was chosen by Enter, says its name."""
KEPT = 8
"""Pictures whose things are remembered."""
WIDE, GAP = 1000, 12
"""Units across both pictures, and between them."""
LETTERS = {"wide": 17.0, "tall": 24.0}
"""Height of a name's letters, in units, as STYLE has it."""
BROAD = 0.6
"""Width of a letter in parts of its height, at most about."""
Box = tuple[float, float, float, float]
"""Left, top, width and height in units."""


@dataclass(frozen=True)
class Tie:
    """One thing, and where it takes from."""

    name: str
    words: str
    """What it takes, as the list says it."""
    at: Place
    """In the room picture."""
    sources: tuple[Place, ...] = ()
    """In the style picture."""
    unsure: bool = False


class Places:
    """Where things lie in pictures, found once as long as a picture is among the last KEPT that were asked for."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[View, dict[str, Place | None]]] = {}

    def of(self, view: View, name: str) -> Place | None:
        """`inside_of`; the same view is the same object."""
        held = self._known.get(id(view))
        if held is None:
            while len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)), None)
            held = self._known[id(view)] = (view, {})  # which holds it, so that nobody else gets its id
        if name not in held[1]:
            held[1][name] = inside_of(view, name)
        return held[1][name]


def inside_of(view: View, name: str) -> Place | None:
    """The place that a picture shows of a thing farthest from its borders; None where it shows none of it."""
    from relook.ops.inside import depths_inside

    if view.segments is None:
        return None
    mask = view.segments.mask(name).numpy()
    if not mask.any():
        return None
    height, width = mask.shape
    y, x = divmod(int(depths_inside(mask).argmax()), width)
    return (x + 0.5) / width, (y + 0.5) / height


def ties_html(pictures: tuple[str, str], views: tuple[View, View], ties: Sequence[Tie]) -> str:
    """The room and the look with their lines, as HTML. pictures: files of both."""
    sizes = [view.size for view in views]
    return f'<div class="ties">{_drawn("wide", pictures, sizes, ties)}{_drawn("tall", pictures, sizes, ties)}</div>'


def _drawn(kind: str, pictures: tuple[str, str], sizes: Sequence[tuple[int, int]], ties: Sequence[Tie]) -> str:
    """One drawing: both pictures side by side and as high (`wide`), or one above the other and as wide (`tall`)."""
    if kind == "wide":
        height = (WIDE - GAP) / sum(w / h for h, w in sizes)
        widths = [height * w / h for h, w in sizes]
        boxes = [(0.0, 0.0, widths[0], height), (widths[0] + GAP, 0.0, widths[1], height)]
        whole = (float(WIDE), height)
    else:
        width = WIDE / 2
        heights = [width * h / w for h, w in sizes]
        boxes = [(0.0, 0.0, width, heights[0]), (0.0, heights[0] + GAP, width, heights[1])]
        whole = (width, sum(heights) + GAP)
    images = "".join(
        f'<image href="gradio_api/file={quote(path)}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" preserveAspectRatio="none"/>'
        for path, (x, y, w, h) in zip(pictures, boxes, strict=True)
    )
    on_room = [(boxes[0][0] + tie.at[0] * boxes[0][2], boxes[0][1] + tie.at[1] * boxes[0][3]) for tie in ties]
    names = names_apart([tie.name for tie in ties], on_room, boxes[0], LETTERS[kind])
    things = "".join(_thing(tie, boxes, name) for tie, name in zip(ties, names, strict=True))
    return (
        f'<svg class="{kind}" viewBox="0 0 {whole[0]:.0f} {whole[1]:.0f}" role="group" '
        f'aria-label="What takes from what: your room and the look">{images}{things}</svg>'
    )


def names_apart(names: Sequence[str], dots: Sequence[Place], room: Box, letters: float) -> list[Place | None]:
    """Where names stand: the middle of each one's line, above its dot, below or beside it, inside the picture and over no other name or dot.

    names, dots: of things, in units. letters: their height. None: there is no place; the name shows when its dot is pointed at.
    """
    taken = [(x - 7, y - 7, 14.0, 14.0) for x, y in dots]
    found: list[Place | None] = []
    for number, (name, (x, y)) in enumerate(zip(names, dots, strict=True)):
        wide = BROAD * letters * len(name)
        middle = min(max(x, room[0] + wide / 2), max(room[0] + room[2] - wide / 2, room[0] + wide / 2))
        aside, level = 12 + wide / 2, y + 0.3 * letters
        ways = ((middle, y - 12), (middle, y + 11 + 0.8 * letters), (x + aside, level), (x - aside, level), (middle, y - 12 - letters), (middle, y + 11 + 1.8 * letters))  # fmt: skip
        place = None
        for across, base in ways:
            box = (across - wide / 2, base - 0.8 * letters, wide, letters)
            if _holds(room, box) and not any(_meet(box, other) for at, other in enumerate(taken) if at != number):
                place = (across, base)
                taken.append(box)
                break
        found.append(place)
    return found


def _holds(room: Box, box: Box) -> bool:
    inside = room[0] - 1e-6 <= box[0] and box[0] + box[2] <= room[0] + room[2] + 1e-6
    return inside and room[1] <= box[1] and box[1] + box[3] <= room[1] + room[3]


def _meet(one: Box, other: Box) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def _thing(tie: Tie, boxes: Sequence[Box], label: Place | None) -> str:
    """A thing's dot and name, and the lines to its sources. label: where its name stands; None: only where it is pointed at."""

    def on(box: Box, place: Place) -> Place:
        return box[0] + place[0] * box[2], box[1] + place[1] * box[3]

    x, y = on(boxes[0], tie.at)
    ends = [on(boxes[1], place) for place in tie.sources]
    lines = "".join(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{u:.1f}" y2="{v:.1f}"/>' for u, v in ends)
    dots = "".join(f'<circle cx="{u:.1f}" cy="{v:.1f}" r="6"/>' for u, v in [(x, y), *ends])
    name, (across, base) = escape(tie.name, quote=True), label or (x, y - 12)
    kinds = " ".join(kind for kind, holds in (("unsure", tie.unsure), ("crowded", label is None)) if holds)
    return (
        f'<g role="button" tabindex="0" class="{kinds}" data-thing="{name}" aria-label="{escape(tie.words, quote=True)}">'
        f'{lines}{dots}<text x="{across:.1f}" y="{base:.1f}" aria-hidden="true">{name}</text></g>'
    )
