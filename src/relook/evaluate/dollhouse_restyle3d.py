"""The suite of restyled scenes: `relook scene restyle`, method by method, on unseen rooms against exact answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.records import check_names
from relook.evaluate.run import Suite
from relook.evaluate.scene.product import SUITE, WAYS, ProductSuite
from relook.models.store import is_here


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
    family: str = "dollhouse"
    """Model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """Every row on every room. Raises InputError for names or numbers that cannot be."""
    check(config)
    lead = f"Restyled Gaussian scenes, seed {config.seed}, {config.rooms} rooms, family {config.family}."
    empty = "LPIPS is empty: its weights (lpips_alex) are not on this machine; set RELOOK_MODELS to their folder."
    return ProductSuite(
        name=SUITE, config=config, device=config.device, lead=lead, asked=config.rows,
        cases=f"seed {config.seed}, {config.size} pixels, {config.frames} frames and {config.held} beside",
        missing=() if is_here("lpips_alex") else (empty,), rows=config.rows or tuple(WAYS),
    )  # fmt: skip


def check(config: Config) -> None:
    """Raise InputError for names and numbers that cannot be."""
    check_names("rows", config.rows, list(WAYS))
    if (
        min(config.rooms, config.held, config.steps or 1) < 1
        or config.frames < 3
        or config.size < 32
        or config.seed < 0
    ):
        raise InputError(
            "Expected at least 1 room, held-out camera and step, 3 frames, 32 pixels and a seed from 0, got less of one; choose more."
        )
