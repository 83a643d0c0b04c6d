"""The dollhouse: exact truth agrees with itself, and the fast ray caster with a slow one."""

from __future__ import annotations

import pytest
import torch

from relook.dollhouse import (
    CLASSES,
    Material,
    Style,
    exact_flow,
    render,
    sample_layout,
    sample_style,
    seen,
    shade,
    trace,
    walk,
)
from relook.dollhouse.furniture import BOX, CYLINDER, ELLIPSOID
from relook.dollhouse.patterns import PATTERNS
from relook.errors import InputError, ShapeError

SIZE = (72, 100)


@pytest.fixture(scope="module")
def pair():
    layout, style = sample_layout(3, "living"), sample_style(4)
    poses = walk(layout, 5)
    return layout, [render(layout, style, SIZE, pose) for pose in (poses[0], poses[-1])]


def test_the_world_is_rich():
    rooms = [sample_layout(seed) for seed in range(60)]
    assert len(CLASSES) >= 18
    assert {room.room for room in rooms} == {"living", "bedroom", "kitchen"}
    assert set().union(*(room.names for room in rooms)) == set(CLASSES)
    assert len(PATTERNS) >= 8
    styles = [sample_style(seed) for seed in range(300)]
    for name in ("wall", "floor", "sofa", "table", "rug", "curtain", "cabinet", "cushion"):
        assert len({style.materials[name].pattern for style in styles}) >= 8, name


def test_same_seed_same_bytes():
    first, second = (render(sample_layout(7), sample_style(8), SIZE) for _ in range(2))
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.depth, second.depth)
    assert not torch.equal(first.image, render(sample_layout(7), sample_style(9), SIZE).image)


def test_the_exact_answer_keeps_the_layout():
    layout = sample_layout(5)
    one, other = (render(layout, sample_style(seed), SIZE) for seed in (1, 2))
    for name in ("depth", "normals", "points", "classes", "instances"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert (one.image - other.image).abs().mean() > 0.02


def test_depth_and_points_agree(pair):
    view = pair[1][0]
    turned = view.points @ view.camera.world_to_camera[:3, :3].T + view.camera.world_to_camera[:3, 3]
    torch.testing.assert_close(turned[..., 2], view.depth, atol=1e-4, rtol=1e-4)
    pixels = (turned @ view.camera.K.T)[..., :2] / turned[..., 2:]
    ys, xs = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    torch.testing.assert_close(pixels, torch.stack([xs, ys], -1), atol=2e-2, rtol=0)
    rotation = view.camera.world_to_camera[:3, :3]
    torch.testing.assert_close(torch.linalg.det(rotation), torch.tensor(1.0))


def test_normals_agree_with_points(pair):
    """On flat surfaces, neighbours' points lie in the plane that the normal says."""
    view = pair[1][0]
    across = view.points[:, 1:] - view.points[:, :-1]
    flat = (view.normals[:, 1:] - view.normals[:, :-1]).norm(dim=-1) < 1e-4
    flat &= (view.classes[:, 1:] == view.classes[:, :-1]) & (across.norm(dim=-1) < 0.15)
    lean = (across * view.normals[:, 1:]).sum(-1).abs() / across.norm(dim=-1)
    assert flat.float().mean() > 0.5
    assert (lean[flat] < 1e-2).float().mean() > 0.97
    assert ((view.normals.norm(dim=-1) - 1).abs() < 1e-4).all()


def test_points_project_where_the_flow_says(pair):
    """World points of view 2, seen from view 1, are where view 1's flow comes from: there and back within 0.1 pixel."""
    first, second = pair[1]
    flow, visible = exact_flow(first, second)
    back, seen_back = exact_flow(second, first)
    ys, xs = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    landing = torch.stack([xs, ys]) + flow
    grid = torch.stack([landing[0] / SIZE[1], landing[1] / SIZE[0]], -1) * 2 - 1
    sampled = torch.nn.functional.grid_sample(back[None], grid[None], align_corners=False, padding_mode="border")[0]
    smooth = torch.nn.functional.grid_sample(
        second.normals.permute(2, 0, 1)[None], grid[None], align_corners=False, padding_mode="border"
    )[0].norm(dim=0)
    away = (flow + sampled).norm(dim=0)
    inner = visible & (smooth > 0.9999) & (first.classes == first.classes.roll(1, 1))
    assert visible.float().mean() > 0.4
    assert seen_back.any()
    assert not visible.all()
    assert (away[inner] < 0.1).float().mean() > 0.95
    assert away[inner].median() < 0.02


def test_rays_meet_what_a_slow_search_meets():
    """Every solid against every ray, one by one, without tiles or unit frames."""
    layout = sample_layout(11, "bedroom")
    geometry = trace([layout], (24, 40), smooth=False)
    camera = layout.pose.camera((24, 40))
    eye = torch.tensor(layout.pose.eye)
    checked = 0
    for y in range(1, 24, 5):
        for x in range(1, 40, 5):
            ray = torch.linalg.solve(camera.K @ camera.world_to_camera[:3, :3], torch.tensor([x + 0.5, y + 0.5, 1.0]))
            nearest = min(_march(layout, i, eye, ray) for i in range(len(layout.yaws)))
            found = float(geometry.depth[0, y, x])
            assert found <= nearest + 1e-3
            if geometry.classes[0, y, x] > 2:
                assert found == pytest.approx(nearest, abs=2e-3)
                checked += 1
    assert checked > 3


def _march(layout, index: int, eye, ray) -> float:
    """Where a ray enters a solid, by fine sampling and bisection of the inside test."""

    def inside(t):
        p = eye + t[:, None] * ray - layout.centres[index]
        c, s = torch.cos(layout.yaws[index]), torch.sin(layout.yaws[index])
        q = torch.stack([c * p[:, 0] + s * p[:, 2], p[:, 1], c * p[:, 2] - s * p[:, 0]], -1) / layout.halves[index]
        kind = int(layout.kinds[index])
        flat, tube, ball = q.abs().amax(-1), torch.hypot(q[:, 0], q[:, 2]), q.norm(dim=-1)
        return {BOX: flat, CYLINDER: torch.maximum(tube, q[:, 1].abs()), ELLIPSOID: ball}[kind] <= 1

    ts = torch.arange(0.05, 9, 0.004)
    hits = torch.nonzero(inside(ts)).flatten()
    if not len(hits):
        return float("inf")
    low, high = ts[hits[0]] - 0.004, ts[hits[0]]
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if inside(middle[None])[0] else (middle, high)
    return float(high)


def test_edges_are_smooth_and_flat_parts_untouched():
    layout, style = sample_layout(3), sample_style(3)
    plain = {name: Material("plain", (0.2, 0.4, 0.6), (0.2, 0.4, 0.6)) for name in style.materials}
    bright = plain | {"wall": Material("plain", (0.9, 0.9, 0.9), (0.9, 0.9, 0.9))}
    coarse, fine = (shade(trace([layout], SIZE, smooth=s), [Style(bright, style.light)])[0] for s in (False, True))
    changed = (coarse - fine).abs().amax(0) > 0.05
    assert 0.002 < changed.float().mean() < 0.25


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 33), (64, 48)])
def test_any_size(size):
    picture = render(sample_layout(2), sample_style(2), size)
    assert picture.image.shape == (3, *size)
    assert torch.isfinite(picture.image).all()
    assert (picture.depth > 0).all()


def test_batches_equal_single_rooms():
    layouts, styles = [sample_layout(i) for i in (1, 2, 3)], [sample_style(i) for i in (1, 2, 3)]
    together = shade(trace(layouts, (40, 40)), styles)
    alone = torch.stack([render(a, b, (40, 40)).image for a, b in zip(layouts, styles, strict=True)])
    assert (together - alone).abs().mean() < 1e-3


def test_the_view_names_what_is_seen():
    picture = render(sample_layout(6), sample_style(6), SIZE)
    view = picture.view()
    assert view.segments is not None
    assert set(view.segments.names) == seen(picture)
    assert view.depth is not None
    assert view.depth.kind == "metric"
    for name in view.segments.names:
        assert torch.equal(view.segments.mask(name), picture.classes == CLASSES.index(name))


def test_bad_requests_say_what_is_wrong():
    with pytest.raises(InputError, match="Expected a room among"):
        sample_layout(0, "cellar")
    with pytest.raises(InputError, match="at least 1 x 1"):
        trace([sample_layout(0)], (0, 5))
    with pytest.raises(InputError, match="at least 1 frame"):
        walk(sample_layout(0), 0)
    with pytest.raises(ShapeError, match="one style for each"):
        shade(trace([sample_layout(0)], (8, 8)), [])
