"""Baselines: what they leave alone, where the colours go, and the transport against exact plans of POT."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from torch import Tensor

from moves import texture
from relook.correspond.semantic import Correspondence, match_segments
from relook.errors import InputError, MissingModelError, ShapeError
from relook.evaluate.methods import baselines
from relook.evaluate.sources.dollhouse import draw_pair
from relook.ops.transport import cells
from relook.session import Session
from relook.types import Region, Segments

HERE = Session("cpu")
BY_CLASS = [baselines.statistics, baselines.transport]


def lab(pixels: Tensor) -> np.ndarray:
    """N x 3 Lab of 3 x N RGB."""
    return rgb2lab(pixels.double().T.numpy()[None])[0]


def halves(size: tuple[int, int], left: str, right: str) -> Segments:
    """A picture of two regions side by side."""
    labels = torch.ones(size, dtype=torch.int64)
    labels[:, size[1] // 2 :] = 2
    return Segments(labels, {1: Region(left), 2: Region(right)})


def two(structure: Tensor, style: Tensor, right: str = "sofa", **options: object) -> Correspondence:
    """Walls correspond; the structure's right half is a sofa, the style's is `right`."""
    return match_segments(
        halves(tuple(structure.shape[1:]), "wall", "sofa"), halves(tuple(style.shape[1:]), "wall", right), **options
    )


@pytest.mark.parametrize("method", BY_CLASS)
def test_a_picture_in_its_own_look_stays_as_it_is(method: Callable[..., Tensor]) -> None:
    picture = texture(20, 24)
    found = method(picture, picture, two(picture, picture))
    assert np.abs(lab(found.flatten(1)) - lab(picture.flatten(1))).mean() < 2.0


def test_without_blur_the_picture_in_its_own_look_is_nearly_exact() -> None:
    picture = texture(16, 20)
    found = baselines.transport(picture, picture, two(picture, picture), blur=0.5)
    assert np.abs(lab(found.flatten(1)) - lab(picture.flatten(1))).mean() < 1.0


@pytest.mark.parametrize("method", BY_CLASS)
def test_unmatched_and_locked_pixels_stay_bit_identical(method: Callable[..., Tensor]) -> None:
    structure, style = texture(24, 24), texture(20, 28).flip(0) * 0.5
    wall = torch.zeros(24, 24, dtype=torch.bool)
    wall[:, :12] = True
    found = method(structure, style, two(structure, style, "bed"))
    assert torch.equal(found[:, ~wall], structure[:, ~wall])
    assert not torch.equal(found[:, wall], structure[:, wall])
    locked = method(structure, style, two(structure, style, keep=("wall",)))
    assert torch.equal(locked[:, wall], structure[:, wall])
    assert not torch.equal(locked[:, ~wall], structure[:, ~wall])


def test_a_picture_without_any_match_comes_back() -> None:
    structure, style = texture(12, 12), texture(12, 12).flip(0)
    ours = halves((12, 12), "wall", "sofa")
    theirs = halves((12, 12), "bed", "lamp")
    for method in BY_CLASS:
        assert torch.equal(method(structure, style, match_segments(ours, theirs)), structure)


def test_transport_moves_each_class_to_its_counterparts_colours() -> None:
    draw = torch.Generator().manual_seed(0)
    structure, style = (
        0.3 + 0.4 * torch.rand(3, 32, 32, generator=draw),
        0.3 + 0.3 * torch.rand(3, 24, 40, generator=draw),
    )
    style[:, :, :20] *= torch.tensor([0.9, 0.5, 0.4])[:, None, None]
    correspondence = two(structure, style)
    found = baselines.transport(structure, style, correspondence, blur=2.0)
    for name in ("wall", "sofa"):
        ours = lab(found[:, correspondence.structure.mask(name)])
        theirs = lab(style[:, correspondence.style.mask(name)])
        assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 1
        for part in (0.1, 0.5, 0.9):
            assert np.abs(np.quantile(ours, part, axis=0) - np.quantile(theirs, part, axis=0)).max() < 5


def test_transport_is_the_plan_of_pot() -> None:
    """Colours far enough apart for one cell each: the map at them is the barycentric projection of POT's plan on logarithms."""
    import ot

    draw = np.random.default_rng(0)
    ours, theirs = draw.choice(np.stack(np.meshgrid(*[np.arange(-30, 31, 10)] * 3), -1).reshape(-1, 3), (2, 12), False)
    ours, theirs = ours + 0.5, theirs * 1.5
    centred = ours - ours.mean(0), theirs - theirs.mean(0)
    plan = ot.sinkhorn([], [], ot.dist(*centred), 2 * 8.0**2, method="sinkhorn_log", numItermax=5000, stopThr=1e-12)
    found = baselines._transported(ours.astype(float), theirs.astype(float), 8.0)
    assert np.abs(found - plan @ theirs / plan.sum(1, keepdims=True)).max() < 0.05


def test_with_little_blur_transport_is_the_exact_assignment() -> None:
    """Also where exp(-cost) is out of range, and no warning is raised."""
    from scipy.optimize import linear_sum_assignment

    ours = np.array([[20, 0, 0], [40, 30, 0], [60, 0, 40], [80, -40, 0], [90, 0, -60]], float)
    theirs = np.array([[30, 60, 0], [15, 0, 10], [95, 0, -90], [70, -80, 10], [50, 10, 50]], float)
    rows, columns = linear_sum_assignment(((ours[:, None] - theirs[None]) ** 2).sum(-1))
    assert np.abs(baselines._transported(ours, theirs, 0.5)[rows] - theirs[columns]).max() < 0.1


def test_a_large_blur_gives_the_mean_colour_alone() -> None:
    structure, style = texture(20, 20), texture(20, 20).flip(0)
    found = baselines.transport(structure, style, two(structure, style), blur=1000.0)
    half = lab(found[:, :, :10].flatten(1))
    assert half.std(0).max() < 0.5
    assert np.abs(half.mean(0) - lab(style[:, :, :10].flatten(1)).mean(0)).max() < 1


def test_transport_comes_nearer_to_the_exact_answer() -> None:
    pair = draw_pair(7, 0)
    structure, style, scored = pair.structure.image, pair.style.image, pair.scored > 0

    def psnr(found: Tensor) -> float:
        return float(-10 * (found - pair.exact)[:, scored].square().mean().log10())

    found = baselines.transport(structure, style, pair.correspondence())
    assert psnr(found) > max(psnr(structure), psnr(baselines.reinhard(structure, style))) + 3
    assert torch.equal(found, baselines.transport(structure, style, pair.correspondence()))


@pytest.mark.parametrize("method", BY_CLASS)
def test_grey_flat_and_tiny_pictures(method: Callable[..., Tensor]) -> None:
    grey = torch.linspace(0, 1, 96).reshape(1, 8, 12).expand(3, -1, -1)
    flat = torch.full((3, 10, 10), 0.5)
    colourful = texture(16, 16)
    for structure, style in (
        (grey, colourful),
        (colourful, grey),
        (flat, colourful),
        (colourful, flat),
        (flat, 0 * flat),
    ):
        found = method(structure, style, two(structure, style))
        assert found.shape == structure.shape
        assert found.isfinite().all()
        assert ((found >= 0) & (found <= 1)).all()
    dot, whole = torch.rand(3, 1, 1), Segments(torch.ones(1, 1, dtype=torch.int64), {1: Region("wall")})
    assert torch.allclose(method(dot, 0.5 * dot, match_segments(whole, whole)), 0.5 * dot, atol=0.01)


@pytest.mark.parametrize("method", BY_CLASS)
def test_a_class_of_one_pixel(method: Callable[..., Tensor]) -> None:
    structure, style = texture(12, 12), texture(12, 12).flip(0)
    labels = torch.ones(12, 12, dtype=torch.int64)
    labels[3, 4] = 2
    small = Segments(labels, {1: Region("wall"), 2: Region("sofa")})
    found = method(structure, style, match_segments(small, halves((12, 12), "wall", "sofa")))
    assert np.abs(lab(found[:, 3:4, 4]) - lab(style[:, :, 6:].flatten(1)).mean(0)).max() < 0.5
    assert method(structure, style, match_segments(halves((12, 12), "wall", "sofa"), small)).isfinite().all()


def test_many_colours_fill_a_bounded_number_of_cells() -> None:
    values = rgb2lab(np.random.default_rng(0).random((50_000, 1, 3)))[:, 0]
    found = cells(values, baselines.CELL)
    assert 50 < len(found.colours) <= 256
    assert found.shares.sum() == pytest.approx(1)
    assert np.abs(found.mean - values.mean(0)).max() < 1e-6


@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    structure, style = texture(12, 12), texture(10, 14)
    for blur in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="blur above 0"):
            baselines.transport(structure, style, two(structure, style), blur)
    for method in (*BY_CLASS, partial(baselines.microast_by_class, session=HERE)):
        with pytest.raises(ShapeError, match="structure segments of shape"):
            method(texture(14, 12), style, two(structure, style))
        with pytest.raises(ShapeError, match="style segments of shape"):
            method(structure, structure, two(structure, style))


def test_microast_needs_its_weights(models_folder: Path) -> None:
    structure, style = texture(12, 12), texture(10, 14)
    with pytest.raises(MissingModelError, match="microast"):
        baselines.microast(structure, style, HERE)
    with pytest.raises(MissingModelError, match="microast"):
        baselines.microast_by_class(structure, style, two(structure, style), HERE)


@pytest.mark.weights
def test_microast_by_class_gives_each_class_its_own_look(shared: Path) -> None:
    structure, style = 0.3 + 0.4 * texture(64, 64), texture(64, 80)
    style[:, :, :40] *= torch.tensor([0.9, 0.3, 0.2])[:, None, None]
    style[:, :, 40:] *= torch.tensor([0.2, 0.4, 0.9])[:, None, None]
    found = baselines.microast_by_class(structure, style, two(structure, style), HERE)
    left, right = found[:, :, 4:28].mean((1, 2)), found[:, :, 36:60].mean((1, 2))
    assert left[0] > left[2] + 0.1
    assert right[2] > right[0] + 0.1
    partly = baselines.microast_by_class(structure, style, two(structure, style, "bed"), HERE)
    assert torch.equal(partly[:, :, 32:], structure[:, :, 32:])
    assert not torch.allclose(partly[:, :, :32], structure[:, :, :32], atol=0.05)
    assert torch.equal(baselines.microast(structure, style, HERE), baselines.microast(structure, style, HERE))
