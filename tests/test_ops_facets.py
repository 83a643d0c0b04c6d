"""Measured depth as small planes: noise and pin holes go, edges and wide holes stay."""

import numpy as np
import torch

from relook.ops.facets import ALIKE, APART, CLOSE, LEAST, MIDDLE, REACH, facets
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


def nearest_plane(readings: np.ndarray, middle: float) -> tuple[float, float, int]:
    """Slow and readable: rows of (dx, dy, inverse depth) around a pixel -> the plane's inverse depth there, how far the middle of what it is
    fitted to lies, squared, and how many that is."""
    places, values = readings[:, :2], readings[:, 2]
    used = np.abs(np.log(values / middle)) < ALIKE
    for _ in range(2):
        if not used.any():
            return 0.0, 0.0, 0
        weights = np.exp(-(places[used] ** 2).sum(1) / (2 * (0.6 * REACH) ** 2))
        centre, mean = (np.average(part[used], axis=0, weights=weights) for part in (places, values))
        spread = np.cov(places[used].T, aweights=weights, ddof=0).reshape(2, 2) + 0.05 * np.eye(2)
        along = np.average((places[used] - centre) * (values[used] - mean)[:, None], axis=0, weights=weights)
        slope = np.linalg.solve(spread, along)
        value, count = mean - slope @ centre, int(used.sum())
        used = np.abs(values - value - places @ slope) < CLOSE * abs(value)
    return value, float(centre @ centre), count


def reference(depth: np.ndarray) -> np.ndarray:
    """The depth that `facets` finds, pixel by pixel."""
    inverse, found = 1 / depth, np.full(depth.shape, np.nan)
    for i, j in np.ndindex(*depth.shape):
        rows, columns = (
            np.arange(max(0, at - REACH), min(n, at + REACH + 1)) for at, n in zip((i, j), depth.shape, strict=True)
        )
        down, across = np.meshgrid(rows, columns, indexing="ij")
        readings = np.stack([across - j, down - i, inverse[rows][:, columns]], -1).reshape(-1, 3)
        readings = readings[np.isfinite(readings[:, 2])]
        around = [readings[np.abs(readings[:, :2]).max(1) <= reach, 2] for reach in (0, 1)]
        middle = next((np.quantile(some, 0.5, method="lower") for some in around if len(some)), None)
        if middle is None:
            continue
        value, off, count = nearest_plane(readings, middle)
        read = np.isfinite(inverse[i, j])
        if (
            count >= LEAST
            and value > 0
            and (read or off < (MIDDLE * REACH) ** 2)
            and not (read and abs(inverse[i, j] - value) > APART * value)
        ):
            found[i, j] = 1 / value
    return found


def test_planes_are_those_of_weighted_least_squares_pixel_by_pixel():
    depth = slope()
    depth[10:30, 25:40] -= 0.6
    read = sensed(depth, 0.008, 0.15)
    isolated = torch.nn.functional.max_pool2d(torch.isfinite(read)[None].float(), 3, 1, 1)[0] == 0
    assert not isolated.any()  # holes next to a reading: the reference looks no farther
    expected = torch.from_numpy(reference(read.double().numpy()))
    found = facets(read, K).depth.double()
    same = torch.isfinite(found) == torch.isfinite(expected)
    assert float(same.float().mean()) > 0.998
    assert 0.5 < float(torch.isfinite(expected).float().mean()) < 0.99
    off = (found / expected - 1).abs()[torch.isfinite(found) & torch.isfinite(expected)]
    assert float(off.quantile(0.99)) < 1e-5
