"""Regions of a picture behind one interface: `Segmenter` = View -> Segments at the view's size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from relook.errors import SegmentsError
from relook.io import read_segments
from relook.models import perceiver
from relook.models.catalogue import SEGMENTER_ORDER
from relook.models.store import is_checkpoint
from relook.perceive.backends import BackEnd, Table
from relook.perceive.segment import ade20k, by_layout, embedded, panoptic
from relook.perceive.segment.regions import whole
from relook.session import Session
from relook.types import Segments, View

Segmenter = Callable[[View], Segments]


def segmenter(name: str, session: Session) -> Segmenter:
    """The segmenter called `name`: one of SEGMENTERS, a label map (.png), or a transformers model (name, folder or hub id).

    auto: the view's own segments, else the first of the table's order that is on this machine; the embedded network knows drawn rooms
    only and must be asked by name. Raises InputError for anything else. Weights are looked for when the segmenter is first used.
    """
    return SEGMENTERS.find(name, session)


def exact(view: View) -> Segments:
    """The segments that the view already has."""
    if view.segments is None:
        raise SegmentsError("Expected a view with segments, got one without; name a segmenter or a label map.")
    return view.segments


def _auto(view: View, session: Session) -> Segments:
    """The best segments on this machine."""
    return view.segments if view.segments is not None else segmenter(SEGMENTERS.chosen("auto"), session)(view)


SEGMENTERS: Table[Segmenter] = Table(
    "segmenter",
    "a segmenter",
    (
        BackEnd("auto", lambda session: partial(_auto, session=session), "the view's own, else the best one here"),
        BackEnd("exact", lambda session: exact, "the view's own segments"),
        BackEnd(
            "embedded", lambda session: partial(embedded.segments, session=session), "drawn rooms only, 20 classes",
            shipped=perceiver.SHIPPED, device="session",
        ),
        BackEnd(
            "ade20k", lambda session: partial(ade20k.segments, session=session), "DeepLabV3, 31 classes of ADE20K",
            weights=("ade20k",),
        ),
        BackEnd("layout", lambda session: by_layout.segments, "floor, ceiling and walls of the view's layout, no network"),
        BackEnd("whole", lambda session: whole, "one region"),
    ),
    order=SEGMENTER_ORDER,
    files=(".png",),
    read=lambda path: lambda view: read_segments(path, view.size),
    is_model=partial(is_checkpoint, role="segmenter"),
    load_model=lambda name, session: partial(panoptic.segments, name=name, session=session),
    besides=", a label map (.png), or a transformers model (a name of `relook models list`, a folder or a hub id owner/name)",
)  # fmt: skip
