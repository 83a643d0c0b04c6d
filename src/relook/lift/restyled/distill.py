"""Key views restyled one by one as photographs are; what changed in each is solved into the Gaussians, which keep their own detail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.io import read_image, write_image
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.scene.uplift import lifted, likeness, spread
from relook.ops.splats.solve import RIDGE
from relook.perceive.segment.vocabulary import canonical
from relook.session import Session
from relook.transfer.photo import Styles, restyle_photo
from relook.types import View


def distill(scene: Scene, style: Styles, settings: Settings) -> Float[Tensor, "N 3"]:
    """The Gaussians' colours plus the change of the key views, in least squares; what none shows changes as what is most like it, in its region.

    min_d sum_v |A_v d - (new_v - old_v)|^2 + RIDGE |d - mean|^2.
    """
    changes = []
    with settings.progress.stage("key views", len(scene.views)) as tick:
        for number, view in enumerate(scene.views):
            place = None if settings.work is None else settings.work / f"view{number:03}.png"
            changes.append(_restyled(view, style, settings, place) - view.image)
            tick(number + 1)
    with settings.progress.stage("solving"):
        return added(scene, changes)


def added(scene: Scene, changes: Sequence[Float[Tensor, "3 H W"]]) -> Float[Tensor, "N 3"]:
    """The scene's colours plus what changed in each of its views (RGB)."""
    found = lifted(scene.blends, changes, ridge=RIDGE)
    change = spread(found.values, found.seen, likeness(scene.gaussians), scene.region)
    return (scene.gaussians.colours + change).clamp(0, 1)


def _restyled(view: View, style: Styles, settings: Settings, place: Path | None) -> Float[Tensor, "3 H W"]:
    """One view in the new look, to 8 bits: read from `place` where it lies there, else made and written there."""
    if place is not None and place.exists():
        return read_image(place)
    config = of_view(settings.config.picture, settings.config.only, view)
    image = (_looked(view, style, config, settings.session).clamp(0, 1) * 255).round() / 255
    if place is not None:
        write_image(place, image)
        return read_image(place)
    return image


def _looked(view: View, style: Styles, config: PhotoConfig, session: Session) -> Float[Tensor, "3 H W"]:
    """The product's `relook photo` of a view."""
    if view.segments is not None and not view.segments.names:
        return view.image
    return restyle_photo(view, style, config, session=session).image.cpu()


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
