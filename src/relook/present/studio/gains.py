"""What a picture would gain from a model that is not here: from what was seen of it and from what it was asked, never a fixed text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from relook.config import PhotoConfig
from relook.models.catalogue import Checkpoint
from relook.perceive.segment import SEGMENTERS
from relook.perceive.segment.names import possible
from relook.perceive.segment.vocabulary import canonical, countable
from relook.present.studio.things import UNSURE, Thing, seen_in
from relook.types import UNLABELLED, View

MOST = 4
"""Things that a sentence names."""
COMMON = ("lamp", "cushion", "mirror", "television", "cabinet", "shelf", "door", "curtain", "painting", "bed")
"""Things of rooms; those that the segmenter here has no word for are named."""
FEW = ("ade20k", "layout")
"""Segmenters that have words for less than everything common."""


@dataclass(frozen=True)
class Seen:
    """What is known of the present picture."""

    room: View
    style: View
    things: Sequence[Thing]
    config: PhotoConfig

    @property
    def segmenter(self) -> str:
        """Who sees regions here."""
        return SEGMENTERS.chosen(self.config.segmenter)

    @cached_property
    def unsure(self) -> Mapping[str, float]:
        """Things of both pictures whose names are doubtful, the largest first -> how sure they are."""
        found: dict[str, tuple[float, float]] = {}
        for view in (self.room, self.style):
            for name, (share, confidence, _) in seen_in(view.segments).items() if view.segments is not None else ():
                if confidence < UNSURE and share > found.get(name, (0.0, 0.0))[0]:
                    found[name] = share, confidence
        return {name: found[name][1] for name in sorted(found, key=lambda name: -found[name][0])}

    @cached_property
    def unnamed(self) -> float:
        """Share of both pictures that is no region."""
        maps = [view.segments.labels for view in (self.room, self.style) if view.segments is not None]
        return sum(float((one == UNLABELLED).float().mean()) for one in maps) / max(len(maps), 1)

    @property
    def nameless(self) -> list[str]:
        """Common things that the segmenter here has no word for; none where it is not known."""
        return [name for name in COMMON if name not in _words(self.segmenter)]


def gain(model: Checkpoint, seen: Seen) -> str:
    """One sentence on what the picture would gain from a model; empty where nothing is known to say."""
    match model.task:
        case "segments":
            return _of_segmenter(model, seen)
        case "depth":
            return _of_depth(seen)
        case "labels":
            return _of_labeller(model, seen)
        case "family":
            return _of_family(seen)
        case "matches" | "features" | "quality" | "style":
            return "Nothing: it is for walks and measurements."
    if model.task in ("depth control", "image prompt", "few steps", "tiny decoder", "autoencoder"):
        return "Nothing while no family denoises." if seen.config.chosen_method == "palette" else ""
    return ""


def _of_segmenter(model: Checkpoint, seen: Seen) -> str:
    said, words = [], [name for name in seen.nameless if name in _words(model.name)]
    if seen.unnamed >= 0.01:
        said.append(f"names for the {100 * seen.unnamed:.0f} % of both pictures that have none")
    if seen.unsure:
        said.append(f"surer names for {_sure(seen.unsure)}")
    if words:
        said.append(f"words for {_listed(words)}, which {seen.segmenter} has not")
    if said:
        return f"Perhaps {'; '.join(said)}."
    least = min(seen.things, key=lambda one: one.confidence, default=None)
    return "" if least is None else f"Little: the least sure name is {least.name}, {100 * least.confidence:.0f} %."


def _words(segmenter: str) -> Set[str]:
    """What a segmenter has words for, of what is common."""
    return {canonical(name) for name in possible(segmenter) or ()} if segmenter in FEW else set(COMMON)


def _of_depth(seen: Seen) -> str:
    if seen.config.chosen_method == "palette":
        room = seen.room.layout
        known = "its lines show no room" if room is None else f"the room is known by its lines, {len(room.walls)} walls"
        return f"Nothing: colours and materials read no depth ({known})."
    return "Depth for the family that denoises." if seen.config.depth_estimator == "auto" else ""


def _of_labeller(model: Checkpoint, seen: Seen) -> str:
    if model.name == "sam" and seen.unsure:
        return f"Masks at a click for {_sure(seen.unsure)}."
    missing = [one.name for one in seen.things if one.missing]
    if seen.nameless or missing:
        asked = [*seen.nameless, *(name for name in missing if name not in seen.nameless)]
        return f"Things by your own words, e.g. {_listed(asked)}."
    return ""


def _of_family(seen: Seen) -> str:
    if seen.config.chosen_method != "palette":
        return ""
    things = [one.name for one in seen.things if countable(one.name) and canonical(one.name) != "rug" and not one.stays]
    return f"New patterns and forms on {_listed(things)}, which take colours alone now." if things else ""


def _sure(names: Mapping[str, float]) -> str:
    return _listed([f"{name} ({100 * sure:.0f} % sure)" for name, sure in names.items()])


def _listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")
