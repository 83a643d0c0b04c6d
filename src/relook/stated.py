"""What a user says of single things, name=value: correspondences, pictures to take from, strengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relook.errors import InputError


@dataclass(frozen=True)
class Reference:
    """The picture that one thing takes from."""

    path: Path
    region: str = ""
    """Name of the region that it takes from. Empty: the one of the thing's own meaning, or all of the picture where it has none."""

    def __str__(self) -> str:
        return f"{self.path}#{self.region}" if self.region else str(self.path)


def stated(words: Sequence[str], what: str) -> dict[str, str]:
    """Name -> value. Raises InputError, with `what` was expected, for other words and for a name that comes twice."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not (name and equals and value) or "=" in value:
            raise InputError(f"Expected {what}, got {word!r}; write it so.")
        if name in found:
            raise InputError(f"Expected {what} once for {name}, got {found[name]} and {value}; leave one out.")
        found[name] = value
    return found


def references(words: Sequence[str]) -> Mapping[str, Reference]:
    """Thing -> what it takes from: `sofa=velvet.jpg`, or `sofa=velvet.jpg#armchair` for a region of it."""
    parts = {name: where.partition("#") for name, where in stated(words, "a reference such as sofa=velvet.jpg").items()}
    return {name: Reference(Path(path.strip()), region.strip()) for name, (path, _, region) in parts.items()}


def strengths(words: Sequence[str]) -> Mapping[str, float]:
    """Thing -> its strength, 0 to 1: `sofa=.6`."""
    found = {}
    for name, value in stated(words, "a strength such as sofa=.6").items():
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = -1.0
        if not 0 <= found[name] <= 1:
            raise InputError(f"Expected a strength of 0 to 1 for {name}, got {value}; choose such a value.")
    return found
