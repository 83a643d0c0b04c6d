"""What a designer decided for one picture, as a value: pictures, what each thing takes, options; and the configuration that it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from relook.config import PhotoConfig
from relook.errors import InputError
from relook.options import options
from relook.present.studio.signature import CHAIN, KEY
from relook.present.studio.signature import FOLDER as SIGNATURE

Taking = Literal["counterpart", "keep", "region", "picture", "material", "colour", "restyle"]
TAKINGS: Mapping[Taking, str] = {
    "counterpart": "its counterpart in the style picture",
    "region": "another region of the style picture",
    "picture": "another picture",
    "material": "a material",
    "colour": "a colour",
    "restyle": "the new look, though it usually stays as it is",
    "keep": "nothing: its pixels stay",
}
"""What a thing may take, in the words of the page."""
Which = Literal["structure", "style"]
"""One of the two pictures."""
MapKind = Literal["segments", "layout"]
FIELDS: Mapping[tuple[Which, MapKind], str] = {
    ("structure", "segments"): "segments", ("structure", "layout"): "layout",
    ("style", "segments"): "style_segments", ("style", "layout"): "style_layout",
}  # fmt: skip
"""Where a look names what was edited."""


@dataclass(frozen=True)
class Choice:
    """What one thing takes."""

    taking: Taking = "counterpart"
    value: str = ""
    """Name of the style's region; file name of the picture or of the material; or #rrggbb."""
    scale: float = 1.0
    """Metres that a material is wide."""
    turn: float = 0.0
    """Degrees by which a material is turned."""
    strength: float | None = None
    """None: that of the whole picture."""

    @property
    def plain(self) -> bool:
        """Whether nothing was chosen."""
        return self == Choice()


@dataclass(frozen=True)
class Look:
    """All that was decided. Files are names inside the project's folder."""

    structure: str = ""
    styles: tuple[str, ...] = ()
    things: Mapping[str, Choice] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Values of PhotoConfig that differ from its defaults."""
    segments: str = ""
    """Edited label map of the structure picture; empty: what is seen."""
    style_segments: str = ""
    layout: str = ""
    """Edited layout of the structure picture."""
    style_layout: str = ""
    signed: bool = False
    """Whether the picture is signed (see `signature`)."""

    @property
    def ready(self) -> bool:
        """Whether there is something to restyle."""
        return bool(self.structure and self.styles)

    def picture(self, which: Which) -> str:
        """The room picture, or the first style picture; empty where there is none."""
        return self.structure if which == "structure" else next(iter(self.styles), "")

    def map_of(self, which: Which, kind: MapKind) -> str:
        """What was edited of one of both pictures; empty: nothing."""
        return str(getattr(self, FIELDS[which, kind]))

    def with_map(self, which: Which, kind: MapKind, file: str) -> Look:
        """The look with another file for what is edited of one of both pictures; empty: as it is seen."""
        changes: dict[str, Any] = {FIELDS[which, kind]: file}
        return replace(self, **changes)

    def choosing(self, thing: str, choice: Choice) -> Look:
        """The look with another choice for a thing."""
        things = {name: one for name, one in self.things.items() if name != thing}
        return replace(self, things=things if choice.plain else things | {thing: choice})

    def with_options(self, values: Mapping[str, Any]) -> Look:
        """The look with these options; those that are the default are left out. Raises InputError for a value that no run can use."""
        known = {option.name: option for option in options(PhotoConfig)}
        kept = {}
        for name, value in values.items():
            value = known[name].tidied(value)
            known[name].check(value)
            if value != known[name].default:
                kept[name] = list(value) if isinstance(value, tuple) else value
        return replace(self, options=kept)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Look:
        """The inverse of `as_json`. Raises InputError for values of another version."""
        try:
            things = {name: Choice(**one) for name, one in values["things"].items()}
            return cls(**{**values, "things": things, "styles": tuple(values["styles"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"Expected a look that this version wrote, got another ({error}); start a new project."
            ) from error

    def config(self, folder: Path) -> PhotoConfig:
        """The configuration of a run; files get the project's folder."""
        from relook.perceive.segment.vocabulary import tidy  # brings torch, which the page is shown without

        found: dict[str, list[str]] = {
            name: []
            for name in ("keep", "match", "reference", "material", "scale", "turn", "colour", "restyle", "strengths")
        }
        for thing, choice in self.things.items():
            _state(found, tidy(thing) or thing, choice, folder)
        stated = {name: tuple(words) for name, words in found.items() if words}
        chosen = PhotoConfig.from_json(self.options)
        merged: dict[str, Any] = {name: (*getattr(chosen, name), *words) for name, words in stated.items()}
        files: dict[str, Any] = {
            "segments": folder / self.segments if self.segments else None,
            "style_segments": folder / self.style_segments if self.style_segments else None,
            "layout": str(folder / self.layout) if self.layout else chosen.layout,
            "style_layout": str(folder / self.style_layout) if self.style_layout else chosen.style_layout,
            "certificate": folder.parent / SIGNATURE / CHAIN if self.signed else None,
            "key": folder.parent / SIGNATURE / KEY if self.signed else None,
        }
        return replace(chosen, **merged, **files)


def _state(found: dict[str, list[str]], thing: str, choice: Choice, folder: Path) -> None:
    """Add what a choice means to the words of the options."""
    match choice.taking:
        case "keep":
            found["keep"].append(thing)
        case "restyle":
            found["restyle"].append(thing)
        case "region" if choice.value:
            found["match"].append(f"{thing}={choice.value}")
        case "picture" if choice.value:
            found["reference"].append(f"{thing}={folder / choice.value}")
        case "colour" if choice.value:
            found["colour"].append(f"{thing}={choice.value}")
        case "material" if choice.value:
            found["material"].append(f"{thing}={folder / choice.value}")
            found["scale"].append(f"{thing}={choice.scale:g}")
            found["turn"].append(f"{thing}={choice.turn:g}")
    if choice.strength is not None and choice.taking != "keep":
        found["strengths"].append(f"{thing}={choice.strength:g}")
