"""Key views restyled one by one as photographs are; what changed in each is solved into the Gaussians, which keep their own detail."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.lift.key_view import made_once, of_view
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.scene.uplift import lifted, likeness, spread
from relook.ops.splats.solve import RIDGE
from relook.session import Session
from relook.transfer.photo import restyle_photo
from relook.transfer.references import Styles
from relook.types import View


def distill(scene: Scene, style: Styles, settings: Settings) -> Float[Tensor, "N 3"]:
    """The Gaussians' colours plus the change of the key views, in least squares; what none shows changes as what is most like it, in its region.

    min_d sum_v |A_v d - (new_v - old_v)|^2 + RIDGE |d - mean|^2.
    """
    changes = []
    with settings.progress.stage("key views", len(scene.views)) as tick:
        for number, view in enumerate(scene.views):
            place = None if settings.work is None else settings.work / f"view{number:03}.png"
            config = of_view(settings.config.picture, settings.config.only, view)
            changes.append(made_once(partial(_looked, view, style, config, settings.session), place) - view.image)
            tick(number + 1)
    with settings.progress.stage("solving"):
        return added(scene, changes)


def added(scene: Scene, changes: Sequence[Float[Tensor, "3 H W"]]) -> Float[Tensor, "N 3"]:
    """The scene's colours plus what changed in each of its views (RGB)."""
    found = lifted(scene.blends, changes, ridge=RIDGE)
    change = spread(found.values, found.seen, likeness(scene.gaussians), scene.region)
    return (scene.gaussians.colours + change).clamp(0, 1)


def _looked(view: View, style: Styles, config: PhotoConfig, session: Session) -> Float[Tensor, "3 H W"]:
    """The product's `relook photo` of a view."""
    if view.segments is not None and not view.segments.names:
        return view.image
    return restyle_photo(view, style, config, session=session).image
