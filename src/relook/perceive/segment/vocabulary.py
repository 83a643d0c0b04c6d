"""Class names across vocabularies: which mean the same (couch, sofa), and which are surfaces rather than things. Data: synonyms.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files


def tidy(name: str) -> str:
    """A class name as Relook writes it: the first of a comma list, lower case, single spaces instead of underscores.

    `Television_receiver, television` -> `television receiver`; a name of nothing but commas and spaces is empty.
    """
    words = (" ".join(part.replace("_", " ").lower().split()) for part in name.split(","))
    return next((part for part in words if part), "")


def canonical(name: str) -> str:
    """The common name of everything that means the same: `couch` -> `sofa`, `table lamp` -> `lamp`; an unknown name is its own."""
    plain = tidy(name)
    common = _common()
    return common.get(plain, common.get(plain.replace("-", " "), plain))


def countable(name: str) -> bool:
    """Whether a class is made of things that can be counted; surfaces (wall, floor, sky, grass) are not, unknown names are."""
    return canonical(name) not in _surfaces()


@lru_cache(maxsize=1)
def _data() -> Mapping[str, object]:
    return json.loads(files("relook.perceive.segment").joinpath("synonyms.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _common() -> Mapping[str, str]:
    """Every listed name -> the common name of its group."""
    groups: Mapping[str, list[str]] = _data()["groups"]  # type: ignore[assignment]
    return {word: common for common, words in groups.items() for word in (common, *words)}


@lru_cache(maxsize=1)
def _surfaces() -> frozenset[str]:
    return frozenset(_data()["surfaces"])  # type: ignore[call-overload]
