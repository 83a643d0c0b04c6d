"""Measured depth as small planes: noise and pin holes go, edges and wide holes stay."""

import torch

from relook.ops.facets import facets
from relook.ops.geometry import pixel_centres

SIZE = (40, 60)
K = torch.tensor([[50.0, 0, 30], [0, 50, 20], [0, 0, 1]])
NORMAL = torch.nn.functional.normalize(torch.tensor([0.4, -0.5, -1.0]), dim=0)


def slope(distance: float = 2.0) -> torch.Tensor:
    """Depth of the plane n . p = -distance."""
    rays = torch.cat([pixel_centres(SIZE), torch.ones(*SIZE, 1)], -1) @ torch.linalg.inv(K).T
    return -distance / (rays @ NORMAL)


def sensed(depth: torch.Tensor, noise: float, missing: float) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    noisy = depth * (1 + noise * torch.randn(SIZE, generator=draw))
    return torch.where(torch.rand(SIZE, generator=draw) < missing, torch.nan, noisy)


def test_a_slope_keeps_its_direction_and_loses_its_noise_and_pin_holes():
    read = sensed(slope(), 0.005, 0.3)
    found = facets(read, K)
    assert float(torch.isfinite(found.depth).float().mean()) > 0.95
    wrong = (found.depth / slope() - 1).abs().nanmedian()
    assert wrong < 0.5 * (read / slope() - 1).abs().nanmedian()
    turned = (found.normals * NORMAL[:, None, None]).sum(0)
    assert float(turned.nanmedian()) > 0.99


def test_nothing_lies_between_two_surfaces():
    depth = torch.full(SIZE, 2.0)
    depth[:, 30:] = 3.0
    found = facets(sensed(depth, 0.002, 0.1), K).depth
    known = found[torch.isfinite(found)]
    assert bool(((known - 2).abs().lt(0.05) | (known - 3).abs().lt(0.05)).all())
    assert float(torch.isfinite(found[:, 28:32]).float().mean()) > 0.8


def test_a_wide_hole_stays_one():
    read = slope()
    read[12:28, 20:40] = torch.nan
    found = facets(read, K)
    assert not torch.isfinite(found.depth[14:26, 22:38]).any()
    assert torch.isfinite(found.depth[:10]).all()
    assert bool((torch.isfinite(found.normals).all(0) == torch.isfinite(found.depth)).all())


def test_a_reading_that_its_own_plane_contradicts_goes():
    read = torch.full(SIZE, 2.0)
    read[20, 30] = 2.1
    found = facets(read, K).depth
    assert not torch.isfinite(found[20, 30])
    assert torch.isfinite(found).sum() == found.numel() - 1
