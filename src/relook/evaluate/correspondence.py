"""Does the matcher find the same part in another room? Every descriptor beside the exact answer, on unseen pairs of rooms."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from relook.correspond.dense import DenseCorrespondence, match_dense
from relook.correspond.features import Descriptor, descriptor
from relook.dollhouse.classes import CLASS_ID, FURNITURE
from relook.errors import InputError, MissingModelError
from relook.evaluate.counterparts import Rooms, class_at, draw_rooms, errors
from relook.evaluate.metrics import MATCHING, class_accuracy, end_point_error, pck
from relook.evaluate.report import ARROWS, contact_sheet
from relook.evaluate.suite import Report
from relook.files import replacing, write_bytes, write_json
from relook.types import View

if TYPE_CHECKING:
    from rich.table import Table

Score = dict[str, float | None]
"""right, furniture, pck05, pck10, error, kept, seconds."""
HEADS = {
    "right": ("right_class", "right class"),
    "furniture": ("right_class", "on furniture"),
    "pck05": ("pck", "PCK@0.05"),
    "pck10": ("pck", "PCK@0.1"),
    "error": ("end_point_error", "error"),
}
"""Column -> the metric behind it and its head."""


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
class Config:
    """Dense correspondence between unseen rooms of one kind against exact parts: writes summary.json, table.md and grid.png."""

    out: Path = Path("runs/dollhouse-correspondence")
    """Folder of the results."""
    pairs: int = 24
    """Number of pairs."""
    seed: int = 0
    """Draws the pairs; none was ever trained on."""
    size: int = 256
    """Height and width of the pictures in pixels."""
    rows: tuple[str, ...] = ()
    """Rows to run, e.g. `embedded denoiser`. Default: all."""
    embedded: str = "embedded"
    """The descriptor of the embedded rows: another network's folder, or a hub id."""
    denoiser: str = "dollhouse"
    """The family of the denoiser rows, and how it is read, e.g. `sd15@261/1`."""


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


def run(config: Config, report: Report) -> Table:
    """Run the suite; returns the table. Raises InputError for unknown rows, MissingModelError for chosen rows without weights."""
    rows, missing = _possible(config)
    answers: dict[str, list[Answers]] = {name: [] for name in rows}
    lines = []
    for index in range(config.pairs):
        rooms = draw_rooms(config.seed, index, (config.size, config.size))
        matched = _matched(rows, rooms, index)
        for name, found in _scored(rows, rooms, matched).items():
            answers[name].append(found)
        if index < 8:
            pictures = [_carried(rows[name], rooms, dense) for name, (dense, _) in matched.items()]
            lines.append([rooms.structure.image, rooms.style.image, *pictures])
        report(index + 1, config.pairs)
    summary = {name: summarise(found) for name, found in answers.items()}
    _write(config, rows, summary, lines)
    return _table(config, summary, missing)


def summarise(answers: Sequence[Answers]) -> Score:
    """Every number over the scored pixels of all pairs together, and seconds per pair."""
    found, true = torch.cat([a.found for a in answers]), torch.cat([a.true for a in answers])
    kept, distances = torch.cat([a.kept for a in answers]), torch.cat([a.distances for a in answers])
    furniture = torch.isin(true, torch.tensor([CLASS_ID[name] for name in FURNITURE]))
    return {
        "right": class_accuracy(found, true, kept),
        "furniture": class_accuracy(found, true, kept & furniture),
        "pck05": pck(distances, 0.05, kept),
        "pck10": pck(distances, 0.1, kept),
        "error": end_point_error(distances, kept),
        "kept": float(kept.double().mean()),
        "seconds": sum(a.seconds for a in answers) / len(answers),
    }


def random_vectors(view: View, *, seed: int = 0) -> Float[Tensor, "D h w"]:
    """Vectors drawn at random on a quarter of the picture's grid."""
    draw = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(48, -(-view.size[0] // 4), -(-view.size[1] // 4), generator=draw), dim=0)


def _possible(config: Config) -> tuple[dict[str, Row], list[str]]:
    """The rows to run, and what is left out, in sentences: rows that are not chosen by name need not have their weights."""
    if unknown := [name for name in config.rows if name not in ROWS]:
        raise InputError(f"Expected rows out of {', '.join(ROWS)}, got {', '.join(unknown)}; choose from them.")
    if config.pairs < 1 or config.size < 32 or config.seed < 0:
        raise InputError(
            f"Expected at least 1 pair, 32 pixels and a seed from 0, got {config.pairs}, {config.size}, {config.seed}; choose more."
        )
    instead = {"embedded": config.embedded}
    instead |= {name: f"{name}:{config.denoiser}" for name in ("denoiser", "denoiser+depth")}
    rows = {
        name: replace(row, name=instead.get(row.name, row.name))
        for name, row in ROWS.items()
        if not config.rows or name in config.rows
    }
    missing = []
    blank = View(torch.full((3, 32, 32), 0.5))
    for wanted in dict.fromkeys(row.name for row in rows.values()):
        try:
            _describe(wanted, 0)(blank)
        except MissingModelError as error:
            if config.rows:
                raise
            missing.append(f"Left out {', '.join(n for n, row in rows.items() if row.name == wanted)}: {error}")
            rows = {name: row for name, row in rows.items() if row.name != wanted}
    return rows, missing


def _describe(name: str, seed: int) -> Descriptor:
    if name != "random":
        return descriptor(name)
    return lambda view: random_vectors(view, seed=seed + int(view.image.sum()))


def _matched(rows: Mapping[str, Row], rooms: Rooms, index: int) -> dict[str, tuple[DenseCorrespondence, float]]:
    """Every row's correspondence and its seconds; rows of one descriptor share its features (and count its time)."""
    features: dict[str, tuple[Tensor, Tensor, float]] = {}
    matched: dict[str, tuple[DenseCorrespondence, float]] = {}
    for name, row in rows.items():
        if row.name not in features:
            began = time.perf_counter()
            describe = _describe(row.name, index)
            ours, theirs = describe(rooms.structure), describe(rooms.style)
            features[row.name] = ours, theirs, time.perf_counter() - began
        ours, theirs, spent = features[row.name]
        began = time.perf_counter()
        dense = match_dense(ours, theirs, rooms.correspondence() if row.restricted else None)
        matched[name] = dense, spent + time.perf_counter() - began
    return matched


def _scored(
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


def _carried(row: Row, rooms: Rooms, dense: DenseCorrespondence) -> Float[Tensor, "3 H W"]:
    """The style's pixels where the row says that they belong; white where it does not trust itself."""
    picture = dense.fetch(rooms.style.image, rooms.structure.size)
    if not row.mutual:
        return picture
    rows, columns = dense.cells(rooms.structure.size)
    return torch.where(dense.mutual[rows[:, None], columns[None]], picture, 1.0)


def _write(config: Config, rows: Mapping[str, Row], summary: Mapping[str, Score], lines: list[list[Tensor]]) -> None:
    """summary.json, table.md, and grid.png with the style's pixels carried by every row."""
    rounded = {row: {k: v if v is None else round(v, 4) for k, v in score.items()} for row, score in summary.items()}
    settings = {
        "pairs": config.pairs, "seed": config.seed, "size": config.size, "embedded": config.embedded, "denoiser": config.denoiser,
    }  # fmt: skip
    write_json(config.out / "summary.json", {"settings": settings, "rows": rounded})
    heads = _heads()
    text = ["| row | " + " | ".join(heads) + " | |", "|---|" + "---:|" * len(heads) + "---|"]
    text += [f"| {name} | " + " | ".join(_cells(score)) + f" | {rows[name].note} |" for name, score in summary.items()]
    write_bytes(config.out / "table.md", ("\n".join(text) + "\n").encode())
    with replacing(config.out / "grid.png") as temporary:
        contact_sheet(lines, ["structure", "style", *summary]).save(temporary, format="PNG")


def _table(config: Config, summary: Mapping[str, Score], missing: Sequence[str]) -> Table:
    from rich.table import Table

    made = Table(
        title=f"dollhouse-correspondence: {config.pairs} unseen pairs, seed {config.seed}, {config.size} pixels",
        title_justify="left",
    )
    made.add_column("row")
    for head in _heads():
        made.add_column(head, justify="right")
    for name, score in summary.items():
        made.add_row(name, *_cells(score))
    made.caption = "\n".join(missing) or None
    return made


def _heads() -> list[str]:
    return [f"{head} {ARROWS[MATCHING[metric].better]}" for metric, head in HEADS.values()] + ["scored", "seconds"]


def _cells(score: Score) -> list[str]:
    def text(key: str) -> str:
        value = score[key]
        if value is None:
            return "-"
        return f"{value:.3f}" if key == "error" else f"{value:.2f}" if key == "seconds" else f"{100 * value:.1f} %"

    return [text(key) for key in (*HEADS, "kept", "seconds")]
