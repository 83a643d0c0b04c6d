"""What a perceived thing takes its look from where its own class has no counterpart: seats from seats, cupboards from cupboards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from relook.correspond.semantic import Correspondence
from relook.perceive.segment.vocabulary import canonical
from relook.types import ids_in

_DATA = json.loads(Path(__file__).with_name("kin.json").read_text(encoding="utf-8"))
KIN: Mapping[str, tuple[str, ...]] = {name: tuple(others) for name, others in _DATA["kin"].items()}
"""Common name -> common names of its kin, the nearest first. Data: kin.json."""
KNOWN = 0.6
"""Confidence from which on a perceived thing takes from its kin: half a change in a doubtful one's colours leaves blotches."""


def families() -> list[frozenset[str]]:
    """Common names that are kin of each other, directly or by others: all seats, cupboards, tables."""
    found: list[frozenset[str]] = []
    for name, others in KIN.items():
        near = frozenset({name, *others})
        touched = [one for one in found if one & near]
        found = [one for one in found if one not in touched] + [near.union(*touched)]
    return found


def with_kin(found: Correspondence) -> Correspondence:
    """The correspondence with what was perceived (a confidence from KNOWN to below 1) and has no counterpart matched to the nearest kin that
    the style shows: an armchair to a sofa. Regions that are locked stay so."""
    shown: dict[str, tuple[int, ...]] = {}
    for id in ids_in(found.style.labels):
        if id in found.style.regions and found.style.regions[id].picture not in found.aside:
            name = canonical(found.style.regions[id].name)
            shown[name] = (*shown.get(name, ()), id)
    allowed, kin = dict(found.allowed), set()
    for id, region in found.structure.regions.items():
        if not allowed.get(id) and KNOWN <= region.confidence < 1:
            ids = next((shown[name] for name in KIN.get(canonical(region.name), ()) if name in shown), ())
            allowed[id] = next((other for other in found.allowed.values() if set(other) & set(ids)), ids)
            kin |= {id} if ids else set()
    return replace(found, allowed=allowed, kin=frozenset(kin))
