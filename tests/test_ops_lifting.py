"""Lifting: rays, projections and blendings against their readable twins, and against what a drawn room exactly shows."""

from __future__ import annotations

import pytest
import torch

from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import ShapeError
from relook.ops.geometry import pixel_centres
from relook.ops.lifting import Blending, Cameras, Standard, cast, known, lifted, ray_weights, refined, seen, spread
from relook.ops.lifting.reference import composited, lifted_slowly, shown_at

LAYOUT = sample_layout(31, "living")
SIZE = (48, 64)
VIEWS = [render(LAYOUT, sample_style(31), SIZE, pose) for pose in walk(LAYOUT, 4, stride=0.6)]
SOURCES = Cameras.of([one.camera for one in VIEWS[1:]], SIZE)


def test_samples_land_where_the_sources_see_them() -> None:
    pixels = torch.tensor([[3.5, 40.5], [32.0, 20.0], [60.2, 7.7]])
    depths = torch.tensor([[0.4, 2.0], [1.0, 3.0], [0.7, 50.0]])
    found = seen(cast(VIEWS[0].camera, pixels), depths, SOURCES)
    for r, pixel in enumerate(pixels.tolist()):
        for s in range(2):
            for v, source in enumerate(VIEWS[1:]):
                place, shown = shown_at(VIEWS[0].camera, (pixel[0], pixel[1]), float(depths[r, s]), source.camera, SIZE)
                assert bool(found.shown[r, s, v]) == shown
                if shown:
                    got = (found.grid[v, r, s] + 1) / 2 * torch.tensor([64.0, 48.0])
                    torch.testing.assert_close(got, place, atol=1e-3, rtol=1e-4)
    assert bool(found.shown.any())
    assert not bool(found.shown.all())


def test_a_ray_from_where_the_source_stands_is_not_turned() -> None:
    rays = cast(VIEWS[1].camera, torch.tensor([[10.0, 10.0]]))
    turned = seen(rays, torch.tensor([[2.0]]), SOURCES).turned[0, 0]
    assert float(turned[0, 3]) == pytest.approx(1.0, abs=1e-5)
    assert float(turned[2, 3]) < 0.999


def test_ray_weights_composite_and_an_empty_ray_counts_evenly() -> None:
    alpha = torch.tensor([[0.2, 0.5, 0.9, 0.3], [0.0, 0.0, 0.0, 0.0]])
    weights = ray_weights(-torch.log1p(-alpha))
    torch.testing.assert_close(weights[0], torch.tensor(composited(alpha[0].tolist())), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(weights[1], torch.full((4,), 0.25))


def test_refined_samples_gather_where_the_weight_is() -> None:
    edges = torch.linspace(1.0, 0.1, 11)
    weights = torch.zeros(2, 10)
    weights[0, 3], weights[1] = 1.0, 0.1
    places = refined(weights, edges, 20)
    assert float(((places[0] < edges[2]) & (places[0] > edges[5])).float().mean()) > 0.8
    torch.testing.assert_close(places[1], torch.linspace(1.0, 0.1, 41)[1::2].float(), atol=0.01, rtol=0.0)
    assert bool((places.diff(dim=1) <= 0).all())
    drawn = spread(3, edges, True)
    assert bool(((drawn < edges[:-1]) & (drawn > edges[1:])).all())


def test_maps_of_any_width_are_lifted_as_the_twin_says() -> None:
    draw = torch.Generator().manual_seed(0)
    blending = Blending(torch.rand(3, 5, 4, 2, generator=draw) * 2.4 - 1.2, torch.rand(5, 4, 3, generator=draw))
    for width, size in ((1, (6, 8)), (70, (5, 3)), (3, (1, 1))):
        maps = torch.randn(3, width, *size, generator=draw)
        slow = lifted_slowly(blending, maps)
        torch.testing.assert_close(lifted(blending, maps), slow, atol=1e-5, rtol=1e-4)
        with torch.enable_grad():
            torch.testing.assert_close(lifted(blending, maps.requires_grad_()).detach(), slow, atol=1e-5, rtol=1e-4)


def test_faint_weights_go_and_the_sum_stays() -> None:
    weights = torch.tensor([[[0.9, 0.0995, 0.0005]]])
    kept = Blending(torch.zeros(3, 1, 1, 2), weights).without_faint()
    assert float(kept.weights[0, 0, 2]) == 0.0
    assert float(kept.weights.sum()) == pytest.approx(1.0)


def test_known_depth_blends_what_the_target_shows_and_nothing_that_is_hidden() -> None:
    target, sources = VIEWS[0], VIEWS[1:]
    rays = cast(target.camera, pixel_centres(SIZE).reshape(-1, 2))
    depths = torch.stack([one.depth for one in sources])[:, None]
    blending = known(rays, target.depth.flatten(), SOURCES, depths)
    colour = lifted(blending, torch.stack([one.image for one in sources])).T.reshape(3, *SIZE)
    shown = blending.shown.reshape(SIZE)
    assert float(shown.float().mean()) > 0.7
    error = (colour - target.image).abs().mean(0)[shown]
    assert float(error.median()) < 0.02
    assert float(error.mean()) < 0.05
    classes = torch.stack([(one.classes == 0).float() for one in sources])[:, None]
    carried = lifted(blending, classes)[:, 0].reshape(SIZE)
    assert float(((carried > 0.5) == (target.classes == 0))[shown].float().mean()) > 0.95
    unknown = known(rays, torch.full_like(target.depth.flatten(), float("nan")), SOURCES, depths)
    assert not bool(unknown.shown.any())


def test_another_number_of_maps_is_refused() -> None:
    blending = Blending(torch.zeros(3, 1, 1, 2), torch.ones(1, 1, 3))
    with pytest.raises(ShapeError, match="each of 3 sources"):
        lifted(blending, torch.zeros(2, 4, 5, 5))


def test_standardised_maps_come_back_as_they_were() -> None:
    maps = torch.randn(2, 5, 4, 4) * 7 + 3
    standard = Standard.of(maps)
    there = standard.applied(maps)
    assert float(there.mean()) == pytest.approx(0.0, abs=1e-4)
    assert float(there.std()) == pytest.approx(0.25, abs=0.03)
    rows = there.permute(0, 2, 3, 1).reshape(-1, 5)
    torch.testing.assert_close(standard.undone(rows), maps.permute(0, 2, 3, 1).reshape(-1, 5), atol=1e-4, rtol=1e-4)
