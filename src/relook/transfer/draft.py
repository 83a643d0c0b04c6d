"""A draft: the look's colours on a small picture, after one glance at each picture, for whoever waits for the full one.

    read -> shrunk -> glanced at (`Perception.glanced`) -> matched -> palette -> draft

It may see less than the full picture: one look of the small network in place of six, borders that follow edges nearby, no materials. The colours are
those of the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from relook.perceive.exif import focal_of
from relook.progress import SILENT, Progress
from relook.transfer.composite import composite
from relook.transfer.materials import with_covers
from relook.transfer.palette import palette
from relook.transfer.references import joined
from relook.transfer.resolve import Run
from relook.transfer.strength import weakened
from relook.transfer.working import shrunk
from relook.types import Metadata, View

PREVIEW = 512
"""Longer side of a draft in pixels."""


def drafted(run: Run, pictures: Sequence[tuple[View, Metadata]], progress: Progress = SILENT) -> tuple[View, View]:
    """The structure picture as it was glanced at, and in the colours of the styles, both at PREVIEW pixels; by the weight-free method whatever the run's.

    pictures: the structure, then the styles, at full size. What the user keeps, names and covers counts as in the full picture. Raises
    SegmentsError for a thing that the user names and a glance does not see.
    """
    run = replace(run, family=None)
    with progress.stage("perceiving", len(pictures)) as tick, ThreadPoolExecutor(2) as threads:
        views: list[View] = []
        for view in threads.map(partial(glanced, run), pictures):
            views.append(view)
            tick(len(views))
    structure, style = views[0], joined(views[1:])
    with progress.stage("matching"):
        found = run.correspondence(structure, style)
    with progress.stage("restyling"):
        image = with_covers(palette(structure, style, found), structure, run.config.covers)
        image = composite(structure.image, weakened(image, structure, run.config, 1.0), found.kept)
    return structure, replace(structure, image=image)


def glanced(run: Run, picture: tuple[View, Metadata]) -> View:
    """A picture at PREVIEW pixels with what a glance sees of it."""
    view, metadata = picture
    if view.pictures:
        return view
    small = shrunk(view, PREVIEW)
    return run.perception.glanced(view, small, focal_of(metadata, small.size))
