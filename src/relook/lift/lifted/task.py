"""`relook lift`: a capture, an operator, a way; predictions that agree, for every view and for new ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from relook import cache
from relook.captures import read_capture
from relook.config import LiftConfig
from relook.errors import InputError
from relook.files import replacing, write_json
from relook.io import write_image
from relook.lift.lifted.show import shown, stroked
from relook.lift.lifted.sources import Posed, posed
from relook.lift.lifted.ways import Carrier, points_of, way_for
from relook.lift.operators import Operator, asked, load_operator
from relook.ops import poses
from relook.ops.fill import smoothly_filled
from relook.progress import SILENT, Progress
from relook.record import Clock
from relook.session import Session, opened
from relook.types import Camera, View

LIFTS = {"labels": ("features", "probabilities"), "picture": ("features", "picture", "change")}
"""What may be carried, by what a prediction is; else features. `auto` is the last."""
RIM = 0.02
"""Half the width, in longer sides of the picture, over which what is carried goes over into a view's own prediction."""


@dataclass(frozen=True)
class Target:
    """A view that is written."""

    name: str
    camera: Camera
    number: int | None
    """Of the capture's view that it is; None for a new one."""


@dataclass(frozen=True)
class Lifted:
    """One prediction that agrees with the others."""

    target: Target
    prediction: Float[Tensor, "D H W"]
    known: Bool[Tensor, "H W"]
    """Where the sources say something; elsewhere it is the view's own prediction, or what is around."""


def lift_capture(
    capture: str | Path | Sequence[View],
    config: LiftConfig,
    out: Path,
    session: Session | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Lift an operator over a capture; writes out/frames, out/predictions and out/lift.json, and returns what that holds.

    Raises an error of relook.errors, one sentence, for captures without cameras and for operators that break their contract.
    """
    config.check()
    clock = Clock()
    with opened(session, config.device) as session:
        operator, identity = load_operator(config.operator, session, config.style)
        lift = chosen_lift(config, operator)
        with clock.part("read"):
            source = posed(read_views(capture, config), config.size, config.near, config.far)
        with clock.part("ask"):
            answers = answered(operator, identity, source, out / "work", progress)
        with clock.part("lift"):
            name, way = way_for(config.method, source, config.sources, config.correction)
            job = Job(operator, lift, source, answers, way.holding(held(operator, lift, source, answers)))
            targets = targets_of(source, config.between)
            with progress.stage("lifting", len(targets)) as tick:
                share = [_written(one, operator, config, job, out, tick) for one in job.predictions(targets)]
    about = {
        "operator": config.operator,
        "method": name,
        "lift": lift,
        "correction": config.correction,
        "views": len(source.views),
        "known": float(np.mean(share)),
    }
    record = about | {"options": config.as_json(), "timings": clock.seconds, "frames": [one.name for one in targets]}
    write_json(out / "lift.json", record)
    return record


@dataclass(frozen=True)
class Job:
    """An operator's answers for all sources, on a way to new views."""

    operator: Operator
    lift: str
    source: Posed
    answers: Sequence[tuple[Tensor, Tensor]]
    """Features and prediction of every view."""
    carrier: Carrier

    def predictions(self, targets: Sequence[Target]) -> Iterator[Lifted]:
        """One after another."""
        cells = (self.answers[0][0].shape[1], self.answers[0][0].shape[2])
        size = cells if self.lift == "features" and self.operator.kind != "depth" else self.source.size
        for target in targets:
            camera = target.camera.resized(self.source.size, size)
            found = self.carrier.at(camera, size, target.number)
            yield Lifted(
                target, self._finished(target, found.values, found.known), _enlarged(found.known, self.source.size)
            )

    def _finished(self, target: Target, values: Tensor, known: Tensor) -> Float[Tensor, "D H W"]:
        """What was carried as a prediction, with the view's own or what is around where nothing was."""
        if self.operator.kind == "depth":
            pose = target.camera.world_to_camera
            values = torch.einsum("c,chw->hw", pose[2, :3], values)[None] + pose[2, 3]
        if target.number is None:
            values = smoothly_filled(values, ~known) if bool(known.any()) else values
        else:
            values = torch.lerp(self._own(target.number), values, inner(known))
        if self.lift == "features" and self.operator.kind != "depth":
            return self.operator.decode(values, self.source.size)
        if self.lift == "change":
            base = values[3:] if target.number is None else self.source.views[target.number].image
            return (base + values[:3]).clamp(0, 1)
        return values

    def _own(self, number: int) -> Tensor:
        """What the operator says of that view alone, as it is carried."""
        features, prediction = self.answers[number]
        if self.operator.kind == "depth":
            return prediction
        return _carried(self.lift, self.source.views[number].image, features, prediction)


def held(
    operator: Operator, lift: str, source: Posed, answers: Sequence[tuple[Tensor, Tensor]]
) -> Float[Tensor, "V _ _ _"]:
    """What is carried of every view: points for depth, else as `lift` says."""
    if operator.kind == "depth":
        cameras = [view.camera for view in source.views if view.camera is not None]
        return torch.stack([points_of(depth, one) for (_, depth), one in zip(answers, cameras, strict=True)])
    return torch.stack([_carried(lift, view.image, *one) for view, one in zip(source.views, answers, strict=True)])


def _carried(lift: str, image: Tensor, features: Tensor, prediction: Tensor) -> Tensor:
    """Features, the prediction, or what it changes of the picture (with the picture, for new views)."""
    if lift == "features":
        return features
    return torch.cat([prediction - image, image]) if lift == "change" else prediction


def chosen_lift(config: LiftConfig, operator: Operator) -> str:
    """What is lifted. Raises InputError for what this operator has not."""
    may = LIFTS.get(operator.kind, ("features",))
    if config.lift not in ("auto", *may):
        raise InputError(
            f"Expected --lift {' or '.join(may)} for {operator.kind}, got {config.lift}; choose one of them."
        )
    lift = may[-1] if config.lift == "auto" else config.lift
    if config.correction and lift != "features":
        raise InputError(f"Expected --lift features for --correction, got {lift}; it was learned for features alone.")
    return lift


def read_views(capture: str | Path | Sequence[View], config: LiftConfig) -> list[View]:
    """The capture's views in memory."""
    if isinstance(capture, str | Path):
        return list(read_capture(capture, every=config.every, limit=config.limit).views())
    return list(capture)[:: config.every][: config.limit]


def answered(
    operator: Operator, identity: str, source: Posed, folder: Path, progress: Progress
) -> list[tuple[Tensor, Tensor]]:
    """What the operator says of every view; kept on disk by the content of the picture and the operator."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with progress.stage("asking the operator", len(source.views)) as tick:
        for number, view in enumerate(source.views):
            file = (
                folder
                / f"{cache.key(view.image, identity, modules=('lift/operators', 'perceive', 'models'))}.safetensors"
            )
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


def _written(one: Lifted, operator: Operator, config: LiftConfig, job: Job, out: Path, tick: Any) -> float:
    """Write a view's prediction and its picture; how much of it the sources say."""
    (out / "frames").mkdir(parents=True, exist_ok=True)
    (out / "predictions").mkdir(exist_ok=True)
    image = None if one.target.number is None else job.source.views[one.target.number].image
    if config.strokes:
        one = replace(one, prediction=stroked(one.prediction, config.strokes, job.source, job.answers))
    picture, numbers = shown(one.prediction, "map" if config.strokes else operator.kind, image)
    write_image(out / "frames" / f"{one.target.name}.png", picture)
    with replacing(out / "predictions" / f"{one.target.name}.npz") as part, part.open("wb") as file:
        np.savez_compressed(file, prediction=numbers, known=one.known.numpy(), names=np.array(operator.names))
    tick(len(list((out / "frames").glob("*.png"))))
    return float(one.known.float().mean())


def inner(known: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """1 well inside of what is known, falling to 0 at its rim: no seam where a view's own prediction begins. The picture's border is no rim."""
    reach = 2 * round(RIM * max(known.shape)) + 1
    around = torch.nn.functional.avg_pool2d(known[None, None].float(), reach, 1, reach // 2, count_include_pad=False)[
        0, 0
    ]
    return (2 * around - 1).clamp_min(0) * known


def _enlarged(mask: Bool[Tensor, "h w"], size: tuple[int, int]) -> Bool[Tensor, "H W"]:
    return torch.nn.functional.interpolate(mask[None, None].float(), size, mode="nearest-exact")[0, 0] > 0.5
