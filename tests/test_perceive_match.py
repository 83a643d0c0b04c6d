"""Matchers of two views: known motions, exact rooms, what is hidden, sizes, names, and the real classes of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from moves import moved, texture
from relook.captures import CapturedView, Readings
from relook.dollhouse import exact_flow, render, sample_layout, sample_style, walk
from relook.errors import GeometryError, InputError, MissingModelError
from relook.perceive import match as match_module
from relook.perceive.consistency import agreeing, working_pair
from relook.perceive.hub_keypoints import transformers_matches
from relook.perceive.interpolate import densified, interpolated
from relook.perceive.keypoints import KeypointMatches, keypoint_matcher, keypoint_matches, verified
from relook.perceive.match import NAMES, matcher
from relook.types import Depth, Matches, View


def room(seed: int = 1_000_003, size: tuple[int, int] = (48, 64)):
    """Two renderings of one walk."""
    layout, style = sample_layout(seed), sample_style(seed)
    return [render(layout, style, size, pose) for pose in walk(layout, 2, stride=0.3, turn=0.15)]


def error(matches: Matches, flow: torch.Tensor) -> torch.Tensor:
    return (matches.flow - flow).norm(dim=0)


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkpoints."""
    monkeypatch.delenv("RELOOK_MODELS", raising=False)


@pytest.mark.parametrize("name", ["dis", "sift"])
def test_matchers_without_weights_find_a_known_motion(name: str) -> None:
    move = moved()
    found = matcher(name)(move.first, move.second)
    assert move.flow.norm(dim=0)[move.inner].median() > 4
    assert error(found, move.flow)[move.inner].median() < 0.5
    assert found.confidence[move.inner].median() > 0.5
    assert found.occluded[move.inner].float().mean() < 0.05


@pytest.mark.weights
@pytest.mark.parametrize("name", ["raft-small", "xfeat", "auto"])
def test_matchers_with_weights_find_a_known_motion(shared: Path, name: str) -> None:
    move = moved(112, 140, shift=(5.0, 2.0), angle=0.02)
    found = matcher(name)(move.first, move.second)
    assert error(found, move.flow)[move.inner].median() < (0.5 if name == "auto" else 1.0)
    assert found.confidence[move.inner].median() > 0.5


def test_exact_is_the_rooms_own_flow_and_auto_prefers_it(nothing: None) -> None:
    first, second = room()
    flow, visible = exact_flow(first, second)
    for name in ("exact", "auto"):
        found = matcher(name)(first.view(), second.view())
        assert torch.allclose(found.flow[:, visible], flow[:, visible], atol=2e-2)
        assert (found.occluded == ~visible).float().mean() > 0.998
        assert torch.equal(found.confidence > 0, ~found.occluded)


def test_a_sensors_holes_are_filled_from_the_pictures(nothing: None) -> None:
    first, second = room()
    holes = torch.zeros(first.depth.shape, dtype=torch.bool)
    holes[20:30, 10:40] = True
    views = [
        CapturedView(one.image, camera=one.camera, readings=Readings(one.depth * ~hole, ~hole))
        for one, hole in ((first, holes), (second, torch.zeros_like(holes)))
    ]
    flow, _ = exact_flow(first, second)
    read, both, seen = (matcher(name)(*views) for name in ("exact", "auto", "dis"))
    assert (read.confidence[holes] == 0).all()
    assert torch.isfinite(read.flow).all()
    assert error(read, flow)[~holes].max() < 0.05
    assert torch.equal(both.flow[:, holes], seen.flow[:, holes])
    assert torch.equal(both.confidence[holes], seen.confidence[holes])
    assert torch.equal(both.flow[:, ~holes], read.flow[:, ~holes])


def test_exact_refuses_views_that_say_too_little() -> None:
    first, second = (rendering.view() for rendering in room())
    plain = View(first.image)
    relative = View(first.image, depth=Depth(first.depth.values, "relative"), camera=first.camera)
    blind = CapturedView(
        first.image,
        camera=first.camera,
        readings=Readings(torch.zeros(first.size), torch.zeros(first.size, dtype=torch.bool)),
    )
    for bad in (plain, relative, blind):
        with pytest.raises(GeometryError, match=r"^Expected .*, got .*; .*another matcher"):
            matcher("exact")(bad, second)


def test_auto_falls_back_to_the_floor(nothing: None) -> None:
    move = moved(64, 80, shift=(2.0, 1.0), angle=0.0)
    assert torch.equal(matcher("auto")(move.first, move.second).flow, matcher("dis")(move.first, move.second).flow)


def test_auto_takes_keypoints_where_dense_flow_is_lost(nothing: None) -> None:
    far = moved(96, 160, shift=(60.0, 0.0), angle=0.0)
    lost, found = matcher("dis")(far.first, far.second), matcher("auto")(far.first, far.second)
    assert lost.confidence.mean() < match_module.LOST
    assert torch.equal(found.flow, matcher("sift")(far.first, far.second).flow)
    assert error(found, far.flow)[far.inner].median() < 1.0 < error(lost, far.flow)[far.inner].median()


def test_auto_keeps_the_floor_where_nothing_can_be_matched(nothing: None) -> None:
    plain = View(torch.full((3, 40, 48), 0.5)), View(torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(matcher("auto")(*plain).flow, matcher("dis")(*plain).flow)


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
    found = matcher(name)(View(first), View(second))
    ys, xs = torch.meshgrid(torch.arange(96) + 0.5, torch.arange(120) + 0.5, indexing="ij")
    assert found.flow.shape == (2, 96, 120)
    assert error(found, torch.stack([xs, ys]) / 2).median() < 0.5


def grid_of_matches(step: int = 8, wrong: int = 0) -> tuple[KeypointMatches, torch.Tensor]:
    """Matches of an affine motion on a grid of a 64 x 96 picture, some of them wild; and the motion of every pixel."""
    ys, xs = torch.meshgrid(torch.arange(4.0, 64, step), torch.arange(4.0, 96, step), indexing="ij")
    points = torch.stack([xs, ys], -1).view(-1, 2)
    slope, shift = torch.tensor([[1.1, 0.05], [-0.1, 0.95]]), torch.tensor([5.0, -2.0])
    second = points @ slope + shift
    chosen = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:wrong]
    second[chosen] += torch.tensor([30.0, 20.0])
    rows, columns = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(96) + 0.5, indexing="ij")
    centres = torch.stack([columns, rows], -1)
    return KeypointMatches(points, second, torch.ones(len(points))), (centres @ slope + shift - centres).permute(
        2, 0, 1
    )


@pytest.mark.parametrize("wrong", [0, 12])
def test_interpolation_repeats_an_affine_motion_in_spite_of_outliers(wrong: int) -> None:
    found, flow = grid_of_matches(wrong=wrong)
    dense, confidence = interpolated(View(texture(64, 96)), found)
    assert (dense - flow).norm(dim=0).median() < (0.02 if not wrong else 0.2)
    assert (dense - flow).norm(dim=0).quantile(0.95) < (0.05 if not wrong else 2.0)
    assert confidence.min() >= 0
    assert confidence.max() <= 1


def test_interpolation_keeps_two_motions_apart_where_colours_differ() -> None:
    """A left half in one colour stands still, a right half in another one moves by 6: the border between them stays sharp."""
    image = torch.full((3, 64, 96), 0.2)
    image[:, :, 48:] = 0.8
    ys, xs = torch.meshgrid(torch.arange(2.0, 64, 6), torch.arange(3.0, 96, 6), indexing="ij")
    points = torch.stack([xs, ys], -1).view(-1, 2)
    moves = torch.where(points[:, :1] >= 48, torch.tensor([[6.0, 0.0]]), torch.zeros(1, 2))
    dense, _ = interpolated(View(image), KeypointMatches(points, points + moves, torch.ones(len(points))))
    assert dense[0, :, :44].abs().median() < 0.2
    assert (dense[0, :, 52:] - 6).abs().median() < 0.2
    assert dense[0, :, 44:46].mean() < 2
    assert dense[0, :, 51:53].mean() > 4


def test_far_from_matches_the_confidence_falls() -> None:
    found, _ = grid_of_matches()
    left = found.first[:, 0] < 40
    _, confidence = interpolated(View(texture(64, 96)), KeypointMatches(*(part[left] for part in found)))
    assert confidence[:, :36].mean() > 0.5
    assert confidence[:, 80:].max() < 0.05


def test_too_few_matches_say_nothing() -> None:
    found, _ = grid_of_matches()
    few = KeypointMatches(*(part[:7] for part in found))
    with pytest.raises(GeometryError, match="got 7"):
        densified(View(texture(64, 96)), View(texture(64, 96)), few)
    empty = torch.full((3, 64, 96), 0.5)
    with pytest.raises(GeometryError, match="got 0"):
        matcher("sift")(View(empty), View(empty))


def test_matches_off_the_epipolar_lines_are_left_out() -> None:
    """Points of a room seen by two cameras, and wild ones among them."""
    first, second = room(size=(96, 128))
    flow, visible = exact_flow(first, second)
    ys, xs = visible.nonzero()[::40].unbind(1)
    points = torch.stack([xs, ys], 1) + 0.5
    there = points + flow[:, ys, xs].T
    wild = torch.zeros(len(points), dtype=torch.bool)
    wild[::5] = True
    there[wild] += 40 * (torch.rand(int(wild.sum()), 2, generator=torch.Generator().manual_seed(0)) - 0.5)
    kept = verified(KeypointMatches(points, there, torch.arange(len(points)) / len(points)), 128)
    numbers = (kept.scores * len(points)).round().long()
    assert wild[numbers].float().mean() < 0.08, "a fifth was wild"
    assert len(numbers) > 0.9 * int((~wild).sum())
    few = KeypointMatches(points[:9], there[:9], torch.ones(9))
    assert verified(few, 128) is few


def test_sparse_matches_keep_to_the_interface() -> None:
    move = moved()
    first, second, scores = keypoint_matches(move.first, move.second, "sift")
    assert first.shape == second.shape == (len(scores), 2)
    columns, rows = first.long().unbind(1)
    assert (second - first - move.flow[:, rows, columns].T).norm(dim=1).median() < 0.3
    assert 0 <= scores.min() <= scores.max() <= 1


@pytest.mark.parametrize("make", [matcher, keypoint_matcher])
def test_an_unknown_name_lists_the_names(make) -> None:
    with pytest.raises(InputError, match=r"sift.*got 'sharp'"):
        make("sharp")


@pytest.mark.parametrize("name", ["raft", "raft-small", "xfeat", "xfeat-dense", "lighterglue"])
def test_a_missing_checkpoint_is_one_sentence(nothing: None, name: str) -> None:
    assert name in NAMES
    view = View(texture(32, 32))
    with pytest.raises(MissingModelError, match=r"^Expected (raft|xfeat)_?\w*\.safetensors .*RELOOK_MODELS"):
        matcher(name)(view, view)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LightGlue with SuperPoint, and EfficientLoFTR: the real classes with small random weights, as folders."""
    from transformers import (
        EfficientLoFTRConfig,
        EfficientLoFTRForKeypointMatching,
        LightGlueConfig,
        LightGlueForKeypointMatching,
        SuperPointConfig,
    )
    from transformers.models.efficientloftr.image_processing_pil_efficientloftr import EfficientLoFTRImageProcessorPil
    from transformers.models.lightglue.image_processing_pil_lightglue import LightGlueImageProcessorPil
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder, size = tmp_path_factory.mktemp("hub"), {"height": 64, "width": 96}
    torch.manual_seed(0)
    points = SuperPointConfig(
        encoder_hidden_sizes=[8, 8, 16, 16],
        decoder_hidden_size=16,
        descriptor_decoder_dim=32,
        max_keypoints=48,
        keypoint_threshold=0.0,
    )
    glue = LightGlueConfig(
        keypoint_detector_config=points, descriptor_dim=32, num_hidden_layers=2, num_attention_heads=2, filter_threshold=0.0,
    )  # fmt: skip
    LightGlueForKeypointMatching(glue).save_pretrained(folder / "lightglue")
    LightGlueImageProcessorPil(size=size).save_pretrained(folder / "lightglue")
    loftr = EfficientLoFTRConfig(
        stage_num_blocks=[1, 1, 1, 1], out_features=[8, 8, 16, 32], hidden_size=32, num_attention_heads=8, num_attention_layers=1,
        coarse_matching_threshold=0.0, fine_matching_slice_dim=4,
    )  # fmt: skip
    EfficientLoFTRForKeypointMatching(loftr).save_pretrained(folder / "loftr")
    EfficientLoFTRImageProcessorPil(size=size).save_pretrained(folder / "loftr")
    return folder


@pytest.mark.parametrize("kind", ["lightglue", "loftr"])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_real_classes_match_a_picture_with_itself(hub: Path, kind: str, share: float) -> None:
    """The processors squeeze both pictures to 96 x 64; places come back in each picture's own pixels, to a part of a pixel."""
    image = texture(128, 192)
    other = functional.interpolate(image[None], scale_factor=share, mode="bilinear", antialias=True)[0].clamp(0, 1)
    found = transformers_matches(View(image), View(other), str(hub / kind), least=0.0)
    assert len(found.scores) >= 1
    assert (found.second - found.first * share).norm(dim=1).max() < 1e-3
    if kind == "lightglue":  # whole pixels of the squeezed picture: their centres are odd numbers here
        assert torch.equal(found.first % 2, torch.ones_like(found.first))
    strict = keypoint_matcher(str(hub / kind))(View(image), View(other))
    assert not len(strict.scores), "random weights are never sure"


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    view = View(texture(32, 32))
    with pytest.raises(MissingModelError):
        keypoint_matcher(str(tmp_path))(view, view)
