"""Pictures in the full new look at preview size, by what they were made of: what a strength's slider mixes with the room, and nothing is restyled."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.io import read_image
from relook.present.studio.look import Look
from relook.present.studio.project import Project
from relook.transfer.draft import PREVIEW
from relook.transfer.strength import weakened
from relook.transfer.working import shrunk
from relook.types import Result, View

KEPT = 12
"""Pictures that are remembered."""


@dataclass(frozen=True)
class Full:
    """A picture at full strength."""

    image: Float[Tensor, "3 H W"]
    structure: View
    """The room of the same size, with what was seen of it."""

    def at(self, config: PhotoConfig) -> Float[Tensor, "3 H W"]:
        """The picture at the strengths of a configuration (see `weakened`)."""
        return weakened(self.image, self.structure, config, 1.0)


class Previews:
    """What was restyled last, by `key_of`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Full | Path] = OrderedDict()
        self._lock = Lock()

    def keep(self, key: str, full: Full | Path) -> None:
        """Remember a picture, or the file in which it will be."""
        with self._lock:
            self._kept[key] = full
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def of(self, key: str, structure: View) -> Full | None:
        """The picture, if it is there. structure: the room at preview size, which belongs to a file."""
        found = self._kept.get(key)
        if not isinstance(found, Path):
            return found
        image = read_image(found) if found.is_file() else None
        return None if image is None or image.shape != structure.image.shape else Full(image, structure)


def strong(look: Look) -> Look:
    """The look at full strength."""
    options = {name: value for name, value in look.options.items() if name != "strength"}
    things = {name: replace(choice, strength=None) for name, choice in look.things.items()}
    return replace(look, options=options, things={name: one for name, one in things.items() if not one.plain})


def key_of(project: Project, look: Look, segmenter: str) -> str:
    """What a look's picture at full strength is remembered by."""
    return json.dumps([str(project.folder), segmenter, replace(strong(look), signed=False).as_json()], sort_keys=True)


def mixes(config: PhotoConfig) -> bool:
    """Whether a strength is a mix of two pictures: not where a family denoises more or less of one."""
    return config.chosen_method == "palette"


def full_of(result: Result) -> Full:
    """A full picture at preview size."""
    structure = shrunk(result.structure, PREVIEW)
    return Full(shrunk(View(result.image), PREVIEW).image, structure)
