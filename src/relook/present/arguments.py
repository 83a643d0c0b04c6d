"""A dataclass of options as a command line: help in groups, and every error as one sentence."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, replace
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Any, TypeVar

from relook.errors import InputError
from relook.options import NO_GROUP, POSITIONAL, REPEATED, TYPES, Option, check, like, options

T = TypeVar("T")
METAVARS: Mapping[type, str] = {int: "N", float: "NUMBER", str: "TEXT", Path: "PATH"}


def parse(kind: type[T], program: str, words: Sequence[str], example: str = "") -> T:
    """The options of a command from its words; those of a part (a nested dataclass) are named as if they were the command's own.

    An option hides those of its parts that have its name; one that several parts have is given to all of them. Prints help, with the example on top, and exits with 0 if asked to. Raises InputError, one sentence, for words that do not fit.
    """
    known = {option.name: option for option in _flat(kind)}
    parser = _parser(kind, program, example, known)
    try:
        found, unknown = parser.parse_known_intermixed_args([_hyphens(word) for word in words])
    except argparse.ArgumentError as error:
        wanted, got = ("a value", "none") if "expected" in error.message else ("no value", "one")
        raise InputError(f"Expected {wanted} after {error.argument_name}, got {got}; see {program} --help.") from error
    if unknown:
        near = like(unknown[0], [_shown(option) for option in known.values()])
        raise InputError(f"Expected options of {program}, got {unknown[0]}; {near or f'see {program} --help'}.")
    values = {name: _read(known[name], value) for name, value in vars(found).items()}
    for name, value in values.items():  # before anything is made of them
        known[name].check(value)
    config = _made(kind, values, program)
    check(config)
    return config


def one_of(names: Iterable[str], word: str, what: str) -> str:
    """The word, if it is one of the names. Raises InputError, with the name that may be meant."""
    names = tuple(names)
    if word not in names:
        near = like(word, names) or "choose one of them"
        raise InputError(f"Expected a {what} out of {', '.join(names)}, got {word!r}; {near}.")
    return word


def _parser(kind: type, program: str, example: str, known: Mapping[str, Option]) -> argparse.ArgumentParser:
    """The parser, with a section of help for every group of options."""
    needed = [_shown(option) for option in known.values() if option.default is MISSING or POSITIONAL in option.marks]
    about = fill(inspect.getdoc(kind) or "", get_terminal_size().columns - 2)
    parser = argparse.ArgumentParser(
        prog=program, usage=" ".join([program, *needed, "[options]"]), description=f"{example}\n\n{about}".strip(),
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=26), argument_default=argparse.SUPPRESS, allow_abbrev=False, exit_on_error=False, add_help=False,
    )  # fmt: skip
    parser.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    for group in dict.fromkeys(option.group for option in known.values()):
        section = parser if group == NO_GROUP.title else parser.add_argument_group(group)
        for option in known.values():
            if option.group == group:
                _add(section, option)
    return parser


class _Once(argparse.Action):
    """Keeps the value of an option, which must not come twice; words such as sofa=.6 go to the option for single things."""

    def __init__(self, *, per_thing: str = "", **how: Any) -> None:
        super().__init__(**how)
        self.per_thing = per_thing

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        if self.per_thing and "=" in values:
            setattr(namespace, self.per_thing, [*getattr(namespace, self.per_thing, []), values])
            return
        if hasattr(namespace, self.dest):
            raise InputError(
                f"Expected {option_string} once, got it twice ({getattr(namespace, self.dest)} and {values}); leave one out."
            )
        setattr(namespace, self.dest, values)


def _add(section: Any, option: Option) -> None:
    """Add an option to a section of the parser."""
    metavar = f"{{{','.join(option.choices)}}}" if option.choices else METAVARS.get(option.kind)
    if POSITIONAL in option.marks:
        section.add_argument(
            option.name, nargs="*" if option.many else "?", metavar=option.name.upper(), help=_help(option)
        )
        return
    how: dict[str, Any] = {"metavar": metavar, "action": partial(_Once, per_thing=option.per_thing)}
    if REPEATED in option.marks:
        how = {"metavar": metavar, "action": "append"}
    elif option.many:
        how = {"metavar": metavar, "action": "extend", "nargs": "*"}
    elif option.kind is bool:
        how = {"action": argparse.BooleanOptionalAction}
    section.add_argument(_shown(option), dest=option.name, help=_help(option), **how)
    for name in option.former:
        section.add_argument(_flag(name), dest=option.name, help=argparse.SUPPRESS, **how)


def _help(option: Option) -> str:
    """The help of an option, its range and its default."""
    if option.help == argparse.SUPPRESS:
        return option.help
    default = option.default
    if option.many and default is not MISSING:
        default = " ".join(str(word) for word in default)
    shown = "" if default in (MISSING, None, "", False) else f"default: {'yes' if default is True else default}"
    facts = "; ".join(fact for fact in (option.range, shown) if fact)
    return (option.help + (f" ({facts})" if facts else "")).replace("%", "%%")


def _read(option: Option, words: Any) -> Any:
    """The value of an option from the words behind it."""
    if isinstance(words, list):
        return tuple(_read_one(option, word) for word in words)
    return _read_one(option, words) if isinstance(words, str) else words


def _read_one(option: Option, word: str) -> Any:
    """A value from a word."""
    if option.optional and word == "None":
        return None
    try:
        return option.kind(word)
    except ValueError as error:
        raise InputError(f"Expected {TYPES[option.kind][2]} after {_shown(option)}, got {word!r}; mend it.") from error


def _made(kind: type[T], values: Mapping[str, Any], program: str, default: Any = None) -> T:
    """The dataclass with these values, and those of its parts."""
    own = {name: values[name] for name in (option.name for option in options(kind)) if name in values}
    values = {name: value for name, value in values.items() if name not in own}
    for part in (option for option in options(kind) if option.nested):
        current = part.default if default is None else getattr(default, part.name)
        own[part.name] = _made(part.kind, values, program, current)
    if default is not None:
        return replace(default, **own)
    if missing := [_shown(option) for option in options(kind) if option.default is MISSING and option.name not in own]:
        raise InputError(f"Expected all that {program} needs, got no {', '.join(missing)}; see {program} --help.")
    return kind(**own)


def _flat(kind: type, default: Any = None) -> Iterator[Option]:
    """The options of a dataclass and of its parts, each name once, with its default there; help of those without use is left out."""
    known = {option.name for option in options(kind) if not option.nested}
    for option in options(kind):
        current = option.default if default is None else getattr(default, option.name)
        if not option.nested:
            yield replace(option, default=current)
            continue
        for part in _flat(option.kind, current):
            if part.name not in known:
                yield replace(part, help=argparse.SUPPRESS) if part.name in option.unused else part
            known.add(part.name)


def _shown(option: Option) -> str:
    """An option as the command line names it."""
    return option.name.upper() if POSITIONAL in option.marks else _flag(option.name)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _hyphens(word: str) -> str:
    """An option written with underscores, as it is listed."""
    name, equals, value = word.partition("=")
    return _flag(name[2:]) + equals + value if name.startswith("--") else word
