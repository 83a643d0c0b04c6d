"""What a user covers single things with: flat pictures of materials, and paint."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from relook.errors import InputError
from relook.stated import stated

COLOUR = re.compile(r"#?([0-9a-fA-F]{6})")


@dataclass(frozen=True)
class Cover:
    """What one thing is covered with."""

    thing: str
    picture: Path | None = None
    """A material seen straight on."""
    width: float = 1.0
    """Metres that the picture is wide."""
    turn: float = 0.0
    """Degrees by which it is turned, against the clock as it is seen."""
    colour: tuple[float, float, float] | None = None
    """Paint: sRGB, 0 to 1."""


def covers(
    material: Sequence[str], scale: Sequence[str], turn: Sequence[str], colour: Sequence[str]
) -> tuple[Cover, ...]:
    """What options say: `floor=oak.jpg`; `1.2`, or `floor=1.2`, for each; `wall=#d8cfc0`.

    Raises InputError for other words, for a thing that comes twice, and for a scale or turn without a material.
    """
    pictures = stated(material, "a material such as floor=oak.jpg")
    paints = stated(colour, "a colour such as wall=#d8cfc0")
    widths = _numbers(scale, "a scale in metres such as 1.2 or floor=1.2", pictures, lambda value: value > 0)
    turns = _numbers(turn, "degrees such as 90 or floor=90", pictures, lambda value: abs(value) <= 360)
    if both := pictures.keys() & paints.keys():
        raise InputError(f"Expected a material or a colour for {min(both)}, got both; leave one out.")
    found = [Cover(name, Path(where), widths.get(name, 1.0), turns.get(name, 0.0)) for name, where in pictures.items()]
    return (*found, *(Cover(name, colour=_colour(name, value)) for name, value in paints.items()))


def _numbers(
    words: Sequence[str], what: str, things: dict[str, str], holds: Callable[[float], bool]
) -> dict[str, float]:
    """Thing -> number; a number alone is that of every thing that has none of its own."""
    alone = [word for word in words if "=" not in word]
    if len(alone) > 1:
        raise InputError(f"Expected {what}, got {' and '.join(alone)} for everything; leave one out.")
    values = dict.fromkeys(things, *alone) if alone else {}
    values |= stated([word for word in words if "=" in word], what)
    if words and (other := sorted(values.keys() - things.keys()) or not things):
        named = other[0] if isinstance(other, list) else "anything"
        raise InputError(
            f"Expected a material for {named}, which has {what.split(' such')[0]}, got none; add --material."
        )
    found = {}
    for name, value in values.items():
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = float("nan")
        if not holds(found[name]):
            raise InputError(f"Expected {what}, got {value!r} for {name}; choose such a value.")
    return found


def _colour(name: str, value: str) -> tuple[float, float, float]:
    """sRGB of six hexadecimal digits."""
    match = COLOUR.fullmatch(value)
    if match is None:
        raise InputError(
            f"Expected a colour such as #d8cfc0 for {name}, got {value!r}; write red, green and blue in two digits each."
        )
    red, green, blue = bytes.fromhex(match[1])
    return red / 255, green / 255, blue / 255
