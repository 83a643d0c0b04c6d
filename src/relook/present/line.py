"""The command line that says what a configuration says: the inverse of `relook.present.arguments`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from relook.options import LISTED, POSITIONAL, REPEATED, Option, options


def line(command: str, value: Any) -> str:
    """The words, quoted for a shell, from which `parse` makes this value; what is the default is left out."""
    return shlex.join(["relook", *command.split(), *words(value)])


def words(value: Any, default: Any = None) -> list[str]:
    """The same without the program's name. default: of what the value is compared with; None: the declared defaults."""
    first: list[str] = []
    rest: list[str] = []
    for option in options(type(value)):
        before = option.default if default is None else getattr(default, option.name)
        held = getattr(value, option.name)
        if option.nested:
            rest += words(held, before)
        elif held != before:
            (first if POSITIONAL in option.marks else rest).extend(_said(option, held))
    return first + rest


def _said(option: Option, held: Any) -> Iterator[str]:
    """The words of one option."""
    flag = "--" + option.name.replace("_", "-")
    if POSITIONAL in option.marks:
        yield from map(str, held if option.many else [held])
    elif option.kind is bool:
        yield flag if held else flag.replace("--", "--no-", 1)
    elif REPEATED in option.marks:
        yield from (word for one in held for word in (flag, str(one)))
    elif LISTED in option.marks:
        yield from (flag, ",".join(held))
    elif option.many:
        yield from (flag, *map(str, held))
    else:
        yield from (flag, str(held))
