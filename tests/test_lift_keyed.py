"""A walk whose key frames are restyled one by one: what changed in them is in every frame, and what they do not say of a frame stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig, ViewsConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.lift import restyle_views
from relook.lift.scene import keyed
from relook.lift.scene.change import through_scene
from relook.lift.scene.keyed import changed, ratio_of
from relook.ops.splats.solve import RIDGE
from relook.session import Session
from relook.types import Depth, View
from strolls import contents, options, peopled, source, stroll, style

DENOISES = PhotoConfig(method="restyle3d", family="dollhouse", segmenter="whole", depth_estimator="none", steps=2)


def room(frames: int = 4) -> tuple[View, ...]:
    layout = sample_layout(21)
    return tuple(render(layout, sample_style(22), (48, 64), pose).view() for pose in walk(layout, frames))


def config(**changes: Any) -> ViewsConfig:
    return options(**({"carry": "scene", "photo": DENOISES, "key_views": 2} | changes))


def dyed(view: View) -> Float[Tensor, "3 H W"]:
    """A view in a look that is known for every frame: each thing times a colour of its own."""
    image = view.image.clone()
    for name in view.segments.names:
        torch.manual_seed(len(name) + ord(name[0]))
        image = torch.where(view.segments.mask(name), image * (0.3 + 0.7 * torch.rand(3))[:, None, None], image)
    return image


def dye(monkeypatch: pytest.MonkeyPatch) -> list[View]:
    """Key frames are dyed in place of being denoised. What was asked for."""
    asked: list[View] = []

    def restyled(views: Sequence[View], *_: Any) -> tuple[list[Tensor], dict[str, str]]:
        asked.extend(views)
        return [dyed(view) for view in views], {"dye": "1"}

    monkeypatch.setattr(keyed, "restyled_keys", restyled)
    return asked


def off(first: Float[Tensor, "3 H W"], second: Float[Tensor, "3 H W"]) -> float:
    return float((first - second).abs().mean())


def test_what_changed_in_key_frames_changes_in_all(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    views, asked = room(), dye(monkeypatch)
    frames = list(through_scene(source(views), style(), config(), session))
    assert len(asked) == 2
    assert sum(frame.notes["key_frame"] for frame in frames) == 2
    assert all(frame.notes["weights"] == {"dye": "1"} for frame in frames)
    for frame, view in zip(frames, views, strict=True):
        assert off(frame.look.image, dyed(view)) < 0.25 * off(view.image, dyed(view))


def answered(monkeypatch: pytest.MonkeyPatch, views: Sequence[View]) -> list[Tensor]:
    """The exact answer of every frame, which key frames then are."""
    poses = walk(sample_layout(21), len(views))
    answers = [render(sample_layout(21), sample_style(25), (48, 64), pose).image for pose in poses]

    def restyled(asked: Sequence[View], *_: Any) -> tuple[list[Tensor], dict[str, str]]:
        numbers = [next(n for n, view in enumerate(views) if torch.equal(view.image, one.image)) for one in asked]
        return [answers[number] for number in numbers], {}

    monkeypatch.setattr(keyed, "restyled_keys", restyled)
    return answers


def squares(views: Sequence[View], answers: Sequence[Tensor], keys: int, session: Session) -> list[float]:
    """Mean squared error of every frame of the walk through its scene."""
    frames = through_scene(source(views), style(), config(key_views=keys), session)
    return [float((frame.look.image - answer).square().mean()) for frame, answer in zip(frames, answers, strict=True)]


def test_fine_patterns_of_key_frames_are_not_blurred(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scene's own colours, held less to their means, bring frames nearer to the answer."""
    views = room()
    answers = answered(monkeypatch, views)
    now = squares(views, answers, 4, session)
    monkeypatch.setattr(keyed, "FREE", RIDGE)
    before = squares(views, answers, 4, session)
    assert all(new < 0.97 * old for new, old in zip(now, before, strict=True))


def test_what_no_key_frame_shows_does_not_speckle(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes as several surfels that are like it: as one alone it is farther from the answer."""
    views = room()
    answers = answered(monkeypatch, views)
    now = squares(views, answers, 1, session)
    monkeypatch.setattr(keyed, "ALIKE", 1)
    assert sum(now) < 0.97 * sum(squares(views, answers, 1, session))


def test_rough_depth_carries_the_change_and_frames_keep_their_detail(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Depth that is 8 % off and has holes: a fine pattern that only single frames have is in the frames that come out."""
    dye(monkeypatch)
    torch.manual_seed(0)
    checks = 1 + 0.2 * ((torch.arange(48)[:, None] + torch.arange(64)) % 2 * 2 - 1)
    views = []
    for number, view in enumerate(room()):
        values = view.depth.values * (1 + 0.08 * torch.randn(view.size))
        depth = Depth(values, "metric", torch.rand(view.size) > 0.3)
        views.append(replace(view, depth=depth, image=(view.image * checks).clamp(0, 1) if number == 2 else view.image))
    frames = list(through_scene(source(views), style(), config(), session))
    frame, view = frames[2], views[2]
    assert off(frame.look.image, dyed(view)) < 0.5 * off(view.image, dyed(view))
    across = (frame.look.image[:, :, 1:] - frame.look.image[:, :, :-1]).abs().mean()
    assert float(across) > 0.7 * float((dyed(view)[:, :, 1:] - dyed(view)[:, :, :-1]).abs().mean())


def test_people_stay_and_leave_no_trace(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    dye(monkeypatch)
    boxes = [(slice(10, 30), slice(8 + 12 * number, 18 + 12 * number)) for number in range(3)]
    frames = list(through_scene(source(peopled(stroll(3), boxes)), style(), config(), session))
    for frame, box in zip(frames, boxes, strict=True):
        person = frame.view.segments.mask("person")
        assert torch.equal(frame.look.image[:, person], frame.view.image[:, person].mul(255).round() / 255)
        beside = torch.ones_like(person)
        beside[box] = False
        green = frame.look.image[1] - frame.look.image[[0, 2]].amax(0) > 0.5
        assert not bool((green & beside & ~person).any())


def test_a_frame_without_a_place_changes_as_its_regions_do(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    dye(monkeypatch)
    views = list(room())
    views[2] = View(views[2].image, views[2].segments)
    frames = list(through_scene(source(views[:2] + views[3:] + views[2:3]), style(), config(), session))
    assert off(frames[-1].look.image, dyed(views[2])) < 0.4 * off(views[2].image, dyed(views[2]))


def test_a_ratio_brings_one_picture_to_the_other() -> None:
    torch.manual_seed(0)
    old, new = torch.rand(2, 3, 8, 8)
    old[:, 0] = 0
    near = ((new + 0.03) / (old + 0.03)).log().abs() < 2
    assert torch.allclose(changed(old, ratio_of(new, old))[near], new[near], atol=1e-5)


def test_a_denoised_walk_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restyle_views(stroll(3), style(), config(), out=tmp_path / "whole")
    add = keyed.KeyedLook.of

    def stopped(look: keyed.KeyedLook, number: int, view: View) -> Float[Tensor, "3 H W"]:
        if number == 1:
            raise KeyboardInterrupt
        return add(look, number, view)

    monkeypatch.setattr(keyed.KeyedLook, "of", stopped)
    with pytest.raises(KeyboardInterrupt):
        restyle_views(stroll(3), style(), config(), out=tmp_path / "stopped")
    monkeypatch.setattr(keyed.KeyedLook, "of", add)
    monkeypatch.setattr("relook.lift.scene.keys.looked", lambda *_, **__: pytest.fail("key frames are there"))
    restyle_views(stroll(3), style(), config(), out=tmp_path / "stopped")
    whole, later = (contents(tmp_path / name / "frames") for name in ("whole", "stopped"))
    assert whole == later
