"""A walk restyled without a folder: the same pictures as on disk, frame by frame, and no more in memory than is looked back on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from relook.errors import CancelledError
from relook.io import read_image
from relook.lift import propagate, propagation, restyle_views
from relook.lift.look import OLDEST, Look, RestyledFrame
from relook.lift.store import InMemory, WalkStore
from relook.ops.warp import Warped
from relook.progress import Progress
from relook.session import Session
from strolls import SIZE, options, source, stroll, style, timeless


@pytest.fixture
def session() -> Iterator[Session]:
    with Session("cpu") as opened:
        yield opened


@pytest.mark.parametrize("carry", ["relook", "paper"])
def test_frames_in_memory_are_the_frames_on_disk(tmp_path: Path, session: Session, carry: str) -> None:
    config = options(first=1, carry=carry)
    result = restyle_views(stroll(5), style(), config, out=tmp_path, session=session)
    frames = list(propagate(source(stroll(5)), style(), config, session))
    assert [frame.number for frame in frames] == [1, 2, 3, 4, 0]
    for frame in frames:
        assert torch.equal(frame.look.image, read_image(result.frames[frame.number]))
        noted = {name: value for name, value in frame.notes.items() if name != "weights"}
        assert timeless(noted) == timeless(result.record["frames"][frame.number])


def test_a_walk_goes_on_from_what_its_history_holds(session: Session) -> None:
    whole = list(propagate(source(stroll()), style(), options(), session))
    history = InMemory()
    for frame in whole[:2]:
        history.add(frame)
    left = list(propagate(source(stroll()), style(), options(), session, history=history))
    assert [frame.number for frame in left] == [2, 3]
    assert all(torch.equal(a.look.image, b.look.image) for a, b in zip(left, whole[2:], strict=True))


def test_memory_lets_go_of_what_none_looks_back_on(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagation, "CANDIDATES", 2)
    monkeypatch.setattr(propagation, "NEW", 0.0)
    for whole, most in ((False, 3), (True, 8)):
        history, held = InMemory(whole), []
        for _ in propagate(source(stroll(8)), style(), options(), session, history=history):
            held.append(len(history.frames))
        assert max(held) == most


def test_a_cancelled_walk_stops_at_its_next_frame(session: Session) -> None:
    progress = Progress()
    frames = propagate(source(stroll()), style(), options(), session, progress)
    next(frames)
    progress.cancel()
    with pytest.raises(CancelledError):
        next(frames)


def test_a_rounded_look_is_what_the_folder_gives_back(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    image, source_ = torch.rand(2, 3, *SIZE, generator=draw)
    age, styled, confidence = torch.rand(3, *SIZE, generator=draw)
    look = Look(image, 1.2 * OLDEST * age, styled, source_, (confidence > 0.5).float()).rounded()
    view = stroll()[0]
    WalkStore(tmp_path).add(RestyledFrame(0, view, look, {"number": 0}))
    again = WalkStore(tmp_path).frame(0, stroll().__getitem__)
    for name in ("image", "age", "styled", "confidence"):
        assert torch.equal(getattr(again.look, name), getattr(look, name)), name
    assert torch.equal(again.look.source, view.image)
    assert again.notes == {"number": 0}


def test_one_warp_moves_every_map() -> None:
    look = Look.painted(torch.rand(3, *SIZE), stroll()[0])
    sure = torch.rand(SIZE)
    moved, confidence = look.warped(lambda maps: Warped(maps.flip(-1), sure))
    for name in ("image", "age", "styled", "source", "confidence"):
        assert torch.equal(getattr(moved, name), getattr(look, name).flip(-1)), name
    assert torch.equal(confidence, sure)
