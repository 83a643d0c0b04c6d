"""The names that a segmenter can give, so that a name which cannot occur is refused before anything is perceived."""

from __future__ import annotations

from relook.config import PhotoConfig
from relook.errors import SegmentsError
from relook.models import load, perceiver
from relook.models.store import find
from relook.options import closest, like
from relook.perceive.segment import SEGMENTERS, ade20k
from relook.perceive.segment.regions import WHOLE
from relook.perceive.segment.vocabulary import ROOM, canonical, tidy
from relook.types import View


def check_names(config: PhotoConfig, structure: View, *styles: View) -> None:
    """Raise SegmentsError for a name in the options that no region of the structure, or of any style picture, can have.

    A name counts as known if another of its meaning is (couch, sofa), or if it is looked for besides (`label`). What a label map that
    is not read yet holds is not known: every name passes.
    """
    restyled = [name for name in config.restyle if name != "all"]
    things = (*config.matches, *config.keep, *restyled, *config.references, *config.thing_strengths)
    regions = [one.region for one in config.references.values() if one.region]
    for which, views, wanted in (
        ("structure", (structure,), things),
        ("style", styles, (*config.matches.values(), *regions)),
    ):
        known = [possible(config.segmenter) if view.segments is None else view.segments.names for view in views]
        names = {canonical(name): name for some in (*known, config.label) for name in some or ()}
        for name in wanted if None not in known else ():
            if canonical(name) not in names:
                there = like(canonical(name), names) or f"it can have: {closest(name, names.values())}"
                raise SegmentsError(f"Expected a class name of the {which} picture, got {name!r}; {there}.")


def possible(segmenter: str) -> tuple[str, ...] | None:
    """Every name that a segmenter can give, known without loading it; None for a label map. Raises InputError for no segmenter."""
    name = SEGMENTERS.chosen(segmenter)
    SEGMENTERS.entry(name)  # raises for what is no segmenter
    if name in ("exact", "auto") or name.endswith(".png"):
        return None
    if name == "layout":
        return ROOM
    if name == "whole":
        return (WHOLE,)
    if name == "ade20k":
        return (WHOLE, *ade20k.VOCABULARY["classes"][1:])
    folder = perceiver.FOLDER if name == "embedded" else find(name, "the segmenter")
    labels = load.settings(folder).get("id2label") or {}
    return (WHOLE, *(tidy(str(label)) or f"class {id}" for id, label in labels.items()))
