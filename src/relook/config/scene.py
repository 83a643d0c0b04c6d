"""What a user may choose when a capture becomes a scene of Gaussians (`relook scene fit`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval

from relook.config.words import (
    MACHINE,
    SEEING,
    USED,
)
from relook.errors import InputError
from relook.options import Configuration


@dataclass(frozen=True)
class SceneConfig(Configuration):
    """How a capture becomes a scene of Gaussians."""

    size: Annotated[int, Ge(32), USED] = 512
    """Longer side in pixels of the pictures that the scene is fitted to; larger ones are shrunk."""
    views: Annotated[int, Ge(1), USED] = 120
    """Take at most so many views, evenly spread over the capture; 64 where cameras have to be found."""
    frames: Annotated[str | None, USED] = None
    """Take the frames from one number up to another, which is left out, counted from 0: `16:64`, `16:`, `:64`. Default: all."""
    held_out: Annotated[int, Interval(ge=0), USED] = 8
    """Every n-th view is not shown to the fit, which is measured there; 0: none."""
    cell: Annotated[float, Interval(ge=0.5, le=16), USED] = 1.5
    """Side of a Gaussian's place in pixels of the views that see it: less is finer and slower."""
    refine: Annotated[int, Interval(ge=0, le=100), USED] = 2
    """How many times every view corrects positions, sizes and opacities by a step of gradient; 0: the solution in closed form alone."""
    degree: Annotated[int, Interval(ge=0, le=3), USED] = 2
    """How finely colours depend on where one looks from, as the degree of spherical harmonics, where depth was measured or estimated: gloss,
    reflections. 0: not at all."""
    geometry: Annotated[str, SEEING] = "auto"
    """Where cameras and depth are from: `exact`, `sensor`, `sparse`, or found in plain pictures by `colmap`, `matches`, `mapanything`, ...
    `auto`: what the capture brings, else COLMAP where it is installed, else matches."""
    depth_estimator: Annotated[str, SEEING] = "auto"
    """Which model estimates depth where none was measured. `auto`: the best one on this machine; `none`: none."""
    device: Annotated[str, MACHINE] = "auto"
    """Where networks run: `cpu`, `cuda`, `mps`; `auto`: the first of cuda, mps and cpu that is here."""

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use."""
        super().check()
        self._range()

    def numbers(self, count: int) -> range:
        """The numbers of the frames that are taken out of `count`. Raises InputError, one sentence, for some that are not there."""
        first, end = self._range()
        end = count if end is None else end
        if end > count or first >= end:
            raise InputError(
                f"Expected frames among the {count} of the capture, got {self.frames}; choose from 0:{count}."
            )
        return range(first, end)

    def _range(self) -> tuple[int, int | None]:
        """The first of `frames`, and the one after the last, None for the end. Raises InputError for what is no range."""
        written = re.fullmatch(r"(\d*):(\d*)", ":" if self.frames is None else self.frames)
        first, end = (0, None) if written is None else (int(written[1] or 0), int(written[2]) if written[2] else None)
        if written is None or (end is not None and first >= end):
            raise InputError(
                f"Expected frames from one number up to a larger one, got {self.frames!r}; write e.g. 16:64."
            )
        return first, end
