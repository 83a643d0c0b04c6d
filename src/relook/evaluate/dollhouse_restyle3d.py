"""The suite of restyled scenes: `relook scene restyle`, method by method, on unseen rooms against exact answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.records import check_names
from relook.evaluate.run import Suite
from relook.evaluate.scene.product import SUITE, WAYS, ProductSuite
from relook.evaluate.scene.setting import check_numbers, described


@dataclass(frozen=True)
class Config:
    """Gaussian scenes of unseen rooms in the look of a picture, by every method, against the exact answer beside the path that was looked from."""

    out: Path = Path("runs/dollhouse-restyle3d")
    """Folder of the results; a run that was stopped resumes there."""
    rows: tuple[str, ...] = ()
    """Rows to run, e.g. `semantic distill`. Default: all."""
    rooms: int = 12
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
    """Denoising steps of restyling a key view; `None`: the preset's."""
    descent: float = 1.0
    """Steps of every descent on losses, as a share of its row's own."""
    family: str = "dollhouse"
    """Model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config, references: Mapping[str, str | None] | None = None) -> Suite:
    """Every row on every room. Raises InputError for names or numbers that cannot be.

    references: the rows, each with the one that it is compared with; without, all rows are compared with the default.
    """
    check_names("rows", config.rows, list(WAYS))
    check_numbers(config)
    if not 0 < config.descent <= 1:
        raise InputError(
            f"Expected a share of a descent's steps above 0 and up to 1, got {config.descent:g}; choose such a one."
        )
    lead = f"Restyled Gaussian scenes, seed {config.seed}, {config.rooms} rooms, family {config.family}."
    return ProductSuite(
        name=SUITE, config=config, device=config.device, lead=lead, asked=config.rows, rows=config.rows or tuple(references or WAYS),
        references={row: other for row, other in (references or {}).items() if other}, **described(config),
    )  # fmt: skip
