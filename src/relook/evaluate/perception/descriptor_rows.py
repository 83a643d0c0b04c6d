"""Ways to find the same part in another room, and what each says of one pair of rooms."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from relook.correspond.dense import DenseCorrespondence, match_dense
from relook.correspond.features import Descriptor, descriptor
from relook.dollhouse.classes import CLASS_ID, FURNITURE
from relook.evaluate.metrics import class_accuracy, coverage, end_point_error, pck
from relook.evaluate.perception.counterparts import Rooms, class_at, errors
from relook.evaluate.process import held
from relook.evaluate.records import WHOLE
from relook.types import View

ON_FURNITURE = "furniture"
"""The region of places on furniture."""
Numbers = list[tuple[str, str, float | None]]
"""(metric, region, value)."""


@dataclass(frozen=True)
class Row:
    """One way to match."""

    note: str
    """What it is, for readers."""
    name: str
    """The descriptor; `random` draws its vectors."""
    restricted: bool = False
    """Only within exact segments of the same class."""
    mutual: bool = False
    """Score only the places whose match matches back."""


ROWS: Mapping[str, Row] = {
    "embedded": Row("the embedded descriptor", "embedded"),
    "embedded, mutual": Row("the same, only where the match matches back", "embedded", mutual=True),
    "embedded in segments": Row("the same within exact segments", "embedded", restricted=True),
    "denoiser": Row("the denoiser's own features (DIFT): the row to beat", "denoiser"),
    "denoiser with depth": Row("the same, told the exact depth through its ControlNet", "denoiser+depth"),
    "denoiser in segments": Row("the same within exact segments", "denoiser", restricted=True),
    "colour": Row("colours alone: the floor", "colour"),
    "random": Row("vectors drawn at random: chance", "random"),
    "position in segments": Row("exact segments and the place in the picture", "position", restricted=True),
}
"""Every row of dollhouse-correspondence, in the table's order."""


@dataclass(frozen=True)
class Answers:
    """What one row says of the scored pixels of one pair."""

    found: Int[Tensor, " N"]
    """Class at the counterpart."""
    distances: Float[Tensor, " N"]
    """To the true counterpart, in parts of the longer side."""
    true: Int[Tensor, " N"]
    """Class of the pixel."""
    kept: Bool[Tensor, " N"]
    """What is scored."""
    seconds: float


def describe(name: str, seed: int) -> Descriptor:
    """The descriptor called `name`; `seed` draws the vectors of `random`. Raises InputError for a name that is none."""
    if name != "random":
        return descriptor(name, held())
    return lambda view: random_vectors(view, seed=seed + int(view.image.sum()))


def matched_by(rows: Mapping[str, Row], rooms: Rooms, index: int) -> dict[str, tuple[DenseCorrespondence, float]]:
    """Every row's correspondence and its seconds; rows of one descriptor share its features (and count its time)."""
    features: dict[str, tuple[Tensor, Tensor, float]] = {}
    matched: dict[str, tuple[DenseCorrespondence, float]] = {}
    for name, row in rows.items():
        if row.name not in features:
            began = time.perf_counter()
            describing = describe(row.name, index)
            ours, theirs = describing(rooms.structure), describing(rooms.style)
            features[row.name] = ours, theirs, time.perf_counter() - began
        ours, theirs, spent = features[row.name]
        began = time.perf_counter()
        dense = match_dense(ours, theirs, rooms.correspondence() if row.restricted else None)
        matched[name] = dense, spent + time.perf_counter() - began
    return matched


def answers_of(
    rows: Mapping[str, Row], rooms: Rooms, matched: Mapping[str, tuple[DenseCorrespondence, float]]
) -> dict[str, Answers]:
    """What every row says of the scored pixels, against the truth."""
    places, kept = [], []
    for name, (dense, _) in matched.items():
        under = dense.cells(rooms.structure.size)
        row, column = under[0][rooms.pixels[:, 0]], under[1][rooms.pixels[:, 1]]
        places.append(dense.positions[row, column])
        kept.append(dense.mutual[row, column] if rows[name].mutual else torch.ones_like(row, dtype=torch.bool))
    distances = errors(rooms, torch.stack(places))
    return {
        name: Answers(class_at(rooms, places[n]), distances[n], rooms.classes, kept[n], matched[name][1])
        for n, name in enumerate(matched)
    }


def carried(row: Row, rooms: Rooms, dense: DenseCorrespondence) -> Float[Tensor, "3 H W"]:
    """The style's pixels where the row says that they belong; white where it does not trust itself."""
    picture = dense.fetch(rooms.style.image, rooms.structure.size)
    if not row.mutual:
        return picture
    rows, columns = dense.cells(rooms.structure.size)
    return torch.where(dense.mutual[rows[:, None], columns[None]], picture, 1.0)


def measure(answers: Answers) -> Numbers:
    """Every number of one row on one pair; None where no scored pixel is kept, or none lies on furniture."""
    furniture = torch.isin(answers.true, torch.tensor([CLASS_ID[name] for name in FURNITURE]))
    return [
        *(
            told
            for region, kept in ((WHOLE, answers.kept), (ON_FURNITURE, answers.kept & furniture))
            for told in (
                ("right_class", region, class_accuracy(answers.found, answers.true, kept)),
                ("pck_05", region, pck(answers.distances, 0.05, kept)),
                ("pck_10", region, pck(answers.distances, 0.1, kept)),
                ("end_point_error", region, end_point_error(answers.distances, kept)),
            )
        ),
        ("coverage", WHOLE, coverage(answers.kept)),
        ("seconds", WHOLE, answers.seconds),
    ]


def random_vectors(view: View, *, seed: int = 0) -> Float[Tensor, "D h w"]:
    """Vectors drawn at random on a quarter of the picture's grid."""
    draw = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(48, -(-view.size[0] // 4), -(-view.size[1] // 4), generator=draw), dim=0)
