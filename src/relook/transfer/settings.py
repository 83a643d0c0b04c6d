"""What there is to set about a method: what happens in the family's latents, and what happens to the decoded picture.

The numbers of every method are in `relook.transfer.presets`. Windows are fractions of the run, or steps where released code counts them;
levels are fractions of the finest grid. So a preset holds for any number of steps, any size and any family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from relook.correspond.semantic import Shrinking
from relook.ops.attention import Masking

Guidance = Literal["appearance", "semantic", "semantic-released", "prompt", "prompt-released"]


@dataclass(frozen=True)
class Steps:
    """A part of the run in steps, as released code counts them: 0 is the first that is run, of as many as the preset has."""

    first: int
    last: int
    """Within the part."""
    every: int = 1
    """Of these only every so many, from the first on."""


Window = tuple[float, float] | Steps
"""A part of the run: as fractions, where 0 is pure noise and 1 the finished picture, or in steps."""


@dataclass(frozen=True)
class FreeU:
    """FreeU (Si et al. 2023): stronger backbone, weaker low frequencies, in two kinds of decoder stages."""

    backbone: tuple[float, float] = (1.5, 1.6)
    """Factors on the first half of the backbone's channels."""
    low: tuple[float, float] = (0.9, 0.2)
    """Factors on the low frequencies (two by two around zero)."""
    where: Literal["skips", "inputs"] = "skips"
    """`skips`, the published technique: before every layer of the two deepest stages, low frequencies of the skips. `inputs`, as
    Cross-Image Attention's code has it: once where a stage begins, low frequencies of the backbone, skips untouched; the first factors
    for stages whose input is as wide as the deepest, the second for those of half that width."""


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
    spacing: Literal["linspace", "leading"] = "linspace"
    """Which timesteps they take (see `schedule_of`)."""
    start: float = 1.0
    """Noise level at which the run starts: 1 is pure noise, 0.68 skips the first 32 %, 0 does not denoise at all."""
    skip: int = 0
    """The same in steps that are left out, as released code counts; it goes before `start`."""
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
    shrinking: Shrinking = "majority"
    """How label maps come to a grid of tokens."""
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
    replay: bool = False
    """Denoise the style's and the structure's rows beside the output, under the same guidance, as released code does: they drift from
    the pictures' own latents. Else these are taken as they were drawn, which is the papers' z_t and needs fewer predictions."""
    guidance: Guidance = "appearance"
    """How predictions are combined (see `relook.transfer.guidance`)."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Strength of that guidance in the first and the last step that is run."""
    guidance_window: Window = (0.0, 1.0)
    """Part of the run with it; outside, appearance guidance leaves the swapped prediction, the released semantic one twice that with
    depth less that without."""
    no_prompt: bool = False
    """Leave the user's prompt out."""
    image_scale: float = 0.0
    """Weight of the style picture as a prompt, beside the words; above 0 the family needs an IP-Adapter. Predictions with the prompt
    have both, predictions without have neither."""
    depth: bool = True
    """Use depth where the family and the pictures have it."""
    injection: Steps | None = None
    """Steps in which edited attention goes to the structure in place of the style."""
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
        denoising["attention"] = tuple(
            Swap(**swap | {"window": _window(swap["window"])}) for swap in denoising["attention"]
        )
        denoising["freeu"] = None if denoising["freeu"] is None else FreeU(**denoising["freeu"])
        for part in ("injection", "guidance_window", "adain_window"):
            denoising[part] = _window(denoising[part])
        return cls(Denoising(**denoising), Finish(**values["finish"]), values["minimum_area"])

    def unfinished(self) -> Preset:
        """The same without finish: the decoded picture as it is."""
        return replace(self, finish=Finish())


def _window(value: Any) -> Any:
    """A window out of JSON: steps are an object there."""
    return Steps(**value) if isinstance(value, dict) else value


def _tuples(value: Any) -> Any:
    """Lists in JSON values as tuples."""
    if isinstance(value, Mapping):
        return {name: _tuples(part) for name, part in value.items()}
    return tuple(_tuples(part) for part in value) if isinstance(value, list | tuple) else value
