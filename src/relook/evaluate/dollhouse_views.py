"""The suite of restyled views: two-view synthesis, walks, poses on unseen rooms against the exact answer; and a real capture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.records import check_names
from relook.evaluate.run import Suite
from relook.evaluate.several import Several
from relook.evaluate.views.capture import CaptureSuite
from relook.evaluate.views.poses import PoseSuite
from relook.evaluate.views.rooms import BASELINES
from relook.evaluate.views.rows import ROWS, step_rows
from relook.evaluate.views.setting import SUITE, Setting, ViewsSuite
from relook.evaluate.views.two_views import TwoViewSuite
from relook.evaluate.views.walks import NAMED, WAYS, WalkSuite
from relook.evaluate.weights import NO_LPIPS
from relook.files import sha256
from relook.lift.paint import Painting
from relook.models.store import is_here

PARTS = ("two-view", "steps", "walks", "poses", "capture")
"""What the suite consists of."""
POSED = ("per-frame", "paper", "relook")
"""Ways whose cameras are looked for."""


@dataclass(frozen=True)
class Config:
    """Restyled views of unseen rooms against the exact answer, and a capture."""

    out: Path = Path("runs/dollhouse-views")
    """Folder of the results; a run that was stopped resumes there."""
    parts: tuple[str, ...] = ()
    """Parts to run, out of `two-view`, `steps`, `walks`, `poses`, `capture`. Default: all; `capture` only where one is named."""
    rooms: int = 24
    """Rooms of two-view synthesis, each at three distances; and of the steps."""
    seed: int = 0
    """Draws rooms, looks and walks; none was ever trained on."""
    size: int = 128
    """Height and width of the pictures in pixels."""
    rows: tuple[str, ...] = ()
    """Rows of two-view synthesis, e.g. `refiner "warp + inpainting"`. Default: all."""
    steps: int | None = 20
    """Denoising steps of restyling a frame from the style picture; `None`: the preset's."""
    refiner: Path | None = None
    """Folder of the view refiner. Default: the family's own."""
    refiner_steps: int = Painting.steps
    """Its steps in two-view synthesis; walks take what `relook views` takes."""
    steps_sweep: tuple[int, ...] = (1, 2, 4, 6, 10, 20)
    """Numbers of its steps that part `steps` compares."""
    walks: int = 3
    """Walks of parts `walks` and `poses`."""
    frames: int = 24
    """Frames of each walk."""
    ways: tuple[str, ...] = ()
    """Ways to restyle a walk, e.g. `relook paper per-frame`. Default: all."""
    pose_frames: int = 12
    """Frames of the walks whose cameras are looked for."""
    pose_size: int = 256
    """Their height and width: COLMAP finds too little in smaller pictures."""
    capture: Path | None = None
    """A capture to restyle; without sensor depth only flow is compared."""
    style: Path | None = None
    """The picture whose look the capture takes."""
    capture_frames: int = 40
    """Frames of it at most."""
    capture_pairs: int = 4
    """Pairs compared for each gap; RAFT takes about ten seconds for one."""
    family: str = "dollhouse"
    """Model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """The parts that are to run. Raises InputError for names or numbers that cannot be."""
    check(config)
    one = config
    setting = Setting(one.family, one.refiner, one.steps, one.refiner_steps, one.device)
    common: dict[str, Any] = {"name": SUITE, "config": config, "device": config.device, "setting": setting}
    larger = common | {"config": replace(config, frames=config.pose_frames, size=config.pose_size)}
    rows = {name: row for name, row in ROWS.items() if not config.rows or name in config.rows}
    ways = {name: way for name, way in (WAYS | NAMED).items() if name in (config.ways or WAYS)}
    posed = {name: way for name, way in ways.items() if name in POSED}
    made: dict[str, ViewsSuite] = {
        "two-view": TwoViewSuite(part="two-view", title="Two-view synthesis", rows=rows, baselines=tuple(BASELINES), **common),
        "steps": TwoViewSuite(
            part="steps", title="Steps of the view refiner", rows=step_rows(config.steps_sweep), baselines=("middle",), **common
        ),
        "walks": WalkSuite(ways=ways, **common), "poses": PoseSuite(ways=posed, **larger), "capture": CaptureSuite(**common),
    }  # fmt: skip
    parts = config.parts or [part for part in PARTS if part != "capture" or config.capture is not None]
    lead = (
        f"Restyled views, seed {one.seed}, family {one.family}; restyling in {one.steps or 'preset'} steps, the view refiner in "
        f"{one.refiner_steps}."
    )
    cases = f"seed {one.seed}, {one.size} pixels, poses {one.pose_size} pixels"
    if one.capture is not None and one.style is not None:
        cases += f", capture {one.capture.resolve()}, style {sha256(one.style)}"
    asked = (*config.rows, *config.ways) if config.refiner is None else (*rows, *ways, *step_rows(config.steps_sweep))
    return Several(
        SUITE, config, config.device, lead, cases, asked, () if is_here("lpips_alex") else (NO_LPIPS,),
        suites={part: made[part] for part in parts},
    )  # fmt: skip


def check(config: Config) -> None:
    """Raise InputError for names and numbers that cannot be."""
    check_names("parts", config.parts, PARTS)
    check_names("rows", config.rows, ROWS)
    check_names("ways", config.ways, (*WAYS, *NAMED))
    if (config.capture is None) != (config.style is None):
        raise InputError("Expected --capture and --style together, got one of them; name both.")
    if config.capture is None and "capture" in config.parts:
        raise InputError(
            "Expected a capture for part capture, got none; name it with --capture and its look with --style."
        )
    least = min(
        config.rooms, config.walks, config.capture_pairs, config.refiner_steps, *config.steps_sweep, config.steps or 1
    )
    if (
        least < 1
        or min(config.frames, config.pose_frames, config.capture_frames) < 3
        or min(config.size, config.pose_size) < 32
    ):
        raise InputError(
            "Expected at least 1 room, walk, pair and step, 3 frames and 32 pixels, got less of one; choose more."
        )
    if config.seed < 0:
        raise InputError(f"Expected a seed from 0, got {config.seed}; choose such a number.")
