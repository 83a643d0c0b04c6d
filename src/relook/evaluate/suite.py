"""Run rows over pairs: paint, score, keep every score on disk so that a stopped run resumes, then summarise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from relook import cache
from relook.errors import InputError, MissingModelError, RelookError
from relook.evaluate.metrics import METRICS, colour_error, lpips, pattern_error, psnr, ssim
from relook.evaluate.pairs import Pair, draw_pair
from relook.evaluate.rows import Row, Setting
from relook.files import write_json
from relook.io import read_image, write_image
from relook.models.families import Family, load_family
from relook.models.placement import placement

Score = dict[str, float | None]
"""psnr, ssim, lpips, colour_error, pattern_error, seconds."""
Report = Callable[[int, int], None]
"""(pictures done, pictures in all)."""


@dataclass(frozen=True)
class Outcome:
    """One row on one pair."""

    row: str
    pair: int
    score: Score
    image: Float[Tensor, "3 H W"]


@dataclass(frozen=True)
class Run:
    """What a suite is run with."""

    out: Path
    """Folder of the results; pictures and scores of every pair lie in pairs/."""
    rows: Mapping[str, Row]
    pairs: int
    seed: int
    size: int
    setting: Setting

    def pair(self, index: int) -> Pair:
        """A pair by its number."""
        return draw_pair(self.seed, index, (self.size, self.size))

    def outcomes(self, report: Report) -> Iterator[Outcome]:
        """Every row on every pair, pair by pair; what is on disk is not made again."""
        for index in range(self.pairs):
            pair: Pair | None = None
            for number, (name, row) in enumerate(self.rows.items()):
                place = self.out / "pairs" / f"{index:03d}" / name.replace("/", "-").replace(" ", "-")
                key = self._key(name, row, index)
                score = cache.recall(place.with_suffix(".json"), key)
                if score is None:
                    pair = pair or self.pair(index)
                    image, score = self._paint(row, pair)
                    write_image(place.with_suffix(".png"), image)
                    cache.remember(place.with_suffix(".json"), key, score)
                report(index * len(self.rows) + number + 1, self.pairs * len(self.rows))
                yield Outcome(name, index, score, read_image(place.with_suffix(".png")))

    def _paint(self, row: Row, pair: Pair) -> tuple[Tensor, Score]:
        start = time.perf_counter()
        image = row.paint(pair, self.setting)
        return image, score_of(image, pair) | {"seconds": time.perf_counter() - start}

    def _key(self, name: str, row: Row, index: int) -> str:
        family = self.setting.family
        weights = family.revision if family is not None and row.learned else None
        return cache.key(name, index, self.seed, self.size, self.setting.steps, weights, _have_lpips())


def score_of(image: Float[Tensor, "3 H W"], pair: Pair) -> Score:
    """Every metric of one picture: over the classes that both pictures show; pattern_error where the pattern changes."""
    mask = pair.scored > 0
    return {
        "psnr": psnr(image, pair.exact, mask),
        "ssim": ssim(image, pair.exact, mask),
        "lpips": lpips(image, pair.exact, mask),
        "colour_error": colour_error(image, pair.exact, pair.scored),
        "pattern_error": pattern_error(image, pair.exact, pair.patterned),
    }


def prepare(
    rows: Mapping[str, Row],
    chosen: Sequence[str],
    *,
    out: Path,
    pairs: int,
    seed: int,
    size: int,
    steps: int | None,
    family: str,
    device: str,
) -> tuple[Run, list[str]]:
    """A run, and what it leaves out, in sentences.

    Rows chosen by name must exist and be possible; with none chosen, rows that need a family are left out where it is missing.
    """
    if unknown := [name for name in chosen if name not in rows]:
        raise InputError(f"Expected rows out of {', '.join(rows)}, got {', '.join(unknown)}; choose from them.")
    if pairs < 1 or size < 32 or seed < 0:
        raise InputError(
            f"Expected at least 1 pair, 32 pixels and a seed from 0, got {pairs}, {size}, {seed}; choose more."
        )
    wanted = {name: row for name, row in rows.items() if not chosen or name in chosen}
    missing: list[str] = []
    loaded: Family | None = None
    if any(row.learned for row in wanted.values()):
        try:
            loaded = load_family(family, placement(device, "fp32"))
        except MissingModelError as error:
            if chosen or all(row.learned for row in wanted.values()):
                raise
            left_out = [name for name, row in wanted.items() if row.learned]
            missing.append(f"Left out {', '.join(left_out)}: {error}")
            wanted = {name: row for name, row in wanted.items() if not row.learned}
    if loaded is not None and (shown := [name for name, row in wanted.items() if row.prompted]):
        from relook.models.image_prompt import find

        try:
            find("auto", loaded)
        except RelookError as error:
            if chosen:
                raise
            missing.append(f"Left out {', '.join(shown)}: {error}")
            wanted = {name: row for name, row in wanted.items() if name not in shown}
    if not _have_lpips():
        missing.append(
            "LPIPS is empty: its weights (lpips_alex) are not on this machine; set RELOOK_MODELS to their folder."
        )
    return Run(out, wanted, pairs, seed, size, Setting(loaded, steps, seed)), missing


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Score]:
    """Mean of every number over the pairs where it could be told, per row, in the rows' order."""
    rows: dict[str, list[Score]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.row, []).append(outcome.score)
    return {
        name: {key: _mean([score[key] for score in scores]) for key in [*METRICS, "seconds"]}
        for name, scores in rows.items()
    }


def write_summary(run: Run, summary: Mapping[str, Score]) -> None:
    """OUT/summary.json, and OUT/settings.json with what it was made with."""
    family = run.setting.family
    write_json(
        run.out / "summary.json", {row: {k: _short(v) for k, v in score.items()} for row, score in summary.items()}
    )
    write_json(
        run.out / "settings.json",
        {
            "pairs": run.pairs, "seed": run.seed, "size": run.size, "steps": run.setting.steps,
            "family": family and family.name, "revision": family and family.revision,
            "torch": torch.__version__, "threads": torch.get_num_threads(),
        },
    )  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _have_lpips() -> bool:
    from relook.models.registry import available

    return available("lpips_alex")
