"""The four losses of one style picture, ready to judge rendered pictures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.lift.losses.denoisers import StyledDenoiser
from relook.lift.losses.descriptor import descriptor_loss
from relook.lift.losses.distillation import distillation_loss, guided, residual, scale_at, timestep_at
from relook.lift.losses.judges import Judge
from relook.lift.losses.nearest import NEAREST_LAYERS, Counterparts, at_features, nearest_loss
from relook.lift.losses.quality import quality_loss
from relook.lift.losses.schedule import Step
from relook.lift.losses.statistics import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    Statistics,
    at_scale,
    content_loss,
    gram_loss,
    moment_loss,
    scales,
    statistics,
)
from relook.models.vgg import LEAST, activations
from relook.session import Session

KEPT = 48
"""So many views' content features are kept; those of others are made anew."""


@dataclass(frozen=True)
class Weights:
    """How much each term counts."""

    gram: float = 1.0
    moments: float = 0.0
    content: float = 1.0
    descriptor: float = 1.0
    quality: float = 1.0
    distillation: float = 1.0
    nearest: float = 1.0
    guidance: tuple[float, float] = (7.5, 20.0)
    """Of distillation: least and most."""
    depth: bool = False
    """Whether the denoiser is shown the view's depth."""
    halvings: int = 0
    """At how many sizes below the picture's own statistics are taken besides."""


@dataclass(frozen=True)
class Described:
    """A style picture as somebody describes it."""

    by: Judge
    wanted: Float[Tensor, "1 D"]

    @staticmethod
    def of(style: Float[Tensor, "3 H W"], by: Judge) -> Described:
        """The style picture's own descriptor."""
        with torch.no_grad():
            return Described(by, by(style[None]))

    def loss(self, picture: Float[Tensor, "3 H W"]) -> Float[Tensor, ""]:
        """CSD of a rendered picture."""
        return descriptor_loss(self.by(picture[None]), self.wanted)


@dataclass(frozen=True)
class Known:
    """What is known of the view beside its picture."""

    number: int
    """Of the step, from 0."""
    before: Float[Tensor, "3 H W"]
    """What the view showed before anything changed."""
    depth: Float[Tensor, "H W"] | None = None
    """In scene units."""


@dataclass(eq=False)
class StyleLosses:
    """Of one style picture, for views of one size."""

    weights: Weights
    session: Session
    style: Float[Tensor, "3 H W"]
    describe: Described | None = None
    judge: Judge | None = None
    denoiser: StyledDenoiser | None = None
    counterparts: Counterparts | None = None
    seed: int = 0
    _statistics: dict[tuple[int, int], Mapping[str, Statistics]] = field(default_factory=dict)
    _features: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    _content: OrderedDict[tuple[int, float], Tensor] = field(default_factory=OrderedDict)

    def __call__(
        self, picture: Float[Tensor, "3 H W"], view: int, step: Step, known: Known
    ) -> dict[str, Float[Tensor, ""]]:
        """Every term of a step, weighted, by name; their sum is what is descended on. view: the view's number."""
        terms: dict[str, Tensor] = {}
        if "statistics" in step.losses:
            terms |= self._of_statistics(picture, view, step, known)
        if "descriptor" in step.losses and self.describe is not None:
            terms["descriptor"] = self.weights.descriptor * self.describe.loss(picture)
        if "quality" in step.losses and self.judge is not None:
            terms["quality"] = self.weights.quality * quality_loss(self.judge(picture[None]))
        if "distillation" in step.losses and self.denoiser is not None:
            terms["distillation"] = self.weights.distillation * self._distilled(
                self.denoiser, picture, (view, step, known)
            )
        for name in ("nearest", "counterpart"):
            if name in step.losses and (name == "nearest" or self.counterparts is not None):
                terms[name] = self.weights.nearest * self._nearest(picture, view if name == "counterpart" else None)
        return terms

    def _nearest(self, picture: Tensor, view: int | None) -> Tensor:
        """NNFM with the whole style picture, or with what view number `view` shows within its counterparts."""
        found = self._blocks(picture)
        size = (picture.shape[1], picture.shape[2])
        if size not in self._features:
            with torch.no_grad():
                self._features[size] = self._blocks(self._style_at(size, 1.0))
        wanted, known = self._features[size], self.counterparts
        if view is None or known is None:
            return nearest_loss(found.flatten(1), wanted.flatten(1))
        maps = (known.views[view], found), (known.style, wanted)
        groups = [at_features(ids, (one.shape[1], one.shape[2])).to(one.device) for ids, one in maps]
        return nearest_loss(found.flatten(1), wanted.flatten(1), (groups[0], groups[1]))

    def _blocks(self, picture: Float[Tensor, "3 H W"]) -> Float[Tensor, "D h w"]:
        """Features of NEAREST_LAYERS."""
        found = activations(large_enough(picture)[None], NEAREST_LAYERS, self.session)
        return torch.cat([found[layer][0] for layer in NEAREST_LAYERS])

    def _of_statistics(self, picture: Tensor, view: int, step: Step, known: Known) -> dict[str, Tensor]:
        """SOS: the mean over scales."""
        size = (picture.shape[1], picture.shape[2])
        sizes = scales(size, half_only=step.half, extra=self.weights.halvings)
        terms: dict[str, list[Tensor]] = {"gram": [], "moments": [], "content": []}
        layers = [*STYLE_LAYERS, CONTENT_LAYER]
        for scale in sizes:
            found = activations(large_enough(at_scale(picture, scale))[None], layers, self.session)
            wanted = self._statistics_at(size, scale)
            terms["gram"].append(self.weights.gram * gram_loss(found, wanted))
            terms["moments"].append(self.weights.moments * moment_loss(found, wanted))
            content = self._content_of(known.before, view, scale)
            terms["content"].append(self.weights.content * content_loss(found[CONTENT_LAYER], content))
        return {name: torch.stack(parts).mean() for name, parts in terms.items() if getattr(self.weights, name)}

    @torch.no_grad()
    def _statistics_at(self, size: tuple[int, int], scale: float) -> Mapping[str, Statistics]:
        """The style's at this scale."""
        seen = self._style_at(size, scale)
        asked = (seen.shape[1], seen.shape[2])
        if asked not in self._statistics:
            features = activations(seen[None], STYLE_LAYERS, self.session)
            self._statistics[asked] = {layer: statistics(one) for layer, one in features.items()}
        return self._statistics[asked]

    def _style_at(self, size: tuple[int, int], scale: float) -> Float[Tensor, "3 h w"]:
        """The style picture, with as many pixels along the shorter side as a view of `size` at this scale."""
        side = max(LEAST, round(min(size) * scale))
        height, width = self.style.shape[1:]
        fit = side / min(height, width)
        asked = (max(LEAST, round(height * fit)), max(LEAST, round(width * fit)))
        return interpolate(self.style[None], asked, mode="bilinear", antialias=min(height, width) > 1)[0]

    @torch.no_grad()
    def _content_of(self, before: Tensor, view: int, scale: float) -> Tensor:
        """Features of the view as it was."""
        key = (view, scale)
        if key not in self._content:
            seen = large_enough(at_scale(before, scale))
            self._content[key] = activations(seen[None], [CONTENT_LAYER], self.session)[CONTENT_LAYER]
            while len(self._content) > KEPT:
                self._content.popitem(last=False)
        return self._content[key]

    def _distilled(self, denoiser: StyledDenoiser, picture: Tensor, at: tuple[int, Step, Known]) -> Tensor:
        """DSSD of one view (its number, step and what is known of it); `fixed` views see the same noise every time."""
        view, step, known = at
        levels = denoiser.family.noise_levels()
        timestep = timestep_at(step.progress, len(levels))
        latents = denoiser.latents(picture)
        mark = view if step.view == "fixed" else 10_000 + known.number
        draw = torch.Generator().manual_seed(1_000_003 * self.seed + mark)
        noise = torch.randn(latents.shape, generator=draw).to(latents)
        shown = self.weights.depth and known.depth is not None and denoiser.family.control is not None
        mix = guided(scale_at(step.progress, *self.weights.guidance), by_prompt=denoiser.by_prompt, depth=shown)
        control = denoiser.control(known.depth) if shown and known.depth is not None else None
        noises = partial(denoiser.noises, control=control)
        change = residual(latents.detach(), noise, timestep, levels, mix, noises)
        return distillation_loss(latents, change)


def large_enough(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 h w"]:
    """A picture too small for VGG19, enlarged."""
    height, width = image.shape[1:]
    if min(height, width) >= LEAST:
        return image
    return interpolate(image[None], (max(height, LEAST), max(width, LEAST)), mode="nearest")[0]
