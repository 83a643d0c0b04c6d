"""Options declared once, as the fields of a frozen dataclass: annotations carry ranges and choices, the docstring below a field is its help.

    class Look(Configuration):
        strength: Annotated[float, Interval(ge=0, le=1), Group("most used")] = 1.0

The checks, JSON, the JSON schema (for forms) and the command line (relook.present.arguments) all read `options(Look)`.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from numbers import Integral, Real
from pathlib import Path
from textwrap import dedent
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt

from relook.errors import InputError


@dataclass(frozen=True)
class Group:
    """Options that belong together, in help and in forms."""

    title: str


@dataclass(frozen=True)
class Formerly:
    """The name that an option had: old records and command lines may still use it."""

    name: str


@dataclass(frozen=True)
class Without:
    """Options of a part that have no use there: neither help nor forms show them."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class PerThing:
    """Another option holds its values for single things: `--strength sofa=.6` beside `--strength .8`."""

    name: str


C = TypeVar("C", bound="Configuration")
POSITIONAL, LISTED, EXISTING, REPEATED, OR_FOLDER = "positional", "listed", "existing", "repeated", "or folder"
"""Marks of options: given without its name; words that may be separated by commas; a file that must be there; named again for each value; a
file that must be there may be a folder."""
NO_GROUP = Group("options")
TYPES: Mapping[type, tuple[Any, str, str]] = {
    bool: (bool, "boolean", "yes or no"), int: (Integral, "integer", "a whole number"), float: (Real, "number", "a number"),
    str: (str, "string", "text"), Path: (Path, "string", "a path"),
}  # fmt: skip
"""Type of an option -> what its values are instances of, its name in a JSON schema, and in words."""
BOUNDS: Mapping[type, tuple[str, str, str, Callable[[Any, Any], bool]]] = {
    Ge: ("ge", "minimum", "at least", operator.ge), Gt: ("gt", "exclusiveMinimum", "more than", operator.gt),
    Le: ("le", "maximum", "at most", operator.le), Lt: ("lt", "exclusiveMaximum", "below", operator.lt),
}  # fmt: skip
"""Kind of a bound -> where its number is, its name in a JSON schema, its word, and the comparison that must hold."""


@dataclass(frozen=True)
class Option:
    """One field of an options class, as its declaration says."""

    name: str
    kind: type
    """bool, int, float, str, Path, or a dataclass of further options."""
    default: Any
    """MISSING if there is none."""
    help: str
    optional: bool
    """Whether None is a value."""
    many: bool
    """Whether the value is a tuple of `kind`."""
    choices: tuple[str, ...]
    marks: tuple[Any, ...]
    """Everything else that was annotated: bounds, Group, Formerly, POSITIONAL, LISTED, EXISTING."""

    @property
    def nested(self) -> bool:
        """Whether the option is a class of options itself."""
        return is_dataclass(self.kind)

    @property
    def group(self) -> str:
        """Title of the group that it belongs to."""
        return next((mark for mark in self.marks if isinstance(mark, Group)), NO_GROUP).title

    @property
    def unused(self) -> tuple[str, ...]:
        """Options of this part that have no use."""
        return tuple(name for mark in self.marks if isinstance(mark, Without) for name in mark.names)

    @property
    def former(self) -> tuple[str, ...]:
        """Names that it had."""
        return tuple(mark.name for mark in self.marks if isinstance(mark, Formerly))

    @property
    def per_thing(self) -> str:
        """The option that holds its value for single things, if any."""
        return next((mark.name for mark in self.marks if isinstance(mark, PerThing)), "")

    @property
    def bounds(self) -> Mapping[str, Any]:
        """The range, in the words of JSON schema."""
        return {BOUNDS[type(m)][1]: getattr(m, BOUNDS[type(m)][0]) for m in self.marks if type(m) in BOUNDS}

    @property
    def range(self) -> str:
        """The range in words, e.g. `0 to 1` or `at least 1`; empty if there is none."""
        words = " and ".join(
            f"{word} {self.bounds[name]}" for _, name, word, _ in BOUNDS.values() if name in self.bounds
        )
        return re.sub("at least (.*) and at most", r"\1 to", words)

    def tidied(self, value: Any) -> Any:
        """The value as the field's type has it: tuples of lists, paths of text, words of a comma list, parts of their JSON."""
        if self.nested and isinstance(value, Mapping):
            return self.kind.from_json(value)  # type: ignore[attr-defined]
        if LISTED in self.marks and isinstance(value, str | tuple | list):
            words = (value,) if isinstance(value, str) else value
            return tuple(part.strip() for word in words for part in word.split(",") if part.strip())
        if self.many and isinstance(value, list | tuple):
            return tuple(Path(item) if self.kind is Path else item for item in value)
        return Path(value) if self.kind is Path and isinstance(value, str) else value

    def check(self, value: Any) -> None:
        """Raise InputError, one sentence, for a value of another type, outside the range, none of the choices, or no file."""
        if self.nested:
            check(value)
        elif not (value is None and self.optional):
            for one in value if self.many and isinstance(value, tuple) else (value,):
                self._check_one(one)

    def _check_one(self, value: Any) -> None:
        kind, _, words = TYPES[self.kind]
        if not isinstance(value, kind) or (isinstance(value, bool) and self.kind is not bool):
            raise InputError(f"Expected {words} as {self.name}, got {value!r}; choose such a value.")
        if self.choices and value not in self.choices:
            raise InputError(
                f"Expected a {self.name} out of {', '.join(self.choices)}, got {value!r}; {like(value, self.choices) or 'choose one'}."
            )
        if not all(holds(value, self.bounds[name]) for _, name, _, holds in BOUNDS.values() if name in self.bounds):
            raise InputError(f"Expected {self.name} of {self.range}, got {value}; choose such a value.")
        if EXISTING in self.marks:
            check_file(value, folder=OR_FOLDER in self.marks)

    def schema(self) -> dict[str, Any]:
        """The option in JSON schema, with its group."""
        if self.nested:
            return json_schema(self.kind, self.unused)
        one: dict[str, Any] = (
            {"type": TYPES[self.kind][1]} | ({"enum": list(self.choices)} if self.choices else {}) | dict(self.bounds)
        )
        one |= {"format": "path"} if self.kind is Path else {}
        whole = {"type": "array", "items": one} if self.many else one
        whole = {"anyOf": [whole, {"type": "null"}]} if self.optional else whole
        default = {} if self.default is MISSING else {"default": _plain(self.default)}
        return whole | {"description": self.help, "group": self.group} | default


class Configuration:
    """Base of the options of a run: its values are tidied when it is made, checked when a run begins, and can be recorded."""

    def __post_init__(self) -> None:
        for option in options(type(self)):
            object.__setattr__(self, option.name, option.tidied(getattr(self, option.name)))

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use; every run calls this first."""
        for option in options(type(self)):
            option.check(getattr(self, option.name))

    def as_json(self) -> dict[str, Any]:
        """Plain values for a record; paths are absolute."""
        return {option.name: _plain(getattr(self, option.name)) for option in options(type(self))}

    def files(self) -> dict[str, Path]:
        """The files that a run reads, by the option that names them."""
        values = {option.name: getattr(self, option.name) for option in options(type(self)) if EXISTING in option.marks}
        return {name: path for name, path in values.items() if path is not None}

    @classmethod
    def from_json(cls: type[C], values: Mapping[str, Any]) -> C:
        """The inverse of `as_json`, also of earlier versions; InputError for names that this version does not know."""
        known = {name: option for option in options(cls) for name in (option.name, *option.former)}
        if unknown := sorted(set(values) - set(known)):
            raise InputError(
                f"Expected options that this version knows, got {', '.join(unknown)}; install the version of the record."
            )
        return cls(**{known[name].name: known[name].tidied(value) for name, value in values.items()})


def check(config: Any) -> None:
    """Raise InputError for the first option of a dataclass that its declaration does not allow."""
    if isinstance(config, Configuration):
        config.check()
    else:
        for option in options(type(config)):
            option.check(getattr(config, option.name))


def json_schema(kind: type, unused: Sequence[str] = ()) -> dict[str, Any]:
    """A class of options as JSON schema: type, minimum, maximum, enum, default, description and group of every option that has a use."""
    properties = {option.name: option.schema() for option in options(kind) if option.name not in unused}
    required = [option.name for option in options(kind) if option.default is MISSING]
    return {
        "title": kind.__name__, "description": inspect.getdoc(kind) or "", "type": "object", "properties": properties,
        "required": required, "additionalProperties": False,
    }  # fmt: skip


def options(kind: type) -> tuple[Option, ...]:
    """The options that a dataclass declares, in its order."""
    return _declared(kind)


@lru_cache(maxsize=64)
def _declared(kind: type) -> tuple[Option, ...]:
    """The same, read once (mypy takes no class as the argument of a cached function)."""
    hints, texts = get_type_hints(kind, include_extras=True), _field_texts(kind)
    return tuple(_option(entry, hints[entry.name], texts.get(entry.name, "")) for entry in fields(kind))


def check_file(path: Path, *, folder: bool = False) -> None:
    """Raise InputError unless a file (or, where that may be, a folder) is there."""
    if not path.is_file() and not (folder and path.is_dir()):
        what = "a folder" if path.is_dir() else "none"
        raise InputError(f"Expected a readable file at {path}, got {what}; check the name.")


def like(word: str, words: Iterable[str]) -> str:
    """`did you mean X`, for the nearest of the words; empty if none is near."""
    near = get_close_matches(word, list(words), n=1, cutoff=0.7)
    return f"did you mean {near[0]}" if near else ""


def closest(word: str, words: Iterable[str], most: int = 10) -> str:
    """What to choose from: all words if they are few, else those that are most like one, the best first."""
    words = sorted(words)
    if len(words) <= most:
        return ", ".join(words)
    return f"{', '.join(get_close_matches(word, words, n=most, cutoff=0.0))} and {len(words) - most} more"


def _option(entry: Field[Any], hint: Any, text: str) -> Option:
    """A field with its annotation taken apart."""
    marks: list[Any] = []
    if get_origin(hint) is Annotated:
        hint, *annotated = get_args(hint)
        marks = [part for mark in annotated for part in (mark if isinstance(mark, GroupedMetadata) else (mark,))]
    optional = NoneType in get_args(hint)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    many = get_origin(hint) is tuple
    kind = get_args(hint)[0] if many else hint
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    default = entry.default if entry.default_factory is MISSING else entry.default_factory()
    return Option(entry.name, str if choices else kind, default, text, optional, many, choices, tuple(marks))


def _field_texts(kind: type) -> dict[str, str]:
    """Field -> the docstring below it, also of the classes that `kind` builds on."""
    texts: dict[str, str] = {}
    for base in reversed([base for base in kind.__mro__ if is_dataclass(base)]):
        body = ast.parse(dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        for pair in pairwise(body):
            match pair:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    texts[name] = " ".join(text.split())
    return texts


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Configuration):
        return value.as_json()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value.resolve()) if isinstance(value, Path) else value
