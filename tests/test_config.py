"""Options declared once: what check, JSON, JSON schema and the command line make of the same fields."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Interval

from relook.config import PerceiveConfig, PhotoConfig, ViewsConfig
from relook.errors import InputError
from relook.options import (
    EXISTING,
    LISTED,
    POSITIONAL,
    Configuration,
    Formerly,
    Group,
    Without,
    json_schema,
    options,
)
from relook.present.arguments import parse


@dataclass(frozen=True)
class Frame(Configuration):
    """A frame."""

    colour: Annotated[Literal["black", "oak"], Group("frame")] = "oak"
    """Its colour."""
    width: Annotated[float | None, Interval(gt=0, le=10)] = None
    """Its width."""
    glass: bool = False
    """Useless on a wall."""


@dataclass(frozen=True)
class Wall(Configuration):
    """A wall with pictures."""

    pictures: Annotated[tuple[Path, ...], POSITIONAL]
    """What hangs there."""
    rows: Annotated[int, Ge(1), Formerly("lines")] = 2
    """How many rows,
    100 % even."""
    names: Annotated[tuple[str, ...], LISTED] = ()
    """Names."""
    lit: bool = False
    """Whether a lamp is on."""
    plan: Annotated[Path | None, EXISTING] = None
    """A drawing."""
    frame: Annotated[Frame, Without(("glass",))] = field(default_factory=lambda: Frame(colour="black"))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"rows": 0}, "rows of at least 1, got 0"),
        ({"rows": "2"}, "a whole number as rows, got '2'"),
        ({"rows": True}, "a whole number as rows, got True"),
        ({"names": 1}, "text as names, got 1"),
        ({"lit": "no"}, "yes or no as lit"),
        ({"plan": Path("nowhere.png")}, "file at nowhere.png"),
        ({"frame": Frame(colour="blakc")}, "black, oak, got 'blakc'; did you mean black"),  # type: ignore[arg-type]
        ({"frame": Frame(width=0)}, "width of more than 0 and at most 10, got 0"),
        ({"frame": Frame(width=float("nan"))}, "got nan"),
    ],
)
def test_check_refuses_what_the_declaration_does_not_allow(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=r"^Expected ") as error:
        Wall(pictures=(), **changes).check()
    assert part in str(error.value)


def test_values_are_tidied() -> None:
    wall = Wall(pictures=["a.png"], names="door, window", plan="plan.png")  # type: ignore[arg-type]
    assert wall.pictures == (Path("a.png"),)
    assert wall.names == ("door", "window")
    assert wall.plan == Path("plan.png")


def test_json_goes_both_ways_and_reads_former_names() -> None:
    wall = Wall((Path("a.png"),), rows=3, names=("door",), frame=Frame("oak", 2.5))
    plain = json.loads(json.dumps(wall.as_json()))
    assert plain["pictures"] == [str(Path("a.png").resolve())]
    again = Wall.from_json(plain)
    assert (again.rows, again.names, again.frame) == (3, ("door",), wall.frame)
    assert Wall.from_json({"pictures": [], "lines": 4}).rows == 4
    with pytest.raises(InputError, match="this version knows, got doors"):
        Wall.from_json({"pictures": [], "doors": 1})


def test_schema_says_what_the_declaration_says() -> None:
    schema = json.loads(json.dumps(json_schema(Wall)))
    assert schema["required"] == ["pictures"]
    rows, frame = schema["properties"]["rows"], schema["properties"]["frame"]["properties"]
    assert rows == {
        "type": "integer", "minimum": 1, "default": 2, "description": "How many rows, 100 % even.", "group": "options",
    }  # fmt: skip
    assert frame["colour"]["enum"] == ["black", "oak"]
    assert frame["colour"]["group"] == "frame"
    assert "glass" not in frame
    assert frame["width"]["anyOf"] == [{"type": "number", "exclusiveMinimum": 0, "maximum": 10}, {"type": "null"}]
    assert schema["properties"]["pictures"]["items"] == {"type": "string", "format": "path"}


@pytest.mark.parametrize("kind", [PhotoConfig, ViewsConfig, PerceiveConfig])
def test_every_option_has_help_and_a_valid_default(kind: type) -> None:
    assert [option.name for option in options(kind) if not option.help] == []
    kind().check()
    properties = json.loads(json.dumps(json_schema(kind)))["properties"]
    assert list(properties) == [entry.name for entry in fields(kind)]


def test_words_become_options() -> None:
    words = [
        "--names",
        "door,sofa",
        "wall",
        "--lines",
        "3",
        "--colour=oak",
        "--lit",
        "--width",
        "None",
        "--names",
        "bed",
    ]
    wall = parse(Wall, "wall", ["a.png", "b.png", *words])
    assert wall == Wall(
        (Path("a.png"), Path("b.png")), 3, ("door", "sofa", "wall", "bed"), lit=True, frame=Frame("oak", None)
    )
    assert parse(Wall, "wall", ["a.png"]).frame.colour == "black"


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("--row 3", "got --row; did you mean --rows"),
        ("--rows 3 --lines 4", "--lines once, got it twice (3 and 4)"),
        ("--rows", "a value after --rows"),
        ("--rows many", "a whole number after --rows, got 'many'"),
        ("--lit=yes", "no value after --lit"),
        ("--colour red", "black, oak, got 'red'"),
        ("", "wall needs, got no PICTURES"),
    ],
)
def test_words_that_do_not_fit_are_one_sentence(line: str, part: str) -> None:
    with pytest.raises(InputError, match=r"^Expected ") as error:
        parse(Wall, "wall", [*(["a.png"] if line else []), *line.split()])
    assert part in str(error.value)


def test_help_has_the_example_the_ranges_and_the_groups(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        parse(Wall, "wall", ["--help"], "example: wall a.png")
    said = capsys.readouterr().out
    assert "example: wall a.png" in said
    assert "100 % even. (at least 1; default: 2)" in said
    assert "{black,oak}" in said
    assert "frame:" in said
    assert "lines" not in said  # a former name
    assert "glass" not in said  # of no use in a wall


def test_old_names_of_walks_are_read() -> None:
    plain = ViewsConfig(photo=PhotoConfig(keep=("window",)), key_frame_below=0.4).as_json()
    plain["anchor"] = plain.pop("key_frame_below")
    assert ViewsConfig.from_json(plain) == ViewsConfig(photo=PhotoConfig(keep=("window",)), key_frame_below=0.4)
