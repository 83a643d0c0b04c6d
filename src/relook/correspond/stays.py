"""What a restyled photograph keeps unless it is named: light sources, what windows and mirrors show, pictures, plants, people, screens."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from relook.perceive.segment.vocabulary import canonical
from relook.types import Segments

_DATA = json.loads(Path(__file__).with_name("stays.json").read_text(encoding="utf-8"))
STAYS = frozenset(name for kind, names in _DATA.items() if kind != "about" for name in names)
"""Common names of what stays. Data: stays.json."""
ALL = "all"
"""Names everything."""


def stays(segments: Segments, named: Collection[str] = ()) -> tuple[str, ...]:
    """Names of the regions that stay as they are, less those that are named by any name of the same meaning; none if ALL is."""
    if ALL in named:
        return ()
    still = {canonical(name) for name in STAYS} - {canonical(name) for name in named}
    return tuple(name for name in segments.names if canonical(name) in still)
