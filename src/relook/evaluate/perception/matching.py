"""Every matcher on the same pairs: a capture with sensor depth and poses, and walks through rooms of the dollhouse with exact flow."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.captures import Capture, Frame, read_capture
from relook.dollhouse import exact_flow, render, sample_layout, sample_style, walk
from relook.errors import GeometryError, InputError, MissingModelError
from relook.evaluate.process import held
from relook.evaluate.sources.dollhouse import HELD_OUT
from relook.evaluate.suite import Report
from relook.files import write_json
from relook.ops.geometry import flow_from_depth, inside, known_depth, project, sample, unproject
from relook.perceive.match import Matcher, matcher
from relook.types import Matches, View

if TYPE_CHECKING:
    from rich.table import Table

CLOSE, APART = 0.03, 0.10
"""Two sensor readings that differ by less than CLOSE (a part of the depth) are one point; by more than APART, the nearer one hides the other."""
EDGE, EDGE_SIDE = 0.06, 7
"""No pixel is scored where the depth within EDGE_SIDE pixels differs by more than this part of it."""
COMMON = 0.2
"""Pairs of a capture are scored when both sensors read the same points in at least this part of the first picture."""
NEAR = 3.0
"""Pixels within which a flow counts as right."""
POOLED = 20_000
"""Pixels of each pair whose errors are kept for the median."""
ROWS = ("dis", "sift", "embedded", "raft-small", "raft")
"""Every matcher that needs no hub; `lightglue`, `loftr` or an id can be asked for."""


@dataclass(frozen=True)
class Config:
    """Dense matchers against sensor depth with poses and against exact flow: writes summary.json."""

    out: Path = Path("runs/matching")
    """Folder of the results."""
    capture: Path | None = None
    """Folder of a capture with depth for every picture (capture.json); none is scored without it."""
    gaps: tuple[int, ...] = (1, 2, 4)
    """Frames between the two pictures of a pair."""
    pairs: int = 24
    """Pairs of the capture, shared evenly by the gaps."""
    rooms: int = 8
    """Unseen rooms to walk through."""
    frames: int = 3
    """Pictures of each walk; the first is matched with every other one."""
    size: int = 256
    """Height and width of the walks' pictures in pixels."""
    rows: tuple[str, ...] = ROWS
    """Matchers to compare; one whose weights are not on this machine is left out and named."""


@dataclass(frozen=True)
class Case:
    """Two views and what is true of them."""

    name: str
    """Such as `capture, gap 2` or `walks`: results are summed up by it."""
    first: View
    second: View
    flow: Float[Tensor, "2 H W"]
    scored: Bool[Tensor, "H W"]
    """Pixels that the second view surely shows, with a flow that is surely known."""
    hidden: Bool[Tensor, "H W"]
    """Pixels that the second view surely does not show."""


@dataclass(frozen=True)
class Score:
    """One matcher on one pair."""

    case: str
    errors: Float[Tensor, "N"]
    """End-point errors in pixels, at most POOLED of them, drawn evenly."""
    sure: Float[Tensor, "N"]
    """The matcher's confidence there."""
    hits: int
    """Hidden pixels that it called hidden."""
    calls: int
    """Hidden or scored pixels that it called hidden."""
    hidden: int
    """Hidden pixels."""
    seconds: float
    """Processor time of all threads together."""


def run(config: Config, report: Report) -> Table:
    """Score every row on every pair; returns the table.

    Raises InputError for a capture without depth, an unknown row, or nothing to score.
    """
    matchers = {name: matcher(name, held()) for name in config.rows}
    cases = [*_captured(config), *_walks(config)]
    if not cases or not matchers:
        raise InputError("Expected at least one pair and one matcher, got none; ask for rooms, a capture and rows.")
    scores: dict[str, list[Score]] = {}
    missing: list[str] = []
    for number, (name, match) in enumerate(matchers.items()):
        try:
            scores[name] = []
            for index, case in enumerate(cases):
                scores[name].append(score(match, case))
                report(number * len(cases) + index + 1, len(matchers) * len(cases))
        except MissingModelError as error:
            del scores[name]
            missing.append(f"Left out {name}: {error}")
    summary = {name: summarise(found) for name, found in scores.items()}
    motion = {case.name: _median(torch.cat(_pooled(cases, case.name))) for case in cases}
    counts = {case.name: sum(other.name == case.name for other in cases) for case in cases}
    write_json(
        config.out / "summary.json",
        {
            "rows": summary, "pairs": counts, "median_motion": motion, "left_out": missing,
            "torch": torch.__version__, "threads": torch.get_num_threads(),
        },
    )  # fmt: skip
    return _table(summary, counts, motion, missing)


@torch.no_grad()
def score(match: Matcher, case: Case) -> Score:
    """A matcher on a pair; it sees pictures only. One that finds too little in common is scored as if nothing had moved."""
    first, second = View(case.first.image), View(case.second.image)
    start = time.process_time()
    try:
        found = match(first, second)
    except GeometryError:
        zero = torch.zeros(first.size)
        found = Matches(torch.zeros(2, *first.size), zero, zero.bool())
    seconds = time.process_time() - start
    errors = (found.flow - case.flow).norm(dim=0)[case.scored]
    step = max(1, -(-len(errors) // POOLED))
    told = found.occluded & (case.scored | case.hidden)
    return Score(
        case.name, errors[::step], found.confidence[case.scored][::step], int((told & case.hidden).sum()),
        int(told.sum()), int(case.hidden.sum()), seconds,
    )  # fmt: skip


def summarise(scores: Sequence[Score]) -> dict[str, dict[str, float | None]]:
    """By kind of pair: median error in pixels, share under NEAR, the same where confidence is above a half and how large that part is,
    F1 of what is hidden, processor seconds per pair."""
    groups: dict[str, list[Score]] = {}
    for found in scores:
        groups.setdefault(found.case, []).append(found)
    return {name: _means(found) for name, found in groups.items()}


def _means(scores: Sequence[Score]) -> dict[str, float | None]:
    """The numbers of one kind of pair."""
    errors, sure = torch.cat([s.errors for s in scores]), torch.cat([s.sure for s in scores]) > 0.5
    hits, calls, hidden = (sum(getattr(s, name) for s in scores) for name in ("hits", "calls", "hidden"))
    return {
        "median": _median(errors),
        "near": round(float((errors < NEAR).float().mean()), 4),
        "near_where_sure": round(float((errors[sure] < NEAR).float().mean()), 4) if bool(sure.any()) else None,
        "sure": round(float(sure.float().mean()), 4),
        "hidden_f1": round(2 * hits / (calls + hidden), 4) if hidden else None,
        "seconds": round(sum(s.seconds for s in scores) / len(scores), 3),
    }


def _captured(config: Config) -> Iterator[Case]:
    """Pairs of a capture, evenly spread, with enough in common."""
    if config.capture is None:
        return
    capture = read_capture(config.capture)
    if not capture.measured:
        raise InputError(
            f"Expected depth for every picture of {config.capture}, got none for some; name another capture."
        )
    each = -(-config.pairs // len(config.gaps))
    for gap in config.gaps:
        yield from _with_gap(capture, gap, each)


def _with_gap(capture: Capture, gap: int, most: int) -> Iterator[Case]:
    """At most `most` pairs of frames `gap` apart, evenly spread over those with enough in common."""
    pairs = [(capture[index], capture[index + gap]) for index in range(len(capture) - gap)]
    for first, second in _spread([pair for pair in pairs if in_common(*pair) >= COMMON], most):
        yield measured_case(f"capture, gap {gap}", first.view(), second.view())


def in_common(first: Frame, second: Frame, step: int = 8) -> float:
    """The part of the first picture whose points the second one shows too, judged at every `step`-th pixel."""
    near, far = first.sensor_depth(), second.sensor_depth()
    if near is None or far is None or first.camera is None or second.camera is None:
        return 0.0
    depth, other = near.masked(), far.masked()
    places, z = project(unproject(depth, first.camera)[::step, ::step], second.camera)
    lands = torch.isfinite(z) & (z > 0) & inside(places, second.size)
    x, y = torch.where(lands[..., None], places, torch.zeros_like(places)).long().unbind(-1)
    return float((lands & ((z / other[y, x] - 1).abs() < CLOSE)).float().mean())


def measured_case(name: str, first: View, second: View) -> Case:
    """What a depth sensor and poses say of two views.

    A pixel is scored only where both sensors read the same point (within CLOSE) and neither is near an edge of its known depth; it is hidden
    where its point lands outside, or behind a reading that is nearer by more than APART.
    """
    depth, other = first.metric_depth, second.metric_depth
    if depth is None or other is None or first.camera is None or second.camera is None:
        raise InputError("Expected two views with a camera and depth, got one without; read another capture.")
    flow, _, known = flow_from_depth(depth, first.camera, other, second.camera)
    points = unproject(depth, first.camera)
    places, z = project(points, second.camera)
    lands = known_depth(depth) & (z > 0) & inside(places, second.size)
    safe = torch.where(lands[..., None], places, torch.full_like(places, 0.5))
    filled = torch.where(known_depth(other), other, torch.zeros_like(other))
    whole = sample(known_depth(other)[None].float(), safe)[0] > 0.999
    there = sample(filled[None], safe)[0].clamp_min(1e-6)
    smooth = sample(_smooth(other)[None].float(), safe)[0] > 0.999
    same = lands & whole & ((z / there - 1).abs() < CLOSE)
    scored = same & smooth & _smooth(depth)
    hidden = known & _smooth(depth) & (~lands | (whole & (z > there * (1 + APART))))
    return Case(name, first, second, flow, scored, hidden)


def _smooth(depth: Float[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Pixels with a reading, and readings without an edge all around."""
    known = known_depth(depth)
    low = -torch.nn.functional.max_pool2d(
        -torch.where(known, depth, torch.full_like(depth, 1e3))[None], EDGE_SIDE, 1, EDGE_SIDE // 2
    )[0]
    high = torch.nn.functional.max_pool2d(
        torch.where(known, depth, torch.zeros_like(depth))[None], EDGE_SIDE, 1, EDGE_SIDE // 2
    )[0]
    return known & (high - low < EDGE * depth)


def _walks(config: Config) -> Iterator[Case]:
    """The first picture of each walk with every other one."""
    for number in range(config.rooms):
        seed = HELD_OUT + number
        layout, style = sample_layout(seed), sample_style(seed)
        pictures = [render(layout, style, (config.size, config.size), pose) for pose in walk(layout, config.frames)]
        for other in pictures[1:]:
            flow, visible = exact_flow(pictures[0], other)
            yield Case("walks", pictures[0].view(), other.view(), flow, visible, ~visible)


def _spread(pairs: list[tuple[Frame, Frame]], count: int) -> list[tuple[Frame, Frame]]:
    """At most `count` of the pairs, evenly spread."""
    if len(pairs) <= count:
        return pairs
    return [pairs[round(i * (len(pairs) - 1) / max(1, count - 1))] for i in range(count)]


def _pooled(cases: Sequence[Case], name: str) -> list[Float[Tensor, "N"]]:
    """How far the scored pixels of a kind of pair move."""
    return [case.flow.norm(dim=0)[case.scored] for case in cases if case.name == name]


def _median(values: Float[Tensor, "N"]) -> float | None:
    return round(float(values.median()), 2) if len(values) and math.isfinite(float(values.median())) else None


def _table(
    summary: dict[str, Any], counts: dict[str, int], motion: dict[str, float | None], missing: Sequence[str]
) -> Table:
    """One line per matcher: median error and share under NEAR for each kind of pair, F1 of what is hidden, seconds."""
    from rich.table import Table

    made = Table(
        title="matching: median error in pixels / share under 3 pixels / F1 of hidden pixels", title_justify="left"
    )
    made.add_column("matcher")
    for name, count in counts.items():
        made.add_column(f"{name} ({count} pairs, motion {motion[name]} px)", justify="right")
    made.add_column("CPU seconds a pair", justify="right")
    for row, groups in summary.items():
        cells = [
            f"{g['median']:.2f} / {g['near']:.1%} / {'-' if g['hidden_f1'] is None else format(g['hidden_f1'], '.2f')}"
            for g in groups.values()
        ]
        seconds = sum(groups[name]["seconds"] * counts[name] for name in groups) / sum(counts.values())
        made.add_row(row, *cells, f"{seconds:.1f}")
    made.caption = "\n".join(missing) or None
    return made
