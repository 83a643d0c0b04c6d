"""The key frames of a walk, restyled by one run as a photograph is by its own; the style's patterns lie once in the world, so that they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.lift.key_view import made_once, of_view
from relook.lift.scene.sheet import sheet
from relook.progress import Progress
from relook.session import Session
from relook.transfer.photo import looked, understood
from relook.transfer.references import Styles
from relook.transfer.resolve import Run
from relook.transfer.texture import Textures, textures_over
from relook.transfer.working import shrunk, working_side
from relook.types import Depth, View


def restyled_keys(
    views: Sequence[View],
    style: Styles,
    config: PhotoConfig,
    session: Session,
    progress: Progress,
    places: Sequence[Path | None],
) -> tuple[list[Float[Tensor, "3 _ _"]], dict[str, str]]:
    """Views of one size, with cameras, whole depth and segments, in the new look, no larger than the run's working size; and what is learned by which.

    places: of every view, a PNG that holds its picture, or will.
    """
    run, picture, seen = understood(_stacked(views), style, replace(config, layout="none"), session, progress)
    if run.family is not None:
        side = run.config.size or working_side(run.family.size)
        views = [shrunk(view, side) for view in views]
        picture = _stacked(views)
    patterns: Sequence[Textures | None] | None = None
    if run.family is not None and run.preset.finish.textures:
        patterns = textures_over(views, seen, run.correspondence(picture, seen))
    made = []
    with progress.stage("key frames", len(views)) as tick:
        for number, (view, place) in enumerate(zip(views, places, strict=True)):
            own = replace(
                run, config=of_view(run.config, (), view), textures=None if patterns is None else patterns[number]
            )
            made.append(made_once(partial(_looked, own, view, seen), place))
            tick(number + 1)
    return made, run.weights


def _looked(run: Run, view: View, style: View) -> Float[Tensor, "3 H W"]:
    """One of them."""
    if view.segments is None or not view.segments.names:
        return view.image
    return looked(run, view, style, run.correspondence(view, style))


def _stacked(views: Sequence[View]) -> View:
    """One above the other, with depth where all have it."""
    depths = [view.metric_depth for view in views]
    known = [one for one in depths if one is not None]
    return replace(sheet(views), depth=Depth(torch.cat(known), "metric") if len(known) == len(depths) else None)
