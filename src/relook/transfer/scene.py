"""Everything about a pair of pictures that stays fixed while one is restyled: latents, text, depth, classes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, pad

from relook.correspond.dense import rearrangement
from relook.correspond.features import Descriptor
from relook.correspond.semantic import Correspondence, Shrinking, at_grid
from relook.errors import EditError
from relook.models.families import Family, padded
from relook.models.image_prompt import Adapter
from relook.models.text import Text
from relook.ops.groups import Groups
from relook.ops.statistics import adain, adain_by_class
from relook.transfer.guidance import Condition
from relook.transfer.layers import Grid
from relook.transfer.memory import StyleMemory
from relook.transfer.predict import Row
from relook.transfer.settings import Denoising
from relook.transfer.texture import Textures
from relook.types import Segments, View


@dataclass(frozen=True)
class Options:
    """What a run takes besides its preset."""

    steps: int | None = None
    """Of a whole run; the preset's if None."""
    seed: int = 0
    """Of every random draw."""
    strength: float = 1.0
    """1 is the preset, 0 the structure unchanged; between, the run starts at less noise and statistics and guidance are weaker."""
    prompt: str = ""
    """Words for the picture."""
    adapter: Adapter | None = None
    """For presets that make the style a prompt (see `relook.models.image_prompt`)."""
    descriptor: Descriptor | None = None
    """For presets that ask one which style token belongs where (see `Denoising.described`)."""
    memory: StyleMemory | None = None
    """Keeps what the denoiser makes of the style, for the next structure."""
    textures: Textures | None = None
    """The style's patterns on the structure, where they were decided for several views together; None: those that this one alone is given."""


@dataclass(frozen=True)
class Scene:
    """A pair in a family's latents. The style is stretched to the structure's (padded) size, so that both are rows of one batch."""

    family: Family
    structure: Float[Tensor, "1 C h w"]
    """Clean latents."""
    style: Float[Tensor, "1 C h w"]
    """Clean latents."""
    text: Text
    """The prompt."""
    empty: Text
    """No prompt."""
    prompt: str
    """Its words; empty for none."""
    depth: Float[Tensor, "1 3 H W"] | None
    """Control image of the structure; None where the family, the picture or the preset has none."""
    style_depth: Float[Tensor, "1 3 H W"] | None
    """Control image of the style."""
    correspondence: Correspondence
    """In the padded frame."""
    shrinking: Shrinking = "majority"
    """How label maps come to the latents' and the tokens' grids."""
    descriptors: tuple[Float[Tensor, "K a b"], Float[Tensor, "K c d"]] | None = None
    """Of the padded structure and the style, where a descriptor says which tokens correspond."""
    image: Float[Tensor, "1 D"] | None = None
    """The style picture as a prompt, where it is one."""
    _masks: dict[tuple[Grid, Grid], Groups] = field(default_factory=dict)
    _matches: dict[tuple[Grid, Grid, bool], Tensor] = field(default_factory=dict)

    @cached_property
    def no_image(self) -> Float[Tensor, "1 D"] | None:
        """The image prompt that says nothing, where `image` says something."""
        return None if self.image is None else torch.zeros_like(self.image)

    @property
    def size(self) -> Grid:
        """Height and width of the latents."""
        return self.structure.shape[-2], self.structure.shape[-1]

    def mask(self, output: Grid, style: Grid) -> Groups:
        """Which style tokens an output token may attend to, group by group, kept per grid."""
        if (output, style) not in self._masks:
            groups = self.correspondence.groups(output, style, self.shrinking)
            self._masks[output, style] = groups.to(self.structure.device)
        return self._masks[output, style]

    def matches(self, output: Grid, style: Grid, masked: bool = True) -> Int[Tensor, " N"]:
        """The style token that corresponds to each output token by the descriptors, kept per grid; -1 for none.

        masked: only within regions that correspond. Raises EditError without descriptors.
        """
        if self.descriptors is None:
            raise EditError("Expected descriptors of both pictures, got none; name a matcher when the scene is made.")
        key = (output, style, masked)
        if key not in self._matches:
            within = self.correspondence if masked else None
            self._matches[key] = rearrangement(*self.descriptors, output, style, within).to(self.structure.device)
        return self._matches[key]

    @cached_property
    def classes(self) -> tuple[Int[Tensor, "h w"], Int[Tensor, "h w"]]:
        """Common class ids of the structure's and the style's latents (0 = unmatched)."""
        classes = self.correspondence.structure_classes, self.correspondence.style_classes
        structure, style = (at_grid(one, self.size, self.shrinking).to(self.structure.device) for one in classes)
        return structure, style

    @cached_property
    def overall(self) -> Bool[Tensor, "h w"]:
        """The style's latents that make the look of the whole."""
        held = at_grid(self.correspondence.overall.long(), self.size, self.shrinking)
        return held.to(self.structure.device) > 0

    def row(
        self, latents: Float[Tensor, "1 C h w"], timestep: int, condition: Condition, *, of_style: bool = False
    ) -> Row:
        """A row of the denoiser's batch for the output or the structure, or for the style."""
        text, image = (self.text, self.image) if condition.prompt else (self.empty, self.no_image)
        depth = self.style_depth if of_style else self.depth
        return Row(latents, timestep, text, depth if condition.depth else None, image)

    def with_statistics(
        self, kind: str, latents: Float[Tensor, "1 C h w"], style: Float[Tensor, "1 C h w"], strength: float
    ) -> Float[Tensor, "1 C h w"]:
        """AdaIN of latents to style latents: class by class (kind `class`), inside what corresponds (`foreground`), or whole."""
        if kind == "foreground":
            return adain(latents, style, *(one > 0 for one in self.classes), strength=strength)
        if kind != "class":
            return adain(latents, style, strength=strength)
        overall = self.correspondence.unmatched != "keep" and self.overall
        return adain_by_class(latents, style, *self.classes, unmatched=overall, strength=strength)


def scene_of(
    family: Family,
    structure: View,
    style: View,
    correspondence: Correspondence,
    denoising: Denoising = Denoising(),  # noqa: B008  frozen
    options: Options = Options(),
) -> Scene:
    """Encode both pictures; depth, prompt, descriptors and the adapter are used where the denoising asks for them.

    Depth also needs a family with a ControlNet.
    """
    picture, _ = padded(structure.image, family.multiple)
    size = picture.shape[-2], picture.shape[-1]
    stretched = interpolate(style.image[None], size, mode="bicubic", antialias=True).clamp(0, 1)
    prompt = "" if denoising.no_prompt else options.prompt
    text = family.embed([prompt, ""])
    depths = denoising.depth and family.control is not None and structure.depth is not None
    describe = options.descriptor if denoising.described else None
    return Scene(
        family=family,
        structure=family.encode(picture[None]).float(),
        style=family.encode(stretched).float(),
        text=text[:1],
        empty=text[1:],
        prompt=prompt.strip(),
        depth=_padded(family.control_image(structure.depth), size) if depths and structure.depth else None,
        style_depth=family.control_image(style.depth, size) if depths and style.depth else None,
        correspondence=_framed(correspondence, size),
        shrinking=denoising.shrinking,
        descriptors=None if describe is None else (describe(View(picture)), describe(View(style.image))),
        image=None if options.adapter is None else options.adapter.embed(style.image),
    )


def _padded(image: Tensor, size: Grid) -> Tensor:
    return pad(image, (0, size[1] - image.shape[-1], 0, size[0] - image.shape[-2]), mode="replicate")


def _framed(correspondence: Correspondence, size: Grid) -> Correspondence:
    """The correspondence of the padded structure and the stretched style."""
    structure, style = correspondence.structure, correspondence.style
    edge = _padded(structure.labels[None, None].double(), size)[0, 0].long()
    return replace(correspondence, structure=Segments(edge, structure.regions), style=style.resized(size))
