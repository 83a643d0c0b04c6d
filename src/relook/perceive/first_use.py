"""First use on a photograph: the two smallest permissive networks are fetched, or what is missing is said in one sentence.

The embedded networks know drawn rooms only and are never asked about a photograph, so without these there is nothing that sees one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Event, Thread
from typing import Any, TypeVar

from relook.errors import RelookError
from relook.models.catalogue import entry, readable
from relook.models.fetch import offline
from relook.models.pulling import pull
from relook.models.store import is_here, root
from relook.perceive.depth import ESTIMATORS
from relook.perceive.segment import SEGMENTERS
from relook.progress import SILENT, Progress, Step
from relook.session import Session
from relook.types import View

SEGMENTS, DEPTH = "ade20k", "fastdepth"
"""Names of the networks that are fetched: 2.3 and 5.8 MB, Apache-2.0 and MIT."""
PATIENCE = 3.0
"""Seconds without an answer after which a run goes on without them."""
log = logging.getLogger("relook")
Config = TypeVar("Config", bound=Any)
"""A PhotoConfig or a PerceiveConfig."""


def first_use(
    config: Config, session: Session, *views: View, reads_depth: bool = True, progress: Progress = SILENT
) -> Config:
    """The configuration for these views, with `auto` replaced by `layout` and `none` where nothing on this machine sees photographs.

    First the small networks are fetched if they can be had; what is missing then is said on the log in one sentence, once per session.
    progress: a stage `fetching NAME` for each that is fetched.
    """
    unseen = config.segmenter == "auto" and any(view.segments is None for view in views)
    flat = config.depth_estimator == "auto" and any(view.depth is None for view in views)
    wanted = [SEGMENTS] if unseen and SEGMENTERS.chosen("auto") == "layout" else []
    wanted += [DEPTH] if flat and (wanted or reads_depth) and not ESTIMATORS.is_here("auto") else []
    said = set(_unanswered(session))
    missing = _fetched(wanted, session, progress)
    if set(missing) - said:
        alone = (
            "floor, walls and ceiling take the style's colours as far as the room's lines show them, all else follows the whole picture's"
            if SEGMENTS in missing
            else ""
        )
        why = "none is fetched offline" if _silenced() else f"none came within {PATIENCE:.0f} seconds"
        log.warning("no network that sees %s is here, and %s: %s; get it with `relook models pull %s`.",
                    " and ".join(entry(name).task for name in missing), why, alone or "depth is left out",
                    " ".join(missing))  # fmt: skip
    return replace(
        config,
        segmenter="layout" if SEGMENTS in missing else config.segmenter,
        depth_estimator="none" if DEPTH in missing else config.depth_estimator,
    )


def _fetched(names: Sequence[str], session: Session, progress: Progress) -> list[str]:
    """Fetch those of the networks that are not here; the names of those that could not be had.

    Says on the log, in one line, that it fetches. Nobody is asked offline, after one that did not answer, or twice in a session.
    """
    missing = [name for name in names if not is_here(name)]
    wanted = [] if _silenced() else [name for name in missing if name not in _unanswered(session)]
    if wanted:
        size = readable(sum(entry(name).size for name in wanted))
        facts = ", ".join(f"{entry(name).task} under {entry(name).licence}" for name in wanted)
        log.info("fetching %s (%s; %s, once) into %s: small networks that see photographs",
                 " and ".join(wanted), facts, size, root())  # fmt: skip
    for name in wanted:
        if not _pull(name, progress):
            break
    missing = [name for name in missing if not is_here(name)]
    _unanswered(session).update(missing)
    return missing


def _silenced() -> bool:
    """Whether the user wants no network, for Relook or for the hub's client."""
    return offline() or bool(os.environ.get("HF_HUB_OFFLINE"))


def _unanswered(session: Session) -> set[str]:
    """What the session asked for in vain: nobody waits for it, or reads of it, twice."""
    return session.loaded("asked for in vain", set)


def _pull(name: str, progress: Progress) -> bool:
    """Pull one network in a thread that nobody waits for longer than PATIENCE without a byte: whether it came."""
    answered = Event()
    with progress.stage(f"fetching {name}", entry(name).size) as tick:

        def hear(step: Step) -> None:
            if step.done:
                answered.set()
                tick(step.done)

        def ask() -> None:
            with suppress(RelookError):
                pull([name], alone=True, progress=pulling)
            answered.set()

        pulling, worker = Progress(hear), Thread(target=ask, daemon=True)
        worker.start()
        while worker.is_alive():
            if not answered.wait(PATIENCE):
                pulling.cancel()
                return False
            answered.clear()
            worker.join(0.05)
        progress.check()
    return is_here(name)
