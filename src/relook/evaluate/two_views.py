"""Two-view synthesis on unseen rooms (ReStyle3D's Table 3), and how many steps the refiner needs: rows on cases, kept on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from relook import cache
from relook.evaluate.metrics import lpips, psnr, ssim
from relook.evaluate.report import contact_sheet
from relook.evaluate.views_rooms import BASELINES, TwoViews, draw_two_views
from relook.evaluate.views_rows import CEILING, Row, Setting
from relook.evaluate.views_sections import Column, Score, Section, mean_score
from relook.io import read_image, write_image

WHOLE = (
    Column("psnr", "PSNR dB", "higher"), Column("ssim", "SSIM", "higher", 3), Column("lpips", "LPIPS", "lower", 3),
    Column("hole_psnr", "PSNR dB in holes", "higher"), Column("hole_lpips", "LPIPS in holes", "lower", 3),
    Column("known_psnr", "PSNR dB elsewhere", "higher"), Column("seconds", "seconds"),
)  # fmt: skip
"""What is told of every row over all cases."""
LINES = 8
"""Cases shown, with the most holes first."""


@dataclass(frozen=True)
class Outcome:
    """One row on one case."""

    row: str
    room: int
    baseline: str
    score: Score
    image: Float[Tensor, "3 H W"]


@dataclass(frozen=True)
class Trial:
    """Rows, rooms and baselines, and where their results lie."""

    out: Path
    rows: Mapping[str, Row]
    setting: Setting
    rooms: int
    baselines: tuple[str, ...]
    seed: int
    size: int
    key: str
    """Hashes everything else that the results depend on."""

    @property
    def count(self) -> int:
        """Number of outcomes."""
        return len(self.rows) * self.rooms * len(self.baselines)

    def case(self, room: int, baseline: str) -> TwoViews:
        """A case by its number and baseline."""
        return draw_two_views(self.seed, room, baseline, self.size)

    def outcomes(self, tick: Callable[[], None]) -> Iterator[Outcome]:
        """Every row on every case; what is on disk is not made again."""
        for room in range(self.rooms):
            for baseline in self.baselines:
                held: list[TwoViews] = []
                for name, row in self.rows.items():
                    place = self.out / f"{room:03d}-{baseline}" / "".join(c if c.isalnum() else "-" for c in name)
                    key = cache.key(self.key, name, room, baseline, self.seed, self.size)
                    score = cache.recall(place.with_suffix(".json"), key)
                    if score is None:
                        held = held or [self.case(room, baseline)]
                        start = time.perf_counter()
                        image = row.paint(held[0], self.setting)
                        score = score_of(image, held[0]) | {"seconds": time.perf_counter() - start}
                        write_image(place.with_suffix(".png"), image)
                        cache.remember(place.with_suffix(".json"), key, score)
                    tick()
                    yield Outcome(name, room, baseline, score, read_image(place.with_suffix(".png")))


def score_of(image: Float[Tensor, "3 H W"], case: TwoViews) -> Score:
    """Every number of one frame 2: over the whole picture, over what frame 1 does not show (None where it shows all), over the rest."""
    return {
        "psnr": psnr(image, case.exact), "ssim": ssim(image, case.exact), "lpips": lpips(image, case.exact),
        "hole_psnr": psnr(image, case.exact, case.holes), "hole_lpips": lpips(image, case.exact, case.holes),
        "known_psnr": psnr(image, case.exact, ~case.holes), "holes": float(case.holes.float().mean()),
    }  # fmt: skip


def sections(trial: Trial, outcomes: Sequence[Outcome], title: str) -> list[Section]:
    """All cases together, and the numbers of every baseline side by side where there are several."""
    notes = {name: row.note for name, row in trial.rows.items()}
    rows = {name: mean_score(o.score for o in outcomes if o.row == name) for name in trial.rows}
    shares = {b: mean_score(o.score for o in outcomes if o.baseline == b)["holes"] or 0.0 for b in trial.baselines}
    told = ", ".join(f"{name} ({BASELINES[name]} m apart) {share:.1%}" for name, share in shares.items())
    lead = f"{trial.rooms} unseen rooms, {trial.size} pixels; share that frame 1 does not show: {told}."
    made = [Section(title, lead, WHOLE, rows, notes, frozenset({CEILING}), _sheet(trial, outcomes))]
    if len(trial.baselines) > 1:
        made.append(_by_baseline(trial, outcomes, title, notes))
    return made


def _by_baseline(trial: Trial, outcomes: Sequence[Outcome], title: str, notes: Mapping[str, str]) -> Section:
    """PSNR, LPIPS and PSNR in the holes for every distance between the views."""
    kinds = (
        ("psnr", "PSNR dB", "higher", 2),
        ("lpips", "LPIPS", "lower", 3),
        ("hole_psnr", "PSNR dB in holes", "higher", 2),
    )
    columns = tuple(
        Column(f"{key} {baseline}", f"{words} {baseline}", better, digits)  # type: ignore[arg-type]
        for key, words, better, digits in kinds for baseline in trial.baselines
    )  # fmt: skip
    rows: dict[str, Score] = {}
    for name in trial.rows:
        means = {b: mean_score(o.score for o in outcomes if o.row == name and o.baseline == b) for b in trial.baselines}
        rows[name] = {f"{key} {b}": means[b][key] for key, *_ in kinds for b in trial.baselines}
    return Section(
        f"{title}, by distance",
        "The same cases, every distance for itself.",
        columns,
        rows,
        notes,
        frozenset({CEILING}),
    )


def _sheet(trial: Trial, outcomes: Sequence[Outcome]) -> tuple[tuple[str, Image.Image], ...]:
    """One line of pictures per case: both old frames, frame 1 in its new look, every row, the answer; most holes first."""
    painted = {(o.room, o.baseline, o.row): o.image for o in outcomes}
    shares = {(o.room, o.baseline): o.score["holes"] or 0.0 for o in outcomes}
    lines = []
    for room, baseline in _spread(sorted(shares, key=lambda place: -shares[place]), LINES):
        case = trial.case(room, baseline)
        given = [case.first.image, case.styled.image, case.second.image]
        lines.append([*given, *(painted[room, baseline, row] for row in trial.rows), case.exact])
    names = ["frame 1", "frame 1/new look", "frame 2", *(name.replace(" ", "\n", 1) for name in trial.rows), "answer"]
    return (("Cases from the most holes to the fewest.", contact_sheet(lines, names)),)


def _spread(items: Sequence[tuple[int, str]], count: int) -> list[tuple[int, str]]:
    """At most `count` of the items, evenly spread."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(1, count - 1))] for i in range(count)]
