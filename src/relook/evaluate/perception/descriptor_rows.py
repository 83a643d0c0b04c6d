"""Ways to find the same part in another room, and what each says of one pair of rooms."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from relook.correspond.dense import DenseCorrespondence, match_dense
from relook.correspond.features import Descriptor, descriptor
from relook.dollhouse.classes import CLASS_ID, FURNITURE
from relook.evaluate.metrics.matching import class_accuracy, coverage, end_point_error, pck
from relook.evaluate.perception.counterparts import Rooms, class_at, errors
from relook.evaluate.records import WHOLE, Number
from relook.session import Session
from relook.types import View

ON_FURNITURE = "furniture"
"""The region of places on furniture."""


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
    "denoiser with depth": Row("the same with the exact depth through its ControlNet", "denoiser+depth"),
    "denoiser in segments": Row("the same within exact segments", "denoiser", restricted=True),
    "colour": Row("colours alone: the floor", "colour"),
    "random": Row("vectors drawn at random: chance", "random"),
    "position in segments": Row("exact segments and the place in the picture", "position", restricted=True),
}
"""Every row of dollhouse-correspondence, in the table's order."""


def describe(name: str, seed: int, session: Session) -> Descriptor:
    """The descriptor called `name`; `random` draws vectors from `seed` on a quarter of the picture's grid. Raises InputError for a name that is none."""

    def drawn(view: View) -> Float[Tensor, "D h w"]:
        draw = torch.Generator().manual_seed(seed + int(view.image.sum()))
        return normalize(torch.randn(48, -(-view.size[0] // 4), -(-view.size[1] // 4), generator=draw), dim=0)

    return drawn if name == "random" else descriptor(name, session)


def matched(row: Row, rooms: Rooms, index: int, session: Session) -> tuple[DenseCorrespondence, float]:
    """The row's correspondence on pair `index` and its seconds; rows of one descriptor share its features (and count its time)."""

    def described() -> tuple[Tensor, Tensor, float]:
        began, describing = time.perf_counter(), describe(row.name, index, session)
        return describing(rooms.structure), describing(rooms.style), time.perf_counter() - began

    structure, style, spent = session.remembered("described", (row.name, index), described)
    began = time.perf_counter()
    dense = match_dense(structure, style, rooms.correspondence() if row.restricted else None)
    return dense, spent + time.perf_counter() - began


def carried(row: Row, rooms: Rooms, dense: DenseCorrespondence) -> Float[Tensor, "3 H W"]:
    """The style's pixels where the row says that they belong; white where it does not trust itself."""
    picture = dense.fetch(rooms.style.image, rooms.structure.size)
    if not row.mutual:
        return picture
    rows, columns = dense.cells(rooms.structure.size)
    return torch.where(dense.mutual[rows[:, None], columns[None]], picture, 1.0)


def measure(row: Row, rooms: Rooms, dense: DenseCorrespondence) -> list[Number]:
    """Every number of one row on one pair; None where no scored pixel is kept, or none lies on furniture."""
    under = dense.cells(rooms.structure.size)
    cell, column = under[0][rooms.pixels[:, 0]], under[1][rooms.pixels[:, 1]]
    answered = dense.mutual[cell, column] if row.mutual else torch.ones_like(cell, dtype=torch.bool)
    places, true = dense.positions[cell, column], rooms.classes
    found, distances = class_at(rooms, places), errors(rooms, places)
    furniture = torch.isin(true, torch.tensor([CLASS_ID[name] for name in FURNITURE]))
    return [
        *(
            Number(metric, region, value)
            for region, kept in ((WHOLE, answered), (ON_FURNITURE, answered & furniture))
            for metric, value in (
                ("right_class", class_accuracy(found, true, kept)),
                ("pck_05", pck(distances, 0.05, kept)),
                ("pck_10", pck(distances, 0.1, kept)),
                ("end_point_error", end_point_error(distances, kept)),
            )
        ),
        Number("coverage", WHOLE, coverage(answered)),
    ]
