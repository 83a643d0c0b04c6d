"""Other projects' geometry: fake packages that answer in the documented formats with the dollhouse's exact truth.

The real packages are not installed where these tests run, so what is tested is the conversion: conventions, frames, scales, sizes.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from relook.errors import GeometryError, MissingModelError
from relook.ops.align import Similarity
from relook.ops.geometry import unproject
from relook.perceive.geometry import adapters, geometry
from relook.session import Session
from relook.types import Camera, View
from walks import relative_errors, views_of_a_walk

NETWORK_SIZE = (84, 112)
MOVED = Similarity(
    0.4, torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))[0], torch.ones(3)
)
OTHER_WORLD = replace(MOVED, rotation=MOVED.rotation * torch.sign(torch.linalg.det(MOVED.rotation)))


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    """A module that import finds."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(content)
    monkeypatch.setitem(sys.modules, name, module)


def loader(model: Any) -> Any:
    """A class with from_pretrained that gives the model."""
    return SimpleNamespace(from_pretrained=lambda folder: SimpleNamespace(eval=lambda: model))


def truth_for_networks(count: int) -> tuple[list[torch.Tensor], list[Camera]]:
    """Points and cameras of the rooms at the networks' size, in another world at another scale."""
    small = views_of_a_walk(NETWORK_SIZE)[:count]
    return [OTHER_WORLD.points(room.points) for room in small], [OTHER_WORLD.camera(room.camera) for room in small]


def install_mapanything(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """`infer`: pts3d (1, h, w, 3), camera_poses camera-to-world (1, 4, 4), conf (1, h, w) from 1 up, mask (1, h, w, 1)."""
    points, cameras = truth_for_networks(count)

    def infer(views: list[dict[str, Any]], **_: Any) -> list[dict[str, torch.Tensor]]:
        for view, room in zip(views, views_of_a_walk()[:count], strict=True):
            assert view["img"].shape == (1, 3, *NETWORK_SIZE)
            assert view["data_norm_type"] == ["dinov2"]
            red = (room.image[0].mean() - 0.485) / 0.229
            assert float(view["img"][0, 0].mean()) == pytest.approx(float(red), abs=0.02)
        mask = torch.ones(1, *NETWORK_SIZE, 1, dtype=torch.bool)
        mask[:, :8] = False
        return [
            {"pts3d": cloud[None], "camera_poses": torch.linalg.inv(camera.world_to_camera)[None], "mask": mask,
             "conf": torch.full((1, *NETWORK_SIZE), 4.0)}
            for cloud, camera in zip(points, cameras, strict=True)
        ]  # fmt: skip

    fake(monkeypatch, "mapanything")
    fake(monkeypatch, "mapanything.models", MapAnything=loader(SimpleNamespace(infer=infer)))


def install_vggt(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """depth (1, S, h, w, 1), depth_conf, and pose_enc that decodes to world-to-camera (1, S, 3, 4) and K of whole-number centres."""
    _, cameras = truth_for_networks(count)
    depth = torch.stack([OTHER_WORLD.scale * room.depth for room in views_of_a_walk(NETWORK_SIZE)[:count]])

    def model(images: torch.Tensor) -> dict[str, torch.Tensor]:
        assert images.shape == (count, 3, *NETWORK_SIZE)
        assert 0 <= float(images.min()) <= float(images.max()) <= 1
        return {
            "pose_enc": torch.zeros(1, count, 9),
            "depth": depth[None, ..., None],
            "depth_conf": torch.full_like(depth, 4.0)[None],
        }

    def decode(encoded: torch.Tensor, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        assert encoded.shape == (1, count, 9)
        assert tuple(size) == NETWORK_SIZE
        K = torch.stack([camera.K.clone() for camera in cameras])
        K[:, :2, 2] -= 0.5
        return torch.stack([camera.world_to_camera[:3] for camera in cameras])[None], K[None]

    fake(monkeypatch, "vggt")
    fake(monkeypatch, "vggt.models.vggt", VGGT=loader(model))
    fake(monkeypatch, "vggt.utils.pose_enc", pose_encoding_to_extri_intri=decode)


def install_dust3r(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A scene with get_im_poses (camera-to-world), get_pts3d and im_conf after pairs, inference and alignment."""
    points, cameras = truth_for_networks(count)
    aligned: list[str] = []

    def make_pairs(views: list[dict[str, Any]], **options: Any) -> list[Any]:
        assert options == {"scene_graph": "complete", "prefilter": None, "symmetrize": True}
        for number, view in enumerate(views):
            assert view["idx"] == number
            assert view["true_shape"].tolist() == [list(NETWORK_SIZE)]
            assert -1 <= float(view["img"].min()) < 0
        return [(a, b) for a in views for b in views if a is not b]

    def align(output: str, device: str, mode: str, verbose: bool) -> Any:
        assert torch.is_grad_enabled()
        assert mode == ("pairs" if count == 2 else "cloud")
        return SimpleNamespace(
            compute_global_alignment=lambda **options: aligned.append(options["init"]),
            get_im_poses=lambda: torch.stack([torch.linalg.inv(c.world_to_camera) for c in cameras]).requires_grad_(),
            get_pts3d=lambda: aligned.append("read") or [cloud.clone().requires_grad_() for cloud in points],
            im_conf=[torch.full(NETWORK_SIZE, 4.0) for _ in points],
        )

    modes = SimpleNamespace(PairViewer="pairs", PointCloudOptimizer="cloud")
    fake(monkeypatch, "dust3r")
    fake(monkeypatch, "mast3r")
    fake(monkeypatch, "dust3r.model", AsymmetricCroCo3DStereo=loader("network"))
    fake(monkeypatch, "mast3r.model", AsymmetricMASt3R=loader("network"))
    fake(monkeypatch, "mast3r.utils.path_to_dust3r")
    fake(monkeypatch, "dust3r.image_pairs", make_pairs=make_pairs)
    fake(
        monkeypatch,
        "dust3r.inference",
        inference=lambda pairs, model, device, batch_size, verbose: f"{len(pairs)} pairs",
    )
    fake(monkeypatch, "dust3r.cloud_opt", global_aligner=align, GlobalAlignerMode=modes)


INSTALL = {"mapanything": install_mapanything, "vggt": install_vggt, "dust3r": install_dust3r, "mast3r": install_dust3r}


@pytest.mark.parametrize(
    ("name", "count"), [("mapanything", 3), ("vggt", 3), ("dust3r", 3), ("dust3r", 2), ("mast3r", 3)]
)
def test_other_projects_answers_become_points(monkeypatch: pytest.MonkeyPatch, name: str, count: int) -> None:
    INSTALL[name](monkeypatch, count)
    monkeypatch.setattr(adapters, "find", lambda id, what: Path(id))
    small = replace(adapters.ADAPTERS[name], side=112, multiple=14)
    monkeypatch.setitem(adapters.ADAPTERS, name, small)
    truth = views_of_a_walk()[:count]
    found = geometry(name, Session("cpu"))([View(room.image) for room in truth])
    assert (found.source, found.kind) == (name, "metric" if name == "mapanything" else "relative")
    back = Similarity(1 / OTHER_WORLD.scale, torch.eye(3), torch.zeros(3))
    unscaled = replace(
        found, points=tuple(map(back.points, found.points)), cameras=tuple(map(back.camera, found.cameras))
    )
    turns, shifts, points = relative_errors(unscaled, truth)
    assert max(turns) < 0.05
    assert max(shifts) < 0.005
    assert max(points) < 0.02
    for camera, confidence, room in zip(found.cameras, found.confidence, truth, strict=True):
        assert torch.allclose(camera.K, room.camera.K, atol=0.05)
        assert float(confidence.max()) == pytest.approx(0.75)
    if name == "mapanything":
        assert torch.isnan(found.points[0][:9]).all()
        assert (found.confidence[0][:9] == 0).all()
        assert torch.isfinite(found.points[0][11:]).all()


@pytest.mark.parametrize(
    ("name", "says"),
    [("mapanything", "Apache-2.0"), ("vggt", "non-commercial"), ("dust3r", "BY-NC-SA"), ("mast3r", "BY-NC-SA")],
)
def test_missing_projects_say_what_to_install(name: str, says: str) -> None:
    with pytest.raises(MissingModelError, match=f"{says}.*install it with"):
        geometry(name, Session("cpu"))([views_of_a_walk()[0].view()])


def test_intrinsics_are_read_off_the_points() -> None:
    camera = Camera(torch.tensor([[90.0, 0, 61], [0, 80, 50], [0, 0, 1]]), torch.eye(4))
    local = unproject(1 + torch.rand(100, 120, generator=torch.Generator().manual_seed(0)), camera)
    local[:5] = math.nan
    assert torch.allclose(adapters.fitted_intrinsics(local), camera.K, atol=1e-3)
    with pytest.raises(GeometryError, match="before the camera"):
        adapters.fitted_intrinsics(torch.full((4, 4, 3), math.nan))
