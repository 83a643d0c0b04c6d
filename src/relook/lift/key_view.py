"""One view of several restyled as a photograph is: with what the user says of the things that it shows, and once, kept on disk for a stopped run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.io import read_image, write_image
from relook.perceive.segment.vocabulary import canonical
from relook.types import View


def made_once(make: Callable[[], Float[Tensor, "3 H W"]], place: Path | None) -> Float[Tensor, "3 H W"]:
    """A picture to 8 bits: read from `place` where it lies there, else made and written there."""
    if place is not None and place.exists():
        return read_image(place)
    image = (make().cpu().clamp(0, 1) * 255).round() / 255
    if place is not None:
        write_image(place, image)
        return read_image(place)
    return image


def of_view(config: PhotoConfig, only: Sequence[str], view: View) -> PhotoConfig:
    """The configuration for one view of a scene: of what the user says of things, what holds for those that this view shows."""
    shown = () if view.segments is None else view.segments.names
    meant = {canonical(name) for name in shown}

    def here(words: Sequence[str]) -> tuple[str, ...]:
        return tuple(word for word in words if canonical(word.partition("=")[0].strip()) in meant or word == "all")

    wanted = {canonical(name) for name in only}
    keep = tuple(name for name in shown if canonical(name) not in wanted) if only else here(config.keep)
    return replace(
        config, keep=keep, match=here(config.match), restyle=here(config.restyle), strengths=here(config.strengths),
        reference=here(config.reference), colour=here(config.colour),
    )  # fmt: skip
