"""What was seen ahead of a run is not looked at again by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pictures import write_room
from relook.config import PhotoConfig
from relook.errors import CancelledError
from relook.perceive import perception
from relook.progress import Progress
from relook.session import Session
from relook.transfer import materials
from relook.transfer.draft import SIDE
from relook.transfer.foresee import foresee
from relook.transfer.photo import restyle_photo
from relook.types import Region, Segments, View


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sizes of the pictures whose regions were asked for."""
    sizes, real = [], perception.segmenter

    def watched(name: str, session: Session) -> object:
        see = real(name, session)
        return lambda view: (sizes.append(view.size), see(view))[1]

    monkeypatch.setattr(perception, "segmenter", watched)
    return sizes


def test_a_run_finds_what_was_seen_ahead(looked_at: list[tuple[int, int]], session: Session, tmp_path: Path) -> None:
    size = (90, SIDE + 60)
    room, look = (write_room(tmp_path, name, size, seed).image for seed, name in enumerate(("room", "look")))
    config = PhotoConfig(segmenter="whole", preview=True)
    foresee(room, [], config, session)
    assert looked_at[1:] == [size]
    assert len(looked_at) == 2
    foresee(room, [look], config, session)
    assert len(looked_at) == 4  # the room is known
    restyle_photo(room, look, config, out=tmp_path / "new.png", session=session)
    assert len(looked_at) == 4
    stopped = Progress()
    stopped.cancel()
    with pytest.raises(CancelledError):
        foresee(None, [look], config, session, stopped)


def test_rugs_are_seen_ahead_where_their_materials_are_taken(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = write_room(tmp_path, "room", (40, 60), 0).image
    labels = torch.zeros(40, 60, dtype=torch.int64)
    labels[30:] = 1
    seen = Segments(labels, {0: Region("wall"), 1: Region("rug")})
    monkeypatch.setattr(perception, "segmenter", lambda *_: lambda view: seen)
    found: list[View] = []
    monkeypatch.setattr(materials, "rug_of", lambda view, *_: found.append(view))
    config = PhotoConfig(segmenter="exact")
    foresee(room, [], replace(config, materials=False), session)
    assert not found
    foresee(room, [], config, session)
    assert [view.size for view in found] == [(40, 60)]


def test_what_is_seen_ahead_ends_between_two_steps(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, progress, layouts = write_room(tmp_path, "room", (40, 60), 0).image, Progress(), []
    real = perception.segmenter

    def last(name: str, session: Session) -> object:
        progress.cancel()  # a job is there
        return real(name, session)

    monkeypatch.setattr(perception, "segmenter", last)
    monkeypatch.setattr(perception, "known_layout", lambda *_, **__: layouts.append(1))
    with pytest.raises(CancelledError):
        foresee(room, [], PhotoConfig(segmenter="whole"), session, progress)
    assert not layouts


def test_what_was_ended_goes_on_where_it_was(
    looked_at: list[tuple[int, int]], session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, progress, config = write_room(tmp_path, "room", (40, 60), 0).image, Progress(), PhotoConfig(segmenter="whole")
    with monkeypatch.context() as ended:
        ended.setattr(perception, "known_layout", lambda *_, **__: progress.cancel())
        with pytest.raises(CancelledError):
            foresee(room, [], config, session, progress)
    assert len(looked_at) == 2  # a glance, and a look
    foresee(room, [], config, session)
    assert len(looked_at) == 2  # what a network said is known
