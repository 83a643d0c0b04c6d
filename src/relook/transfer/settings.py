"""What there is to set about a method: one frozen dataclass, whose numbers are in `relook.transfer.presets`.

All windows are fractions of the run and all levels fractions of the finest grid, so a preset holds for any number of
steps, any size and any family.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from relook.ops.attention import Masking
from relook.transfer.guide import (
    FreeU,
    Mix,
    appearance,
    classifier_free,
    linear,
    semantic,
    semantic_released,
)
from relook.transfer.sample import Window


@dataclass(frozen=True)
class Swap:
    """Where and when attention goes to the style picture."""

    levels: tuple[float, ...] = ()
    """Decoder levels by their grid over the finest that has self-attention (1 is that one, 0.5 half of it); empty means
    all. In Stable Diffusion 1.5 at 512 pixels 1 is 64 x 64 tokens."""
    window: Window = (0.0, 1.0)
    """Part of the run."""


@dataclass(frozen=True)
class Preset:
    """One way to run a method."""

    steps: int = 30
    """Denoising steps of a whole run; a run that starts later takes fewer."""
    start: float = 1.0
    """Noise level at which the run starts: 1 is pure noise, 0.68 skips the first 32 %, 0 does not denoise at all."""
    inversion: Literal["ddpm", "ddim"] = "ddpm"
    """How the structure's noise is found, where it is used."""
    inversion_guidance: float = 1.0
    """Classifier-free guidance while inverting."""
    refinements: int = 4
    """Fixed-point iterations of every step of DDIM inversion; 0 is plain DDIM inversion."""
    inverted: float = 1.0
    """Share of the structure's own noise in every step; 0 is all fresh noise (and needs no inversion)."""
    whiten: float = 0.0
    """How far the structure's noise takes the statistics of fresh noise, class by class, so that it keeps the structure's
    edges but not its colours."""
    rest: bool = True
    """Add what the deterministic last step of the inversion missed."""
    start_adain: Literal["none", "global", "class"] = "none"
    """Whose statistics the latents of the first step take: of the whole style picture's, at the same noise level, or class by class."""
    recolour: float = 0.0
    """How far the structure's latents take the style's statistics, class by class, before they are noised or inverted."""
    eta: float = 1.0
    """Stochasticity: 1 is DDPM, 0 is DDIM."""
    attention: tuple[Swap, ...] = (Swap(),)
    """Where and when attention is edited; empty means never."""
    keys: Literal["style", "both"] = "style"
    """The keys of an edited row: the style's, or its own and the style's."""
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
    style_depth: bool = True
    """Whether the style row gets its own depth, where depth is used and known."""
    guidance: Literal["appearance", "semantic", "semantic-released", "prompt"] = "appearance"
    """How predictions are combined (see guide)."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Strength of that guidance at the start and the end of the run."""
    wordless: bool = False
    """No prompt at all, whatever the user says."""
    image_scale: float = 0.0
    """Weight of the style picture as a prompt, beside the words; above 0 the family needs an IP-Adapter. Predictions with the prompt
    have both, predictions without have neither."""
    depth: bool = True
    """Use depth where the family and the pictures have it."""
    depth_share: float = 0.6
    """Share of depth against semantic attention in the semantic guidances."""
    depth_guidance: float = 0.0
    """Extra guidance towards the structure's depth (appearance guidance only)."""
    control_scale: float = 1.0
    """Strength of the ControlNet's residuals."""
    injection_share: float = 0.0
    """Share of the steps whose edited attention goes to the structure in place of the style (0.2 = every fifth)."""
    injection_window: Window = (0.0, 1.0)
    """Part of the run with structure injection."""
    adain: Literal["none", "global", "foreground", "class"] = "none"
    """Whose statistics the latents take after a step: of the whole style picture, of its matched part, or class by class."""
    adain_window: Window = (0.2, 1.0)
    """Part of the run with AdaIN."""
    adain_strength: float = 1.0
    """How far."""
    freeu: FreeU | None = None
    """FreeU in the decoder."""
    final: float = 0.0
    """How far each class of the finished picture takes the style's mean and deviation in Lab."""
    final_gain: float = 1.0
    """The most by which contrast may rise while it does; 1 only lets it fall."""
    structure_share: float = 0.0
    """Share of the structure picture itself, in the style's Lab statistics class by class, in the finished picture."""
    edge_share: float = 0.0
    """The same beside the edges of segments and depth, if it is more: the picture has edges that are finer than a latent."""
    plain_share: float = 0.0
    """The same on surfaces that are plain in the style, if it is more: there the picture has the light, and the denoiser nothing to add.
    What is plain is told by `smooth`; at 0 everything is."""
    lonely_share: float = 0.0
    """The same where nothing of the style picture corresponds, if it is more: there nobody knows what to paint."""
    smooth: float = 0.0
    """Reach, as a fraction of the longer side, within which patterns are smoothed away on surfaces of the structure picture that are
    not plain, before it is mixed in (needs segments; depth keeps creases)."""
    relight: float = 0.0
    """How far the structure picture, before it is mixed in, takes materials and light from the style's counterparts (relook.ops.light)
    in place of their Lab statistics; needs segments, and depth to tell where surfaces face."""
    pattern: float = 0.0
    """Above 0, wherever it is mixed in at all, regions that correspond take colour and light from that picture, and of the denoised one
    only what varies within this reach (fraction of the longer side); 0 mixes the two whole."""

    lay: float = 0.0
    """How far surfaces that are patterned in the style take that pattern itself (relook.transfer.lay): straightened by the style's depth,
    grown, and laid on the structure's surfaces; needs segments, and depth in metres of both pictures."""

    def untouched(self) -> Preset:
        """The same without last touch: the decoded picture as it is."""
        return replace(
            self, final=0.0, structure_share=0.0, edge_share=0.0, plain_share=0.0, lonely_share=0.0, relight=0.0, pattern=0.0, lay=0.0
        )  # fmt: skip

    def mix(self, fraction: float, strength: float = 1.0) -> Mix:
        """The guidance at a fraction of the run; strength below 1 weakens appearance guidance."""
        scale = linear(*self.scale, fraction)
        if self.guidance == "appearance":
            return appearance(1 + (scale - 1) * strength, depth_guidance=self.depth_guidance)
        if self.guidance == "prompt":
            return classifier_free(scale, swap=True, depth=self.depth)
        return (semantic if self.guidance == "semantic" else semantic_released)(scale, self.depth_share)

    def injects(self, index: int, fraction: float) -> bool:
        """Whether a step takes the structure's keys and values."""
        if self.injection_share <= 0:
            return False
        within = self.injection_window[0] <= fraction <= self.injection_window[1]
        return within and index % max(round(1 / self.injection_share), 1) == 0
