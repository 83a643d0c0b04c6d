"""What a user may choose when a 2D model is lifted to a capture (`relook lift`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from relook.config.words import MACHINE, USED, File, Names
from relook.errors import InputError
from relook.options import Configuration, Group

Way = Literal["auto", "scene", "lift3d", "blending"]
Lift = Literal["auto", "features", "probabilities", "picture", "change", "contrast"]
LIFTING = Group("lifting")


@dataclass(frozen=True)
class LiftConfig(Configuration):
    """How a 2D model's predictions are made to agree over the views of a capture."""

    operator: Annotated[str, USED] = "segments"
    """The 2D model: `segments`, `embedded`, `words`, `microast`, `palette`, `sharpen`, `colourise`, `depth`, `edges`, `descriptors`, `vgg:LAYER`, a backbone of transformers
    (folder or hub id), or your own, FILE.py:CLASS (docs/lift.md)."""
    style: Annotated[File, USED] = None
    """The picture that gives the look, for operators that take one."""
    words: Annotated[Names, USED] = ()
    """What an open-vocabulary segmenter looks for, e.g. `sofa,floor lamp`: of `--operator words` (the best one here), `clipseg`,
    `grounding-dino`, or one by folder or hub id."""
    method: Annotated[Way, USED] = "auto"
    """Where new views come from: a `scene` of Gaussians (needs depth), `lift3d`, a network that finds surfaces without depth, or `blending`
    of the nearest views at known depth. `auto`: scene where every view has depth (`sharpen`: blending), else lift3d."""
    lift: Annotated[Lift, USED] = "auto"
    """What is carried: the operator's `features`, decoded in each view (the paper's), its `probabilities`, its `picture`, the `change`
    that it makes of a picture, or that and the local `contrast`, which each view's own detail gives back. `auto`: probabilities of labels,
    change and contrast of pictures (`colourise`: change; `sharpen`: picture), else features."""
    correction: Annotated[bool, LIFTING] = False
    """Correct lifted features by what the colours say of each source (Lift3D's equation 3; `lift3d` with `features` only)."""
    stroke: Annotated[Names, USED] = ()
    """Places on one thing, x:y or x:y:frame in pixels of the pictures that are written, e.g. `120:80,130:95:4`: all that has like features (or
    labels) is marked."""
    between: Annotated[int, Interval(ge=0, le=32), LIFTING] = 0
    """New views between two successive frames."""
    sources: Annotated[int, Interval(ge=2, le=32), LIFTING] = 6
    """Views that a new one is blended from: the nearest ones that show the same."""
    near: Annotated[float | None, Gt(0), LIFTING] = None
    """Depth before which nothing lies, in scene units. Default: as depth or reconstructed points say."""
    far: Annotated[float | None, Gt(0), LIFTING] = None
    """Depth beyond which nothing lies."""
    size: Annotated[int, Ge(64), LIFTING] = 256
    """Longer side at which views are read and written."""
    every: Annotated[int, Ge(1), LIFTING] = 1
    """Take every n-th frame."""
    limit: Annotated[int | None, Ge(1), LIFTING] = None
    """Take at most so many frames."""
    device: Annotated[str, MACHINE] = "auto"
    """Where networks run: `cpu`, `cuda`, `mps`; `auto`: the first of cuda, mps and cpu that is here."""

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use."""
        super().check()
        if self.near is not None and self.far is not None and self.near >= self.far:
            raise InputError(f"Expected near below far, got {self.near} and {self.far}; exchange them.")
        self.strokes  # noqa: B018  raises for what is none

    @property
    def strokes(self) -> tuple[tuple[int, int, int], ...]:
        """(x, y, frame) of every stroke."""
        found = []
        for word in self.stroke:
            parts = word.split(":")
            if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts):
                raise InputError(f"Expected a stroke as x:y or x:y:frame, got {word!r}; write e.g. 120:80:4.")
            found.append((int(parts[0]), int(parts[1]), int(parts[2]) if len(parts) == 3 else 0))
        return tuple(found)
