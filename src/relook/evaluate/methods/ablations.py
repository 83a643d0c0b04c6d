"""The papers' ablations: a method with one part off, or changed, beside the method itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relook.evaluate.methods.rows import ALONE, PRODUCTS, ROWS, PhotoRow, Product
from relook.evaluate.sources.dollhouse import Scored
from relook.transfer.settings import Preset

STEPS = (10, 20, 50, 100)
"""Numbers of steps that are compared."""


@dataclass(frozen=True)
class Ablation:
    """One question, and the rows that answer it."""

    claim: str
    """What the papers say."""
    rows: Mapping[str, PhotoRow]
    """`NAME` or `NAME, WHAT IS CHANGED`."""
    scored: Scored = "shared"
    """What counts."""

    @property
    def references(self) -> Mapping[str, str]:
        """What each row is compared with: the first of its name."""
        first: dict[str, str] = {}
        for row in self.rows:
            first.setdefault(row.partition(", ")[0], row)
        return {row: first[row.partition(", ")[0]] for row in self.rows if first[row.partition(", ")[0]] != row}


def _pair(row: str, changed: str, **change: Any) -> dict[str, PhotoRow]:
    """A row as it is, and with something of its preset changed."""
    return {row: ROWS[row], f"{row}, {changed}": _with(row, changed, PRODUCTS[row].numbers.but(**change))}


def _each(rows: Sequence[str], changed: str, **change: Any) -> dict[str, PhotoRow]:
    """`_pair` of several rows."""
    return {name: made for row in rows for name, made in _pair(row, changed, **change).items()}


def _with(row: str, note: str, preset: Preset | None = None, **options: Any) -> PhotoRow:
    """A row with another preset, or with other options."""
    return Product(note, replace(PRODUCTS[row].config, **options), preset).row


def _alone(row: str, **changed: tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]) -> dict[str, PhotoRow]:
    """A row on the pictures alone, and with something of it changed: what, in words with _ between them, by its preset, its options and the
    exact maps that it is given."""
    product = PRODUCTS[row].on_pictures_alone("embedded", "embedded")
    found = {f"{row}, {ALONE}": product.row}
    for words, (numbers, options, given) in changed.items():
        note, preset = words.replace("_", " "), product.numbers.but(**numbers) if numbers else product.preset
        one = replace(product, note=note, config=replace(product.config, **options), preset=preset, given=given)
        found[f"{row}, {ALONE}, {note}"] = one.row
    return found


RELOOK, PAPER, CROSS_IMAGE, EYE = (
    "relook", "restyle3d/paper", "cross-image-attention/paper", "eye-for-an-eye/paper",
)  # fmt: skip
"""The rows that are taken apart."""
CODE = ("restyle3d/released", "cross-image-attention/released", "eye-for-an-eye/released")
"""The same of the methods' code."""
NOTHING: tuple[str, ...] = ()
"""No exact map."""
NO_LAYOUT, NO_MASKS = {"layout": "none", "style_layout": "none"}, {"segmenter": "whole"}
"""Options that switch off what is seen."""
_NUMBERS = PRODUCTS[RELOOK].numbers
_FRESH = _NUMBERS.unfinished().but(start=1.0, recolour=False)
"""The default from fresh noise, without statistics and finish: only attention and depth are left."""

ABLATIONS: Mapping[str, Ablation] = {
    "attention": Ablation(
        "Attention to the style picture carries the look (all three papers); without semantic attention style similarity falls "
        "(ReStyle3D, table 5).",
        {
            **_pair(RELOOK, "no attention", attention=()),
            "relook, no denoiser": _with(
                RELOOK,
                "the structure picture in the style's materials, light and textures",
                _NUMBERS.but(start=0.0, attention=(), structure_share=1.0),
            ),
            "fresh noise": _with(RELOOK, "only attention and depth, from fresh noise", _FRESH),
            "fresh noise, no attention": _with(RELOOK, "only depth, from fresh noise", _FRESH.but(attention=())),
            **_pair(PAPER, "no attention", attention=()),
            **_pair(CROSS_IMAGE, "no attention", attention=()),
            **_pair(EYE, "no attention", attention=()),
            **_each(CODE, "no attention", attention=()),
        },
    ),
    "guidance": Ablation(
        "Guidance keeps the structure: without it AbsRel doubles (ReStyle3D, table 5); it makes the look stronger (Cross-Image Attention).",
        {
            **_pair(PAPER, "no guidance", guidance="appearance", scale=(1.0, 1.0)),
            **_pair(CROSS_IMAGE, "no guidance", scale=(1.0, 1.0)),
            **_pair(EYE, "no guidance", scale=(1.0, 1.0)),
            **_pair(CODE[0], "no guidance", guidance="appearance", scale=(1.0, 1.0)),
            **_each(CODE[1:], "no guidance", scale=(1.0, 1.0)),
        },
    ),
    "contrast": Ablation(
        "A higher contrast of the attention maps gives sharper pictures (Cross-Image Attention, section 3.2).",
        {
            **_pair(CROSS_IMAGE, "no contrast", contrast=1.0),
            **_pair(PAPER, "no contrast", contrast=1.0),
            **_each(CODE[:2], "no contrast", contrast=1.0),
            **_pair(RELOOK, "contrast 1.67", contrast=1.67),
        },
    ),
    "adain": Ablation(
        "AdaIN of the latents closes the gap of colours between the two pictures (Cross-Image Attention, section 3.3).",
        {
            **_pair(CROSS_IMAGE, "no AdaIN", adain="none"),
            **_pair(PAPER, "no AdaIN", adain="none"),
            **_pair(PAPER, "AdaIN per class", adain="class"),
            **_pair(EYE, "no AdaIN", adain="none"),
            **_each(CODE, "no AdaIN", adain="none"),
            **_pair(RELOOK, "no AdaIN at the start", recolour=False),
            **_pair(RELOOK, "no relighting", relight=False),
            **_pair(RELOOK, "no texture transfer", textures=False),
            "relook, no finish": _with(RELOOK, "no finish", _NUMBERS.unfinished()),
        },
    ),
    "mask": Ablation(
        "Attention within regions that correspond puts every look in its place (ReStyle3D, eq. 4, whose mask multiplies the logits).",
        {
            **_pair(PAPER, "hard mask", masking="exact"),
            **_pair(PAPER, "no mask", masked=False),
            **_pair(RELOOK, "multiplied logits", masking="multiplied"),
            **_pair(RELOOK, "no mask", masked=False),
        },
    ),
    "unmatched": Ablation(
        "Regions without a counterpart should take from the whole style picture: keeping them lowers style similarity (ReStyle3D, table 5).",
        {
            f"{row}, {policy}": _with(row, f"regions without a counterpart: {policy}", unmatched=policy)
            for row in (RELOOK, PAPER)
            for policy in ("everything", "colour", "keep")
        },
        scored="unmatched",
    ),
    "seeing": Ablation(
        "What a room's layout, masks, depth and materials each bring where nothing but the pictures is known, and what exact ones would.",
        {
            **_alone(
                RELOOK,
                no_layout=({}, NO_LAYOUT, NOTHING),
                no_masks=({}, NO_MASKS, NOTHING),
                no_depth=({}, {"depth_estimator": "none"}, NOTHING),
                no_materials=({"textures": False}, {}, NOTHING),
                exact_masks=({}, {}, ("segments",)),
                exact_depth=({}, {}, ("depth",)),
            ),
            RELOOK: ROWS[RELOOK],
            **_alone(
                "palette",
                no_masks=({}, NO_MASKS, NOTHING),
                exact_masks=({}, {}, ("segments",)),
            ),
        },
    ),
    "steps": Ablation(
        "The papers take 100 steps (Cross-Image Attention, Eye-for-an-eye) and 120 (ReStyle3D's code).",
        {
            f"{row}, {count} steps": _with(row, f"{count} steps", steps=count)
            for row in (RELOOK, PAPER)
            for count in STEPS
        },
    ),
}
"""Every ablation of photographs by its name."""
