"""The suite of restyled views: two-view synthesis, walks, poses on unseen rooms against the exact answer; and a real capture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from relook import cache
from relook.config import PhotoConfig, ViewsConfig
from relook.errors import InputError, MissingModelError
from relook.evaluate.engine import Engine
from relook.evaluate.provenance import checkpoint_weights, family_weights, provenance
from relook.evaluate.report import write_sections
from relook.evaluate.views import capture as capture_views
from relook.evaluate.views import poses as view_poses
from relook.evaluate.views import two_views
from relook.evaluate.views import walks as view_walks
from relook.evaluate.views.linked import family_with
from relook.evaluate.views.rooms import BASELINES
from relook.evaluate.views.rows import ROWS, Setting, step_rows
from relook.evaluate.views.told import SUITE, Told
from relook.evaluate.views.two_views import Trial
from relook.evaluate.views.walks import BY_HISTORY, WAYS, Walks
from relook.files import sha256
from relook.lift.fill import STEPS
from relook.models.families import load_family
from relook.models.store import is_here
from relook.models.view_refiner import ViewRefiner, load_view_refiner
from relook.session import placement

if TYPE_CHECKING:
    from rich.console import Group

    from relook.evaluate.suite import Report

PARTS = ("two-view", "steps", "walks", "poses", "capture")
"""What the suite consists of."""
ROOMS = ("two-view", "steps")
"""Parts that consist of rooms; the others consist of walks, or are a capture."""
POSED = ("per-frame", "paper", "relook")
"""Ways whose cameras are looked for."""


@dataclass(frozen=True)
class Config:
    """Restyled views of unseen rooms against the exact answer, and a capture: writes records.csv, summary.json, table.md and report.html."""

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
    refiner_steps: int = STEPS
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


@dataclass(frozen=True)
class Tools:
    """What the parts run with."""

    setting: Setting
    base: ViewsConfig
    """Of walks."""
    key: str
    """Hashes the weights and the options that every part depends on."""
    missing: tuple[str, ...]
    """What is left out, in sentences."""


def run(config: Config, report: Report) -> Group:
    """Run the parts; returns their tables.

    Raises InputError for names or numbers that cannot be, MissingModelError for a family, or a view refiner that was named, that is not
    here.
    """
    parts = chosen(config)
    tools = _tools(config)
    makers: list[tuple[int, Callable[[Callable[[], None]], Told]]] = []
    for part in parts:
        makers.append(_part(part, config, tools))
    pieces = [
        (part, number)
        for part in parts
        if part != "capture"
        for number in range(config.rooms if part in ROOMS else config.walks)
    ]
    total, done = len(pieces) + sum(count for count, _ in makers), 0

    def tick() -> None:
        nonlocal done
        done += 1
        report(done, max(done, total))

    for _ in config.engine.results(partial(fill, config), pieces, config.device):
        tick()
    missing, told = list(tools.missing), list[Told]()
    for part, (_, make) in zip(parts, makers, strict=True):
        try:
            told.append(make(tick))
        except MissingModelError as error:
            if config.parts:
                raise
            missing.append(f"Left out {part}: {error}")
    return _write(config, tools, told, missing)


def chosen(config: Config) -> list[str]:
    """The parts to run. Raises InputError for names and numbers that cannot be."""
    for words, given, known in (
        ("parts", config.parts, PARTS), ("rows", config.rows, tuple(ROWS)), ("ways", config.ways, (*WAYS, *BY_HISTORY)),
    ):  # fmt: skip
        if unknown := [name for name in given if name not in known]:
            raise InputError(f"Expected {words} out of {', '.join(known)}, got {', '.join(unknown)}; choose from them.")
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
    return list(config.parts) or [part for part in PARTS if part != "capture" or config.capture is not None]


def prepare(config: Config) -> Tools:
    """The family, its view refiner where there is one, and what restyles a frame."""
    missing = []
    family = load_family(config.family, placement(config.device, "fp32"))
    refiner: ViewRefiner | None = None
    try:
        refiner = load_view_refiner(family, config.refiner)
    except MissingModelError as error:
        if config.refiner is not None:
            raise
        missing.append(
            f"Left out every row that needs the view refiner, and every way to restyle a walk that does: {error}"
        )
    if not is_here("lpips_alex"):
        missing.append(
            "LPIPS is empty: its weights (lpips_alex) are not on this machine; set RELOOK_MODELS to their folder."
        )
    name = config.family if config.refiner is None else str(family_with(family, config.refiner, config.out / "family"))
    photo = PhotoConfig(family=name, steps=config.steps, device=config.device, precision="fp32")
    key = cache.key(
        family.revision,
        refiner and refiner.revision,
        config.steps,
        config.refiner_steps,
        config.device,
        is_here("lpips_alex"),
    )
    return Tools(Setting(photo, family, refiner, config.refiner_steps), ViewsConfig(photo=photo), key, tuple(missing))


def fill(config: Config, piece: tuple[str, int]) -> None:
    """One room or walk of a part, in whatever process: all that takes long is made and kept on disk, where the part finds it."""
    part, number = piece
    tools = _tools(config)
    if part in ROOMS:
        for _ in _trial(part, config, tools).of_room(number):
            pass
    else:
        walks = _walks(part, config, tools)
        walk = walks.walk(number)
        for name in walks.ways:
            walks.restyled(name, number, walk)


@lru_cache(1)
def _tools(config: Config) -> Tools:
    """What `prepare` gives, once in a process."""
    return prepare(config)


def _part(part: str, config: Config, tools: Tools) -> tuple[int, Callable[[Callable[[], None]], Told]]:
    """How many units a part has, and what runs it."""
    if part in ROOMS:
        trial = _trial(part, config, tools)
        if not trial.rows:
            return 0, lambda tick: Told((), ())
        title = "Steps of the view refiner" if part == "steps" else "Two-view synthesis"
        return trial.count, lambda tick: two_views.told(trial, list(trial.outcomes(tick)), part, title)
    if part == "capture":
        assert config.capture is not None
        assert config.style is not None
        key = cache.key(sha256(config.style))
        real = capture_views.CaptureTrial(
            config.out / part,
            config.capture,
            config.style,
            ViewsConfig(),
            config.capture_frames,
            config.capture_pairs,
            key,
        )
        return 2 + 2 * config.capture_pairs, lambda tick: capture_views.evaluate(real, tick)
    walks = _walks(part, config, tools)
    if part == "walks":
        return walks.count, lambda tick: view_walks.evaluate(walks, tick)
    return walks.count + config.walks, lambda tick: view_poses.evaluate(walks, tick)


def _trial(part: str, config: Config, tools: Tools) -> Trial:
    """Two-view synthesis, or its steps."""
    known = step_rows(config.steps_sweep) if part == "steps" else ROWS
    wanted = {name: row for name, row in known.items() if part == "steps" or not config.rows or name in config.rows}
    wanted = {name: row for name, row in wanted.items() if tools.setting.refiner is not None or not row.refined}
    distances = ("middle",) if part == "steps" else tuple(BASELINES)
    return Trial(config.out / part, wanted, tools.setting, config.rooms, distances, config.seed, config.size, tools.key)


def _walks(part: str, config: Config, tools: Tools) -> Walks:
    """The walks of part `walks`, or the larger ones of `poses`."""
    ways = {
        name: way
        for name, way in (WAYS | BY_HISTORY).items()
        if name in (config.ways or WAYS)
        and (part == "walks" or name in POSED)
        and (way.fill != "refiner" or tools.setting.refiner is not None)
    }
    frames, size = (config.frames, config.size) if part == "walks" else (config.pose_frames, config.pose_size)
    return Walks(config.out / part, ways, tools.base, config.walks, frames, config.seed, size, tools.key)


def _write(config: Config, tools: Tools, told: Sequence[Told], missing: Sequence[str]) -> Group:
    """Everything that a suite leaves; returns the tables."""
    family, refiner = tools.setting.family, tools.setting.refiner
    weights = ({} if family is None else family_weights(family)) | checkpoint_weights(["lpips_alex"])
    if refiner is not None:
        weights["view refiner"] = refiner.revision
    cases = f"seed {config.seed}, {config.size} pixels, poses {config.pose_size} pixels"
    if config.capture is not None and config.style is not None:
        cases += f", capture {config.capture.resolve()}, style {sha256(config.style)}"
    lead = f"Restyled views, seed {config.seed}, family {config.family}; restyling in {config.steps or 'preset'} steps, the view refiner in {config.refiner_steps}."
    return write_sections(
        config.out, SUITE, lead, [section for part in told for section in part.sections],
        [record for part in told for record in part.records], missing=missing,
        provenance=provenance(SUITE, config, cases=cases, weights=weights, device=config.device),
    )  # fmt: skip
