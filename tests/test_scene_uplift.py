"""Maps in the scene: against dense matrices, exact maps of a drawn room, neighbours by hand; and looks distilled from key views."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from relook.dollhouse import CLASSES, Rendering, render, sample_layout, sample_style, walk
from relook.errors import ShapeError
from relook.evaluate.metrics.segments import confusion, mean_iou
from relook.gaussians import Gaussians
from relook.lift.scene import diffused, distil, graph, key_views, lifted, spread, sureness, surfels
from relook.ops.geometry import to_camera, unproject
from relook.ops.splats import Blend, Blends, Uplifted, blend, solve, uplift
from relook.ops.splats.kernels import FULL
from relook.ops.splats.solve import CHANNELS

SIZE = (128, 128)
HIDDEN = 2
"""The frame that no scene is made of."""


@cache
def room(look: int = 6) -> tuple[Rendering, ...]:
    """A short walk through a drawn room."""
    layout = sample_layout(5)
    return tuple(render(layout, sample_style(look), SIZE, pose) for pose in walk(layout, 6))


@cache
def scene() -> tuple[Gaussians, Blends, Blend]:
    """Its surfels, the blends of the views that they are made of, and that of the hidden one."""
    views = [one.view() for number, one in enumerate(room()) if number != HIDDEN]
    found = surfels(views)
    hidden = room()[HIDDEN].camera
    return found, Blends(found, [one.camera for one in views if one.camera], SIZE), blend(found, hidden, SIZE)


def known(frames: Sequence[Rendering]) -> list[Rendering]:
    """Without the hidden frame."""
    return [one for number, one in enumerate(frames) if number != HIDDEN]


def one_hot(classes: torch.Tensor) -> torch.Tensor:
    """Chances of all classes, 0 or 1."""
    return torch.nn.functional.one_hot(classes, len(CLASSES)).permute(2, 0, 1).float()


def dense(one: Blend) -> np.ndarray:
    """A as it is meant."""
    pointer, who, weight = one.matrix
    matrix = np.zeros((len(pointer) - 1, one.count))
    np.add.at(matrix, (np.repeat(np.arange(len(matrix)), np.diff(pointer)), who), weight / FULL)
    return matrix


def some(n: int = 60) -> tuple[Gaussians, list[Blend]]:
    """A few Gaussians in a small picture, seen twice."""
    draw = torch.Generator().manual_seed(1)
    means = torch.rand(n, 3, generator=draw) * 2 - 1 + torch.tensor([0.0, 0, 2.5])
    quats = torch.nn.functional.normalize(torch.randn(n, 4, generator=draw), dim=1)
    scales = (torch.rand(n, 3, generator=draw) + 0.2) * 0.1
    found = Gaussians(means, quats, scales, torch.full((n,), 0.9), torch.rand(n, 1, 3, generator=draw))
    camera = room()[0].camera
    near = type(camera)(torch.tensor([[14.0, 0, 8], [0, 14, 6], [0, 0, 1]]), torch.eye(4))
    moved = type(camera)(near.K, torch.eye(4) + torch.tensor([[0.0, 0, 0, 0.3], *[[0.0] * 4] * 3]))
    return found, [blend(found, near, (12, 16)), blend(found, moved, (12, 16))]


@pytest.mark.parametrize("width", [1, CHANNELS, CHANNELS + 3])
def test_wide_maps_are_lifted_as_by_dense_matrices(width: int) -> None:
    _, blends = some()
    maps, trust = [torch.rand(width, *one.size) for one in blends], [torch.rand(one.size) for one in blends]
    found = lifted(blends, maps, trust)
    counted = [(c * one.seen).flatten().numpy() for c, one in zip(trust, blends, strict=True)]
    below = sum(dense(one).T @ c for one, c in zip(blends, counted, strict=True))
    above = sum(dense(one).T @ (m.flatten(1).numpy() * c).T for one, m, c in zip(blends, maps, counted, strict=True))
    assert np.allclose(found.values[found.seen], (above / below.clip(1e-6)[:, None])[found.seen], atol=2e-3)
    assert np.allclose(found.weight, below, atol=1e-2)


def test_wide_solutions_are_those_of_least_squares() -> None:
    _, blends = some(30)
    maps, prior = [torch.rand(CHANNELS + 2, *one.size) for one in blends], torch.rand(30, CHANNELS + 2)
    stacked = np.concatenate([*(dense(one) for one in blends), np.sqrt(0.1) * np.eye(30)])
    goal = np.concatenate([*(m.flatten(1).T.numpy() for m in maps), np.sqrt(0.1) * prior.numpy()])
    found = solve(blends, maps, prior, ridge=0.1, steps=60)
    assert np.allclose(found, np.linalg.lstsq(stacked, goal, rcond=None)[0], atol=3e-3)


def test_work_is_no_wider_than_a_few_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    _, blends = some()
    widths: list[int] = []
    true = Blend._scattered

    def spied(self: Blend, work: Any, like: np.ndarray) -> torch.Tensor:
        widths.append(like.shape[1])
        return true(self, work, like)

    monkeypatch.setattr(Blend, "_scattered", spied)
    maps = [torch.rand(5 * CHANNELS, *one.size) for one in blends]
    assert lifted(blends, maps, ridge=0.1).values.shape == (60, 5 * CHANNELS)
    assert max(widths) == CHANNELS


def test_what_has_no_confidence_does_not_count_even_if_it_is_no_number() -> None:
    _, blends = some()
    maps, trust = [torch.rand(2, *one.size) for one in blends], [torch.ones(one.size) for one in blends]
    for shown, c in zip(maps, trust, strict=True):
        shown[:, :5] = torch.nan
        c[:5] = 0.0
    found = lifted(blends, maps, trust, ridge=0.05)
    assert torch.isfinite(found.values).all()
    assert torch.isfinite(uplift(blends, maps, trust).values).all()


@pytest.mark.parametrize("ridge", [None, 0.05])
def test_exact_classes_come_back_in_a_view_that_was_not_lifted(ridge: float | None) -> None:
    _, blends, hidden = scene()
    found = lifted(blends, [one_hot(one.classes) for one in known(room())], ridge=ridge)
    shown = hidden.render(found.values).argmax(0)
    truth = torch.where(hidden.seen, room()[HIDDEN].classes, -1)
    score = mean_iou(confusion(shown, truth, len(CLASSES)))
    assert score is not None
    assert score >= 0.95


def test_depth_is_lifted_as_points() -> None:
    _, blends, hidden = scene()
    points = [unproject(one.depth, one.camera).permute(2, 0, 1) for one in known(room())]
    shown = hidden.render(lifted(blends, points).values)
    depth = to_camera(shown.permute(1, 2, 0), room()[HIDDEN].camera)[..., 2]
    error = ((depth - room()[HIDDEN].depth) / room()[HIDDEN].depth).abs()[hidden.seen]
    assert float(error.median()) < 0.01


def test_views_that_are_sure_outvote_those_that_guess() -> None:
    _, blends = some()
    wrong, right = torch.tensor([0.55, 0.45]), torch.tensor([0.02, 0.98])
    maps = [chance[:, None, None].expand(2, 12, 16) for chance in (wrong, right)]
    plain, weighted = lifted(blends, maps).values, lifted(blends, maps, [sureness(one) for one in maps]).values
    both = lifted(blends[:1], maps[:1]).seen & lifted(blends[1:], maps[1:]).seen
    assert both.any()
    assert (weighted[both, 1] > plain[both, 1]).all()


def test_diffusion_is_the_fixed_point_and_stops_at_edges() -> None:
    _, _, count = *some(2), 40
    line = torch.stack([torch.arange(count) * 0.1, torch.zeros(count), torch.zeros(count)], 1)
    flat = torch.tensor([[0.05, 0.05, 0.001]]).expand(count, 3)
    colours = torch.where(torch.arange(count)[:, None] < 20, 0.1, 0.9).expand(count, 3)
    one = Gaussians(
        line, torch.eye(4)[:1].expand(count, 4), flat, torch.ones(count), torch.zeros(count, 1, 3)
    ).coloured(colours)
    weight, values = torch.zeros(count), torch.zeros(count, 1)
    weight[[5, 30]], values[30] = 100.0, 1.0
    along = graph(one, 4)
    found = diffused(Uplifted(values, weight), along, rounds=400)
    assert (found[:20] < 0.2).all()
    assert (found[20:] > 0.8).all()
    matrix, trust = along.matrix.toarray(), (weight / (weight + 2.0)).numpy()
    exact = np.linalg.solve(np.eye(count) - (1 - trust)[:, None] * matrix, trust[:, None] * values.numpy())
    assert np.allclose(diffused(Uplifted(values, weight), along, pull=2.0, rounds=4000), exact, atol=1e-2)


def test_what_no_view_saw_takes_the_most_like_of_its_group() -> None:
    values = torch.tensor([[1.0], [2.0], [3.0], [0.0], [0.0]])
    seen = torch.tensor([True, True, True, False, False])
    keys = torch.tensor([[0.0], [1.0], [2.0], [1.1], [0.1]])
    assert spread(values, seen, keys)[:, 0].tolist() == [1, 2, 3, 2, 1]
    groups = torch.tensor([0, 1, 0, 0, 7])
    assert spread(values, seen, keys, groups)[:, 0].tolist() == [1, 2, 3, 3, 1]
    assert spread(values, seen, keys, count=2)[:, 0].tolist() == [1, 2, 3, 2.5, 1.5]
    assert spread(values, seen, keys, groups, count=9)[:, 0].tolist() == [1, 2, 3, 2, 2]
    with pytest.raises(ShapeError, match="none"):
        spread(values, torch.zeros(5, dtype=torch.bool), keys)


def test_key_views_show_most_and_not_the_same_twice() -> None:
    found, blends, _ = scene()
    away = torch.diag(torch.tensor([-1.0, 1, -1, 1])) @ blends.cameras[0].world_to_camera
    nothing = blend(found, type(blends.cameras[0])(blends.cameras[0].K, away), SIZE)
    chosen = key_views([blends[0], blends[0], nothing, blends[len(blends) - 1]], 2)
    assert sorted({0 if number == 1 else number for number in chosen}) == [0, 3]
    assert key_views([nothing, blends[0]], 9)[0] == 1


def test_a_distilled_look_is_seen_from_elsewhere_and_reaches_what_no_key_view_shows() -> None:
    found, blends, hidden = scene()
    new = room(9)
    groups = lifted(blends, [one_hot(one.classes) for one in known(room())]).values.argmax(1)
    errors = {}
    for count in (1, len(blends)):
        chosen = key_views(list(blends), count)
        made = distil(found, [blends[k] for k in chosen], [known(new)[k].image for k in chosen], groups=groups)
        shown = hidden.render(made.colours)
        errors[count] = float((shown - new[HIDDEN].image).square()[:, hidden.seen].mean())
    old = float((room()[HIDDEN].image - new[HIDDEN].image).square().mean())
    assert errors[len(blends)] < errors[1] < 0.5 * old
    assert -10 * np.log10(errors[len(blends)]) > 20


def test_views_that_memory_does_not_hold_give_the_same() -> None:
    found, _ = some()
    cameras = [room()[k].camera.resized(SIZE, (32, 32)) for k in range(2)]
    maps = [torch.rand(CHANNELS + 1, 32, 32) for _ in cameras]
    streamed = lifted(Blends(found, cameras, (32, 32), budget=0), maps).values
    assert torch.equal(streamed, lifted(Blends(found, cameras, (32, 32)), maps).values)
