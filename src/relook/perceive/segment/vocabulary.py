"""Class names across vocabularies: which mean the same (couch, sofa), and which are surfaces rather than things. Data: synonyms.json."""

from __future__ import annotations

import json
from pathlib import Path

_DATA = json.loads(Path(__file__).with_name("synonyms.json").read_text(encoding="utf-8"))
_COMMON = {word: common for common, words in _DATA["groups"].items() for word in (common, *words)}
"""Every listed name -> the common name of its group."""
_SURFACES = frozenset(_DATA["surfaces"])


ROOM = ("floor", "ceiling", "wall")
"""What a room is made of; all else stands or hangs in it."""


def tidy(name: str) -> str:
    """A class name as Relook writes it: the first of a comma list, lower case, single spaces instead of underscores.

    `Television_receiver, television` -> `television receiver`; a name of nothing but commas and spaces is empty.
    """
    words = (" ".join(part.replace("_", " ").lower().split()) for part in name.split(","))
    return next((part for part in words if part), "")


def canonical(name: str) -> str:
    """The common name of everything that means the same: `couch` -> `sofa`, `table lamp` -> `lamp`; an unknown name is its own."""
    plain = tidy(name)
    return _COMMON.get(plain, _COMMON.get(plain.replace("-", " "), plain))


def countable(name: str) -> bool:
    """Whether a class is made of things that can be counted; surfaces (wall, floor, sky, grass) are not, unknown names are."""
    return canonical(name) not in _SURFACES
