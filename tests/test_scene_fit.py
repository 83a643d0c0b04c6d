"""A capture becomes a scene that shows views which the fit never saw; what cannot become one is refused in one sentence."""

import pytest
import torch

from relook.config import SceneConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import GeometryError, InputError
from relook.gaussians import Gaussians
from relook.lift.scene import Fit, fit
from relook.lift.scene.divide import PART, SHRINK, shrunk, split, worst
from relook.ops import splats
from relook.types import View


@pytest.fixture(scope="module")
def room() -> list[View]:
    layout = sample_layout(5)
    return [render(layout, sample_style(6), (64, 64), pose).view() for pose in walk(layout, 10)]


@pytest.fixture(scope="module")
def fitted(room):
    return fit(room, SceneConfig(held_out=5))


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
    found = fit(room[:3], SceneConfig(size=32, held_out=0))
    assert found.size == (32, 32)
    assert found.psnr is None
    assert float(found.cameras[0].K[0, 2]) == pytest.approx(16)


def test_at_most_so_many_views_are_taken(room):
    assert fit(room, SceneConfig(size=32, views=3)).record["views"] == 3


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
