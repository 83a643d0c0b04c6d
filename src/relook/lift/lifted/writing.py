"""The files of lifted predictions: pictures to look at, numbers, and label maps that photographs, walks and scenes take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from torch import Tensor

from relook.config import LiftConfig
from relook.files import MAPS, replacing
from relook.io import open_video, read_image, write_image, write_segments
from relook.lift.lifted.show import shown
from relook.lift.lifted.strokes import Strokes
from relook.lift.operators.regions import likeliest
from relook.lift.scene.labels import SceneLabels
from relook.lift.source import ViewSource, names_of
from relook.progress import Progress
from relook.types import Segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relook.lift.lifted.job import Job, Lifted, Target

FPS = 6
"""Frames of a capture per second of the film."""


@dataclass(frozen=True)
class Writer:
    """Writes a run's predictions one by one."""

    out: Path
    config: LiftConfig
    frames: ViewSource
    """The capture's views at their own size."""
    job: Job
    labels: SceneLabels | None = None
    """Regions that the scene of all frames decided; None: the likeliest of the lifted labels instead."""

    @cached_property
    def strokes(self) -> Strokes:
        """What the user touched."""
        return Strokes.of(self.config.strokes, self.job.answers)

    def write_all(self, targets: Sequence[Target], progress: Progress) -> float:
        """Write all views and their film; how much of them the sources say."""
        share = []
        with (
            open_video(self.out / "lifted.mp4", FPS * (1 + self.config.between)) as film,
            progress.stage("lifting", len(targets)) as tick,
        ):
            for one in self.job.predictions(targets):
                share.append(self.write(one))
                film.add(read_image(self.out / "frames" / f"{one.target.name}.png"))
                tick(len(share))
        return sum(share) / len(share)

    def write(self, one: Lifted) -> float:
        """Write a view's prediction and its picture, and of a capture's frame its label map; how much of it the sources say."""
        for folder in ("frames", "predictions"):
            (self.out / folder).mkdir(parents=True, exist_ok=True)
        number, operator = one.target.number, self.job.operator
        if self.config.strokes:
            one = replace(one, prediction=self.strokes.mark(one.prediction))
        elif operator.kind == "labels" and number is not None:
            place = self.out / MAPS / f"{names_of(self.frames)[number]}.png"
            write_segments(place, self.regions(number, one.prediction))
        under = None if number is None else self.job.source.views[number].image
        picture, numbers = shown(one.prediction, "map" if self.config.strokes else operator.kind, under)
        write_image(self.out / "frames" / f"{one.target.name}.png", picture)
        with replacing(self.out / "predictions" / f"{one.target.name}.npz") as part, part.open("wb") as file:
            np.savez_compressed(file, prediction=numbers, known=one.known.numpy(), names=np.array(operator.names))
        return float(one.known.float().mean())

    def regions(self, number: int, chances: Float[Tensor, "K h w"]) -> Segments:
        """The regions of a frame at its own size; a thing has the same id in all frames."""
        view = self.frames.view(number)
        if self.labels is None:
            return likeliest(chances, self.job.operator.names, view.image)
        found = self.labels.segments(number, view)
        here = set(found.labels.unique().tolist())
        return Segments(found.labels, {id: region for id, region in found.regions.items() if id in here})
