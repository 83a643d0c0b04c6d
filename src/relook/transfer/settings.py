"""What there is to set about a method: what happens in the family's latents, and what happens to the decoded picture.

The numbers of every method are in `relook.transfer.presets`. All windows are fractions of the run and all levels fractions of the finest
grid, so a preset holds for any number of steps, any size and any family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from relook.ops.attention import Masking

Window = tuple[float, float]
"""A part of the run as fractions: 0 is pure noise, 1 the finished picture."""


def active(window: Window, fraction: float) -> bool:
    """Whether a fraction of the run lies in a window."""
    return window[0] <= fraction <= window[1]


@dataclass(frozen=True)
class FreeU:
    """FreeU (Si et al. 2023): stronger backbone, weaker low frequencies of the skips, in the decoder's first stages."""

    backbone: tuple[float, ...] = (1.5, 1.6)
    """Factor on the first half of the backbone's channels, per decoder stage from the deepest; 1 = stage off."""
    skip: tuple[float, ...] = (0.9, 0.2)
    """Factor on the low frequencies, per stage."""
    lowpass: str = "skip"
    """Whose low frequencies are scaled: `skip` (standard) or `backbone` (Cross-Image Attention's code)."""


@dataclass(frozen=True)
class Swap:
    """Where and when attention goes to the style picture."""

    levels: tuple[float, ...] = ()
    """Decoder levels by their grid over the finest that has self-attention (1 is that one, 0.5 half of it); empty means
    all. In Stable Diffusion 1.5 at 512 pixels 1 is 64 x 64 tokens."""
    window: Window = (0.0, 1.0)
    """Part of the run."""


@dataclass(frozen=True)
class Denoising:
    """What happens in the family's latents."""

    steps: int = 30
    """Denoising steps of a whole run; a run that starts later takes fewer."""
    start: float = 1.0
    """Noise level at which the run starts: 1 is pure noise, 0.68 skips the first 32 %, 0 does not denoise at all."""
    inversion: Literal["ddpm", "ddim", "none"] = "ddpm"
    """How the structure's noise is found; `none`: the run takes fresh noise."""
    inversion_guidance: float = 1.0
    """Classifier-free guidance while inverting."""
    recolour: bool = False
    """The structure's latents take the style's statistics, class by class, before they are noised or inverted."""
    start_adain: Literal["none", "global", "class"] = "none"
    """Whose statistics the latents of the first step take: of the whole style picture's, at the same noise level, or class by class."""
    eta: float = 1.0
    """Stochasticity: 1 is DDPM, 0 is DDIM."""
    attention: tuple[Swap, ...] = (Swap(),)
    """Where and when attention is edited; empty means never."""
    masked: bool = True
    """Whether regions attend only to the regions that correspond."""
    masking: Masking = "exact"
    """How the mask acts."""
    contrast: float = 1.0
    """Contrast of the edited attention maps."""
    clip: bool = False
    """Clip contrasted maps to [0, 1]."""
    query_share: float = 0.0
    """Share of the structure's query, at the same noise level, in the query of edited attention (Style Injection's gamma)."""
    temperature: float = 1.0
    """Factor on the logits of edited attention (Style Injection's tau); above 1 the maps are sharper."""
    rearrange: Literal["features", "values"] | None = None
    """Rearrange the style's features by similarity in place of swapping keys and values (Eye-for-an-eye)."""
    matcher: str = "hidden"
    """What says which style token goes where when features are rearranged: `hidden`, the denoiser's hidden states in every layer and
    step (the paper), or the name of a descriptor (`embedded`, `dift:sd15`, a backbone's hub id or folder), asked once per run about
    the clean pictures."""
    style_noise: float = 1.0
    """The style row's timestep as a fraction of the output's; below 1 its noise is fixed."""
    guidance: Literal["appearance", "semantic", "semantic-released", "prompt"] = "appearance"
    """How predictions are combined (see guide)."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Strength of that guidance at the start and the end of the run."""
    no_prompt: bool = False
    """Leave the user's prompt out."""
    image_scale: float = 0.0
    """Weight of the style picture as a prompt, beside the words; above 0 the family needs an IP-Adapter. Predictions with the prompt
    have both, predictions without have neither."""
    depth: bool = True
    """Use depth where the family and the pictures have it."""
    injection_share: float = 0.0
    """Share of the steps whose edited attention goes to the structure in place of the style (0.2 = every fifth)."""
    injection_window: Window = (0.0, 1.0)
    """Part of the run with structure injection."""
    adain: Literal["none", "global", "foreground", "class"] = "none"
    """Whose statistics the latents take after a step: of the whole style picture, of its matched part, or class by class."""
    adain_window: Window = (0.2, 1.0)
    """Part of the run with AdaIN."""
    freeu: FreeU | None = None
    """FreeU in the decoder."""

    @property
    def described(self) -> bool:
        """Whether a descriptor of the clean pictures says which style token goes where."""
        return self.rearrange is not None and self.matcher != "hidden"

    def injects(self, index: int, fraction: float) -> bool:
        """Whether a step takes the structure's keys and values."""
        if self.injection_share <= 0:
            return False
        return active(self.injection_window, fraction) and index % max(round(1 / self.injection_share), 1) == 0


@dataclass(frozen=True)
class Finish:
    """What happens to the decoded picture: where the structure picture, in the style's colours, knows better (see `finish`).

    Shares say how much of the structure picture is mixed in; where several apply, the largest does.
    """

    statistics: bool = False
    """Each class of the picture takes the style's mean and deviation in Lab."""
    structure_share: float = 0.0
    """Share of the structure picture everywhere."""
    edge_share: float = 0.0
    """Share beside the edges of segments and depth: the picture has edges that are finer than a latent."""
    plain_share: float = 0.0
    """Share on surfaces that are plain in the style: there the picture has the light, and the denoiser nothing to add."""
    unmatched_share: float = 0.0
    """Share where nothing of the style picture corresponds: there nobody knows what to paint."""
    relight: bool = False
    """Regions that correspond take materials and light of the style's counterparts (`relook.ops.light`), and of the denoised picture only
    its fine patterns. Needs segments, and depth to say where surfaces face."""
    textures: bool = False
    """Surfaces that are patterned in the style take that pattern itself (`texture`): straightened by the style's depth, grown, and seen on
    the structure's surfaces. Needs segments, and depth in metres of both pictures."""

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Shares of the structure picture: everywhere, on plain surfaces, beside edges, where nothing corresponds."""
        return self.structure_share, self.plain_share, self.edge_share, self.unmatched_share


@dataclass(frozen=True)
class Preset:
    """One way to run a method."""

    denoising: Denoising = Denoising()
    finish: Finish = Finish()
    """Nothing unless stated: the decoded picture as it is."""
    minimum_area: float = 0.0
    """A class that fills less than this fraction of either picture counts as unmatched."""

    def but(self, **changes: Any) -> Preset:
        """The preset with some fields of its denoising and its finish changed, by their names."""
        own = {field.name for field in fields(Finish)}
        denoising = replace(self.denoising, **{name: value for name, value in changes.items() if name not in own})
        finish = replace(self.finish, **{name: value for name, value in changes.items() if name in own})
        return replace(self, denoising=denoising, finish=finish)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preset:
        """The inverse of `dataclasses.asdict` through JSON, which has lists for tuples."""
        values = _tuples(values)
        denoising = dict(values["denoising"])
        denoising["attention"] = tuple(Swap(**swap) for swap in denoising["attention"])
        denoising["freeu"] = None if denoising["freeu"] is None else FreeU(**denoising["freeu"])
        return cls(Denoising(**denoising), Finish(**values["finish"]), values["minimum_area"])

    def unfinished(self) -> Preset:
        """The same without finish: the decoded picture as it is."""
        return replace(self, finish=Finish())


def _tuples(value: Any) -> Any:
    """Lists in JSON values as tuples."""
    if isinstance(value, Mapping):
        return {name: _tuples(part) for name, part in value.items()}
    return tuple(_tuples(part) for part in value) if isinstance(value, list | tuple) else value
