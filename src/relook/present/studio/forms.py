"""A form from the schema of a class of options: one component per option, in the groups of its help."""

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
MODELS = ("family", "segmenter", "labeller", "depth_estimator", "image_prompt", "refine")
"""Options that name a model."""


def fields() -> dict[str, dict[str, Any]]:
    """The options of PhotoConfig that the form asks for: no file, because a browser never names a path of this machine."""
    found = {}
    for name, one in json_schema(PhotoConfig, ELSEWHERE)["properties"].items():
        kinds = one.get("anyOf", [one])
        if kinds[0].get("format") != "path":
            found[name] = {**one, **kinds[0], "optional": len(kinds) > 1}
    return found


def form() -> dict[str, gr.components.Component]:
    """Components of the options by name, drawn where this is called: a folded part for each group."""
    schema = fields()
    found: dict[str, gr.components.Component] = {}
    for title in dict.fromkeys(one["group"] for one in schema.values()):
        with gr.Accordion(title.capitalize(), open=False):
            found |= {name: component(name, one) for name, one in schema.items() if one["group"] == title}
    return found


def component(name: str, schema: Mapping[str, Any]) -> gr.components.Component:
    """What asks for one option."""
    words: dict[str, Any] = {
        "label": name.replace("_", " "), "info": schema["description"].replace("`", ""), "value": shown(schema, schema["default"]),
    }  # fmt: skip
    if "enum" in schema:
        return gr.Dropdown(list(schema["enum"]), **words)
    if schema["type"] == "boolean":
        return gr.Checkbox(**words)
    if schema["type"] == "number":
        return gr.Slider(schema["minimum"], schema["maximum"], step=0.05, **words)
    if schema["type"] == "integer":
        return gr.Number(precision=0, minimum=schema.get("minimum"), **words)
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
    return ", ".join(value) if schema["type"] == "array" else value


def values_of(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """What the components hold, as options have it. Raises InputError for a model that is named by a path."""
    schema = fields()
    found = {}
    for name, value in zip(names, values, strict=True):
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
        found[name] = value
    return found


def _named(word: str) -> bool:
    """Whether a word names a model (sd15, owner/name, detector+sam) and no place on this machine."""
    parts = word.split("+")
    return all(part and part.count("/") <= 1 and part[0] not in "./~" and ".." not in part for part in parts)
