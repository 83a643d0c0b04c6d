"""Matchers of two views: known motions, exact rooms, what is hidden, sizes, names, and the real classes of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from moves import moved, texture
from relook.dollhouse import exact_flow
from relook.errors import GeometryError, InputError, MissingModelError
from relook.models import flow_refiner
from relook.perceive.match import MATCHERS, matcher
from relook.perceive.match.consistency import agreeing, working_pair
from relook.perceive.match.embedded import beginning
from relook.perceive.match.keypoints import keypoint_matcher
from relook.session import Session
from relook.types import Depth, Matches, View
from walks import two_views


def error(matches: Matches, flow: torch.Tensor) -> torch.Tensor:
    return (matches.flow - flow).norm(dim=0)


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkpoints."""
    monkeypatch.delenv("RELOOK_MODELS", raising=False)


@pytest.mark.parametrize("name", ["dis", "sift"])
def test_matchers_without_weights_find_a_known_motion(name: str) -> None:
    move = moved()
    found = matcher(name, Session("cpu"))(move.first, move.second)
    assert move.flow.norm(dim=0)[move.inner].median() > 4
    assert error(found, move.flow)[move.inner].median() < 0.5
    assert found.confidence[move.inner].median() > 0.5
    assert found.occluded[move.inner].float().mean() < 0.05


@pytest.mark.weights
@pytest.mark.parametrize("name", ["raft-small", "auto"])
def test_matchers_with_weights_find_a_known_motion(shared: Path, name: str) -> None:
    move = moved(112, 140, shift=(5.0, 2.0), angle=0.02)
    found = matcher(name, Session("cpu"))(move.first, move.second)
    assert error(found, move.flow)[move.inner].median() < (0.5 if name == "auto" else 1.0)
    assert found.confidence[move.inner].median() > 0.5


def test_exact_is_the_rooms_own_flow_and_auto_prefers_it(nothing: None) -> None:
    first, second = two_views()
    flow, visible = exact_flow(first, second)
    for name in ("exact", "auto"):
        found = matcher(name, Session("cpu"))(first.view(), second.view())
        assert torch.allclose(found.flow[:, visible], flow[:, visible], atol=2e-2)
        assert (found.occluded == ~visible).float().mean() > 0.998
        assert torch.equal(found.confidence > 0, ~found.occluded)


def test_a_sensors_holes_are_filled_from_the_pictures(nothing: None) -> None:
    first, second = two_views()
    holes = torch.zeros(first.depth.shape, dtype=torch.bool)
    holes[20:30, 10:40] = True
    views = [
        View(one.image, camera=one.camera, depth=Depth(one.depth * ~hole, "metric", ~hole))
        for one, hole in ((first, holes), (second, torch.zeros_like(holes)))
    ]
    flow, _ = exact_flow(first, second)
    read, both, seen = (matcher(name, Session("cpu"))(*views) for name in ("exact", "auto", "embedded"))
    assert (read.confidence[holes] == 0).all()
    assert torch.isfinite(read.flow).all()
    assert error(read, flow)[~holes].max() < 0.05
    assert torch.equal(both.flow[:, holes], seen.flow[:, holes])
    assert torch.equal(both.confidence[holes], seen.confidence[holes])
    assert torch.equal(both.flow[:, ~holes], read.flow[:, ~holes])


def test_exact_refuses_views_that_say_too_little() -> None:
    first, second = (rendering.view() for rendering in two_views())
    plain = View(first.image)
    relative = View(first.image, depth=Depth(first.depth.values, "relative"), camera=first.camera)
    nothing = Depth(torch.zeros(first.size), "metric", torch.zeros(first.size, dtype=torch.bool))
    blind = View(first.image, camera=first.camera, depth=nothing)
    for bad in (plain, relative, blind):
        with pytest.raises(GeometryError, match=r"^Expected .*, got .*; .*another matcher"):
            matcher("exact", Session("cpu"))(bad, second)


@pytest.mark.parametrize("name", ["embedded", "auto"])
def test_the_shipped_network_finds_a_known_motion_and_auto_takes_it(nothing: None, name: str) -> None:
    move = moved()
    found = matcher(name, Session("cpu"))(move.first, move.second)
    assert error(found, move.flow)[move.inner].median() < 0.5
    assert found.confidence[move.inner].median() > 0.5
    assert torch.equal(found.flow, matcher("embedded", Session("cpu"))(move.first, move.second).flow)


def test_the_shipped_network_follows_where_dis_is_lost(nothing: None) -> None:
    far = moved(96, 160, shift=(60.0, 0.0), angle=0.0)
    lost, found = (
        matcher("dis", Session("cpu"))(far.first, far.second),
        matcher("embedded", Session("cpu"))(far.first, far.second),
    )
    assert error(found, far.flow)[far.inner & (far.flow[0] + torch.arange(160) < 150)].median() < 1.0
    assert error(lost, far.flow)[far.inner].median() > 5


def test_auto_falls_back_to_the_floor(nothing: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(flow_refiner.SHIPPED, "embedded flow", tmp_path)
    move = moved(64, 80, shift=(2.0, 1.0), angle=0.0)
    assert torch.equal(
        matcher("auto", Session("cpu"))(move.first, move.second).flow,
        matcher("dis", Session("cpu"))(move.first, move.second).flow,
    )


def test_where_nothing_can_be_matched_the_network_mends_the_floor(nothing: None) -> None:
    plain = View(torch.full((3, 40, 48), 0.5)), View(torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(0)))
    assert bool(torch.isfinite(matcher("embedded", Session("cpu"))(*plain).flow).all())
    assert torch.equal(beginning(*plain).flow, matcher("dis", Session("cpu"))(*plain).flow)


def test_flow_that_does_not_come_back_is_hidden() -> None:
    """A square of 10 x 10 moves 8 to the right over a still ground: the strip that it covers is hidden, what it was is not."""
    forward, backward = torch.zeros(2, 32, 48), torch.zeros(2, 32, 48)
    forward[0, 10:20, 10:20] = 8.0
    backward[0, 10:20, 18:28] = -8.0
    found = agreeing(forward, backward)
    covered = torch.zeros(32, 48, dtype=torch.bool)
    covered[10:20, 20:28] = True
    assert torch.equal(found.occluded, covered)
    assert torch.equal(found.confidence == 0, covered)
    assert (found.confidence[~covered] > 0.99).all()
    leaves = agreeing(torch.full((2, 8, 8), 3.0), torch.full((2, 8, 8), -3.0))
    assert torch.equal(leaves.occluded, (torch.arange(8) > 4)[None] | (torch.arange(8) > 4)[:, None])


def test_matches_at_a_working_size_come_back_at_full_size() -> None:
    """A motion that is 3 + 0.1 x pixels at half size is twice that at full size; another second size rescales it."""
    first, second = View(texture(60, 100)), View(texture(120, 200))
    pair = working_pair(first, second, side=50, multiple=8, least=40)
    assert pair.first.shape == pair.second.shape == (3, 40, 56)
    assert pair.used == (30, 50)
    columns = torch.arange(56) + 0.5
    flow = torch.stack([3 + 0.1 * columns, torch.zeros(56)])[:, None].expand(2, 40, 56).contiguous()
    found = pair.restored(Matches(flow, torch.ones(40, 56), torch.zeros(40, 56, dtype=torch.bool)))
    xs = torch.arange(100) + 0.5
    landing = 4 * (xs / 2 + 3 + 0.1 * xs / 2)  # a working pixel is 2 pixels of the first and 4 of the second picture
    assert torch.allclose(found.flow[0, 30, 2:-2], (landing - xs)[2:-2], atol=1e-3)
    ys = torch.arange(60) + 0.5
    assert torch.allclose(found.flow[1, 2:-2, 50], ys[2:-2], atol=1e-3)
    assert found.occluded.shape == found.confidence.shape == (60, 100)
    with pytest.raises(InputError, match="at least 16"):
        working_pair(first, second, side=8)


@pytest.mark.parametrize("name", ["dis", "sift"])
def test_pictures_of_two_sizes_are_matched(name: str) -> None:
    first = texture(96, 120)
    second = functional.interpolate(first[None], (144, 180), mode="bicubic", align_corners=False)[0].clamp(0, 1)
    found = matcher(name, Session("cpu"))(View(first), View(second))
    ys, xs = torch.meshgrid(torch.arange(96) + 0.5, torch.arange(120) + 0.5, indexing="ij")
    assert found.flow.shape == (2, 96, 120)
    assert error(found, torch.stack([xs, ys]) / 2).median() < 0.5


@pytest.mark.parametrize("make", [matcher, keypoint_matcher])
def test_an_unknown_name_lists_the_names(make) -> None:
    with pytest.raises(InputError, match=r"sift.*got 'sharp'"):
        make("sharp", Session("cpu"))


@pytest.mark.parametrize("name", ["raft", "raft-small"])
def test_a_missing_checkpoint_is_one_sentence(nothing: None, name: str) -> None:
    assert name in MATCHERS.names
    view = View(texture(32, 32))
    with pytest.raises(MissingModelError, match=r"^Expected raft_\w*\.safetensors .*RELOOK_MODELS"):
        matcher(name, Session("cpu"))(view, view)
