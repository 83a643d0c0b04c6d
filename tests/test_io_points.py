"""PLY files: read back by another library, whole or absent, and the same in one piece or in parts."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from relook.errors import GeometryError, InputError
from relook.io import open_points

HEADER = """ply
format binary_little_endian 1.0
comment Relook ...................
element vertex 2
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def write_points(path: Path, points: torch.Tensor, colours: torch.Tensor) -> None:
    with open_points(path) as writer:
        writer.add(points, colours)


def cloud(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=draw), torch.rand(count, 3, generator=draw)


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    points = torch.tensor([[1.0, 2.0, 3.0], [-0.5, 0.0, 1e6]])
    write_points(tmp_path / "a.ply", points, torch.tensor([[0.0, 0.5, 1.0], [2.0, -1.0, 0.2]]))
    rows = b"".join(
        np.array(place, "<f4").tobytes() + bytes(colour)
        for place, colour in zip(points.tolist(), [(0, 128, 255), (255, 0, 51)], strict=True)
    )
    assert (tmp_path / "a.ply").read_bytes() == HEADER.encode() + rows


def test_another_library_reads_the_same_points(tmp_path: Path) -> None:
    plyfile = pytest.importorskip("plyfile")
    points, colours = cloud(1000)
    write_points(tmp_path / "a.ply", points, colours)
    (element,) = plyfile.PlyData.read(tmp_path / "a.ply").elements
    assert element.name == "vertex"
    assert np.array_equal(np.stack([element[axis] for axis in "xyz"], 1), points.numpy())
    read = np.stack([element[name] for name in ("red", "green", "blue")], 1)
    assert read.dtype == np.uint8
    assert np.abs(read / 255 - colours.numpy()).max() <= 0.5 / 255 + 1e-6


def test_parts_give_the_bytes_of_the_whole(tmp_path: Path) -> None:
    points, colours = cloud(1234)
    write_points(tmp_path / "whole.ply", points, colours)
    with open_points(tmp_path / "parts.ply") as writer:
        for part in (slice(0, 9), slice(9, 9), slice(9, 1000), slice(1000, None)):
            writer.add(points[part], colours[part])
        assert writer.count == 1234
        assert not (tmp_path / "parts.ply").exists()
    assert (tmp_path / "parts.ply").read_bytes() == (tmp_path / "whole.ply").read_bytes()


def test_memory_does_not_grow_with_the_parts(tmp_path: Path) -> None:
    points, colours = cloud(10_000)
    with open_points(tmp_path / "a.ply") as writer:
        writer.add(points, colours)
        tracemalloc.start()
        for _ in range(100):
            writer.add(points, colours)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (tmp_path / "a.ply").stat().st_size > 15_000_000
    assert peak < 2_000_000


def test_unknown_points_are_left_out(tmp_path: Path) -> None:
    points, colours = cloud(3)
    points[1, 2], colours[1] = torch.nan, torch.nan
    write_points(tmp_path / "a.ply", points, colours)
    write_points(tmp_path / "b.ply", points[::2], colours[::2])
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()


def test_clouds_that_are_none_leave_no_file(tmp_path: Path, unchecked: None) -> None:
    points, colours = cloud(3)
    with pytest.raises(GeometryError, match="at least one point"):
        write_points(tmp_path / "a.ply", torch.full((3, 3), torch.nan), colours)
    with pytest.raises(GeometryError, match=r"\(3, 3\) and \(2, 3\)"):
        write_points(tmp_path / "a.ply", points, colours[:2])
    with pytest.raises(GeometryError, match="finite colours"):
        write_points(tmp_path / "a.ply", points, colours * torch.nan)
    with pytest.raises(KeyError), open_points(tmp_path / "a.ply") as writer:  # noqa: PT012
        writer.add(points, colours)
        raise KeyError("stopped")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="to write"):
        write_points(tmp_path / "file" / "a.ply", points, colours)
