"""Gaussians: shapes, colours and covariances."""

import pytest
import torch
from scipy.spatial.transform import Rotation

from relook.errors import ShapeError
from relook.gaussians import Gaussians


def some(n: int = 5, k: int = 4) -> Gaussians:
    draw = torch.Generator().manual_seed(0)
    quats = torch.nn.functional.normalize(torch.randn(n, 4, generator=draw), dim=1)
    scales = torch.rand(n, 3, generator=draw) + 0.1
    return Gaussians(
        torch.randn(n, 3, generator=draw), quats, scales, torch.rand(n, generator=draw), torch.randn(n, k, 3)
    )


def test_rotations_are_those_of_scipy():
    one = some()
    expected = Rotation.from_quat(one.quats.numpy(), scalar_first=True).as_matrix()
    assert torch.allclose(one.rotations, torch.from_numpy(expected).float(), atol=1e-6)


def test_covariances_have_the_squared_scales_as_eigenvalues():
    one = some()
    assert torch.allclose(torch.linalg.eigvalsh(one.covariances), one.scales.square().sort(1).values, atol=1e-5)


def test_normals_are_the_thinnest_directions():
    one = some()
    thin = (one.normals[:, None] @ one.covariances @ one.normals[:, :, None])[:, 0, 0]
    assert torch.allclose(thin, one.scales.amin(1).square(), atol=1e-5)


def test_colours_come_back():
    colours = torch.rand(5, 3)
    assert torch.allclose(some().coloured(colours).colours, colours, atol=1e-6)


def test_choosing_and_joining():
    one = some()
    both = one[torch.arange(2)].joined(one[torch.arange(2, 5)])
    assert torch.equal(both.means, one.means)
    assert len(one[one.opacities > 2]) == 0
    assert one.degree == 1


@pytest.mark.parametrize("k", [2, 25])
def test_wrong_harmonics_are_refused(k):
    with pytest.raises(ShapeError, match="got"):
        some(k=k)
