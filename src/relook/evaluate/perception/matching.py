"""Every matcher on the same pairs: a capture with sensor depth and poses, and walks through rooms of the dollhouse with exact flow."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.captures import read_capture
from relook.captures.frames import spread
from relook.dollhouse import exact_flow
from relook.engine import Engine
from relook.errors import GeometryError, InputError
from relook.evaluate.perception.measured import Case, in_common, measured_case
from relook.evaluate.records import EVERY, WHOLE, Number, Record
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Column, Part
from relook.evaluate.sources.dollhouse import unseen_walk
from relook.evaluate.weights import revision
from relook.perceive.match import MATCHERS, Matcher
from relook.session import Session
from relook.types import Matches, View

COMMON = 0.2
"""Pairs of a capture are scored when both sensors read the same points in at least this part of the first picture."""
NEAR = 3.0
"""Pixels within which a flow counts as right."""
POOLED = 20_000
"""Pixels of each pair whose errors are kept for the median."""
WALKS = "walks"
"""The part of drawn rooms; those of the capture are named by their gap."""
ROWS = ("dis", "sift", "embedded", "raft-small", "raft")
"""Every matcher that needs no hub; `lightglue`, `loftr` or an id can be asked for."""
COLUMNS = (
    Column("median", title="median error px", better="lower", source="median end-point error over the pixels of all pairs together"),
    Column("near", title="under 3 px", better="higher", digits=4, source="share of the same pixels"),
    Column("near_where_sure", title="under 3 px where sure", better="higher", digits=4, source="the same where confidence is above a half"),
    Column("sure", title="sure", digits=4, source="how large that part is"),
    Column("hidden_f1", title="hidden F1", better="higher", digits=4, source="F1 of the pixels that the second picture does not show"),
    Column("seconds", title="CPU seconds", better="lower", digits=3, source="processor time of all threads for a pair"),
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Dense matchers against sensor depth with poses and against exact flow."""

    out: Path = Path("runs/matching")
    """Folder of the results; a run that was stopped resumes there."""
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
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """Every row on every pair. Raises InputError for a capture without depth, an unknown row, or nothing to score."""
    for name in config.rows:
        MATCHERS.entry(name)
    pairs = [*_captured(config), *((WALKS, n, m) for n in range(config.rooms) for m in range(1, config.frames))]
    if not pairs or not config.rows:
        raise InputError("Expected at least one pair and one matcher, got none; ask for rooms, a capture and rows.")
    named = {(part, f"{first}-{second}"): (first, second) for part, first, second in pairs}
    lead = "Dense matchers that see pictures only, against sensor depth with poses and against exact flow."
    return Matching("matching", config, config.device, lead, pairs=named)


@dataclass(frozen=True, kw_only=True)
class Matching(Suite):
    """Matchers on pairs of pictures."""

    pairs: Mapping[tuple[str, str], tuple[int, int]]
    """By part and case: numbers of the capture's two frames, or of a walk and of its second picture."""

    def trials(self) -> Sequence[Trial]:
        """Every matcher on every pair."""
        return [Trial(part, row, case) for part, case in self.pairs for row in self.config.rows]

    def learned(self, session: Session) -> Mapping[str, str]:
        """Revisions of the matchers."""
        return {name: revision(MATCHERS, name) for name in self.config.rows}

    def depends(self, trial: Trial) -> Any:
        """Everything that draws or reads a pair."""
        capture = self.config.capture if trial.part != WALKS else None
        return (
            str(capture and capture.resolve()),
            self.config.frames,
            self.config.size,
            self.config.device,
            self.weights[trial.row],
        )

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One matcher on one pair."""
        case = session.remembered("case", (self.config, *trial[::2]), lambda: self.case(trial.part, trial.case), 1)
        return score(MATCHERS.find(trial.row, session), case)

    def case(self, part: str, name: str) -> Case:
        """A pair with its truth."""
        first, second = self.pairs[part, name]
        if part != WALKS:
            capture = read_capture(self.config.capture)
            return measured_case(capture[first].view(), capture[second].view())
        rooms = unseen_walk(first, self.config.frames, self.config.size)
        flow, visible = exact_flow(rooms[0], rooms[second])
        return Case(rooms[0].view(), rooms[second].view(), flow, visible, ~visible)

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """What is known of the pixels of all pairs of a kind together."""
        kept: dict[tuple[str, str], list[Mapping[str, np.ndarray]]] = {}
        for trial in results.done:
            kept.setdefault((trial.part, trial.row), []).append(results.arrays(trial))
        return [
            Record(self.name, part, row, EVERY, *number)
            for (part, row), held in kept.items()
            for number in pooled(held)
        ]

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """A table for every kind of pair, with how far its pixels move."""
        made = []
        for name in dict.fromkeys(part for part, _ in self.pairs):
            cases = [self.case(*pair) for pair in self.pairs if pair[0] == name]
            motion = _median(torch.cat([case.flow.norm(dim=0)[case.scored] for case in cases]))
            lead = f"{len(cases)} pairs, whose pixels move by {'?' if motion is None else f'{motion:.2f}'} pixels (median)."
            made.append(Part(name, lead=lead, columns=COLUMNS))
        return made


@torch.no_grad()
def score(match: Matcher, case: Case) -> Outcome:
    """A matcher on a pair; it sees pictures only. One that finds too little in common is scored as if nothing had moved.

    The arrays hold at most POOLED end-point errors in pixels, evenly drawn, with the matcher's confidence (`sure`), and `counts`: hidden
    pixels that it called hidden, hidden or scored ones that it called hidden, hidden ones.
    """
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
    called = found.occluded & (case.scored | case.hidden)
    counts = [int((called & case.hidden).sum()), int(called.sum()), int(case.hidden.sum())]
    arrays = {
        "errors": errors[::step].numpy(), "sure": found.confidence[case.scored][::step].numpy(), "counts": np.array(counts),
    }  # fmt: skip
    return Outcome([Number("seconds", WHOLE, seconds)], arrays)


def pooled(held: Sequence[Mapping[str, np.ndarray]]) -> list[Number]:
    """The numbers of all pairs of one kind."""
    errors = torch.from_numpy(np.concatenate([one["errors"] for one in held]))
    sure = torch.from_numpy(np.concatenate([one["sure"] for one in held])) > 0.5
    hits, calls, hidden = np.sum([one["counts"] for one in held], axis=0)
    near = (errors < NEAR).float()
    return [
        Number("median", WHOLE, _median(errors)), Number("near", WHOLE, float(near.mean()) if len(near) else None),
        Number("near_where_sure", WHOLE, float(near[sure].mean()) if bool(sure.any()) else None),
        Number("sure", WHOLE, float(sure.float().mean()) if len(near) else None),
        Number("hidden_f1", WHOLE, float(2 * hits / (calls + hidden)) if hidden else None),
    ]  # fmt: skip


def _captured(config: Config) -> list[tuple[str, int, int]]:
    """Pairs of a capture with enough in common, at most as many as wanted for each gap, evenly spread: (part, first, second)."""
    if config.capture is None:
        return []
    capture = read_capture(config.capture)
    if not capture.measured:
        raise InputError(
            f"Expected depth for every picture of {config.capture}, got none for some; name another capture."
        )
    each, found = -(-config.pairs // len(config.gaps)), []
    for gap in config.gaps:
        pairs = [(n, n + gap) for n in range(len(capture) - gap) if in_common(capture[n], capture[n + gap]) >= COMMON]
        found += [(f"capture, gap {gap}", *pairs[number]) for number in spread(len(pairs), each)]
    return found


def _median(values: Float[Tensor, " N"]) -> float | None:
    return float(values.median()) if len(values) and math.isfinite(float(values.median())) else None
