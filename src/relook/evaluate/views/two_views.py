"""Two-view synthesis on unseen rooms (ReStyle3D's Table 3), and how many steps the refiner needs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from relook.evaluate.gallery import Gallery
from relook.evaluate.metrics.segments import mean_of
from relook.evaluate.metrics.truth import lpips, psnr, ssim
from relook.evaluate.records import VIEW, Record
from relook.evaluate.run import Outcome, Place, Results, Trial
from relook.evaluate.sections import CEILING, Part, column
from relook.evaluate.views.rooms import BASELINES, TwoViews, draw_two_views
from relook.evaluate.views.rows import ViewsRow
from relook.evaluate.views.setting import Score, ViewsSuite, numbers_of
from relook.io import write_image
from relook.io.sheet import Picture
from relook.session import Session

COLUMNS = {
    "psnr": column("psnr"), "ssim": column("ssim"), "lpips": column("lpips"), "hole_psnr": column("psnr", "holes", "PSNR dB in holes"),
    "hole_lpips": column("lpips", "holes", "LPIPS in holes"), "known_psnr": column("psnr", "elsewhere", "PSNR dB elsewhere"),
    "seconds": column("seconds"), "holes": column("holes"),
}  # fmt: skip
"""What is measured of every row on every case."""
BY_BASELINE = ("psnr", "lpips", "hole_psnr")
"""What is shown of every distance for itself."""
REFERENCE = "refiner"
"""The row that the others are compared with, where it was run."""


@dataclass(frozen=True, kw_only=True)
class TwoViewSuite(ViewsSuite):
    """Rows x rooms x distances."""

    part: str
    title: str
    rows: Mapping[str, ViewsRow]
    baselines: tuple[str, ...]

    def trials(self) -> Sequence[Trial]:
        """Every row on every room at every distance."""
        cases = [f"{room:03d}{VIEW}{baseline}" for room in range(self.config.rooms) for baseline in self.baselines]
        return [Trial(self.part, row, case) for case in cases for row in self.rows]

    def depends(self, trial: Trial) -> Any:
        """What all parts share, and the size."""
        return super().depends(trial), self.config.size

    def drawn(self, case: str) -> TwoViews:
        """A case by its name."""
        room, baseline = case.split(VIEW)
        return draw_two_views(self.config.seed, int(room), baseline, self.config.size)

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One row on one case."""
        case = session.remembered("two views", (self.config, trial.case), lambda: self.drawn(trial.case), 1)
        start = time.perf_counter()
        image = self.rows[trial.row].paint(case, self.setting, session)
        seconds = time.perf_counter() - start
        write_image(place.picture, image)
        score = score_of(image, case, session) | {"seconds": seconds}
        return Outcome(numbers_of(score, COLUMNS), pictured=True)

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """The same numbers with the distance between the views as their region, room by room."""
        if len(self.baselines) < 2:
            return ()
        keys = {COLUMNS[key].key for key in BY_BASELINE}
        return [
            replace(record, part=f"{self.part}, by distance", case=room, region=f"{record.region}, {baseline}")
            for record in results.records()
            if record.part == self.part and (record.metric, record.region) in keys
            for room, baseline in (record.case.split(VIEW),)
        ]

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """All cases together, and the numbers of every distance side by side where there are several."""
        rows = results.rows(self.part)
        notes = {row: self.rows[row].note for row in rows}
        gallery = Gallery(
            results.cases(self.part), lambda case: _known(self.drawn(case)), lambda case, row: results.picture(Trial(self.part, row, case)),
        )  # fmt: skip
        columns = [c for key, c in COLUMNS.items() if key != "holes"]
        made = [
            Part(
                self.part, self.title, self._lead(results), columns, notes, (CEILING,), REFERENCE, gallery=gallery
            )
        ]  # fmt: skip
        if len(self.baselines) > 1:
            by = [
                replace(c, region=f"{c.region}, {baseline}", title=f"{c.title} {baseline}")
                for c in (COLUMNS[key] for key in BY_BASELINE)
                for baseline in self.baselines
            ]
            lead = "The same cases, every distance for itself."
            made.append(Part(f"{self.part}, by distance", f"{self.title}, by distance", lead, by, notes))
        return made

    def _lead(self, results: Results) -> str:
        found = list(results.numbers(self.part, "holes"))
        shares = {
            name: mean_of([value for trial, _, value in found if trial.case.endswith(name)]) for name in self.baselines
        }
        words = ", ".join(f"{name} ({BASELINES[name]} m apart) {share or 0:.1%}" for name, share in shares.items())
        return (
            f"{self.config.rooms} unseen rooms, {self.config.size} pixels; share that frame 1 does not show: {words}."
        )


def score_of(image: Float[Tensor, "3 H W"], case: TwoViews, session: Session | None = None) -> Score:
    """Every number of one frame 2: over the whole picture, over what frame 1 does not show (None where it shows all), elsewhere."""
    exact, holes = case.exact, case.holes
    return {
        "psnr": psnr(image, exact), "ssim": ssim(image, exact), "lpips": lpips(image, exact, session=session),
        "hole_psnr": psnr(image, exact, holes), "hole_lpips": lpips(image, exact, holes, session),
        "known_psnr": psnr(image, exact, ~holes), "holes": float(holes.float().mean()),
    }  # fmt: skip


def _known(case: TwoViews) -> Mapping[str, Picture]:
    """What a row sees, and the answer."""
    return {
        "frame 1": case.first.image, "frame 1 in its new look": case.styled.image, "frame 2": case.second.image, "exact answer": case.exact,
    }  # fmt: skip
