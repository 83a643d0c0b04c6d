"""Labels in the scene: do many views that a network sees, lifted and rendered, say more than the network of the true picture?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.dollhouse import CLASSES
from relook.evaluate.gallery import Gallery
from relook.evaluate.metrics.segments import confusion, mean_iou, pixel_accuracy
from relook.evaluate.records import EVERY, WHOLE, Number, Record
from relook.evaluate.run import Outcome, Place, Results, Trial
from relook.evaluate.scene.fit import strip
from relook.evaluate.scene.rooms import Room, Scene, one_hot
from relook.evaluate.scene.setting import SceneSuite
from relook.evaluate.sections import Part, column
from relook.evaluate.weights import revision
from relook.io import write_image
from relook.lift.scene import diffused, graph, lifted, sureness
from relook.perceive.overlay import overlay
from relook.perceive.segment import SEGMENTERS
from relook.perceive.segment.embedded import chances
from relook.session import Session
from relook.types import Region, Segments, View

PART, NETWORK, EXACT = "labels", "network", "exact"
TOGETHER = "all walks"
"""The region of what all pictures of all walks come to together."""
RIDGE = 2.0
"""Of least squares on labels, which are noisier than colours."""
COLUMNS = (column("miou"), column("miou", TOGETHER), column("pixel_accuracy"))
Chances = Float[Tensor, "C H W"]
Lift = Callable[[Scene, Sequence[Chances]], Float[Tensor, "N C"]]


@dataclass(frozen=True)
class Way:
    """One way to lift a network's labels."""

    note: str
    values: Lift


def _hard(scene: Scene, seen: Sequence[Chances]) -> Tensor:
    return lifted(scene.blends, [one_hot(one.argmax(0)) for one in seen]).values


def _soft(scene: Scene, seen: Sequence[Chances]) -> Tensor:
    return lifted(scene.blends, seen).values


def _weighted(scene: Scene, seen: Sequence[Chances]) -> Tensor:
    return lifted(scene.blends, seen, [sureness(one) for one in seen]).values


def _diffused(scene: Scene, seen: Sequence[Chances]) -> Tensor:
    found = lifted(scene.blends, seen, [sureness(one) for one in seen])
    return diffused(found, graph(scene.gaussians))


def _solved(scene: Scene, seen: Sequence[Chances]) -> Tensor:
    return lifted(scene.blends, seen, ridge=RIDGE).values


WAYS: Mapping[str, Way] = {
    "votes": Way("its most likely class of every pixel, uplifted", _hard),
    "chances": Way("its probabilities, uplifted", _soft),
    "weighted": Way("the same, each pixel by the square of its greatest probability", _weighted),
    "diffused": Way("the same, evened out over like neighbours in the scene", _diffused),
    "solved": Way(f"its probabilities by least squares, ridge {RIDGE:g}", _solved),
}
"""Every way, in the table's order; besides NETWORK and EXACT."""
NOTES = {
    NETWORK: "the embedded network on the held-out pictures themselves",
    **{name: way.note for name, way in WAYS.items()},
    EXACT: "exact classes of the frames, uplifted: the most that can be reached",
}
ROWS = tuple(NOTES)


@dataclass(frozen=True, kw_only=True)
class LabelSuite(SceneSuite):
    """Ways x rooms."""

    rows: Sequence[str]

    def trials(self) -> Sequence[Trial]:
        """Every way on every room."""
        return [Trial(PART, row, case) for case in self.cases_of_all for row in self.rows]

    def learned(self, session: Session) -> Mapping[str, str]:
        """The network."""
        return {"segments embedded": revision(SEGMENTERS, "embedded")}

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One way on one room, over all held-out pictures; its picture shows its labels on them."""
        room = self.room(trial.case, session)
        found = [one.argmax(0) for one in self._found(trial, room, session)]
        truth = [one.classes for one in room.held_old]
        counts = torch.stack([confusion(a, b, len(CLASSES)) for a, b in zip(found, truth, strict=True)]).sum(0)
        write_image(place.picture, strip([_shown(view, one) for view, one in zip(room.held, found, strict=True)]))
        numbers = [Number("miou", WHOLE, mean_iou(counts)), Number("pixel_accuracy", WHOLE, pixel_accuracy(counts))]
        return Outcome(numbers, {"counts": counts.numpy()}, pictured=True)

    def _found(self, trial: Trial, room: Room, session: Session) -> Sequence[Chances]:
        """Chances of the classes in every held-out picture. Raises MissingModelError without the network."""
        if trial.row == NETWORK:
            return [chances(View(view.image), session) for view in room.held]
        scene = self.scene(trial.case, session)
        if trial.row == EXACT:
            values = lifted(scene.blends, [one_hot(one.classes) for one in room.old]).values
        else:
            seen = session.remembered("chances", (self.config, trial.case), lambda: _chances(room, session), 1)
            values = WAYS[trial.row].values(scene, seen)
        return scene.shown(values, held=True)

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """mIoU of the pixels of all walks together."""
        sums: dict[str, Tensor] = {}
        for trial in (trial for trial in results.done if trial.part == PART):
            counts = torch.from_numpy(results.arrays(trial)["counts"])
            sums[trial.row] = sums[trial.row] + counts if trial.row in sums else counts
        return [Record(self.name, PART, row, EVERY, "miou", TOGETHER, mean_iou(one)) for row, one in sums.items()]

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table, and what is seen where."""
        gallery = Gallery(
            results.cases(PART), lambda case: {"exact answer": self._truth(case, session)},
            lambda case, row: results.picture(Trial(PART, row, case)),
        )  # fmt: skip
        notes = {row: NOTES[row] for row in results.rows(PART)}
        lead = f"{self.about} Labels of the held-out pictures, in the dollhouse's {len(CLASSES)} classes."
        return [Part(PART, "Labels", lead, COLUMNS, notes, (EXACT,), NETWORK, gallery=gallery)]

    def _truth(self, case: str, session: Session) -> Tensor:
        room = self.room(case, session)
        return strip([_shown(view, one.classes) for view, one in zip(room.held, room.held_old, strict=True)])


def _chances(room: Room, session: Session) -> list[Chances]:
    """What the network says of every frame."""
    return [chances(View(view.image), session) for view in room.views]


def _shown(view: View, classes: Int[Tensor, "H W"]) -> Tensor:
    """Classes on their picture, each in the same colour in all of them."""
    return overlay(view.image, Segments(classes + 1, {id: Region(name) for id, name in enumerate(CLASSES, start=1)}))
