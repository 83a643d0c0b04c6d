"""Forms from the schemas of classes of options: one component per option, in the groups of its help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from relook.config import PhotoConfig
from relook.errors import InputError
from relook.models.catalogue import CATALOGUE
from relook.options import json_schema

ELSEWHERE = (
    "match", "keep", "restyle", "reference", "strengths", "material", "scale", "turn", "colour", "layout", "style_layout", "preview",
    "device", "precision", "low_vram",
)  # fmt: skip
"""Options that other parts of the page stand for, and those of the machine."""
MODELS = (
    "family",
    "segmenter",
    "labeller",
    "depth_estimator",
    "image_prompt",
    "refine",
    "geometry",
    "style_descriptor",
    "judge",
)
"""Options that name a model."""
Schema = Mapping[str, Mapping[str, Any]]
"""Options by name, as `relook.options.json_schema` says them; `optional`: whether None is a value."""


def fields(kind: type = PhotoConfig, elsewhere: Sequence[str] = ELSEWHERE, only: Sequence[str] = ()) -> Schema:
    """The options of a class that a form asks for: no file, because a browser never names a path of this machine. only: these alone."""
    found = {}
    for name, one in json_schema(kind, elsewhere)["properties"].items():
        kinds = one.get("anyOf", [one])
        if kinds[0].get("format") != "path" and kinds[0].get("type") != "object" and (not only or name in only):
            found[name] = {**one, **kinds[0], "optional": len(kinds) > 1}
    return found


def form(schema: Schema, part: str, *, folded: bool = True) -> dict[str, gr.components.Component]:
    """Components of the options by name, in the schema's order, drawn where this is called: a fold for each group. part: see `component`."""
    found: dict[str, gr.components.Component] = {}
    for title in dict.fromkeys(one["group"] for one in schema.values()):
        with gr.Accordion(title.capitalize(), open=not folded and not found):
            found |= {name: component(name, one, part) for name, one in schema.items() if one["group"] == title}
    return {name: found[name] for name in schema}


def component(name: str, schema: Mapping[str, Any], part: str) -> gr.components.Component:
    """What asks for one option. part: of the page; every component has an id of its own, by which the page knows what somebody chose (choices.js)."""
    words: dict[str, Any] = {
        "label": name.replace("_", " ").capitalize(), "info": schema["description"].replace("`", ""), "value": shown(schema, schema["default"]), "elem_id": f"{part}-{name}",
    }  # fmt: skip
    if "enum" in schema:
        return gr.Dropdown([*([("by default", "")] if schema["optional"] else []), *schema["enum"]], **words)
    if schema["type"] == "boolean":
        return gr.Checkbox(**words)
    if schema["type"] == "number" and not schema["optional"]:
        return gr.Slider(schema["minimum"], schema["maximum"], step=0.05, **words)
    if schema["type"] in ("integer", "number"):
        return gr.Number(precision=0 if schema["type"] == "integer" else None, minimum=schema.get("minimum"), **words)
    if name in MODELS:
        return gr.Dropdown([words["value"] or "", *sorted(CATALOGUE)], allow_custom_value=True, **words)
    return gr.Textbox(**words)


def changed(one: gr.components.Component) -> Any:
    """The event of a component that a person has set: not at every letter, not at every step of a slider."""
    if isinstance(one, gr.Textbox | gr.Number):
        return one.blur
    return one.release if isinstance(one, gr.Slider) else one.input  # type: ignore[attr-defined]


def shown(schema: Mapping[str, Any], value: Any) -> Any:
    """A value as its component shows it."""
    if "enum" in schema and value is None:
        return ""
    return ", ".join(value) if schema["type"] == "array" else value


def filled(schema: Schema, options: Mapping[str, Any]) -> list[Any]:
    """What the components of a form show of options; the default of those that are not there."""
    return [shown(one, options.get(name, one["default"])) for name, one in schema.items()]


def values_of(schema: Schema, values: Sequence[Any]) -> dict[str, Any]:
    """What the components hold, as options have it. Raises InputError for a model that is named by a path."""
    found = {}
    for name, value in zip(schema, values, strict=True):
        if name in MODELS and value and not _named(str(value)):
            raise InputError(
                f"Expected the name of a model as {name}, got {value!r}; choose one of relook models list, or a hub id."
            )
        if schema[name]["optional"] and value in ("", None):
            value = None
        elif schema[name]["type"] == "array":
            value = tuple(part.strip() for part in str(value or "").split(",") if part.strip())
        elif schema[name]["type"] == "number":
            value = float(value)
        elif schema[name]["type"] == "integer":
            value = int(value)
        found[name] = value
    return found


def given(schema: Schema, values: Sequence[Any]) -> dict[str, Any]:
    """What a form holds that is not its default, as JSON has it."""
    found = {}
    for name, value in values_of(schema, values).items():
        plain = list(value) if isinstance(value, tuple) else value
        if plain != schema[name]["default"]:
            found[name] = plain
    return found


def with_value(options: Mapping[str, Any], schema: Schema, option: str, value: Any) -> dict[str, Any]:
    """Options as JSON has them, with another value of one, as its component holds it."""
    others = {name: one for name, one in options.items() if name != option}
    return others | given({option: schema[option]}, [value])


def _named(word: str) -> bool:
    """Whether a word names a model (sd15, owner/name, detector+sam) and no place on this machine."""
    parts = word.split("+")
    return all(part and part.count("/") <= 1 and part[0] not in "./~" and ".." not in part for part in parts)
