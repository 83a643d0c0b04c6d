"""XFeat and LighterGlue: shapes and symmetries with random weights, known motions with the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from moves import moved, texture
from relook.errors import ShapeError
from relook.models.lighterglue import LighterGlue, _attend, _turned
from relook.models.store import locate
from relook.models.xfeat import MIDDLE, XFeat, load_xfeat
from relook.perceive.match.keypoints import keypoint_matcher
from relook.types import View


def fresh() -> XFeat:
    torch.manual_seed(0)
    return XFeat().eval()


@torch.no_grad()
def test_keypoints_are_chances_within_each_block() -> None:
    found = fresh()(texture(64, 96))
    assert found.descriptors.shape == (64, 8, 12)
    assert found.reliability.shape == (8, 12)
    blocks = functional.avg_pool2d(found.keypoints[None], 8)[0] * 64
    assert (blocks < 1).all(), "the rest is the chance that a block has no keypoint"
    assert (blocks > 0.5).all()


@torch.no_grad()
def test_the_keypoint_of_a_block_is_told_by_its_own_pixels_in_their_order() -> None:
    """The keypoint head sees 8 x 8 blocks alone: a block changed elsewhere changes nothing here; a channel is a pixel, row by row."""
    network = fresh()
    network.keypoint_head = torch.nn.Conv2d(64, 65, 1, bias=False)
    network.keypoint_head.weight[:] = 0
    for pixel in range(64):
        network.keypoint_head.weight[pixel, pixel] = 5
    image = texture(64, 64)
    found = network(image)
    grey = image.mean(0)
    for row, column in ((0, 0), (8, 16), (56, 24)):
        block = (slice(row, row + 8), slice(column, column + 8))
        assert int(found.keypoints[block].argmax()) == int(grey[block].argmax())


@torch.no_grad()
def test_contrast_and_brightness_change_nothing() -> None:
    network = fresh()
    first, second = network(texture(64, 64)), network(0.2 + 0.5 * texture(64, 64))
    assert torch.allclose(first.descriptors, second.descriptors, atol=1e-2 * float(first.descriptors.abs().max()))


@torch.no_grad()
def test_a_refinement_that_is_certain_points_at_its_cell() -> None:
    network = fresh()

    class Certain(torch.nn.Module):
        def forward(self, both):
            logits = torch.zeros(len(both), 64)
            logits[:, 8 * 5 + 2] = 100.0  # row 5, column 2
            return logits

    network.fine_matcher = Certain()
    offset, certain = network.refine(torch.zeros(3, 64), torch.zeros(3, 64))
    assert torch.allclose(offset, torch.tensor([2.0 - MIDDLE, 5.0 - MIDDLE]).expand(3, 2), atol=1e-4)
    assert torch.allclose(certain, torch.ones(3))


def test_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="multiples of 32"):
        fresh()(torch.rand(3, 64, 72))


def test_turning_keeps_lengths_and_only_differences_of_angles_count() -> None:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(5, 96, generator=draw), torch.randn(5, 96, generator=draw)
    a, b, c = (torch.randn(5, 48, generator=draw).repeat_interleave(2, -1) for _ in range(3))
    assert torch.allclose(_turned(x, a).norm(dim=1), x.norm(dim=1), atol=1e-4)
    same = (_turned(x, a + c) * _turned(y, b + c)).sum(1)
    assert torch.allclose((_turned(x, a) * _turned(y, b)).sum(1), same, atol=1e-3)


def test_attention_is_a_softmax_of_scaled_products() -> None:
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(n, 96, generator=draw) for n in (3, 5, 5))
    slow = torch.stack([sum((torch.softmax(k @ row / 96**0.5, 0))[i] * v[i] for i in range(5)) for row in q])
    assert torch.allclose(_attend(q, k, v), slow, atol=1e-5)


@torch.no_grad()
def test_the_matcher_does_not_mind_the_order_of_pictures_or_points() -> None:
    torch.manual_seed(0)
    network = LighterGlue().eval()
    draw = torch.Generator().manual_seed(1)
    x, y = (functional.normalize(torch.randn(n, 64, generator=draw), dim=1) for n in (7, 5))
    px, py = (2 * torch.rand(n, 2, generator=draw) - 1 for n in (7, 5))
    chances = network(x, y, px, py)
    assert chances.shape == (7, 5)
    assert (chances < 0).all()
    assert torch.allclose(network(y, x, py, px), chances.T, atol=1e-4)
    order = torch.randperm(7, generator=draw)
    assert torch.allclose(network(x[order], y, px[order], py), chances[order], atol=1e-4)
    assert not torch.allclose(network(x, y, px.flip(0), py), chances, atol=1e-3), "places count"


@pytest.mark.weights
@pytest.mark.parametrize(
    ("name", "least", "error"), [("xfeat", 100, 1.0), ("xfeat-dense", 50, 1.5), ("lighterglue", 100, 1.0)]
)
def test_the_real_checkpoints_find_a_known_motion(shared: Path, name: str, least: int, error: float) -> None:
    move = moved(256, 320, shift=(11.0, -6.0), angle=0.03)
    found = keypoint_matcher(name)(move.first, move.second)
    columns, rows = found.first.long().unbind(1)
    wrong = (found.second - found.first - move.flow[:, rows, columns].T).norm(dim=1)
    assert len(wrong) > least
    assert wrong.median() < error
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert (found.first >= 0).all()
    assert (found.first <= torch.tensor([320, 256])).all()


@pytest.mark.weights
@torch.no_grad()
def test_a_shift_of_nothing_is_the_refinements_middle_cell(shared: Path) -> None:
    """Measured on pictures moved by whole pixels: with MIDDLE the refinement is right on average, with a neighbour it is not."""
    network = load_xfeat(locate("xfeat"))
    large = texture(288, 352)
    errors = []
    for dx, dy in ((0, 0), (2, -1), (-2, 2), (1, 3)):
        first = network(large[:, 16:272, 16:336]).descriptors.flatten(1).T
        second = network(large[:, 16 + dy : 272 + dy, 16 + dx : 336 + dx]).descriptors.flatten(1).T
        offset, certain = network.refine(
            first, second
        )  # places of the same number: the point in the second lies (dx, dy) on
        errors.append((offset - torch.tensor([float(dx), float(dy)]))[certain > 0.25])
    assert torch.cat(errors).median(0).values.abs().max() < 0.5


@pytest.mark.weights
def test_pictures_of_other_sizes_are_matched_in_their_own_pixels(shared: Path) -> None:
    image = texture(256, 320)
    small = functional.interpolate(image[None], (192, 240), mode="bilinear", antialias=True)[0].clamp(0, 1)
    found = keypoint_matcher("xfeat")(View(image), View(small))
    wrong = (found.second - found.first * 0.75).norm(dim=1)
    assert len(wrong) > 50
    assert wrong.median() < 1
