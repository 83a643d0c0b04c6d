"""The look of a frame as it is carried through a walk: one warp over all of its maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.warp import Warped, blended
from relook.types import View

OLDEST = 15.0
"""Ages beyond this are kept as this."""
FRESH = 0.5
"""Pixels of less age than this were painted in their own frame."""


@dataclass(frozen=True)
class Look:
    """What a finished frame hands on, and what arrives of it where another frame sees the same points."""

    image: Float[Tensor, "3 H W"]
    """RGB in the new look."""
    age: Float[Tensor, "H W"]
    """How often each pixel was resampled since it was painted; 0 for those painted here."""
    styled: Float[Tensor, "H W"]
    """1 where the look comes from the style picture, however far it was carried; 0 where a hole was filled."""
    source: Float[Tensor, "3 H W"]
    """RGB as the frame was before."""
    confidence: Float[Tensor, "H W"]
    """From 0 (a hole; in a finished frame what moves, and is not carried on) to 1."""

    @classmethod
    def painted(cls, image: Float[Tensor, "3 H W"], view: View) -> Look:
        """That of a view restyled from the style picture."""
        new, whole = torch.zeros(view.size), torch.ones(view.size)
        return cls(image, new, whole, view.image, whole)

    @classmethod
    def nothing(cls, size: tuple[int, int]) -> Look:
        """That of a frame of `size` (H, W) of which nothing is known."""
        return cls._of(torch.zeros(9, *size))

    @property
    def holes(self) -> Bool[Tensor, "H W"]:
        """Where nothing is known; a black pixel is no hole."""
        return self.confidence <= 0

    @property
    def fresh(self) -> Bool[Tensor, "H W"]:
        """Pixels that were painted in this frame, and do not move."""
        return (self.age < FRESH) & ~self.holes

    def warped(self, warp: Callable[[Float[Tensor, "C h w"]], Warped]) -> tuple[Look, Float[Tensor, "H W"]]:
        """Every map as another frame sees it, and how sure the warp is of each pixel."""
        found = warp(self._maps())
        return self._of(found.values), found.confidence

    def rounded(self) -> Look:
        """The same as files of 8 bits keep it, so that a frame in memory is the frame that is read again."""
        image, age, styled = (_eight_bits(values) for values in (self.image, self.age / OLDEST, self.styled))
        return Look(image, age * OLDEST, styled, self.source, (self.confidence > 0.5).float())

    def _maps(self) -> Float[Tensor, "9 H W"]:
        return torch.cat([self.image, self.age[None], self.styled[None], self.source, self.confidence[None]])

    @classmethod
    def _of(cls, maps: Float[Tensor, "9 H W"]) -> Look:
        """The inverse of `_maps`."""
        image, age, styled, source, confidence = maps.split([3, 1, 1, 3, 1])
        return cls(image, age[0], styled[0], source, confidence[0])


def blend(looks: Sequence[Look], decay: float, ranks: Sequence[Float[Tensor, "H W"]]) -> Look:
    """Several looks of one frame as one: weights confidence · exp(-decay · rank)."""
    mixed = blended([Warped(look._maps(), look.confidence) for look in looks], decay, ranks)
    return Look._of(mixed.values)


@dataclass(frozen=True)
class RestyledFrame:
    """A finished frame of a walk."""

    number: int
    """Its place in the walk, from 0."""
    view: View
    """As it was, with what is known of it."""
    look: Look
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What is recorded of it; see `relook.lift.propagation`."""


def _eight_bits(values: Tensor) -> Tensor:
    return (values.clamp(0, 1) * 255).round() / 255
