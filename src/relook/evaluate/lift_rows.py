"""The rows of the suite of lifting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from relook.evaluate.lift_steady import CAPTURE_ROWS

LABELS, STEADY, STROKES, LOOKS, SHARPNESS, CAPTURE = "labels", "steady", "strokes", "looks", "sharpness", "capture"
METHODS = ("scene", "blending", "lift3d")
ALONE, RENDERED, REGIONS = "alone", "rendered", "regions"


class Row(NamedTuple):
    """What is carried, and how."""

    method: str
    """ALONE: the operator asks the true picture; RENDERED: our rendering of the sources by `scene`."""
    lift: str
    note: str
    corrected: bool = False
    """With the network's correction of features."""
    sources: int | None = None
    """Views that are blended; None as configured."""
    without: tuple[Literal["F1", "pooling"], ...] = ()
    """Parts of the correction that are switched off."""


ROWS: Mapping[str, Mapping[str, Row]] = {
    LABELS: {ALONE: Row(ALONE, "", "the embedded segmenter on the held-out pictures themselves"),
             RENDERED: Row(RENDERED, "", "the same on our rendering of them, by scene"),
             "nearest": Row("blending", "probabilities", "its probabilities, warped from the nearest view", sources=1),
             "lift3d corrected": Row("lift3d", "features", "its features, by lift3d, with the correction of equation 3", True),
             "lift3d without F1": Row("lift3d", "features", "the same, F1 switched off", True, without=("F1",)),
             "lift3d without pooling": Row("lift3d", "features", "the same, max-pooled features switched off", True, without=("pooling",))}
    | {f"{way} {lift}": Row(way, lift, f"its {lift}, by {way}") for way in METHODS for lift in ("probabilities", "features")},
    STEADY: {ALONE: Row(ALONE, "", "the embedded segmenter on every frame by itself"),
             REGIONS: Row(REGIONS, "", "what the scene decides from them: the label maps of relook lift")}
    | {f"{way} probabilities": Row(way, "probabilities", f"its probabilities, by {way}") for way in METHODS},
    STROKES: {ALONE: Row(ALONE, "", "the embedded descriptors of every frame by itself")}
    | {f"{way} features": Row(way, "features", f"the same descriptors, by {way}") for way in METHODS},
} | {
    part: {ALONE: Row(ALONE, "", f"{name} on every frame by itself")}
    | {f"{way} {lift}": Row(way, lift, f"its {lift}, by {way}") for way in METHODS for lift in ("features", "picture", "change", "contrast")}
    for part, name in ((LOOKS, "MicroAST"), (SHARPNESS, "the embedded sharpener"))
} | {CAPTURE: {name: Row("scene", row.way, row.note) for name, row in CAPTURE_ROWS.items()}}  # fmt: skip
"""Part -> its rows."""
