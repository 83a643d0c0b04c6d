"""The rows of the suite of lifting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from relook.evaluate.lift_steady import CAPTURE_ROWS

LABELS, STEADY, STROKES, CAPTURE = "labels", "steady", "strokes", "capture"
LOOKS, SHARPNESS, COLOURS = "looks", "sharpness", "colours"
METHODS = ("scene", "blending", "lift3d")
ALONE, RENDERED, REGIONS, PICTURES = "alone", "rendered", "regions", "pictures"


class Row(NamedTuple):
    """What is carried, and how."""

    method: str
    """ALONE: the operator asks the true picture; RENDERED: our rendering of the sources by `scene`; PICTURES: nobody asks."""
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
    part: {ALONE: Row(ALONE, "", f"{name} on every frame by itself"),
           PICTURES: Row(PICTURES, "", "the frames that it was given: how much of a difference is due to light and to warping")}
    | {f"{way} {lift}": Row(way, lift, f"its {lift}, by {way}") for way in METHODS for lift in ("features", "picture", "change", "contrast")}
    for part, name in ((LOOKS, "MicroAST"), (SHARPNESS, "the embedded sharpener"), (COLOURS, "the embedded colouriser"))
} | {CAPTURE: {name: Row("scene", row.way, row.note) for name, row in CAPTURE_ROWS.items()}}  # fmt: skip
"""Part -> its rows."""

LEADS: Mapping[str, str] = {
    LABELS: "The embedded segmenter at cameras beside the walk; PSNR of the colours that the same weights bring, where they know any.",
    STEADY: "The embedded segmenter along the walk: pixels whose label is another one after exact warping, and mIoU of the same frames.",
    STROKES: "Three touches on each of up to four things in the first frame; all that has like descriptors in later frames, against the thing's class.",
    CAPTURE: "A real capture: labels and looks along it, compared where both sensors read the point.",
    LOOKS: "MicroAST over the walk's own frames: differences after exact warping, and detail as a part of the lone model's.",
    SHARPNESS: "The same for the sharpener on frames that were softened, each by its own blur; PSNR against them as they were.",
    COLOURS: "The same for the colouriser on frames in grey, and RMSE of what it added to them; PSNR against them as they were.",
}
"""Part -> what its table shows."""
