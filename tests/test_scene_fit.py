"""A capture becomes a scene that shows views which the fit never saw; what cannot become one is refused in one sentence."""

from dataclasses import replace

import pytest
import torch

from relook.config import SceneConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import GeometryError, InputError
from relook.gaussians import Gaussians
from relook.lift.scene import Fit, fit
from relook.lift.scene.divide import PART, SHRINK, shrunk, split, without_floating, worst
from relook.lift.scene.fit import fit_posed
from relook.lift.scene.fuse import fused
from relook.lift.scene.sources import SceneViews
from relook.lift.scene.surfels import surfels
from relook.ops import splats
from relook.ops.align import centre
from relook.ops.geometry import unproject
from relook.types import Camera, Depth, View


@pytest.fixture(scope="module")
def room() -> list[View]:
    layout = sample_layout(5)
    return [render(layout, sample_style(6), (64, 64), pose).view() for pose in walk(layout, 10)]


@pytest.fixture(scope="module")
def fitted(room):
    return fit(room, SceneConfig(held_out=5, refine=8))


def shown(found: Fit, view: View) -> float:
    """PSNR of the scene from where a view was taken."""
    blend = splats.blend(found.gaussians, view.camera, view.size)
    wrong = (blend.render(found.gaussians.colours) - view.image).square().mean(0)
    return -10 * float(wrong[blend.seen].mean().log10())


def test_views_that_the_fit_never_saw_are_rendered(room, fitted):
    """Mean colours give 25 dB here, colours solved without dividing 27."""
    assert fitted.held == (2, 7)
    assert fitted.psnr > 29
    assert fitted.seen > 0.98
    assert shown(fitted, room[2]) > 29


def test_confidence_is_less_where_the_error_is_larger(room, fitted):
    blend = splats.blend(fitted.gaussians, room[7].camera, (64, 64))
    wrong = (blend.render(fitted.gaussians.colours) - room[7].image).square().mean(0)
    sure = fitted.confidence(blend)
    assert float(wrong[sure > sure.median()].mean()) < 0.5 * float(wrong[sure <= sure.median()].mean())


def test_large_pictures_are_fitted_small(room):
    found = fit(room[:3], SceneConfig(size=32, held_out=0, refine=1))
    assert found.size == (32, 32)
    assert found.psnr is None
    assert float(found.cameras[0].K[0, 2]) == pytest.approx(16)


def test_at_most_so_many_views_are_taken(room):
    assert fit(room, SceneConfig(size=32, views=3, refine=0)).record["views"] == 3


def test_a_scene_from_one_view_shows_that_view(room):
    found = fit(room[:1])
    assert shown(found, room[0]) > 29


def test_views_from_one_place_are_refused(room):
    with pytest.raises(GeometryError, match="several places"):
        fit([room[0]] * 3)


def test_pictures_without_cameras_are_refused_where_none_are_found(room):
    with pytest.raises(GeometryError):
        fit([View(view.image) for view in room[:3]], SceneConfig(geometry="flow"))


def test_no_view_is_refused():
    with pytest.raises(InputError, match="at least one"):
        fit([])


def plates(n: int = 6) -> Gaussians:
    scales = torch.tensor([0.2, 0.1, 0.01]).expand(n, 3)
    quats = torch.nn.functional.normalize(torch.randn(n, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    return Gaussians(torch.rand(n, 3), quats, scales, torch.ones(n), torch.zeros(n, 1, 3))


def test_the_worst_are_those_of_the_largest_error():
    error = torch.tensor([0.0, 3, 1, 2])
    assert worst(error, 0.5).tolist() == [False, True, False, True]
    assert not worst(torch.zeros(4)).any()
    assert not worst(torch.zeros(0)).any()


def test_four_lie_in_the_plane_of_the_one_that_they_replace():
    one, chosen = plates(), torch.arange(6) == 2
    found = split(one, chosen)
    assert len(found) == 9
    new = found[torch.arange(5, 9)]
    assert torch.allclose(new.means.mean(0), one.means[2], atol=1e-6)
    assert torch.allclose((new.means - one.means[2]) @ one.normals[2], torch.zeros(4), atol=1e-6)
    assert torch.allclose(new.scales, PART * one.scales[:4])


def test_only_the_chosen_shrink():
    one, chosen = plates(), torch.arange(6) == 2
    assert torch.allclose(shrunk(one, chosen).scales[2], SHRINK * one.scales[2])
    assert torch.equal(shrunk(one, chosen).scales[~chosen], one.scales[~chosen])


def test_viewers_that_know_no_coverage_show_nearly_the_same(room, fitted):
    """They show coverage times the solved colours before black: 8 dB less without descent."""
    rough = fit(room, SceneConfig(held_out=5, refine=0))

    def viewed(found: Fit) -> float:
        wrong = (splats.render(found.gaussians, room[2].camera, (64, 64)) - room[2].image).square().mean()
        return -10 * float(wrong.log10())

    assert viewed(fitted) > viewed(rough) + 4
    assert viewed(fitted) > shown(fitted, room[2]) - 5


def sensed(views: list[View], noise: float, holes: float = 0.2) -> list[View]:
    """The views as a depth sensor with noise and holes sees them."""
    draw = torch.Generator().manual_seed(0)
    found = []
    for view in views:
        depth = view.depth.values * (1 + noise * torch.randn(view.size, generator=draw))
        known = torch.rand(view.size, generator=draw) > holes
        found.append(replace(view, depth=Depth(torch.where(known, depth, 0.0), "metric", known)))
    return found


def test_depths_of_many_views_agree_better_after_fusion(room):
    rough = sensed(room, 0.02)
    wrong = [
        torch.cat(
            [
                (one.metric_depth / view.depth.values - 1).abs()[one.depth.valid]
                for one, view in zip(views, room, strict=True)
            ]
        )
        for views in (rough, fused(rough))
    ]
    assert float(wrong[1].median()) < 0.5 * float(wrong[0].median())


def test_what_others_see_through_goes():
    """A wall two metres away, and in one of four views a board before it that the others look through."""
    K = torch.tensor([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])
    poses = [torch.eye(4) for _ in range(4)]
    for number, pose in enumerate(poses):
        pose[0, 3] = 0.02 * number
    views = [
        View(torch.rand(3, 24, 32), depth=Depth(torch.full((24, 32), 2.0), "metric"), camera=Camera(K, pose))
        for pose in poses
    ]
    board = torch.full((24, 32), 2.0)
    board[8:16, 12:20] = 1.0
    views[0] = replace(views[0], depth=Depth(board, "metric"))
    found = fused(views)
    assert not found[0].depth.valid[9:15, 13:19].any()
    assert found[1].depth.valid.all()


def test_what_was_estimated_goes_where_another_view_measured_beyond_it():
    """A board before a wall in one of two views: one word against another stays, unless it was a guess."""
    K = torch.tensor([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])
    views = []
    for number in range(2):
        pose = torch.eye(4)
        pose[0, 3] = 0.02 * number
        views.append(
            View(torch.rand(3, 24, 32), depth=Depth(torch.full((24, 32), 2.0), "metric"), camera=Camera(K, pose))
        )
    board = torch.zeros(24, 32, dtype=torch.bool)
    board[8:16, 12:20] = True
    depth = torch.where(board, 1.0, 2.0)
    for estimated in (None, board):
        found = fused([replace(views[0], depth=Depth(depth, "metric", estimated=estimated)), views[1]])
        assert bool(found[0].depth.valid[10:14, 14:18].any()) == (estimated is None)


def test_what_no_view_shows_in_its_colours_is_floating():
    one = plates()
    error, pixels = torch.tensor([0.0, 5.0, 0.1, 0.1, 0.1, 0.0]), torch.tensor([10.0, 10, 10, 10, 10, 0])
    assert torch.equal(without_floating(one, error, pixels).means, one.means[[0, 2, 3, 4]])
    assert len(without_floating(one, torch.full((6,), 9.0), pixels)) == 6


def test_layers_of_noisy_depth_become_one():
    """A wall that three views see a cell apart."""
    K = torch.tensor([[26.0, 0, 16], [0, 26, 12], [0, 0, 1]])
    layers = [Depth(torch.full((24, 32), distance), "metric") for distance in (2.0, 2.13, 2.26)]
    views = [View(torch.rand(3, 24, 32), depth=depth, camera=Camera(K, torch.eye(4))) for depth in layers]
    assert len(surfels(views, tall=4.0)) < 0.6 * len(surfels(views))


def test_exposure_is_solved_with_the_scene(room):
    gains = torch.linspace(0.8, 1.2, len(room))
    views = [replace(view, image=view.image * gain) for view, gain in zip(sensed(room, 0.0, 0.02), gains, strict=True)]
    found = fit(views, SceneConfig(held_out=5, refine=0, size=48))
    logs = found.gains.log().mean(1)
    assert float(torch.corrcoef(torch.stack([logs, gains.log()]))[0, 1]) > 0.9


def test_readings_that_are_missing_at_random_are_no_edges(room):
    """Without an estimator: 30 % of the pixels were not read."""
    posed = SceneViews(tuple(sensed(room, 0.005, 0.3)), (2, 7), "sensor")
    found = fit_posed(posed, SceneConfig(refine=0))
    assert found.seen > 0.95
    assert found.psnr > 25


def test_a_reflection_that_moves_with_the_camera_is_shown_where_it_would_be(room):
    """Every surface is the brighter the more one looks along one direction."""
    glossy = []
    for view in sensed(room, 0.0, 0.02):
        points = unproject(torch.ones(view.size), view.camera) - centre(view.camera)
        shine = torch.nn.functional.normalize(points, dim=-1) @ torch.tensor([0.2, -0.2, 0.3])
        glossy.append(replace(view, image=(view.image + shine).clamp(0, 1)))
    posed = SceneViews(tuple(glossy), (2, 7), "sensor")
    plain, harmonic = (fit_posed(posed, SceneConfig(refine=0, degree=degree)) for degree in (0, 2))
    assert harmonic.gaussians.degree == 2
    assert harmonic.psnr > plain.psnr + 0.5
