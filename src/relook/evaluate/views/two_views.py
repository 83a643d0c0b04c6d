"""Two-view synthesis on unseen rooms (ReStyle3D's Table 3), and how many steps the refiner needs: rows on cases, kept on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from relook import cache
from relook.evaluate.gallery import Gallery, Picture, contact_sheet
from relook.evaluate.metrics import lpips, psnr, ssim
from relook.evaluate.records import VIEW, Record
from relook.evaluate.sections import Section, column, section
from relook.evaluate.summary import Score, mean_score
from relook.evaluate.views.rooms import BASELINES, TwoViews, draw_two_views
from relook.evaluate.views.rows import CEILING, Setting, ViewsRow
from relook.evaluate.views.told import Told, records_of
from relook.io import write_image

COLUMNS = {
    "psnr": column("psnr"), "ssim": column("ssim"), "lpips": column("lpips"), "hole_psnr": column("psnr", "holes", "PSNR dB in holes"),
    "hole_lpips": column("lpips", "holes", "LPIPS in holes"), "known_psnr": column("psnr", "elsewhere", "PSNR dB elsewhere"),
    "seconds": column("seconds"), "holes": column("holes"),
}  # fmt: skip
"""What is told of every row on every case."""
BY_BASELINE = ("psnr", "lpips", "hole_psnr")
"""What is told of every distance for itself."""
LINES = 8
"""Cases on the sheet, with the most holes first."""
REFERENCE = "refiner"
"""The row that the others are compared with, where it was run."""


@dataclass(frozen=True)
class Outcome:
    """One row on one case; the picture lies on disk."""

    row: str
    room: int
    baseline: str
    score: Score

    @property
    def case(self) -> str:
        """As in the records."""
        return case_name(self.room, self.baseline)


@dataclass(frozen=True)
class Trial:
    """Rows, rooms and baselines, and where their results lie."""

    out: Path
    rows: Mapping[str, ViewsRow]
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

    def place(self, case: str, row: str) -> Path:
        """Where the picture of a row lies; its numbers lie beside it (.json)."""
        return self.out / case / f"{''.join(c if c.isalnum() else '-' for c in row)}.png"

    def outcomes(self, tick: Callable[[], None]) -> Iterator[Outcome]:
        """Every row on every case; what is on disk is not made again."""
        for room in range(self.rooms):
            for outcome in self.of_room(room):
                tick()
                yield outcome

    def of_room(self, room: int) -> Iterator[Outcome]:
        """Every row on the cases of one room."""
        for baseline in self.baselines:
            held: list[TwoViews] = []
            for name, row in self.rows.items():
                place = self.place(case_name(room, baseline), name)
                key = cache.key(self.key, name, room, baseline, self.seed, self.size)
                score = cache.recall(place.with_suffix(".json"), key)
                if score is None:
                    held = held or [self.case(room, baseline)]
                    start = time.perf_counter()
                    image = row.paint(held[0], self.setting)
                    score = score_of(image, held[0]) | {"seconds": time.perf_counter() - start}
                    write_image(place, image)
                    cache.remember(place.with_suffix(".json"), key, score)
                yield Outcome(name, room, baseline, score)

    def given(self, case: str) -> Mapping[str, Picture]:
        """What a row is given, and the answer."""
        room, baseline = case.split(VIEW)
        views = self.case(int(room), baseline)
        return {
            "frame 1": views.first.image, "frame 1 in its new look": views.styled.image, "frame 2": views.second.image,
            "exact answer": views.exact,
        }  # fmt: skip


def case_name(room: int, baseline: str) -> str:
    """As in the records and on disk."""
    return f"{room:03d}{VIEW}{baseline}"


def score_of(image: Float[Tensor, "3 H W"], case: TwoViews) -> Score:
    """Every number of one frame 2: over the whole picture, over what frame 1 does not show (None where it shows all), over the rest."""
    return {
        "psnr": psnr(image, case.exact), "ssim": ssim(image, case.exact), "lpips": lpips(image, case.exact),
        "hole_psnr": psnr(image, case.exact, case.holes), "hole_lpips": lpips(image, case.exact, case.holes),
        "known_psnr": psnr(image, case.exact, ~case.holes), "holes": float(case.holes.float().mean()),
    }  # fmt: skip


def told(trial: Trial, outcomes: Sequence[Outcome], part: str, title: str) -> Told:
    """All cases together, and the numbers of every baseline side by side where there are several."""
    notes = {name: row.note for name, row in trial.rows.items()}
    records = [record for o in outcomes for record in records_of(part, o.row, o.case, o.score, COLUMNS)]
    shares = {b: mean_score(o.score for o in outcomes if o.baseline == b)["holes"] or 0.0 for b in trial.baselines}
    words = ", ".join(f"{name} ({BASELINES[name]} m apart) {share:.1%}" for name, share in shares.items())
    lead = f"{trial.rooms} unseen rooms, {trial.size} pixels; share that frame 1 does not show: {words}."
    cases = tuple(dict.fromkeys(o.case for o in outcomes))
    gallery = Gallery(cases, trial.given, trial.place, part=part) if cases else None
    columns = [c for key, c in COLUMNS.items() if key != "holes"]
    made = [
        section(
            records, title=title, lead=lead, columns=columns, notes=notes, apart=(CEILING,), reference=REFERENCE,
            sheets=_sheet(trial, outcomes), gallery=gallery,
        )
    ]  # fmt: skip
    if len(trial.baselines) > 1:
        made.append(_by_baseline(trial, outcomes, part, title, notes))
    return Told(tuple(records), tuple(made))


def _by_baseline(trial: Trial, outcomes: Sequence[Outcome], part: str, title: str, notes: Mapping[str, str]) -> Section:
    """The same numbers with the distance between the views as their region, room by room."""
    columns = {
        f"{key} {baseline}": replace(c, region=f"{c.region}, {baseline}", title=f"{c.title} {baseline}")
        for key in BY_BASELINE for baseline in trial.baselines for c in (COLUMNS[key],)
    }  # fmt: skip
    records: list[Record] = []
    for o in outcomes:
        score = {f"{key} {o.baseline}": o.score[key] for key in BY_BASELINE}
        records += records_of(f"{part}, by distance", o.row, f"{o.room:03d}", score, columns)
    return section(
        records, title=f"{title}, by distance", lead="The same cases, every distance for itself.", columns=list(columns.values()),
        notes=notes, apart=(CEILING,),
    )  # fmt: skip


def _sheet(trial: Trial, outcomes: Sequence[Outcome]) -> tuple[tuple[str, Image.Image], ...]:
    """One line of pictures per case: both old frames, frame 1 in its new look, every row, the answer; most holes first."""
    shares = {o.case: o.score["holes"] or 0.0 for o in outcomes}
    shown = _spread(sorted(shares, key=lambda case: -shares[case]), LINES)
    lines = [Gallery(shown, trial.given, trial.place).line(case, list(trial.rows)) for case in shown]
    if not lines:
        return ()
    sheet = contact_sheet([[picture for _, picture in line] for line in lines], [name for name, _ in lines[0]])
    return (("Cases from the most holes to the fewest.", sheet),)


def _spread(items: Sequence[str], count: int) -> list[str]:
    """At most `count` of the items, evenly spread."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(1, count - 1))] for i in range(count)]
