"""The public SceneTransfer layout, on a small folder made of dollhouse rooms."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import DepthError, InputError, PictureError, SegmentsError
from relook.evaluate.sources.pair import Source
from relook.evaluate.sources.scene_transfer import SceneTransfer, read_disparity, read_regions
from relook.io import write_depth, write_image
from relook.session import Session
from relook.types import Depth, View

SIZE = (36, 64)

HERE = Session("cpu")


def write_regions(path: Path, view: View, **more: Any) -> None:
    """What the authors' script saves: (map of ids, list of what they are) under `pred_tgt`."""
    assert view.segments is not None
    entries = [{"id": id, "label": region.name, "isthing": True} for id, region in view.segments.regions.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"pred_tgt": (view.segments.labels.to(torch.int32), entries)} | more, path)


def write_depth_picture(path: Path, view: View) -> None:
    """Inverse depth in 8 bits, near is bright."""
    assert view.depth is not None
    write_image(path, view.depth.disparity().expand(3, -1, -1))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bedrooms of three frames and a living room; two looks for bedrooms, one for living rooms."""
    folder = tmp_path_factory.mktemp("published")
    for seed, (kind, room, name) in enumerate(
        (("bed", "bedroom", "0"), ("bed", "bedroom", "1"), ("living", "living_room", "10"))
    ):
        scene = folder / "interiors" / room / name
        layout = sample_layout(seed, "bedroom" if kind == "bed" else "living")
        for number, pose in enumerate(walk(layout, 3)):
            view = render(layout, sample_style(seed), SIZE, pose).view()
            frame = f"frame_{9 + number}"  # 9, 10, 11: text order is not the order of the walk
            write_image(scene / "images" / f"{frame}.jpg", view.image)
            write_depth_picture(scene / "depth" / f"{frame}.jpg", view)
            write_regions(scene / "seg_dict" / f"{frame}.pth", view, pred_src=(torch.zeros(2, 2), []))
    for seed, (room, name) in enumerate(
        (("bedroom", "pexels-a-1"), ("bedroom", "pexels-b-2"), ("living_room", "pexels-c-3"))
    ):
        style = folder / "design_styles" / room / name
        view = render(
            sample_layout(seed + 7, "bedroom" if room == "bedroom" else "living"), sample_style(seed + 7), (48, 40)
        ).view()
        write_image(style / "image.jpg", view.image)
        write_image(style / "seg.png", view.image)
        write_regions(style / "seg_dict.pth", view)
    return folder


@pytest.fixture
def public(original: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(original, tmp_path / "published"))


def opened(path: Path, **options: Any) -> SceneTransfer:
    """Without estimating the depth of style pictures: it takes a network."""
    return SceneTransfer(path, depth="none", **options)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def test_every_scene_with_every_style_of_its_kind(original: Path) -> None:
    before = files(original)
    source: Source = opened(original)
    assert list(source.names) == [
        "bedroom-0--pexels-a-1", "bedroom-0--pexels-b-2", "bedroom-1--pexels-a-1", "bedroom-1--pexels-b-2",
        "living_room-10--pexels-c-3",
    ]  # fmt: skip
    assert not source.answered
    pair = source.pair("living_room-10--pexels-c-3", HERE)
    layout = sample_layout(2, "living")
    exact = render(layout, sample_style(2), SIZE, walk(layout, 3)[0]).view()
    assert pair.prompt == "a photo of a living room"
    assert (pair.structure.image - exact.image).abs().mean() < 0.03
    assert exact.segments is not None
    assert pair.structure.segments is not None
    assert pair.structure.segments.names == exact.segments.names
    for name in exact.segments.names:
        assert torch.equal(pair.structure.segments.mask(name), exact.segments.mask(name))
    assert pair.style.size == (48, 40)
    assert pair.exact is pair.scored is None
    assert pair.correspondence() is not None
    assert files(original) == before


def test_depth_is_inverse_depth(original: Path) -> None:
    depth = opened(original).pair("bedroom-0--pexels-a-1", HERE).structure.depth
    layout = sample_layout(0, "bedroom")
    true = render(layout, sample_style(0), SIZE, walk(layout, 3)[0]).depth
    assert depth is not None
    assert depth.kind == "relative"
    assert float(np.corrcoef((1 / depth.values).flatten(), (1 / true).flatten())[0, 1]) > 0.98
    assert float(depth.values.min()) > 0


def test_more_frames_of_a_scene(original: Path) -> None:
    source = opened(original, every=2)
    assert len(source.names) == 10
    assert list(source.names)[:2] == ["bedroom-0-frame_9--pexels-a-1", "bedroom-0-frame_11--pexels-a-1"]
    first, third = (source.pair(name, HERE).structure.image for name in list(source.names)[:2])
    assert torch.equal(first, opened(original).pair("bedroom-0--pexels-a-1", HERE).structure.image)
    assert not torch.equal(first, third)
    assert len(opened(original, every=1).names) == 15


def test_pairs_as_they_are_listed(public: Path) -> None:
    (public / "pairs.csv").write_text(
        "scene,style,prompt\nbedroom/1,pexels-b-2,\nliving_room/10,bedroom/pexels-a-1,a hall\n"
    )
    source = opened(public)
    assert list(source.names) == ["bedroom-1--pexels-b-2", "living_room-10--pexels-a-1"]
    assert [source.pair(name, HERE).prompt for name in source.names] == ["a photo of a bedroom", "a hall"]


def test_the_data_may_lie_one_deeper(public: Path, tmp_path: Path) -> None:
    public.rename(tmp_path / "data")
    assert len(SceneTransfer(tmp_path).names) == 5


def test_what_is_missing_is_perceived(public: Path) -> None:
    scene = public / "interiors/bedroom/0"
    (scene / "seg_dict/frame_9.pth").unlink()
    (scene / "depth/frame_9.jpg").unlink()
    (public / "design_styles/bedroom/pexels-a-1/seg_dict.pth").unlink()
    pair = opened(public, segmenter="whole").pair("bedroom-0--pexels-a-1", HERE)
    for view in (pair.structure, pair.style):
        assert view.segments is not None
        assert view.segments.names == ("whole picture",)
        assert view.depth is None
    write_depth(scene / "depth/frame_9.npz", Depth(torch.full(SIZE, 3.0), "metric"))
    depth = opened(public, segmenter="whole").pair("bedroom-0--pexels-a-1", HERE).structure.depth
    assert depth is not None
    assert depth.kind == "metric"
    assert torch.equal(depth.values, torch.full(SIZE, 3.0))


def test_it_goes_to_other_processes_and_is_told_apart(public: Path) -> None:
    source = opened(public, longest=40)
    other = pickle.loads(pickle.dumps(source))
    assert other == source
    assert other.pair("bedroom-0--pexels-a-1", HERE).structure.size == (22, 40)
    revision = source.revision
    assert revision != opened(public).revision
    assert revision == opened(public, longest=40).revision
    view = render(sample_layout(0, "bedroom"), sample_style(5), SIZE).view()
    write_regions(public / "interiors/bedroom/0/seg_dict/frame_9.pth", view)
    assert revision != opened(public, longest=40).revision


def test_regions_by_hand(tmp_path: Path) -> None:
    ids = torch.tensor([[7, 7, 0, 3], [3, 7, -1, 9]])
    entries = [
        {"id": 3, "label": "Couch_seat,sofa"},
        {"id": 7, "label": "wall"},
        {"id": 9, "label": "wall"},
        {"id": 8, "label": "rug"},
    ]
    torch.save({"pred_tgt": (ids, entries)}, tmp_path / "a.pth")
    found = read_regions(tmp_path / "a.pth", (4, 8))
    assert found.labels[::2, ::2].tolist() == [[2, 2, 0, 1], [1, 2, 0, 3]]
    assert torch.equal(found.labels[1::2, 1::2], found.labels[::2, ::2])
    assert {id: (region.name, region.instance) for id, region in found.regions.items()} == {
        1: ("couch seat", 0), 2: ("wall", 0), 3: ("wall", 1), 4: ("rug", 0),
    }  # fmt: skip
    assert found.names == ("couch seat", "wall")


class Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("trap.txt"),))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        [1, 2],
        {"other": 1},
        {"pred_tgt": 5},
        {"pred_tgt": (torch.zeros(2, 2, 2, dtype=torch.int64), [])},
        {"pred_tgt": (torch.ones(2, 2), [{"id": 1, "label": "wall"}])},
        {"pred_tgt": (torch.ones(2, 2, dtype=torch.int64), [{"id": 1}])},
        {"pred_tgt": (torch.ones(2, 2, dtype=torch.int64), ["wall"])},
        {"pred_tgt": (torch.ones(2, 2, dtype=torch.int64), [])},
        {"pred_tgt": ([[1]], [{"id": 1, "label": "wall"}])},
        {"pred_tgt": (torch.zeros(0, 2, dtype=torch.int64), [{"id": 1, "label": "wall"}])},
        {"pred_tgt": Trap()},
    ],
)
def test_regions_that_cannot_be_read(tmp_path: Path, content: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / "a.pth").write_bytes(content)
    else:
        torch.save(content, tmp_path / "a.pth")
    with pytest.raises(SegmentsError, match=r"a\.pth.*remove the file"):
        read_regions(tmp_path / "a.pth", (4, 4))
    assert not (tmp_path / "trap.txt").exists()


def test_a_flat_depth_picture_stays_flat(tmp_path: Path) -> None:
    Image.new("L", (20, 10), 128).save(tmp_path / "a.jpg")
    depth = read_disparity(tmp_path / "a.jpg", (30, 60))
    assert depth.values.shape == (30, 60)
    assert float(depth.values.std()) == 0


def test_folders_that_do_not_have_the_layout(public: Path, tmp_path: Path) -> None:
    def refused(message: str, kind: type[Exception] = InputError, **options: Any) -> None:
        with pytest.raises(kind, match=message):
            opened(public, **options).names  # noqa: B018

    refused("every first frame or a later one, got 0", every=0)
    with pytest.raises(InputError, match=r"Expected scenes as .*nowhere"):
        SceneTransfer(tmp_path / "nowhere").names  # noqa: B018
    (public / "interiors/bedroom/2/images").mkdir(parents=True)
    refused("Expected pictures in .*2/images")
    shutil.rmtree(public / "interiors/bedroom/2")
    shutil.move(public / "design_styles/living_room", tmp_path / "moved")
    refused("style pictures in .*living_room for living_room/10")
    (public / "design_styles/living_room/empty").mkdir(parents=True)
    refused(r"Expected one image.jpg or image.png in .*empty, got 0")
    shutil.rmtree(public / "design_styles/living_room")
    shutil.move(tmp_path / "moved", public / "design_styles/living_room")
    (public / "interiors/bedroom/0/images/frame_9.jpg").write_bytes(b"")
    refused(r"frame_9\.jpg", PictureError)
    for line, message in (
        ("garage/0,x", "'garage/0' in line 2"),
        ("bedroom/0,x", "'bedroom/x'"),
        ("bedroom,pexels-a-1", "'bedroom'"),
    ):
        (public / "pairs.csv").write_text(f"scene,style\n{line}\n")
        refused(message)
    shutil.rmtree(public / "design_styles")
    refused("style pictures as")


def test_maps_that_do_not_fit(public: Path) -> None:
    source = opened(public)
    depth = public / "interiors/bedroom/0/depth"
    (depth / "frame_9.jpg").write_bytes(b"broken")
    with pytest.raises(PictureError, match=r"depth/frame_9\.jpg"):
        source.pair("bedroom-0--pexels-a-1", HERE)
    (depth / "frame_9.jpg").unlink()
    np.save(depth / "frame_9.npy", np.full(SIZE, np.nan, np.float32))
    with pytest.raises(DepthError, match="finite, positive depth"):
        opened(public).pair("bedroom-0--pexels-a-1", HERE)
