"""A draft: the look's colours on a small picture, after one glance at each picture, for whoever waits for the full one.

    read -> shrunk -> glanced at (`Perception.glanced`) -> matched -> palette -> its change carried to PREVIEW pixels

It may see less than the full picture: two looks of the small network in place of six, soft borders where the picture has no edge, no materials. The
colours are those of the same code.
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
from relook.transfer.working import carried, shrunk
from relook.types import Metadata, View

PREVIEW, SIDE = 512, 320
"""Longer side in pixels of a draft, and of the pictures in which it is made; what changes is carried to the former along its edges (`carried`), so that
no coarse border is ragged."""


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
    structure, style, room = views[0], joined(views[1:]), shrunk(pictures[0][0], PREVIEW)
    if room.segments is None and structure.segments is not None:
        room = replace(room, segments=structure.segments.resized(room.size))
    with progress.stage("matching"):
        found, kept = run.correspondence(structure, style), run.correspondence(room, style).kept
    with progress.stage("restyling"):
        image = carried(room.image, structure.image, palette(structure, style, found))
        image = weakened(with_covers(image, room, run.config.covers), room, run.config, 1.0)
        return room, replace(room, image=composite(room.image, image, kept))


def glanced(run: Run, picture: tuple[View, Metadata]) -> View:
    """A picture at SIDE pixels with what a glance sees of it."""
    view, metadata = picture
    if view.pictures:
        return view
    small = shrunk(view, SIDE)
    return run.perception.glanced(view, small, focal_of(metadata, small.size))
