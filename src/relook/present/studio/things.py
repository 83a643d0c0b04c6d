"""The things of a room picture: how sure they are, what each takes from, and what it might take from instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from relook.config import PhotoConfig
from relook.correspond.semantic import match_segments
from relook.correspond.stays import STAYS, stays
from relook.perceive.segment.vocabulary import canonical, countable
from relook.present.studio.look import Look
from relook.types import Segments, View

UNSURE = 0.6
"""Below this confidence a thing is called uncertain: from here on the palette changes less of it."""
SUGGESTED = 2
"""Counterparts that are suggested for a thing without one."""


@dataclass(frozen=True)
class Thing:
    """One class of regions of the structure picture."""

    name: str
    share: float
    """Of the picture."""
    confidence: float
    place: tuple[float, float]
    """Its middle (x, y), in parts of the picture."""
    counterparts: tuple[str, ...] = ()
    """Names of the style's regions that it takes from."""
    stays: bool = False
    """Whether it stays as it is unless it is named."""
    suggestions: tuple[str, ...] = ()
    """For a thing without a counterpart: those that are most like it by place and size."""

    @property
    def unsure(self) -> bool:
        """Whether it is not certain what it is."""
        return self.confidence < UNSURE

    @property
    def missing(self) -> bool:
        """Whether the style picture has nothing for it."""
        return not self.counterparts and not self.stays


def things_of(structure: View, style: View, look: Look, config: PhotoConfig) -> list[Thing]:
    """The things of the structure picture, the largest first."""
    if structure.segments is None or style.segments is None:
        return []
    takes = _counterparts(structure.segments, style, look)
    named = [name for name, choice in look.things.items() if choice.taking in ("restyle", "region", "picture")]
    still = stays(structure.segments, (*named, *config.restyle)) if config.chosen_method == "palette" else ()
    there = seen_in(style.segments)
    found = []
    for name, (share, confidence, place) in seen_in(structure.segments).items():
        likely = () if takes.get(name) else _alike(name, share, place, there)
        found.append(Thing(name, share, confidence, place, takes.get(name, ()), name in still, likely))
    return sorted(found, key=lambda one: -one.share)


def _counterparts(structure: Segments, style: View, look: Look) -> Mapping[str, tuple[str, ...]]:
    """Name -> names of the style's regions, as the look says them."""
    pictures = [view.segments for view in style.pictures or (style,) if view.segments is not None]
    matches = {
        name: choice.value
        for name, choice in look.things.items()
        if choice.taking == "region" and name in structure.names and choice.value in pictures[0].names
    }
    allowed = match_segments(structure, pictures, matches=matches).allowed
    regions = {id: region.name for one in pictures for id, region in one.regions.items()}
    found: dict[str, tuple[str, ...]] = {}
    for id, region in structure.regions.items():
        names = sorted({regions[other] for other in allowed.get(id, ())})
        found[region.name] = tuple(dict.fromkeys((*found.get(region.name, ()), *names)))
    return found


def seen_in(segments: Segments) -> dict[str, tuple[float, float, tuple[float, float]]]:
    """Name -> share of the picture, confidence, and the middle of its largest region."""
    height, width = segments.labels.shape
    found = {}
    for name in segments.names:
        ids = [id for id, region in segments.regions.items() if region.name == name]
        largest = max(ids, key=lambda id: int((segments.labels == id).sum()))
        mask = segments.mask(name)
        y, x = (segments.labels == largest).nonzero().float().mean(0).tolist()
        found[name] = (float(mask.float().mean()), segments.confidence(mask), ((x + 0.5) / width, (y + 0.5) / height))
    return found


def _alike(
    name: str, share: float, place: tuple[float, float], there: Mapping[str, tuple[float, float, tuple[float, float]]]
) -> tuple[str, ...]:
    """The style's things that are most like one by height in the picture and size; none for a surface, and none of what stays."""

    def distance(other: str) -> float:
        size, _, (_, height) = there[other]
        return abs(height - place[1]) + 0.2 * abs(size**0.5 - share**0.5)

    if not countable(name):
        return ()
    kind = [other for other in there if countable(other) and canonical(other) not in STAYS]
    return tuple(sorted(kind, key=distance)[:SUGGESTED])
