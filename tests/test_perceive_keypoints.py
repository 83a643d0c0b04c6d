"""Sparse matches, the epipolar check and what makes them dense; the real matchers of transformers with small random weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch
from torch.nn import functional

from moves import moved, texture
from relook.dollhouse import exact_flow
from relook.errors import GeometryError, MissingModelError
from relook.perceive.match import hub_keypoints, matcher
from relook.perceive.match.hub_keypoints import transformers_matches
from relook.perceive.match.interpolate import densified, interpolated
from relook.perceive.match.keypoints import keypoint_matcher, keypoint_matches
from relook.perceive.match.points import KeypointMatches, on_a_grid, verified
from relook.session import Session
from relook.types import Matches, View
from walks import two_views


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
        matcher("sift", Session("cpu"))(View(empty), View(empty))


def test_flow_is_read_on_a_grid_where_it_is_sure() -> None:
    flow = torch.stack([torch.arange(80.0).expand(64, 80), torch.full((64, 80), 2.0)])
    sure = torch.zeros(64, 80)
    sure[:, 40:] = 0.9
    found = on_a_grid(
        View(texture(64, 80)),
        View(texture(64, 80)),
        lambda *_: Matches(flow, sure, torch.zeros(64, 80, dtype=torch.bool)),
    )
    assert len(found.scores) == 64 * 40, "one place per pixel of 80"
    assert found.first[:, 0].min() == 40.5
    torch.testing.assert_close(
        found.second - found.first, torch.stack([found.first[:, 0] - 0.5, torch.full((2560,), 2.0)], 1)
    )
    large = on_a_grid(
        View(torch.rand(3, 128, 640)), View(torch.rand(3, 128, 640)),
        lambda *_: Matches(torch.zeros(2, 128, 640), torch.ones(128, 640), torch.zeros(128, 640, dtype=torch.bool)),
    )  # fmt: skip
    assert sorted({x - 0.5 for x in large.first[:, 0].tolist()})[:2] == [5, 15]


@pytest.mark.weights
def test_rafts_sure_places_are_matches(shared: Path, session: Session) -> None:
    move = moved(112, 140, shift=(5.0, 2.0), angle=0.02)
    first, second, scores = keypoint_matches(move.first, move.second, "raft-small", session)
    assert len(scores) > 500
    columns, rows = first.long().unbind(1)
    assert (second - first - move.flow[:, rows, columns].T).norm(dim=1).median() < 1


def test_matches_off_the_epipolar_lines_are_left_out() -> None:
    """Points of a room seen by two cameras, and wild ones among them."""
    first, second = two_views(size=(96, 128))
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
    first, second, scores = keypoint_matches(move.first, move.second, "sift", Session("cpu"))
    assert first.shape == second.shape == (len(scores), 2)
    columns, rows = first.long().unbind(1)
    assert (second - first - move.flow[:, rows, columns].T).norm(dim=1).median() < 0.3
    assert 0 <= scores.min() <= scores.max() <= 1


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
def test_the_real_classes_match_a_picture_with_itself(
    hub: Path, kind: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processors squeeze both pictures to 96 x 64; places come back in each picture's own pixels, to a part of a pixel."""
    image = texture(128, 192)
    other = functional.interpolate(image[None], scale_factor=share, mode="bilinear", antialias=True)[0].clamp(0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(hub_keypoints, "LEAST", 0.0)
        found = transformers_matches(View(image), View(other), str(hub / kind), Session("cpu"))
    assert len(found.scores) >= 1
    assert (found.second - found.first * share).norm(dim=1).max() < 1e-3
    if kind == "lightglue":  # whole pixels of the squeezed picture: their centres are odd numbers here
        assert torch.equal(found.first % 2, torch.ones_like(found.first))
    strict = keypoint_matcher(str(hub / kind), Session("cpu"))(View(image), View(other))
    assert not len(strict.scores), "random weights are never sure"


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    view = View(texture(32, 32))
    with pytest.raises(MissingModelError):
        keypoint_matcher(str(tmp_path), Session("cpu"))(view, view)


def test_matches_stay_where_opencv_finds_no_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:  # what OpenCV 5.0 did once in some thousand pairs of rooms
        raise cv2.error("Assertion failed: !model.empty()")

    monkeypatch.setattr(cv2, "findFundamentalMat", fails)
    points = torch.rand(20, 2) * 100
    found = KeypointMatches(points, points + 1, torch.ones(20))
    assert verified(found, 100) is found
