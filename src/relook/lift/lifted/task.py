"""`relook lift`: a capture, an operator, a way; predictions that agree, for every view and for new ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from relook import cache
from relook.captures import read_capture
from relook.config import LiftConfig
from relook.errors import InputError
from relook.files import replacing, write_json
from relook.lift.lifted.job import Job, Target, held
from relook.lift.lifted.sources import Posed, posed
from relook.lift.lifted.strokes import check_strokes
from relook.lift.lifted.ways import way_for
from relook.lift.lifted.writing import Writer
from relook.lift.operators import Operator, asked, load_operator
from relook.lift.scene.labels import SceneLabels, scene_labels
from relook.lift.source import Views, ViewSource
from relook.ops import poses
from relook.progress import SILENT, Progress
from relook.record import Clock
from relook.session import Session, opened
from relook.types import View

LIFTS = {"labels": ("features", "probabilities"), "picture": ("features", "picture", "change", "contrast")}
"""What may be carried, by what a prediction is; else features. `auto` is the operator's own choice, or the last."""
ASKED = ("lift/operators", "perceive", "models")
"""Modules that an operator's answer depends on."""
MOVING = ("person",)
"""What moves, so that it is no part of a scene."""


def lift_capture(
    capture: str | Path | Sequence[View],
    config: LiftConfig,
    out: Path,
    session: Session | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Lift an operator over a capture; writes out/frames, lifted.mp4, predictions, segments (of labels) and lift.json, and returns what that holds.

    Raises an error of relook.errors, one sentence, for captures without cameras and for operators that break their contract.
    """
    config.check()
    clock = Clock()
    with opened(session, config.device) as session:
        operator, identity = load_operator(config.operator, session, config.style, config.words)
        lift = chosen_lift(config, operator)
        with clock.part("read"):
            frames = read_frames(capture, config)
            views = map(frames.view, range(len(frames)))
            source = posed(views, config.size, config.near, config.far)
            source.check_overlap()
            check_strokes(config.strokes, operator.kind, source)
        with clock.part("ask"):
            answers = answered(operator, identity, source, out / "work", progress)
        with clock.part("lift"):
            name, way = way_for(chosen_way(config, operator, source), source, config.sources, config.correction)
            job = Job(operator, lift, source, answers, way.holding(held(operator, lift, source, answers)))
            targets = targets_of(source, config.between)
            writer = Writer(out, config, frames, job, _decided(config, operator, frames, source, progress))
            share = writer.write_all(targets, progress)
    about = {
        "operator": config.operator, "method": name, "lift": lift, "correction": config.correction, "views": len(source.views),
        "known": share,
    }  # fmt: skip
    record = about | {"options": config.as_json(), "timings": clock.seconds, "frames": [one.name for one in targets]}
    write_json(out / "lift.json", record)
    return record


def _decided(
    config: LiftConfig, operator: Operator, frames: ViewSource, source: Posed, progress: Progress
) -> SceneLabels | None:
    """What the scene of all frames decides about an operator's labels, where there is depth to make one."""
    if operator.kind != "labels" or config.strokes or not source.deep:
        return None
    return scene_labels(frames, operator.regions, MOVING, progress)


def chosen_lift(config: LiftConfig, operator: Operator) -> str:
    """What is lifted. Raises InputError for what this operator has not."""
    may = LIFTS.get(operator.kind, ("features",))
    if config.lift not in ("auto", *may):
        raise InputError(
            f"Expected --lift {' or '.join(may)} for {operator.kind}, got {config.lift}; choose one of them."
        )
    lift = operator.lift or may[-1] if config.lift == "auto" else config.lift
    if config.correction and lift != "features":
        raise InputError(f"Expected --lift features for --correction, got {lift}; it was learned for features alone.")
    return lift


def chosen_way(config: LiftConfig, operator: Operator, source: Posed) -> str:
    """How new views are made: as it is asked for, or as the operator's predictions are carried best; `auto` where nothing says so."""
    return operator.way if config.method == "auto" and source.deep and operator.way else config.method


def read_frames(capture: str | Path | Sequence[View], config: LiftConfig) -> ViewSource:
    """The capture's views, read one by one."""
    if isinstance(capture, str | Path):
        return read_capture(capture, every=config.every, limit=config.limit)
    return Views(capture.__getitem__, range(len(capture))[:: config.every][: config.limit])


def answered(
    operator: Operator, identity: str, source: Posed, folder: Path, progress: Progress
) -> list[tuple[Tensor, Tensor]]:
    """What the operator says of every view; kept on disk by the content of the picture and the operator."""
    found = []
    with progress.stage("asking the operator", len(source.views)) as tick:
        for number, view in enumerate(source.views):
            file = folder / f"{cache.key(view.image, identity, modules=ASKED)}.safetensors"
            if not file.exists():
                features, prediction = asked(operator, view.image)
                with replacing(file) as part:
                    save_file({"features": features.contiguous(), "prediction": prediction.contiguous()}, part)
            kept = load_file(file)
            found.append((kept["features"], kept["prediction"]))
            tick(number + 1)
    return found


def targets_of(source: Posed, between: int) -> list[Target]:
    """Every view, and new ones on the way to the next."""
    cameras = [view.camera for view in source.views if view.camera is not None]
    found: list[Target] = []
    for number, camera in enumerate(cameras):
        found.append(Target(f"{number:04d}", camera, number))
        if number + 1 < len(cameras):
            steps = [(step + 1) / (between + 1) for step in range(between)]
            ways = [poses.between(camera, cameras[number + 1], share) for share in steps]
            found += [Target(f"{number:04d}-{step + 1:02d}", one, None) for step, one in enumerate(ways)]
    return found
