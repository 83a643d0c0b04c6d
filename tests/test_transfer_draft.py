"""Drafts: what a user sees first."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pictures import Room, write_room
from relook.config import PhotoConfig
from relook.errors import SegmentsError
from relook.io import read_image, read_picture, read_segments
from relook.perceive import perception
from relook.perceive.segment import ade20k
from relook.progress import SILENT
from relook.session import Session
from relook.transfer import draft
from relook.transfer.draft import PREVIEW, drafted
from relook.transfer.foresee import draft_photo
from relook.transfer.photo import restyle_photo
from relook.transfer.resolve import resolve
from relook.transfer.working import shrunk
from relook.types import Region, Segments, View


@pytest.fixture
def rooms(tmp_path: Path) -> tuple[Room, Room]:
    return write_room(tmp_path, "structure"), write_room(tmp_path, "style", (44, 40), seed=1)


def _halves(names: tuple[str, str], size: tuple[int, int]) -> Segments:
    """Two regions, one above the other."""
    labels = torch.ones(size, dtype=torch.int64)
    labels[size[0] // 2 :] = 2
    return Segments(labels, {1: Region(names[0]), 2: Region(names[1])})


def test_a_draft_keeps_what_is_kept_and_takes_the_look_of_the_rest(rooms: tuple[Room, Room], session: Session) -> None:
    config = PhotoConfig(segments=rooms[0].segments, style_segments=rooms[1].segments, keep=("window",))
    room, new = draft_photo(rooms[0].image, rooms[1].image, config, session=session)
    window = read_segments(rooms[0].segments).mask("window")
    assert torch.equal(room.image[:, window], new.image[:, window])
    assert (room.image - new.image)[:, ~window].abs().mean() > 0.05
    assert new.segments is room.segments
    half = draft_photo(
        rooms[0].image, rooms[1].image, PhotoConfig(**{**vars(config), "strength": 0.5}), session=session
    )
    assert torch.allclose(half[1].image, (room.image + new.image) / 2, atol=1e-5)


def test_a_draft_is_by_colours_whatever_the_method(
    rooms: tuple[Room, Room], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No method's denoiser is asked, and pictures are small."""
    monkeypatch.setattr(draft, "PREVIEW", 26)
    monkeypatch.setattr(draft, "SIDE", 20)
    config = PhotoConfig(
        method="restyle3d", family="dollhouse", segments=rooms[0].segments, style_segments=rooms[1].segments
    )
    pictures = [read_picture(room.image) for room in rooms]
    views = [
        (View(image, read_segments(room.segments)), metadata)
        for room, (image, metadata) in zip(rooms, pictures, strict=True)
    ]
    run = resolve(config, session, [view for view, _ in views], SILENT)
    monkeypatch.setattr(type(run.family), "denoise", lambda *_, **__: pytest.fail("denoised"))
    room, new = drafted(run, views)
    assert new.image.shape == room.image.shape == (3, 18, 26)
    assert (room.image - new.image).abs().mean() > 0.05


@pytest.mark.parametrize(
    ("name", "small_is_here", "asked"),
    [
        ("ade20k", True, "glance"),
        ("eomt-ade20k", True, "glance"),
        ("eomt-ade20k", False, "look"),
        ("embedded", True, "look"),
    ],
)
def test_the_small_network_glances_for_every_network_that_sees_photographs(
    name: str, small_is_here: bool, asked: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = View(torch.rand(3, 90, PREVIEW + 60))
    small, sizes = shrunk(whole, PREVIEW), []

    def glanced(image: torch.Tensor, small: torch.Tensor, _: Session) -> Segments:
        sizes.append(("glance", tuple(image.shape[1:])))
        return _halves(("wall", "floor"), tuple(small.shape[1:]))

    def looked(view: View) -> Segments:
        sizes.append(("look", view.size))
        return _halves(("wall", "floor"), view.size)

    table = SimpleNamespace(
        chosen=str, entry=lambda name: None if "-" in name else name, is_here=lambda _: small_is_here
    )
    monkeypatch.setattr(perception, "SEGMENTERS", table)
    monkeypatch.setattr(ade20k, "glanced", glanced)
    monkeypatch.setattr(perception, "segmenter", lambda *_: looked)
    for _ in range(2):
        found = perception.Perception(session, name).glanced(whole, small)
        assert found.segments is not None
        assert found.segments.labels.shape == (81, PREVIEW)
    assert sizes == [(asked, whole.size if asked == "glance" else small.size)], "once"


def test_what_a_glance_does_not_see_costs_the_preview_and_not_the_picture(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room, look = (write_room(tmp_path, name, (40, 60), seed).image for seed, name in enumerate(("a", "b")))
    config, out = PhotoConfig(segmenter="layout", keep=("floor",), preview=True), tmp_path / "new.png"

    def watched(self: object, *given: object) -> View:
        small = given[2]
        assert isinstance(small, View)
        return View(small.image, _halves(("wall", "lamp"), small.size))

    monkeypatch.setattr(perception.Perception, "_glance", watched)
    monkeypatch.setattr(perception, "refined_segments", lambda view, *_: view.segments)
    monkeypatch.setattr(perception, "segmenter", lambda *_: lambda view: _halves(("wall", "floor"), view.size))
    with pytest.raises(SegmentsError, match="floor"):
        draft_photo(room, look, config, session=session)
    with caplog.at_level(logging.INFO, "relook"):
        result = restyle_photo(room, look, config, out=out, session=session)
    assert "there is no preview" in caplog.text
    assert not (tmp_path / "new.preview.png").exists()
    assert torch.equal(result.image[:, 20:], read_image(room)[:, 20:])
