"""COLMAP on walks through dollhouse rooms, whose cameras are known exactly."""

from __future__ import annotations

import math
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from relook.dollhouse import Rendering, render, sample_layout, sample_style, walk
from relook.errors import GeometryError, MissingModelError
from relook.ops.align import align_cameras, centre, rotation_angle
from relook.ops.geometry import project
from relook.perceive.geometry import colmap, from_colmap
from relook.types import Depth, View

pycolmap = pytest.importorskip("pycolmap")
SEED = (1 << 40) + 9


@cache
def rooms() -> tuple[Rendering, ...]:
    layout, style = sample_layout(SEED), sample_style(SEED)
    return tuple(render(layout, style, (240, 320), pose) for pose in walk(layout, 4, stride=0.6))


def seen_by_known_lenses() -> list[View]:
    return [View(room.image, camera=room.camera) for room in rooms()]


@cache
def found() -> dict[int, colmap.Sparse]:
    return dict(colmap.reconstruct(seen_by_known_lenses()))


def test_cameras_and_points_are_found(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = pycolmap.logging.minloglevel
    seen = found()
    assert sorted(seen) == [0, 1, 2, 3]
    assert capfd.readouterr() == ("", "")
    assert pycolmap.logging.minloglevel == before
    assert not list(tmp_path.iterdir())
    truth = [room.camera for room in rooms()]
    change = align_cameras([seen[i].camera for i in range(4)], truth)
    for number, room in enumerate(rooms()):
        sparse = seen[number]
        camera = change.camera(sparse.camera)
        turned = camera.world_to_camera[:3, :3] @ room.camera.world_to_camera[:3, :3].T
        assert rotation_angle(turned) < 0.5
        assert float((centre(camera) - centre(room.camera)).norm()) < 0.03
        pixels, _ = project(sparse.points, sparse.camera)
        assert float((pixels - sparse.pixels).norm(dim=-1).median()) < 0.5
        x, y = sparse.pixels.long().unbind(-1)
        errors = (change.points(sparse.points) - room.points[y, x]).norm(dim=-1) / room.depth[y, x]
        assert float(errors.median()) < 0.05


def test_of_a_long_walk_only_pictures_that_are_near_in_it_are_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colmap, "PAIRED", 3)
    monkeypatch.setattr(pycolmap, "match_exhaustive", lambda *_, **__: pytest.fail("all pairs"))
    assert sorted(colmap.reconstruct(seen_by_known_lenses(), in_order=True)) == [0, 1, 2, 3]


def test_no_more_starts_are_tried_once_two_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    made, starts = [], []
    monkeypatch.setattr(colmap, "_map", lambda *wanted: starts.append(wanted) or [made[len(starts) - 1]])

    class Model:
        def __init__(self, degrees: float, count: int = 2) -> None:
            self.count, self.images = count, {1: self.image(0.0), 2: self.image(degrees)}

        def image(self, degrees: float) -> SimpleNamespace:
            pose = SimpleNamespace(rotation=pycolmap.Rotation3d([0, math.radians(degrees), 0]))
            return SimpleNamespace(name="0.png", has_pose=False, cam_from_world=lambda: pose)

        def num_reg_images(self) -> int:
            return self.count

        def compute_mean_reprojection_error(self) -> float:
            return 1.0

    for models, tried in (
        ([Model(10), Model(10.2)], 2),
        ([Model(10), Model(14), Model(14.2)], 3),
        ([Model(10, 1), Model(10, 1), Model(10), Model(11), Model(12)], 3),
    ):
        made[:], starts[:] = models, []
        colmap.reconstruct(seen_by_known_lenses()[:2])
        assert len(starts) == tried


def test_the_same_pictures_give_the_same_cameras() -> None:
    again = colmap.reconstruct(seen_by_known_lenses())
    for number, sparse in found().items():
        assert torch.equal(again[number].camera.world_to_camera, sparse.camera.world_to_camera)
        assert torch.equal(again[number].points, sparse.points)


def test_dense_points_follow_the_sparse_ones_and_lost_views_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    views = seen_by_known_lenses()
    depth = {id(view): Depth(2 * room.depth, "metric") for view, room in zip(views, rooms(), strict=True)}
    monkeypatch.setattr(colmap, "reconstruct", lambda views: found())
    dense = from_colmap(views, lambda view: depth[id(view)])
    assert (dense.source, dense.kind) == ("colmap", "metric")
    change = align_cameras(list(dense.cameras), [room.camera for room in rooms()])
    assert change.scale == pytest.approx(0.5, rel=0.06)
    for cloud, confidence, room in zip(dense.points, dense.confidence, rooms(), strict=True):
        errors = (change.points(cloud) - room.points).norm(dim=-1) / room.depth
        assert float(errors.median()) < 0.06
        assert 0 <= float(confidence.min()) <= float(confidence.max()) <= 1
    monkeypatch.setattr(colmap, "reconstruct", lambda views: {0: found()[0], 3: found()[3]})
    with pytest.raises(GeometryError, match="without 1, 2"):
        from_colmap(views, lambda view: depth[id(view)])


def test_pictures_of_nothing_and_too_few() -> None:
    with pytest.raises(GeometryError, match="at least two pictures"):
        colmap.reconstruct([View(torch.rand(3, 64, 64))])
    flat = [View(torch.full((3, 64, 64), grey)) for grey in (0.2, 0.8)]
    with pytest.raises(GeometryError, match="smaller steps"):
        colmap.reconstruct(flat)


def test_without_pycolmap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(MissingModelError, match="pip install"):
        colmap.reconstruct([View(torch.rand(3, 64, 64))] * 2)
