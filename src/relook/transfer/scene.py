"""Everything about a pair of pictures that stays fixed while one is restyled: latents, text, depth, classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, pad

from relook.correspond.dense import rearrangement
from relook.correspond.features import descriptor
from relook.correspond.semantic import Correspondence, at_grid
from relook.errors import EditError
from relook.models.families import Family, padded
from relook.models.text import Text
from relook.ops.groups import Groups
from relook.transfer.layers import Grid
from relook.transfer.selfsegment import foreground
from relook.types import Depth, Segments, View


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
    correspondence: Correspondence | None
    """In the padded frame."""
    descriptors: tuple[Float[Tensor, "K a b"], Float[Tensor, "K c d"]] | None = None
    """Of the padded structure and the style, where a descriptor says which tokens correspond."""
    image: Float[Tensor, "1 D"] | None = None
    """The style picture as a prompt, where it is one."""
    _masks: dict[tuple[Grid, Grid], Groups] = field(default_factory=dict)
    _places: dict[tuple[Grid, Grid, bool], Tensor] = field(default_factory=dict)
    _classes: list[Tensor] = field(default_factory=list)

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
        if self.correspondence is None:
            raise EditError("Expected a correspondence for masked attention, got none; give segments of both pictures.")
        if (output, style) not in self._masks:
            self._masks[output, style] = self.correspondence.groups(output, style).to(self.structure.device)
        return self._masks[output, style]

    def places(self, output: Grid, style: Grid, masked: bool = True) -> Int[Tensor, " N"]:
        """Which style token belongs in each output token's place by the descriptors, kept per grid; -1 for none.

        masked: only within regions that correspond, where a correspondence is known. Raises EditError without descriptors.
        """
        if self.descriptors is None:
            raise EditError("Expected descriptors of both pictures, got none; name a matcher when the scene is made.")
        key = (output, style, masked)
        if key not in self._places:
            within = self.correspondence if masked else None
            self._places[key] = rearrangement(*self.descriptors, output, style, within).to(self.structure.device)
        return self._places[key]

    def classes(self) -> tuple[Int[Tensor, "h w"], Int[Tensor, "h w"]] | None:
        """Common class ids of the structure's and the style's latents (0 = unmatched), or None without correspondence."""
        if self.correspondence is None:
            return None
        if not self._classes:
            for classes in (self.correspondence.structure_classes, self.correspondence.style_classes):
                self._classes.append(at_grid(classes, self.size).to(self.structure.device))
        return self._classes[0], self._classes[1]

    def foreground(self, generator: torch.Generator) -> tuple[Bool[Tensor, "h w"], Bool[Tensor, "h w"]] | None:
        """Which latents of the structure and the style show what is restyled: the regions that correspond, or where the
        prompt's last word is; None without either."""
        classes = self.classes()
        if classes is not None:
            return classes[0] > 0, classes[1] > 0
        if not self.prompt:
            return None
        signal = self.family.noise_levels()
        middle = len(signal) // 2
        masks = []
        for clean in (self.structure, self.style):
            noise = torch.randn(clean.shape, generator=generator).to(clean)
            noised = signal[middle].sqrt() * clean + (1 - signal[middle]).sqrt() * noise
            masks.append(foreground(self.family, noised, middle, self.prompt))
        return masks[0], masks[1]


def scene_of(
    family: Family,
    structure: View,
    style: View,
    correspondence: Correspondence | None,
    *,
    prompt: str = "",
    depth: bool = True,
    matcher: str = "hidden",
    describe: Callable[[Tensor], Tensor] | None = None,
) -> Scene:
    """Encode both pictures; depth is used where asked for and where the family has a ControlNet.

    matcher: `hidden`, or the name of the descriptor that both pictures are described by (see `relook.correspond.features`).
    describe: makes the style picture [3 H W] a prompt [1 D] (see `relook.models.image_prompt`).
    """
    ours, _ = padded(structure.image, family.multiple)
    size = ours.shape[-2], ours.shape[-1]
    theirs = interpolate(style.image[None], size, mode="bicubic", antialias=True).clamp(0, 1)
    text = family.embed([prompt, ""])
    depth = depth and family.control is not None and structure.depth is not None
    return Scene(
        family=family,
        structure=family.encode(ours[None]).float(),
        style=family.encode(theirs).float(),
        text=text[:1],
        empty=text[1:],
        prompt=prompt.strip(),
        depth=_padded(family.control_image(structure.depth), size) if depth and structure.depth else None,
        style_depth=_stretched(family, style.depth, size) if depth and style.depth else None,
        correspondence=None if correspondence is None else _framed(correspondence, size),
        descriptors=None if matcher == "hidden" else _described(matcher, family, ours, style.image),
        image=None if describe is None else describe(style.image),
    )


def _described(matcher: str, family: Family, structure: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    describe = descriptor(matcher, family)
    return describe(View(structure)), describe(View(style))


def _padded(image: Tensor, size: Grid) -> Tensor:
    return pad(image, (0, size[1] - image.shape[-1], 0, size[0] - image.shape[-2]), mode="replicate")


def _stretched(family: Family, depth: Depth, size: Grid) -> Tensor:
    return interpolate(family.control_image(depth).float(), size, mode="bilinear", antialias=True).to(family.dtype)


def _framed(correspondence: Correspondence, size: Grid) -> Correspondence:
    """The correspondence of the padded structure and the stretched style."""
    ours = correspondence.structure.labels
    edge = _padded(ours[None, None].double(), size)[0, 0].to(ours.dtype)
    theirs = interpolate(correspondence.style.labels[None, None].double(), size, mode="nearest-exact")[0, 0].to(
        ours.dtype
    )
    return replace(
        correspondence,
        structure=Segments(edge, correspondence.structure.regions),
        style=Segments(theirs, correspondence.style.regions),
    )
