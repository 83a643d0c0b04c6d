"""Choices, kinds of values and groups of options that several configurations share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from relook.options import EXISTING, LISTED, OR_FOLDER, Group

Method = Literal["auto", "restyle3d", "cross-image-attention", "eye-for-an-eye", "style-id", "ip-adapter", "palette"]
Preset = Literal["relook", "paper", "released"]
Unmatched = Literal["everything", "keep", "colour"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
Instances = Literal["shared", "matched"]
Carry = Literal["auto", "scene", "frames", "relook", "paper", "released"]
Fill = Literal["recolour", "refiner", "inpaint", "none"]
Names = Annotated[tuple[str, ...], LISTED]
"""Words, separated by commas or spaces."""
File = Annotated[Path | None, EXISTING]
"""A file that is read."""
Maps = Annotated[Path | None, EXISTING, OR_FOLDER]
"""A label map, or a folder of them."""
ONE_PICTURE = (
    "depth", "layout", "preview", "quality", "keep_maps", "layers", "label_edited", "certificate", "key",
)  # fmt: skip
"""Options that say something of one picture or of its file."""
USED, LOOK, DENOISING = Group("most used"), Group("look"), Group("denoising")
SEEING, MACHINE, WALK, FILES = Group("seeing"), Group("machine"), Group("walk"), Group("files")
