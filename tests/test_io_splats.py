"""Files of Gaussians: read back by gsply and plyfile, the bounds of what compact formats lose, and one sentence for what cannot be read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import gsply
import numpy as np
import plyfile
import pytest
import torch

from relook.errors import InputError, SceneError
from relook.gaussians import Gaussians
from relook.io import read_gaussians, splats, write_gaussians

NAMES = ("means", "quats", "scales", "opacities", "sh")


def some(n: int = 700, degree: int = 1) -> Gaussians:
    draw = torch.Generator().manual_seed(degree)
    quats = torch.nn.functional.normalize(torch.randn(n, 4, generator=draw), dim=1)
    scales, opacities = torch.rand(n, 3, generator=draw) * 0.1 + 0.01, torch.rand(n, generator=draw) * 0.98 + 0.01
    sh = torch.randn(n, (degree + 1) ** 2, 3, generator=draw).clamp(-1, 1) * 0.5
    return Gaussians(torch.randn(n, 3, generator=draw) * 3, quats, scales, opacities, sh)


def differences(one: Gaussians, other: Gaussians) -> dict[str, float]:
    """The largest of each part, rotations by their matrices and sizes by their ratio."""
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in ("means", "rotations", "opacities", "sh")}
    found = {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}
    return found | {"scales": float((one.scales / other.scales).log().abs().max())}


def in_order(scene: Gaussians, like: Gaussians) -> Gaussians:
    """The Gaussians of `scene` in the order of `like`, by their places."""
    return scene[torch.cdist(like.means, scene.means).argmin(1)]


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_ply_comes_back_whole(tmp_path: Path, degree: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splats.parts, "PART", 100)
    scene = some(degree=degree)
    write_gaussians(tmp_path / "a.ply", scene)
    assert max(differences(read_gaussians(tmp_path / "a.ply"), scene).values()) < 1e-5


def test_gsply_and_plyfile_read_the_same_ply(tmp_path: Path) -> None:
    scene = some(degree=2)
    write_gaussians(tmp_path / "a.ply", scene)
    read = gsply.plyread(tmp_path / "a.ply")
    assert np.allclose(read.means, scene.means)
    assert np.allclose(np.exp(read.scales), scene.scales, rtol=1e-5)
    assert np.allclose(1 / (1 + np.exp(-read.opacities)), scene.opacities, atol=1e-6)
    assert np.allclose(np.concatenate([read.sh0[:, None], read.shN], 1), scene.sh, atol=1e-6)
    vertex = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"]
    assert len(vertex) == len(scene)
    assert np.allclose(np.stack([vertex[f"rot_{i}"] for i in range(4)], 1), scene.quats)
    assert np.allclose(vertex["f_rest_8"], scene.sh[:, 1, 1]), "harmonics lie colour by colour"


def test_what_gsply_and_plyfile_write_is_read(tmp_path: Path) -> None:
    scene = some(degree=3)
    parts = (scene.means, scene.scales.log(), scene.quats * 3, scene.opacities.logit(), scene.sh[:, 0], scene.sh[:, 1:])
    gsply.plywrite(tmp_path / "a.ply", *(part.numpy() for part in parts))
    assert max(differences(read_gaussians(tmp_path / "a.ply"), scene).values()) < 1e-5
    rows = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"].data
    fields = [("red", "u1"), *((name, "<f8") for name in reversed(rows.dtype.names))]
    other = np.zeros(len(rows), fields)
    for name in rows.dtype.names:
        other[name] = rows[name]
    extra = plyfile.PlyElement.describe(np.zeros(3, [("k", "<i2")]), "before")
    plyfile.PlyData([extra, plyfile.PlyElement.describe(other, "vertex")], byte_order="<").write(tmp_path / "b.ply")
    assert max(differences(read_gaussians(tmp_path / "b.ply"), scene).values()) < 1e-5


BOUNDS = {
    "a.compressed.ply": {"means": 0.02, "rotations": 0.01, "opacities": 0.003, "sh": 0.04, "scales": 0.003},
    "a.spz": {"means": 1e-4, "rotations": 0.01, "opacities": 0.003, "sh": 0.014, "scales": 0.04},
    "a.splat": {"means": 1e-6, "rotations": 0.03, "opacities": 0.003, "sh": 0.008, "scales": 1e-5},
}


@pytest.mark.parametrize("name", BOUNDS)
def test_compact_files_lose_little(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splats.parts, "PART", 256)  # so that parts are joined
    scene = some(degree=0 if name == "a.splat" else 3)
    write_gaussians(tmp_path / name, scene)
    lost = differences(in_order(read_gaussians(tmp_path / name), scene), scene)
    assert all(lost[part] < bound for part, bound in BOUNDS[name].items()), lost


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("threads", [1, 3])
def test_torch_keeps_its_threads(tmp_path: Path, name: str, threads: int) -> None:
    """Workers of an engine share the cores: what one reads must not give it all of them."""
    torch.set_num_threads(threads)  # conftest takes it back
    write_gaussians(tmp_path / name, some(10))
    assert torch.get_num_threads() == threads
    read_gaussians(tmp_path / name)
    assert torch.get_num_threads() == threads


def test_neighbours_share_the_bounds_of_a_compressed_ply(tmp_path: Path) -> None:
    """Of Gaussians in no order gsply alone cuts the whole scene into 2048 steps."""
    scene = some(5000, degree=0)
    write_gaussians(tmp_path / "a.compressed.ply", scene)
    arrays = (scene.means, scene.scales.log(), scene.quats, scene.opacities.logit(), scene.sh[:, 0])
    (tmp_path / "b.ply").write_bytes(gsply.compress_to_bytes(*(array.numpy() for array in arrays)))
    lost, alone = (
        float((in_order(read_gaussians(tmp_path / name), scene).means - scene.means).abs().mean())
        for name in ("a.compressed.ply", "b.ply")
    )
    assert lost < 0.6 * alone


def test_joined_spz_is_what_gsply_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = some(degree=1)
    write_gaussians(tmp_path / "a.spz", scene)
    monkeypatch.setattr(splats.parts, "PART", 100)
    write_gaussians(tmp_path / "b.spz", scene)
    one, other = (gsply.read_spz(tmp_path / name) for name in ("a.spz", "b.spz"))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("means", "quats", "sh0", "shN"))


def spoilt(tmp_path: Path, change) -> Path:
    """A PLY file of ten Gaussians whose bytes `change` made others of."""
    path = tmp_path / "a.ply"
    write_gaussians(path, some(10, 0))
    path.write_bytes(change(path.read_bytes()))
    return path


NAN = np.float32("nan").tobytes()
SPOILT = {
    "truncated": lambda content: content[:-4],
    "got binary_big_endian": lambda content: content.replace(b"little", b"big"),
    "got ascii": lambda content: content.replace(b"binary_little_endian", b"ascii"),
    "no opacity": lambda content: content.replace(b"opacity", b"density"),
    "got none": lambda content: content.replace(b"vertex 10", b"vertex 0"),
    "finite colours.*got NaN": lambda content: content[:-44] + NAN + content[-40:],
    "finite rotations": lambda content: content[:-16] + bytes(16),
    "something else": lambda content: content[3:],
    "'property list": lambda content: content.replace(b"property float x", b"property list uchar int x"),
    "f_rest_0 and on.*got 1": lambda content: content.replace(
        b"property float x", b"property float f_rest_3\nproperty float x"
    ),
}


@pytest.mark.parametrize("said", SPOILT)
def test_broken_files_are_refused_in_one_sentence(tmp_path: Path, said: str) -> None:
    path = spoilt(tmp_path, lambda content: SPOILT[said](content) + bytes(40 * said.startswith("f_rest")))
    with pytest.raises(SceneError, match=f"^Expected.*{said}.*;.*\\.$") as caught:
        read_gaussians(path)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["a.spz", "a.splat", "a.compressed.ply", "a.ply"])
def test_truncated_empty_and_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SceneError, match="got none"):
        read_gaussians(tmp_path / name)
    write_gaussians(tmp_path / name, some(300, 0))
    content = (tmp_path / name).read_bytes()
    for cut in (len(content) - 3, 0):
        (tmp_path / name).write_bytes(content[:cut])
        with pytest.raises(SceneError, match=r"^Expected .*; .*\.$"):
            read_gaussians(tmp_path / name)


def test_a_cloud_of_points_is_no_scene(tmp_path: Path) -> None:
    from relook.io import open_points

    with open_points(tmp_path / "a.ply") as writer:
        writer.add(torch.rand(5, 3), torch.rand(5, 3))
    with pytest.raises(SceneError, match="cloud of points"):
        read_gaussians(tmp_path / "a.ply")


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    scene = some(20, 0)
    scene.means[3, 1] = torch.inf
    for name in ("a.ply", "a.spz", "a.splat", "a.compressed.ply"):
        with pytest.raises(SceneError, match="got"):
            write_gaussians(tmp_path / name, scene)
    for bad, name in ((some(20, 0)[torch.zeros(20, dtype=torch.bool)], "a.ply"), (some(20, 0), "a.obj")):
        with pytest.raises(SceneError, match="got"):
            write_gaussians(tmp_path / name, bad)
    with pytest.raises(InputError):
        write_gaussians("/dev/null/a.ply", some(20, 0))
    assert not list(tmp_path.iterdir())


MEMORY = """
import resource, sys
from relook.io import read_gaussians, write_gaussians
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
scene = read_gaussians(sys.argv[1])
read = peak()
write_gaussians(sys.argv[1], scene)
sys.stdout.write(f"{read - before} {peak() - read}")
"""


def test_reading_and_writing_take_no_second_copy_of_the_scene(tmp_path: Path) -> None:
    write_gaussians(tmp_path / "a.ply", some(200_000, 3))
    size = (tmp_path / "a.ply").stat().st_size
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path / "a.ply"], capture_output=True, text=True, timeout=120
    )
    assert re.fullmatch(r"\d+ \d+", run.stdout), run.stderr
    read, written = map(int, run.stdout.split())
    assert read < 1.5 * size
    assert written < 0.5 * size
