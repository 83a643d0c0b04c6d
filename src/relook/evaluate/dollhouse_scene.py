"""The suite of scenes: fit, labels and looks of Gaussian scenes of unseen rooms, against exact answers at cameras that no fit saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.records import check_names
from relook.evaluate.run import Suite
from relook.evaluate.scene import fit, labels, restyle
from relook.evaluate.scene.setting import SUITE, SceneSuite, check_numbers, described
from relook.evaluate.several import Several

PARTS = ("fit", "labels", "restyle")
"""What the suite consists of."""
ROWS: Mapping[str, tuple[str, ...]] = {"fit": fit.ROWS, "labels": labels.ROWS, "restyle": tuple(restyle.WAYS)}
"""Every row of each."""


@dataclass(frozen=True)
class Config:
    """Gaussian scenes of unseen rooms against the exact answer: how they are fitted, the labels and the looks that they carry."""

    out: Path = Path("runs/dollhouse-scene")
    """Folder of the results; a run that was stopped resumes there."""
    parts: tuple[str, ...] = ()
    """Parts to run, out of `fit`, `labels`, `restyle`. Default: all."""
    rows: tuple[str, ...] = ()
    """Rows to run, e.g. `fit "distil 4"`. Default: all."""
    rooms: int = 3
    """Walks, each through another room: the first ones of the suite of views."""
    seed: int = 0
    """Draws rooms and looks; none was ever trained on."""
    frames: int = 24
    """Frames of each walk."""
    held: int = 6
    """Cameras beside the path of each, which no scene is made of."""
    size: int = 128
    """Height and width of the pictures in pixels."""
    steps: int | None = 20
    """Denoising steps of restyling a frame; `None`: the preset's."""
    family: str = "dollhouse"
    """Model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """The parts that are to run. Raises InputError for names or numbers that cannot be."""
    check(config)
    common: dict[str, Any] = {"name": SUITE, "config": config, "device": config.device}
    asked = {part: [row for row in rows if row in (config.rows or rows)] for part, rows in ROWS.items()}
    parts = [part for part in config.parts or PARTS if asked[part]]
    kinds: Mapping[str, type[SceneSuite]] = {
        "fit": fit.FitSuite, "labels": labels.LabelSuite, "restyle": restyle.RestyleSuite,
    }  # fmt: skip
    made = {part: kinds[part](rows=tuple(asked[part]), **common) for part in parts}  # type: ignore[call-arg]
    lead = f"Gaussian scenes, seed {config.seed}, {config.rooms} rooms, family {config.family}."
    return Several(SUITE, config, config.device, lead, asked=config.rows, suites=made, **described(config))


def check(config: Config) -> None:
    """Raise InputError for names and numbers that cannot be."""
    check_names("parts", config.parts, PARTS)
    check_names("rows", config.rows, [row for rows in ROWS.values() for row in rows])
    check_numbers(config)
    if not any(row in (config.rows or ROWS[part]) for part in config.parts or PARTS for row in ROWS[part]):
        raise InputError(
            f"Expected rows of the parts {', '.join(config.parts)}, got {', '.join(config.rows)}; choose others."
        )
