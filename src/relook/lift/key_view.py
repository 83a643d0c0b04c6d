"""One view of several restyled as a photograph is: with what the user says of the things that it shows, once, and kept on disk for a stopped run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.files import read_json, write_json
from relook.io import read_image, write_image
from relook.perceive.segment.vocabulary import canonical
from relook.session import Session
from relook.transfer.photo import Styles, restyle_photo
from relook.types import View


def restyled_once(
    view: View, style: Styles, config: PhotoConfig, session: Session, place: Path | None = None
) -> tuple[Float[Tensor, "3 H W"], dict[str, str], Styles]:
    """The view in the new look, to 8 bits; the revisions of what is learned by which; and the style, perceived if it was looked at.

    place: a PNG that holds the picture, or will, with the revisions beside it. A view in which nothing has a name stays as it is.
    """
    if view.segments is not None and not view.segments.names:
        return view.image, {}, style
    beside = None if place is None else place.with_suffix(".json")
    if place is not None and beside is not None and place.exists() and beside.exists():
        return read_image(place), read_json(beside), style
    result = restyle_photo(view, style, config, session=session)
    image, weights = (result.image.cpu().clamp(0, 1) * 255).round() / 255, dict(result.record["weights"])
    if place is not None and beside is not None:
        write_image(place, image)
        write_json(beside, weights)
        image = read_image(place)
    return image, weights, result.style


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
