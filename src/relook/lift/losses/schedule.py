"""Which losses act when, as data: the paper's 2,800 steps, Relook's own, and either scaled to any number of steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from relook.errors import InputError

Loss = Literal["statistics", "descriptor", "quality", "distillation", "nearest", "counterpart"]
"""SOS, CSD, 3DG-QA and DSSD; and of other works nearest features, of the whole style picture or of the thing's counterpart."""
LOSSES: tuple[Loss, ...] = ("statistics", "descriptor", "quality", "distillation")
PEERS: tuple[Loss, ...] = ("nearest", "counterpart")
"""Losses that StyleMe3D does not have: they act where they are named."""
View = Literal["global", "fixed", "free", "local"]
"""Which view a step looks at, and what it takes for the run's progress: `global` all views in turn, `fixed` the key views alone, `free` any
view at random, all by the progress of the whole run; `local` one set of neighbouring views after another, each with a progress of its own."""


@dataclass(frozen=True)
class Turn:
    """One kind of step."""

    losses: tuple[Loss, ...]
    view: View = "global"


@dataclass(frozen=True)
class Phase:
    """Steps up to `last`, whose turns alternate with the number of the step."""

    last: int
    turns: tuple[Turn, ...]
    half: bool = False
    """Whether statistics are those of the picture at half its size alone."""


@dataclass(frozen=True)
class Schedule:
    """A run."""

    phases: tuple[Phase, ...]

    @property
    def steps(self) -> int:
        """Of the run as it stands."""
        return self.phases[-1].last


@dataclass(frozen=True)
class Step:
    """What one step does."""

    losses: tuple[Loss, ...]
    view: View
    half: bool
    progress: float
    """From 0 to 1: of the whole run, or with view `local` of the view set."""
    group: int = 0
    """Number of the view set, with view `local`."""


RGB: tuple[Loss, ...] = ("statistics", "descriptor", "quality")
SDS: tuple[Loss, ...] = ("distillation", "descriptor", "quality")
PAPER = Schedule(
    (
        Phase(99, (Turn(RGB), Turn(SDS)), half=True),
        Phase(600, (Turn(RGB, "local"), Turn(SDS)), half=True),
        Phase(1000, (Turn(RGB), Turn(SDS))),
        Phase(1900, (Turn(SDS, "fixed"), Turn(SDS, "free"))),
        Phase(2800, (Turn(SDS, "local"),)),
    )
)
"""The paper's: to 1000 the loss on the picture and distillation alternate (to 600 from 100 on with local pictures), to 1900 distillation of
fixed and of free views, then local. What acts beside distillation there is not said; its total is the sum of all four losses."""
RELOOK = Schedule((Phase(40, (Turn((*LOSSES, *PEERS)),), half=True), Phase(80, (Turn((*LOSSES, *PEERS)),))))
"""Relook's own: all that are named in every step, of which distillation is cheap here; at half the size first, where a step costs a quarter."""


def steps_of(schedule: Schedule, count: int, losses: Collection[str] = LOSSES, sets: int = 4) -> list[Step]:
    """The schedule scaled to `count` steps, with some of its losses; turns without any of them are left out, phases without a turn too.

    sets: view sets of a local phase. Raises InputError for losses or a number of steps that cannot be.
    """
    unknown = sorted(set(losses) - set(LOSSES) - set(PEERS))
    if unknown or not losses or count < 1:
        raise InputError(
            f"Expected at least one step and losses out of {', '.join((*LOSSES, *PEERS))}, got {count} and {', '.join(sorted(losses)) or 'none'}; choose some."
        )
    lengths = [(phase, length) for phase, length in _phases(schedule, losses) if phase.turns]
    total = sum(length for _, length in lengths)
    if not total:
        raise InputError(
            f"Expected losses that the schedule has, got {', '.join(sorted(losses))}; name others, or the preset relook."
        )
    found: list[Step] = []
    end = stop = 0
    for phase, length in lengths:
        stop += length
        first, end = end, round(count * stop / total)
        for number in range(first, end):
            turn = phase.turns[number % len(phase.turns)]
            step = Step(turn.losses, turn.view, phase.half, number / max(count - 1, 1))
            found.append(_local(step, number - first, end - first, sets) if turn.view == "local" else step)
    return found


def _local(step: Step, number: int, length: int, sets: int) -> Step:
    """A step of a local phase: its view set, and the progress there."""
    sets = max(1, min(sets, length))
    group = number * sets // length
    first, end = -(-group * length // sets), -(-(group + 1) * length // sets)
    return replace(step, group=group, progress=(number - first) / max(end - first - 1, 1))


def _phases(schedule: Schedule, losses: Collection[str]) -> Sequence[tuple[Phase, int]]:
    """Phases with their lengths, with no other losses."""
    found, before = [], 0
    for phase in schedule.phases:
        turns = [replace(turn, losses=tuple(one for one in turn.losses if one in losses)) for turn in phase.turns]
        found.append((replace(phase, turns=tuple(turn for turn in turns if turn.losses)), phase.last - before))
        before = phase.last
    return found
