"""`relook lift`: any 2D model over the posed views of a capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from relook.config import FILES, LiftConfig
from relook.files import check_there, check_writable
from relook.options import POSITIONAL
from relook.present.arguments import parse
from relook.present.terminal import OUT, drawn

EXAMPLE = "example: relook lift office/ --operator segments --out lifted --between 2"


@dataclass(frozen=True)
class Lift:
    """Make a 2D model's predictions agree over a capture's views: writes them for every view and for new ones between."""

    capture: Annotated[Path, POSITIONAL, FILES]
    """Posed pictures: a COLMAP project, a nerfstudio transforms.json, or a capture.json (or the folder of one)."""
    out: Annotated[Path, FILES]
    """Folder to write to: frames/ to look at, predictions/ as numbers, lift.json, and work/, what the model said of each view."""
    config: LiftConfig = field(default_factory=LiftConfig)


def lift(words: Sequence[str]) -> int:
    """relook lift."""
    options = parse(Lift, "relook lift", words, EXAMPLE)
    check_there(options.capture)
    check_writable(options.out, folder=True)
    from relook.lift.lifted import lift_capture

    with drawn() as progress:
        record = lift_capture(options.capture, options.config, options.out, progress=progress)
    OUT.print(
        f"{options.out}: {len(record['frames'])} views by {record['method']}, {record['lift']} lifted, {record['known']:.0%} known",
        markup=False,
    )
    return 0
