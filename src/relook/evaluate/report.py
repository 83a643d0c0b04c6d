"""A table for the terminal, a grid of pictures, and a page that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from relook.evaluate.metrics import METRICS
from relook.files import replacing, write_bytes

if TYPE_CHECKING:
    from rich.table import Table

    from relook.evaluate.suite import Outcome, Run, Score

ARROWS = {"higher": "↑", "lower": "↓"}
DIGITS = {"psnr": 2, "ssim": 3, "lpips": 3, "colour_error": 1, "pattern_error": 2, "seconds": 2}
CEILING = "exact"
"""The row that no method can beat; it is not marked as the best."""


def table(title: str, summary: Mapping[str, Score]) -> Table:
    """The summary for a terminal: better directions in the heads, the best of each column bold."""
    from rich.table import Table

    made = Table(title=title, title_justify="left")
    made.add_column("row")
    for head in heads():
        made.add_column(head, justify="right")
    best = _best(summary)
    for name, score in summary.items():
        cells = [f"[bold]{_text(k, score[k])}[/bold]" if best.get(k) == name else _text(k, score[k]) for k in DIGITS]
        made.add_row(name, *cells)
    return made


def heads() -> list[str]:
    """Heads of the columns, with the better direction."""
    return [f"{METRICS[key].title} {ARROWS[METRICS[key].better]}" if key in METRICS else "seconds" for key in DIGITS]


def write_grid(path: Path, run: Run, outcomes: Sequence[Outcome], rows: Sequence[str], pairs: int) -> None:
    """One line of pictures per pair: structure, style, the rows, the exact answer."""
    painted = {(outcome.pair, outcome.row): outcome.image for outcome in outcomes}
    lines = []
    for index in range(min(pairs, run.pairs)):
        pair = run.pair(index)
        lines.append([pair.structure.image, pair.style.image, *(painted[index, row] for row in rows), pair.exact])
    sheet = contact_sheet(lines, ["structure", "style", *rows, "exact answer"])
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def contact_sheet(lines: Sequence[Sequence[Float[Tensor, "3 H W"]]], names: Sequence[str], gap: int = 4) -> Image.Image:
    """Pictures of one size in lines, with names above the columns."""
    height, width = lines[0][0].shape[-2:]
    head, font = 30, ImageFont.load_default(10)
    size = (len(names) * (width + gap) + gap, head + len(lines) * (height + gap))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.multiline_text(
            (gap + column * (width + gap), 2), name.replace("/", "/\n"), fill="black", font=font, spacing=1
        )
        for number, line in enumerate(lines):
            sheet.paste(_picture(line[column]), (gap + column * (width + gap), head + number * (height + gap)))
    return sheet


def write_report(
    path: Path,
    title: str,
    lead: str,
    run: Run,
    outcomes: Sequence[Outcome],
    summary: Mapping[str, Score],
    missing: Sequence[str],
    cases: int = 12,
) -> None:
    """A self-contained page: the table, what is left out, and the pairs, worst first."""
    from jinja2 import Environment

    by = next(
        (row for row in ("relook", "on", *reversed(list(run.rows))) if row in summary and row != CEILING), CEILING
    )
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("relook.evaluate").joinpath("templates/report.html").read_text(encoding="utf-8")
    )
    best = _best(summary)
    lines = [
        {"name": name, "note": run.rows[name].note,
         "cells": [{"text": _text(key, score[key]), "best": best.get(key) == name} for key in DIGITS]}
        for name, score in summary.items()
    ]  # fmt: skip
    html = page.render(
        title=title, lead=lead, missing=missing, heads=heads(), rows=lines, metrics=METRICS.values(), by=by,
        cases=[_case(run, outcomes, index) for index in _worst_first(outcomes, by)[:cases]],
    )  # fmt: skip
    write_bytes(path, html.encode())


def _case(run: Run, outcomes: Sequence[Outcome], index: int) -> dict[str, Any]:
    """Pictures and numbers of one pair."""
    pair = run.pair(index)
    given = [("structure", pair.structure.image, ""), ("style", pair.style.image, ""), ("exact answer", pair.exact, "")]
    made = [(o.row, o.image, _text("psnr", o.score["psnr"]) + " dB") for o in outcomes if o.pair == index]
    return {
        "number": index,
        "figures": [{"name": name, "data": _data(image), "words": words} for name, image, words in given + made],
    }


def _worst_first(outcomes: Sequence[Outcome], row: str) -> list[int]:
    """Numbers of the pairs by the row's PSNR."""
    scores = {o.pair: o.score["psnr"] for o in outcomes if o.row == row}
    return sorted(scores, key=lambda pair: (scores[pair] is None, scores[pair] or 0.0))


def _best(summary: Mapping[str, Score]) -> dict[str, str]:
    """The best row of every metric, the ceiling apart."""
    best = {}
    for key, metric in METRICS.items():
        known = {row: value for row, score in summary.items() if (value := score[key]) is not None and row != CEILING}
        if len(known) > 1:
            choose = max if metric.better == "higher" else min
            best[key] = choose(known, key=known.__getitem__)
    return best


def _text(key: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.{DIGITS[key]}f}"


def _picture(image: Float[Tensor, "3 H W"]) -> Image.Image:
    return Image.fromarray((image.clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))


def _data(image: Float[Tensor, "3 H W"]) -> str:
    """A picture as PNG in base64."""
    buffer = BytesIO()
    _picture(image).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def markdown(summary: Mapping[str, Score]) -> str:
    """The summary as a Markdown table, the best of each column bold."""
    best = _best(summary)
    lines = ["| row | " + " | ".join(heads()) + " |", "|---|" + "---:|" * len(DIGITS)]
    for name, score in summary.items():
        cells = [f"**{_text(k, score[k])}**" if best.get(k) == name else _text(k, score[k]) for k in DIGITS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
