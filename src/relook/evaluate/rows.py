"""The rows of the dollhouse suites: every method, preset, half of a method, and baseline, as picture-making functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from relook.evaluate import baselines
from relook.evaluate.pairs import Pair
from relook.models.families import Family
from relook.transfer.presets import Preset, preset_of

Image = Float[Tensor, "3 H W"]


@dataclass(frozen=True)
class Setting:
    """What the rows of a run share."""

    family: Family | None
    """None where no family is on this machine; rows that need one are left out."""
    steps: int | None = None
    """Denoising steps of every diffusion row; the preset's if None."""
    seed: int = 0
    """Seed of the draws within a method."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    note: str
    """What it is, for readers of the report."""
    paint: Callable[[Pair, Setting], Image]
    """The picture it makes of a pair."""
    learned: bool = False
    """Whether it needs a family."""
    prompted: bool = False
    """Whether it needs an IP-Adapter for that family."""


def diffusion(preset: Preset, note: str, steps: int | None = None) -> Row:
    """A row that restyles with a preset; `steps` overrides the run's."""

    def paint(pair: Pair, setting: Setting) -> Image:
        from relook.transfer.restyle import restyle

        assert setting.family is not None
        return restyle(
            setting.family, pair.structure, pair.style, pair.correspondence(), preset,
            steps=steps or setting.steps, seed=setting.seed, prompt=pair.prompt,
        ).cpu()  # fmt: skip

    return Row(note, paint, learned=True, prompted=preset.image_scale > 0)


def _palette(pair: Pair, setting: Setting) -> Image:
    from relook.transfer.palette import palette

    return palette(pair.structure, pair.style, pair.correspondence())


def _statistics(pair: Pair, setting: Setting) -> Image:
    return baselines.statistics(pair.structure.image, pair.style.image, pair.correspondence())


@torch.no_grad()
def _exact(pair: Pair, setting: Setting) -> Image:
    """The exact answer through the autoencoder: the most that a latent method can reach."""
    from relook.models.families import padded

    family = setting.family
    assert family is not None
    picture, (height, width) = padded(pair.exact, family.multiple)
    return family.decode(family.encode(picture[None].to(family.device)))[0, :, :height, :width].float().cpu()


ROWS: Mapping[str, Row] = {
    "copy": Row("the structure as it is", lambda pair, _: baselines.copy(pair.structure.image)),
    "reinhard": Row(
        "colour statistics of the whole picture",
        lambda pair, _: baselines.reinhard(pair.structure.image, pair.style.image),
    ),
    "statistics": Row("colour statistics per class", _statistics),
    "adain": diffusion(preset_of("restyle3d", "adain"), "AdaIN per class in latents, and nothing else"),
    "palette": Row("Relook without weights: optimal transport per class", _palette),
    "relook": diffusion(preset_of("restyle3d", "relook"), "Relook's default: semantic attention and AdaIN per class"),
    **{
        f"{method}/{name}": diffusion(preset_of(method, name), f"{method}, {words}")
        for method, names in (
            ("restyle3d", ("paper", "released", "attention", "both", "no-attention")),
            ("cross-image-attention", ("paper", "released", "relook")),
            ("eye-for-an-eye", ("paper", "released", "relook", "matched")),
            ("style-id", ("paper", "released", "relook")),
            ("ip-adapter", ("paper", "released", "relook")),
        )
        for name, words in (
            ("paper", "as published"),
            ("released", "as its code runs"),
            ("relook", "Relook's settings"),
            ("matched", "as published, matches by the descriptor of dense correspondence"),
            ("attention", "attention alone, from fresh noise"),
            ("both", "AdaIN and attention: the default without mixing"),
            ("no-attention", "the default without attention"),
        )
        if name in names
    },
    "exact": Row("the exact answer through the autoencoder: the most that can be reached", _exact, learned=True),
}
"""Every row of dollhouse-photo, in the table's order."""

_ATTENTION = preset_of("restyle3d", "attention")

CLASS_SWAP: Mapping[str, Row] = {
    "off": diffusion(
        replace(_ATTENTION, attention=()), "fresh noise, depth, the same prompt; no attention to the style"
    ),
    "on": diffusion(_ATTENTION, "the same, with semantic attention to the style; no AdaIN"),
}
"""Whether attention carries the look: nothing else does in either row."""


def step_rows(counts: tuple[int, ...]) -> Mapping[str, Row]:
    """Relook's default at several numbers of steps."""
    preset = preset_of("restyle3d", "relook")
    return {f"{count} steps": diffusion(preset, f"Relook's default in {count} steps", count) for count in counts}
