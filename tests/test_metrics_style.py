"""Style and realism: against scipy, torchmetrics, naive loops and examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor
from torchmetrics.functional.pairwise import pairwise_cosine_similarity

from relook.errors import ShapeError
from relook.evaluate.metrics import style
from relook.evaluate.metrics.realism import fid, kid
from relook.evaluate.metrics.style import (
    MOST,
    cosine_similarity,
    dreamsim,
    gram,
    gram_distance,
    histogram_distance,
    histogram_distances,
    joined,
)


def test_cosine_is_torchmetrics() -> None:
    x, y = torch.randn(2, 40, generator=torch.Generator().manual_seed(0))
    expected = float(pairwise_cosine_similarity(x[None], y[None]))
    assert cosine_similarity(x, y) == pytest.approx(expected, abs=1e-6)
    assert dreamsim(x, y) == pytest.approx(1 - expected, abs=1e-6)
    assert dreamsim(x, 3 * x) == pytest.approx(0)
    assert cosine_similarity(x, 0 * y) is dreamsim(x, y * torch.nan) is None
    assert joined([x, y]).tolist() == [*x.tolist(), *y.tolist()]


@pytest.mark.usefixtures("unchecked")
def test_features_of_two_networks_are_refused() -> None:
    with pytest.raises(ShapeError, match="one length"):
        cosine_similarity(torch.ones(3), torch.ones(4))
    with pytest.raises(ShapeError, match="same layers"):
        gram_distance({"a": torch.ones(2, 2)}, {"b": torch.ones(2, 2)})
    for number in (fid, kid):
        with pytest.raises(ShapeError, match="one length"):
            number(np.ones((3, 4)), np.ones((3, 5)))


def test_gram_is_its_definition() -> None:
    features = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(3, 3)
    for i in range(3):
        for j in range(3):
            for y in range(4):
                for x in range(5):
                    expected[i, j] += features[i, y, x] * features[j, y, x] / (3 * 4 * 5)
    assert torch.allclose(gram(features), expected, atol=1e-6)
    assert torch.allclose(gram(features.repeat(1, 2, 3)), expected, atol=1e-6)  # a larger picture of the same texture


def test_gram_distance_by_hand() -> None:
    ours = {"a": torch.eye(2), "b": torch.tensor([[1.0, 2.0], [2.0, 4.0]])}
    theirs = {"a": torch.diag(torch.tensor([0.0, 3.0])), "b": torch.tensor([[1.0, 2.0], [2.0, 4.0]])}
    assert gram_distance(ours, theirs) == pytest.approx((1 + 4) / (2 + 9) / 2)
    assert gram_distance(theirs, ours) == gram_distance(ours, theirs)
    assert gram_distance(ours, ours) == 0
    apart = {"a": torch.diag(torch.tensor([1.0, 0.0]))}, {"a": torch.diag(torch.tensor([0.0, 5.0]))}
    assert gram_distance(*apart) == pytest.approx(1)
    assert gram_distance({}, {}) is None


def painted(colours: Tensor, shares: list[int]) -> Tensor:
    """A picture of these colours, each as often as it is told."""
    return torch.cat([colour[:, None].expand(3, count) for colour, count in zip(colours, shares, strict=True)], 1)[
        :, None
    ]


def test_a_hist_of_greys_is_scipys_distance_of_lightness() -> None:
    levels, weights = torch.tensor([0.1, 0.4, 0.7, 0.95]), ([5, 1, 3, 2], [1, 4, 1, 5])
    ours, theirs = (painted(levels[:, None].expand(4, 3), shares) for shares in weights)
    lightness = rgb2lab(levels.double()[:, None].expand(4, 3).numpy())[:, 0]
    expected = wasserstein_distance(lightness, lightness, *weights)
    assert expected > 5
    assert histogram_distance(ours, theirs) == pytest.approx(expected, abs=0.05)  # greys are not quite without chroma


def test_a_hist_is_the_cheapest_transport() -> None:
    draw = torch.Generator().manual_seed(3)
    ours, theirs = torch.rand(4, 3, generator=draw), torch.rand(5, 3, generator=draw)
    shares = [3, 1, 4, 2], [2, 2, 2, 1, 5]
    costs = np.array(
        [[np.linalg.norm(rgb2lab(a.double().numpy()) - rgb2lab(b.double().numpy())) for b in theirs] for a in ours]
    )
    rows = np.kron(np.eye(4), np.ones(5)), np.kron(np.ones(4), np.eye(5))
    masses = np.concatenate([np.array(s) / sum(s) for s in shares])
    best = linprog(costs.ravel(), A_eq=np.vstack(rows), b_eq=masses, bounds=(0, None))
    assert histogram_distance(painted(ours, shares[0]), painted(theirs, shares[1])) == pytest.approx(best.fun, abs=1e-4)


def test_a_hist_knows_neither_places_nor_sizes() -> None:
    draw = torch.Generator().manual_seed(4)
    picture = torch.rand(3, 12, 10, generator=draw)
    shuffled = picture.flatten(1)[:, torch.randperm(120, generator=draw)].view(3, 10, 12).repeat(1, 1, 2)
    assert histogram_distance(picture, shuffled) == pytest.approx(0, abs=1e-5)
    black, white = torch.zeros(3, 5, 5), torch.ones(3, 7, 3)
    assert histogram_distance(black, white) == pytest.approx(100, abs=0.01)
    assert histogram_distance(black[:, :1, :1], white) == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_hist_tells_colours_apart_in_every_direction(channel: int) -> None:
    colours = np.full((3, 3), [60.0, 0.0, 0.0])
    colours[0, channel] += 20
    colours[1, channel] -= 20
    first, second, middle = torch.from_numpy(lab2rgb(colours)).float()
    found = histogram_distance(painted(torch.stack([first, second]), [3, 3]), painted(middle[None], [4]))
    assert found == pytest.approx(20, abs=0.05)


@pytest.mark.usefixtures("unchecked")
def test_a_hist_of_regions_counts_their_pixels() -> None:
    picture, style = torch.zeros(3, 4, 4), torch.zeros(3, 2, 6)
    picture[:, :2], style[:, :, :3] = 1.0, 1.0
    classes, theirs = torch.ones(4, 4, dtype=torch.long), torch.full((2, 6), 3)
    classes[2:], theirs[:, :2], theirs[:, 2:4] = 2, 1, 2
    found = histogram_distances(picture, style, classes, theirs)
    assert set(found) == {1, 2}  # nothing is known of 3 in the picture
    assert found[1] == pytest.approx(0)
    assert found[2] == pytest.approx(50, abs=0.01)
    with pytest.raises(ShapeError, match="mask of"):
        histogram_distances(picture, style, classes[:2], theirs)


def test_a_hist_of_very_many_colours_keeps_the_most_frequent() -> None:
    draw = torch.Generator().manual_seed(5)
    first, second = torch.rand(2, 3, 60, 60, generator=draw)
    cells = np.unique(np.floor(rgb2lab(first.permute(1, 2, 0).double().numpy()).reshape(-1, 3) / 8), axis=0)
    assert len(cells) > MOST
    noise, darker = histogram_distance(first, second), histogram_distance(first, second * 0.5)
    assert noise is not None
    assert darker is not None
    assert 0 < noise < 10  # two draws of the same colours
    assert darker > 2 * noise


def test_a_hist_moves_rare_colours_to_the_nearest_frequent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "MOST", 2)
    greys = torch.tensor([0.0, 1.0, 0.9])[:, None].expand(3, 3)
    found = histogram_distance(painted(greys, [4, 3, 2]), painted(greys[:1], [5]))
    assert found == pytest.approx(100 * 5 / 9, abs=0.01)  # the light grey counts as white


def features(seed: int, count: int, size: int, shift: float = 0.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(count, size)) @ draw.normal(size=(size, size)) * 0.5 + shift


def test_fid_is_its_formula() -> None:
    ours, theirs = features(0, 40, 6), features(1, 50, 6, shift=0.3)
    covariances = [np.cov(one, rowvar=False) for one in (ours, theirs)]
    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    expected = np.square(ours.mean(0) - theirs.mean(0)).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert fid(ours, theirs) == pytest.approx(expected, rel=1e-6)
    assert fid(ours, ours) == pytest.approx(0, abs=1e-8)
    assert fid(ours + 2, ours) == pytest.approx(4 * 6)  # equal but for the means
    assert fid(ours[:3], theirs[:4]) is not None  # fewer pictures than features
    assert fid(ours[:1], theirs) is fid(ours, theirs[:1]) is None


def test_kid_is_a_loop_over_pairs() -> None:
    ours, theirs = features(2, 7, 5), features(3, 6, 5, shift=0.5)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (sum(a * b for a, b in zip(x, y, strict=True)) / 5 + 1) ** 3

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    within = [mean([kernel(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j]) for s in (ours, theirs)]
    across = mean([kernel(x, y) for x in ours for y in theirs])
    assert kid(ours, theirs) == pytest.approx(within[0] + within[1] - 2 * across)
    assert kid(ours[:1], theirs) is None


def test_kid_of_two_halves_of_one_set_is_about_nothing() -> None:
    draw = np.random.default_rng(6)
    values = [kid(*np.split(draw.normal(size=(60, 4)), 2)) for _ in range(60)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / 60**0.5
    assert kid(draw.normal(size=(30, 4)), draw.normal(size=(30, 4)) + 1) > 10 * abs(np.mean(values))
