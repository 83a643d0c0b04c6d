"""A picture in layers, for painting programs: what was, and on top of it each thing's new look behind a mask."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from relook.errors import InputError
from relook.files import replacing
from relook.io.pictures import as_picture
from relook.types import View

if TYPE_CHECKING:
    from psd_tools import PSDImage


def write_layers(path: Path, structure: View, output: Float[Tensor, "3 H W"]) -> None:
    """Write a PSD of 8 bits per colour: `structure` below, a layer with a mask for every region of its segments above, `elsewhere` between.

    With all layers shown it is the output; with one hidden, that thing has its old look. Raises InputError without psd-tools.
    """
    needs_layers()
    from psd_tools import PSDImage

    new = as_picture(output)
    document = PSDImage.frompil(new)
    document.create_pixel_layer(as_picture(structure.image), "structure")
    if structure.segments is not None:
        ids = structure.segments.labels.cpu().numpy()
        names = {id: f"{one.name} {one.instance + 1}" for id, one in sorted(structure.segments.regions.items())}
        for id, name in ({0: "elsewhere"} | names).items():
            _add(document, new, ids == id, name)
    else:
        document.create_pixel_layer(new, "output")
    with replacing(path) as temporary:
        document.save(temporary)


def needs_layers() -> None:
    """Raise InputError unless layers can be written here."""
    if find_spec("psd_tools") is None:
        raise InputError('Expected psd-tools to write layers, got none; run pip install "relook[psd]".')


def _add(document: PSDImage, new: Image.Image, mask: np.ndarray, name: str) -> None:
    """Add a layer of the pixels of a mask, no larger than it must be."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    box = image.getbbox()
    if box is None:
        return
    left, top = box[:2]
    layer = document.create_pixel_layer(new.crop(box), name, top=top, left=left)
    layer.create_mask(image.crop(box), top=top, left=left)
