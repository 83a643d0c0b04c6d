"""The rasteriser against its plain twin, the sparse matrix against a dense one, solutions against numpy's least squares."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relook.errors import ShapeError
from relook.gaussians import Gaussians
from relook.ops import splats
from relook.ops.splats import reference
from relook.ops.splats.kernels import FULL
from relook.types import Camera

SIZE = (21, 30)
CAMERA = Camera(
    torch.tensor([[30.0, 0, 14], [0, 33, 11], [0, 0, 1]]),
    torch.tensor([[0.98, 0, 0.199, 0.1], [0, 1, 0, -0.1], [-0.199, 0, 0.98, 0.2], [0, 0, 0, 1]]),
)


def some(n: int = 150, degree: int = 1, seed: int = 0) -> Gaussians:
    draw = torch.Generator().manual_seed(seed)
    means = torch.rand(n, 3, generator=draw) * 2 - 1 + torch.tensor([0.0, 0, 2.5])
    quats = torch.nn.functional.normalize(torch.randn(n, 4, generator=draw), dim=1)
    scales = (torch.rand(n, 3, generator=draw) + 0.1) * 0.08
    opacities = torch.rand(n, generator=draw) * 0.95 + 0.02
    return Gaussians(means, quats, scales, opacities, torch.randn(n, (degree + 1) ** 2, 3, generator=draw) * 0.3)


def values(n: int, d: int = 4) -> torch.Tensor:
    return torch.rand(n, d, generator=torch.Generator().manual_seed(9))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(8, 8), (21, 30), (17, 5)]))
def test_pictures_are_those_of_the_plain_twin(seed, size):
    gaussians = some(seed=seed)
    projected = splats.project(gaussians, CAMERA, size)
    fast, slow = (raster(projected, values(150), size) for raster in (splats.rasterise, reference.rasterise))
    assert torch.allclose(fast[0], slow[0], atol=1e-4)
    assert torch.allclose(fast[1], slow[1], atol=1e-4)


def gradients(raster) -> list[torch.Tensor]:
    """Of a fixed function of the picture with respect to everything that a Gaussian has."""
    one = some(60)
    parts = [part.clone().requires_grad_() for part in (one.means, one.quats, one.scales, one.opacities, values(60))]
    projected = splats.project(Gaussians(*parts[:4], one.sh), CAMERA, SIZE)
    image, coverage = raster(projected, parts[4], SIZE)
    draw = torch.Generator().manual_seed(3)
    goal = (image * torch.rand(image.shape, generator=draw)).sum() + (coverage * torch.rand(SIZE, generator=draw)).sum()
    return list(torch.autograd.grad(goal, parts))


def test_gradients_are_those_of_the_plain_twin():
    for fast, slow in zip(gradients(splats.rasterise), gradients(reference.rasterise), strict=True):
        assert torch.allclose(fast, slow, atol=1e-4 * float(slow.abs().max()))


def test_a_projection_is_gsplats():
    gsplat = pytest.importorskip(
        "gsplat.cuda._torch_impl", reason="gsplat is not installed: its own projection is the oracle"
    )
    one = some()
    mine = splats.project(one, CAMERA, SIZE)
    _radii, means, _, conics, compensation = gsplat._fully_fused_projection(
        one.means,
        one.covariances,
        CAMERA.world_to_camera[None],
        CAMERA.K[None],
        SIZE[1],
        SIZE[0],
        calc_compensations=True,
    )
    assert torch.allclose(mine.centres, means[0, mine.ids], atol=1e-3)
    assert torch.allclose(mine.conics, conics[0, mine.ids], atol=1e-3)
    assert torch.allclose(mine.opacities, one.opacities[mine.ids] * compensation[0, mine.ids], atol=1e-4)


def test_a_splat_lies_where_its_centre_is_projected():
    one = Gaussians(
        torch.tensor([[0.1, -0.2, 2.0]]), torch.eye(4)[:1], torch.full((1, 3), 0.1), torch.ones(1), torch.zeros(1, 1, 3)
    )
    image, _ = splats.rasterise(splats.project(one, CAMERA, SIZE), torch.ones(1, 1), SIZE)
    point = CAMERA.K @ (CAMERA.world_to_camera[:3, :3] @ one.means[0] + CAMERA.world_to_camera[:3, 3])
    y, x = (torch.arange(n) + 0.5 for n in SIZE)
    middle = torch.stack([(image[0].sum(0) * x).sum(), (image[0].sum(1) * y).sum()]) / image.sum()
    assert torch.allclose(middle, point[:2] / point[2], atol=0.15)


def test_what_is_behind_the_camera_or_beside_the_picture_is_left_out():
    one = some()
    turned = CAMERA.world_to_camera.clone()
    turned[:3] = torch.diag(torch.tensor([-1.0, 1, -1])) @ turned[:3]
    assert len(splats.project(one, Camera(CAMERA.K, turned), SIZE).ids) == 0
    assert splats.blend(one, Camera(CAMERA.K, turned), SIZE).coverage.max() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_the_matrix_renders_the_plain_twins_picture(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        one, carried = some(), values(150)
        blend = splats.blend(one, CAMERA, SIZE, drop=0.0)
        image, coverage = reference.rasterise(splats.project(one, CAMERA, SIZE), carried, SIZE)
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(blend.coverage, coverage, atol=1e-3)
    assert torch.allclose(blend.render(carried) * blend.coverage, image, atol=1e-3)


def dense(blend: splats.Blend) -> np.ndarray:
    pointer, who, weight = blend.matrix
    matrix = np.zeros((len(pointer) - 1, blend.count), np.float32)
    for pixel in range(len(matrix)):
        for k in range(pointer[pixel], pointer[pixel + 1]):
            matrix[pixel, who[k]] += weight[k] / FULL
    return matrix


def test_products_are_those_of_a_dense_matrix():
    blend = splats.blend(some(), CAMERA, SIZE)
    matrix, carried, pixels = dense(blend), values(150), torch.rand(4, *SIZE)
    trust = torch.rand(SIZE)
    assert np.allclose(blend.render(carried).flatten(1).T, matrix @ carried.numpy(), atol=1e-4)
    assert np.allclose(blend.transposed(pixels), matrix.T @ pixels.flatten(1).T.numpy(), atol=1e-3)
    assert np.allclose(blend.transposed(pixels, power=2), (matrix**2).T @ pixels.flatten(1).T.numpy(), atol=1e-3)
    normal = matrix.T @ (trust.flatten()[:, None].numpy() * (matrix @ carried.numpy()))
    assert np.allclose(blend.normal(carried, trust), normal, atol=1e-3)


def test_rows_sum_to_one_and_hold_no_small_weight():
    blend = splats.blend(some(400), CAMERA, SIZE, drop=0.05)
    matrix = dense(blend)
    sums = matrix.sum(1)
    assert np.allclose(sums[blend.coverage.flatten() > 0], 1, atol=1e-3)
    assert matrix[matrix > 0].min() > 0.04
    assert len(blend.matrix.who) < len(splats.blend(some(400), CAMERA, SIZE, drop=0.0).matrix.who)


def test_uplift_is_the_weighted_mean():
    blends = [splats.blend(some(), CAMERA, SIZE), splats.blend(some(), CAMERA.resized(SIZE, (30, 21)), (30, 21))]
    maps = [torch.rand(2, *one.size) for one in blends]
    trust = [torch.rand(one.size) for one in blends]
    lifted = splats.uplift(blends, maps, trust)
    top = sum(dense(b).T @ (m * c).flatten(1).T.numpy() for b, m, c in zip(blends, maps, trust, strict=True))
    below = sum(dense(b).T @ c.flatten().numpy() for b, c in zip(blends, trust, strict=True))
    assert np.allclose(lifted.values[lifted.seen], (top / below.clip(1e-6)[:, None])[lifted.seen], atol=1e-3)
    assert np.allclose(lifted.weight, below, atol=1e-2)


def test_solutions_are_those_of_least_squares():
    one = some(40)
    blends, maps = [splats.blend(one, CAMERA, SIZE)], [torch.rand(3, *SIZE)]
    trust, prior = [torch.rand(SIZE)], values(40, 3)
    found = splats.solve(blends, maps, prior, trust, ridge=0.05, steps=60)
    matrix, scale = dense(blends[0]).astype(np.float64), trust[0].flatten().sqrt().double().numpy()[:, None]
    stacked = np.concatenate([scale * matrix, np.sqrt(0.05) * np.eye(40)])
    goal = np.concatenate([scale * maps[0].flatten(1).T.numpy(), np.sqrt(0.05) * prior.numpy()])
    assert np.allclose(found, np.linalg.lstsq(stacked, goal, rcond=None)[0], atol=2e-3)


def test_views_beyond_the_budget_are_made_anew():
    one, cameras = some(), [CAMERA] * 3
    single = splats.blend(one, CAMERA, SIZE)
    few = splats.Blends(one, cameras, SIZE, budget=int(1.5 * single.nbytes))
    assert [torch.equal(b.coverage, single.coverage) for b in few] == [True] * 3
    assert few[0] is few[0]
    assert few[1] is not few[1]


def test_harmonics_are_orthonormal():
    draw = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(200_000, 3, generator=draw), dim=1)
    basis = splats.harmonics(directions, 3)
    gram = basis.T @ basis * (4 * torch.pi / len(directions))
    assert torch.allclose(gram, torch.eye(16), atol=0.03)


def test_colours_do_not_depend_on_the_camera_at_degree_zero():
    one = some(degree=0)
    assert torch.allclose(splats.seen_colours(one, CAMERA), one.colours.clamp_min(0), atol=1e-6)


def test_an_empty_scene_renders_the_background():
    none = some()[torch.zeros(150, dtype=torch.bool)]
    assert torch.equal(splats.render(none, CAMERA, SIZE, background=0.5), torch.full((3, *SIZE), 0.5))


def test_maps_that_do_not_fit_are_refused():
    blend = splats.blend(some(), CAMERA, SIZE)
    with pytest.raises(ShapeError, match="Gaussians"):
        blend.render(values(3))
    with pytest.raises(ShapeError, match="one map"):
        splats.uplift([blend], [])
    with pytest.raises(ShapeError, match="at least one view"):
        splats.solve([], [], values(150))
