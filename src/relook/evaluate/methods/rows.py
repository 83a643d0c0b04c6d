"""The rows of the photo suites: every method, preset and baseline as a function that makes a picture of a pair.

Everything here can be pickled: rows are sent to the processes that paint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import torch

from relook.correspond.semantic import UnmatchedPolicy
from relook.evaluate.methods import baselines
from relook.evaluate.row import Image, Row
from relook.evaluate.sections import CEILING
from relook.evaluate.sources.pair import Pair
from relook.transfer.presets import Preset, preset_of

if TYPE_CHECKING:
    from relook.models.families import Family

DEFAULT = "relook"
"""Relook's default."""


@dataclass(frozen=True)
class Setting:
    """What the rows of a run share."""

    family: str = "dollhouse"
    """Name or folder of the model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    steps: int | None = None
    """Denoising steps of every diffusion row; the preset's if None."""
    seed: int = 0
    """Seed of the draws within a method."""

    def loaded(self) -> Family:
        """The family, loaded once in a process. Raises MissingModelError where it is not on this machine."""
        return _family(self.family, self.device)


PhotoRow = Row[Pair, Setting]
"""A row of the photo suites."""


def diffusion(
    preset: Preset, note: str, steps: int | None = None, unmatched: UnmatchedPolicy = "everything"
) -> PhotoRow:
    """A row that restyles with a preset; `steps` overrides the run's."""
    paint = partial(_restyled, preset=preset, steps=steps, unmatched=unmatched)
    return Row(note, paint, learned=True, prompted=preset.denoising.image_scale > 0)


def _restyled(pair: Pair, setting: Setting, *, preset: Preset, steps: int | None, unmatched: UnmatchedPolicy) -> Image:
    from relook.models.image_prompt import adapter
    from relook.transfer.restyle import Options, restyle

    correspondence, family = pair.correspondence(unmatched), setting.loaded()
    shows = adapter("auto", family) if preset.denoising.image_scale > 0 else None
    options = Options(steps or setting.steps, setting.seed, prompt=pair.prompt, adapter=shows)
    image = restyle(family, pair.structure, pair.style, correspondence, preset, options).cpu()
    return torch.where(correspondence.kept, pair.structure.image, image)


@lru_cache(1)
def _family(name: str, device: str) -> Family:
    from relook.models.families import load_family
    from relook.session import placement

    return load_family(name, placement(device, "fp32"))


def _copy(pair: Pair, setting: Setting) -> Image:
    return baselines.copy(pair.structure.image)


def _reinhard(pair: Pair, setting: Setting) -> Image:
    return baselines.reinhard(pair.structure.image, pair.style.image)


def _statistics(pair: Pair, setting: Setting) -> Image:
    return baselines.statistics(pair.structure.image, pair.style.image, pair.correspondence())


def _transport(pair: Pair, setting: Setting) -> Image:
    return baselines.transport(pair.structure.image, pair.style.image, pair.correspondence())


def _microast(pair: Pair, setting: Setting) -> Image:
    return baselines.microast(pair.structure.image, pair.style.image)


def _microast_by_class(pair: Pair, setting: Setting) -> Image:
    return baselines.microast_by_class(pair.structure.image, pair.style.image, pair.correspondence())


def _palette(pair: Pair, setting: Setting) -> Image:
    from relook.transfer.palette import palette

    return palette(pair.structure, pair.style, pair.correspondence())


@torch.no_grad()
def _exact(pair: Pair, setting: Setting) -> Image:
    from relook.models.families import padded

    if pair.exact is None:
        raise ValueError(f"Expected an exact answer to {pair.name}, got none; leave the row `exact` out.")
    family = setting.loaded()
    picture, (height, width) = padded(pair.exact, family.multiple)
    return family.decode(family.encode(picture[None].to(family.device)))[0, :, :height, :width].float().cpu()


WORDS = {"paper": "as published", "released": "as its code runs", "relook": "Relook's settings"}
METHODS = ("restyle3d", "cross-image-attention", "eye-for-an-eye", "style-id", "ip-adapter")

ROWS: Mapping[str, PhotoRow] = {
    "copy": Row("the structure as it is", _copy),
    "reinhard": Row("colour statistics of the whole picture (Reinhard et al. 2001)", _reinhard),
    "statistics": Row("colour statistics per class", _statistics),
    "transport": Row("entropic optimal transport of colours per class (Cuturi 2013)", _transport),
    "microast": Row("MicroAST (Wang et al. 2023): arbitrary style transfer, no classes", _microast, weights=("microast",)),
    "microast/by-class": Row("the same with its statistics per class (our addition)", _microast_by_class, weights=("microast",)),
    "palette": Row("Relook without weights: colours and light by optimal transport per class", _palette),
    "adain": diffusion(preset_of("restyle3d", "adain"), "AdaIN per class in latents, and nothing else"),
    DEFAULT: diffusion(preset_of("restyle3d", "relook"), "Relook's default: materials, light and patterns of the style, and semantic attention"),
    **{
        f"{method}/{name}": diffusion(preset_of(method, name), f"{method}, {words}")
        for method in METHODS
        for name, words in WORDS.items()
        if f"{method}/{name}" != "restyle3d/relook"
    },
    "eye-for-an-eye/matched": diffusion(
        preset_of("eye-for-an-eye", "matched"), "as published, matches by the descriptor of dense correspondence"
    ),
    CEILING: Row("the exact answer through the autoencoder: the most that a latent method can reach", _exact, learned=True),
}  # fmt: skip
"""Every row of the photo suites, in the table's order."""
