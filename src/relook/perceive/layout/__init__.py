"""The room that a picture shows: its camera, floor, ceiling and walls in metres, from the lines of one picture.

    lines -> frame: three directions and the camera -> level view -> box: walls along the columns -> layout

No network is asked; segments help where there are some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relook.io import as_pixels
from relook.perceive.layout.box import Box, find_box, zones
from relook.perceive.layout.confidence import confidence
from relook.perceive.layout.evidence import LINE_BESIDE_SEGMENTS, Evidence, colour_costs, find_evidence, segment_costs
from relook.perceive.layout.files import read_layout
from relook.perceive.layout.frame import Frame, find_frames
from relook.perceive.layout.level import Level, level_view
from relook.perceive.layout.lines import Lines, find_lines, lines_of
from relook.perceive.layout.room import as_layout
from relook.perceive.whole import whole_of
from relook.session import Session, content_key
from relook.types import Layout, View

FEWEST = 8
"""Fewer lines say nothing."""
ROUNDS = 4
"""Of colours and box in turn, where there are no segments."""
SCORED = 0.1
"""What a frame's score counts against the cost of the best box in it."""


@dataclass(frozen=True)
class Fitted:
    """The best box of a frame."""

    level: Level
    frame: Frame
    evidence: Evidence
    box: Box
    cost: float
    """By which frames are compared: of the first box, because colours learned from a box fit it best where it sees a single wall."""


def known_layout(view: View, wanted: str, session: Session, *, focal: float | None = None) -> Layout | None:
    """The view's layout as a user wants it: `none`, a file of one, or `auto`: the view's own, else what `room_layout` finds.

    What is found is remembered in the session for the next run with this picture. Raises GeometryError for a file that is no layout.
    """
    if wanted == "none":
        return None
    if wanted != "auto":
        return read_layout(wanted, view.size)
    if view.layout is not None:
        return view.layout
    labels = None if view.segments is None else view.segments.labels
    key = (content_key(view.image), None if labels is None else content_key(labels), focal)
    return session.remembered("layout", key, lambda: _found(view, session, focal))


def _found(view: View, session: Session, focal: float | None) -> Layout | None:
    """`room_layout` with lines and frames that the session remembers, perhaps of the larger picture that this one is made of."""
    lines, whole = lines_of(view.image, session), whole_of(view.image, session)
    focal = _focal(view, focal)
    if len(lines) < FEWEST:
        return None
    size = whole.size
    share = None if focal is None else round(focal / max(view.size), 6)

    def find() -> list[Frame]:
        return find_frames(lines_of(whole.image, session), size, None if share is None else share * max(size))

    frames = session.remembered("frames", (whole.key, share), find)
    return _best(view, lines, frames if size == view.size else [one.resized(size, view.size) for one in frames])


def room_layout(view: View, lines: Lines | None = None, *, focal: float | None = None) -> Layout | None:
    """Camera, floor, ceiling and walls of the room that a view shows, each with its confidence; None for a picture with hardly a line.

    By the view's segments where it has some, else by lines and colours alone. lines: those of the picture, where they are known already. focal: focal length in pixels, where it is known (EXIF); that
    of the view's camera if it has one. Metres are a guess from usual ceilings (see `relook.perceive.layout.depth.scaled_by_depth`).
    """
    lines = find_lines(view.image) if lines is None else lines
    if len(lines) < FEWEST:
        return None
    return _best(view, lines, find_frames(lines, view.size, _focal(view, focal)))


def _focal(view: View, focal: float | None) -> float | None:
    """The focal length in pixels, as far as it is known."""
    return float(view.camera.K[0, 0]) if focal is None and view.camera is not None else focal


def _best(view: View, lines: Lines, frames: Sequence[Frame]) -> Layout:
    """The layout with the cheapest box in any of the frames."""
    found = min((_fitted(view, lines, frame) for frame in frames), key=lambda one: one.cost)
    level, frame, evidence, box = found.level, found.frame, found.evidence, found.box
    sure = confidence(level, frame, lines, evidence, box, view.segments is not None)
    return as_layout(level, frame, box, sure, view.size)


def _fitted(view: View, lines: Lines, frame: Frame) -> Fitted:
    """The box of one frame: by segments, or by colours that are learned from the box, in turn."""
    level = level_view(frame, view.size)
    if view.segments is not None:
        costs = segment_costs(level, view.segments)
        evidence = find_evidence(level, frame, lines, costs, line=LINE_BESIDE_SEGMENTS)
        box = find_box(level, evidence)
        return Fitted(level, frame, evidence, box, box.cost - SCORED * frame.score)
    evidence, pixels = find_evidence(level, frame, lines), as_pixels(view.image)
    box = find_box(level, evidence)
    cost = box.cost - SCORED * frame.score
    for _ in range(ROUNDS):
        evidence = find_evidence(level, frame, lines, colour_costs(level, pixels, zones(level, box)))
        box = find_box(level, evidence)
    return Fitted(level, frame, evidence, box, cost)
