"""The papers' ablations: a method with one part off, or changed, beside the method itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relook.evaluate.methods.rows import ROWS, PhotoRow, diffusion
from relook.evaluate.sources.dollhouse import Scored
from relook.transfer.presets import Preset, preset_of

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


def _pair(method: str, name: str, changed: str, **change: Any) -> dict[str, PhotoRow]:
    """A preset as it is, and with something changed."""
    preset = preset_of(method, name)
    title = _title(method, name)
    return {title: ROWS[title], f"{title}, {changed}": diffusion(preset.but(**change), changed)}


def _title(method: str, name: str) -> str:
    """The preset's name in ROWS."""
    return "relook" if (method, name) == ("restyle3d", "relook") else f"{method}/{name}"


def _fresh(preset: Preset) -> Preset:
    """The preset from fresh noise, without statistics and finish: only attention and depth are left."""
    return preset.unfinished().but(start=1.0, recolour=False)


_RELOOK = preset_of("restyle3d", "relook")

ABLATIONS: Mapping[str, Ablation] = {
    "attention": Ablation(
        "Attention to the style picture carries the look (all three papers); without semantic attention style similarity falls "
        "(ReStyle3D, table 5).",
        {
            **_pair("restyle3d", "relook", "no attention", attention=()),
            "relook, no denoiser": diffusion(
                _RELOOK.but(start=0.0, attention=(), structure_share=1.0),
                "the structure picture in the style's materials, light and patterns",
            ),
            "fresh noise": diffusion(_fresh(_RELOOK), "only attention and depth, from fresh noise"),
            "fresh noise, no attention": diffusion(_fresh(_RELOOK).but(attention=()), "only depth, from fresh noise"),
            **_pair("restyle3d", "paper", "no attention", attention=()),
            **_pair("cross-image-attention", "paper", "no attention", attention=()),
            **_pair("eye-for-an-eye", "paper", "no attention", attention=()),
        },
    ),
    "guidance": Ablation(
        "Guidance keeps the structure: without it AbsRel doubles (ReStyle3D, table 5); it makes the look stronger (Cross-Image Attention).",
        {
            **_pair("restyle3d", "paper", "no guidance", guidance="appearance", scale=(1.0, 1.0)),
            **_pair("cross-image-attention", "paper", "no guidance", scale=(1.0, 1.0)),
            **_pair("eye-for-an-eye", "paper", "no guidance", scale=(1.0, 1.0)),
        },
    ),
    "contrast": Ablation(
        "A higher contrast of the attention maps gives sharper pictures (Cross-Image Attention, section 3.2).",
        {
            **_pair("cross-image-attention", "paper", "no contrast", contrast=1.0),
            **_pair("restyle3d", "paper", "no contrast", contrast=1.0),
            **_pair("restyle3d", "relook", "contrast 1.67", contrast=1.67),
        },
    ),
    "adain": Ablation(
        "AdaIN of the latents closes the gap of colours between the two pictures (Cross-Image Attention, section 3.3).",
        {
            **_pair("cross-image-attention", "paper", "no AdaIN", adain="none"),
            **_pair("restyle3d", "paper", "no AdaIN", adain="none"),
            **_pair("restyle3d", "paper", "AdaIN per class", adain="class"),
            **_pair("eye-for-an-eye", "paper", "no AdaIN", adain="none"),
            **_pair("restyle3d", "relook", "no AdaIN at the start", recolour=False),
            **_pair("restyle3d", "relook", "no relighting", relight=False),
            **_pair("restyle3d", "relook", "no laid patterns", textures=False),
            "relook, no last touch": diffusion(_RELOOK.unfinished(), "no last touch"),
        },
    ),
    "mask": Ablation(
        "Attention within regions that correspond puts every look in its place (ReStyle3D, eq. 4, whose mask multiplies the logits).",
        {
            **_pair("restyle3d", "paper", "hard mask", masking="exact"),
            **_pair("restyle3d", "paper", "no mask", masked=False),
            **_pair("restyle3d", "relook", "multiplied logits", masking="multiplied"),
            **_pair("restyle3d", "relook", "no mask", masked=False),
        },
    ),
    "unmatched": Ablation(
        "Regions without a counterpart should take from the whole style picture: keeping them lowers style similarity (ReStyle3D, table 5).",
        {
            f"{title}, {policy}": diffusion(preset, f"regions without a counterpart: {policy}", unmatched=policy)
            for title, preset in (("relook", _RELOOK), ("restyle3d/paper", preset_of("restyle3d", "paper")))
            for policy in ("everything", "colour", "keep")
        },
        scored="unmatched",
    ),
    "steps": Ablation(
        "The papers take 100 steps (Cross-Image Attention, Eye-for-an-eye) and 120 (ReStyle3D's code).",
        {
            f"{title}, {count} steps": diffusion(preset, f"{count} steps", count)
            for title, preset in (("relook", _RELOOK), ("restyle3d/paper", preset_of("restyle3d", "paper")))
            for count in STEPS
        },
    ),
}
"""Every ablation of photographs by its name."""
