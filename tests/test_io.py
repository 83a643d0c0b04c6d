"""Files in and out: every kind of picture, one sentence for what cannot be used, nothing written half."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from relook import files, io
from relook.errors import DepthError, InputError, PictureError, SegmentsError
from relook.io import pictures
from relook.types import Depth, Region, Segments

GREY = np.tile(np.linspace(0, 255, 16).round().astype(np.uint8), (12, 1))
RGB = np.stack([GREY, GREY[:, ::-1], np.full_like(GREY, 40)], axis=2)


def save(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


@pytest.mark.parametrize("mode", [None, "P", "L", "LA", "RGBA", "1"])
def test_every_mode_reads_as_three_channels_in_the_unit_range(tmp_path: Path, mode: str | None) -> None:
    image = io.read_image(save(tmp_path / "a.png", RGB, mode))
    expected = np.asarray(Image.fromarray(RGB).convert(mode or "RGB").convert("RGB")) / 255
    assert image.shape == (3, 12, 16)
    assert np.allclose(image.permute(1, 2, 0), expected, atol=1e-6)


def test_cmyk_reads_close_to_its_colours(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 60, 30), np.uint8)
    image = io.read_image(save(tmp_path / "a.jpg", flat, "CMYK", quality=100))
    assert np.allclose(image[:, 8, 8] * 255, (200, 60, 30), atol=8)


def test_sixteen_bits_keep_their_range(tmp_path: Path) -> None:
    deep = np.full((9, 9), 32896, np.uint16)
    image = io.read_image(save(tmp_path / "a.png", deep))
    assert torch.allclose(image, torch.tensor(32896 / 65535))


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, 4:, 3] = 255
    image = io.read_image(save(tmp_path / "a.png", pixels))
    assert (image[:, :, :4] == 1).all()
    assert (image[:, :, 4:] == 0).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_pictures_are_turned_as_exif_says(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to view
    image = io.read_image(save(tmp_path / f"a.{ending}", RGB, exif=exif))
    assert image.shape == (3, 16, 12)
    assert torch.equal(image, torch.from_numpy(np.rot90(RGB, -1).copy()).permute(2, 0, 1) / 255)


def _truncated(path: Path) -> None:
    save(path, np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:700])


BAD_PICTURES = {
    "missing": (lambda path: None, "No such file"),
    "folder": (lambda path: path.mkdir(), "Is a directory"),
    "empty": (lambda path: path.write_bytes(b""), "cannot identify"),
    "text": (lambda path: path.write_text("not a picture"), "cannot identify"),
    "cut off": (_truncated, "truncated"),
    "one pixel": (lambda path: save(path, RGB[:1, :1]), "at least 8 pixels, got 1 x 1"),
    "thin": (lambda path: save(path, RGB[:2]), "at least 8 pixels, got 16 x 2"),
}


def one_sentence(error: Exception) -> bool:
    return str(error).startswith("Expected ") and str(error).endswith(".") and "\n" not in str(error)


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_unusable_pictures_are_answered_in_one_sentence(tmp_path: Path, kind: str) -> None:
    make, reason = BAD_PICTURES[kind]
    make(tmp_path / "a.png")
    with pytest.raises(PictureError, match=reason) as caught:
        io.read_image(tmp_path / "a.png")
    assert one_sentence(caught.value)


def test_huge_pictures_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAXIMUM_PIXELS", 100)
    with pytest.raises(PictureError, match=r"got more \(16 x 12\)"):
        io.read_image(save(tmp_path / "a.png", RGB))


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_eight_bit_pictures_come_back_bit_identical(tmp_path: Path, ending: str) -> None:
    image = io.read_image(save(tmp_path / "a.png", RGB))
    io.write_image(tmp_path / f"new/b.{ending}", image)
    assert torch.equal(io.read_image(tmp_path / f"new/b.{ending}"), image)


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        ("a.gif", torch.zeros(3, 9, 9), "ending in .png"),
        ("a.png", torch.zeros(1, 3, 9, 9), "shape"),
        ("a.png", torch.zeros(3, 0, 9), "shape"),
        ("a.png", torch.full((3, 9, 9), torch.nan), "NaN"),
    ],
)
def test_unwritable_pictures_leave_nothing(tmp_path: Path, name: str, image: torch.Tensor, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        io.write_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "seen"),
    [(OSError(28, "No space left on device"), InputError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_stopped_write_keeps_the_old_file_and_no_other(tmp_path: Path, failure: BaseException, seen: type) -> None:
    target = tmp_path / "a.json"
    files.write_json(target, {"old": 1})
    with pytest.raises(seen), files.replacing(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise failure
    assert files.read_json(target) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Expected to write") as caught:
        files.write_json(tmp_path / "file" / "a.json", {})
    assert one_sentence(caught.value)


def test_json_refuses_nan_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="JSON can hold"):
        files.write_json(tmp_path / "a.json", {"psnr": float("nan")})
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="readable JSON"):
        files.read_json(tmp_path / "a.json")


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="No such file"):
        files.sha256(tmp_path / "b")


@pytest.mark.parametrize("top", [2, 255, 256, 65535])
def test_segments_come_back_as_written(tmp_path: Path, top: int) -> None:
    labels = torch.zeros(10, 12, dtype=torch.int64)
    labels[2:5], labels[7:] = 1, top
    io.write_segments(tmp_path / "a.png", Segments(labels, {1: Region("sofa"), top: Region("sofa", 1, confidence=0.4)}))
    again = io.read_segments(tmp_path / "a.png", (10, 12))
    assert torch.equal(again.labels, labels)
    assert again.regions == {1: Region("sofa"), top: Region("sofa", 1, confidence=0.4)}


def _names(path: Path, text: str = '{"regions": {"1": " Sofa", "2": {"name": "sofa"}}}') -> None:
    path.with_suffix(".json").write_text(text)


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_label_maps_of_painting_programs(tmp_path: Path, mode: str) -> None:
    labels = np.array([[0, 1], [2, 2]], np.uint8)
    path = tmp_path / "a.png"
    if mode == "P":
        picture = Image.fromarray(labels, "L")
        picture = Image.new("P", (2, 2))
        picture.putdata([0, 1, 2, 2])
        picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        picture.save(path)
    else:
        save(path, labels, mode)
    _names(path)
    found = io.read_segments(path)
    assert found.labels.tolist() == labels.tolist()
    assert found.regions == {1: Region("sofa", 0), 2: Region("sofa", 1)}


def test_a_label_map_of_another_size_is_refused_or_resized_by_nearest(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.array([[1, 2]], np.uint8))
    _names(path)
    with pytest.raises(SegmentsError, match=re.escape("Expected 4 x 2 pixels")) as caught:
        io.read_segments(path, (2, 4))
    assert one_sentence(caught.value)
    assert io.read_segments(path, (2, 4), resize=True).labels.tolist() == [[1, 1, 2, 2]] * 2


@pytest.mark.parametrize(
    ("array", "names", "reason"),
    [
        (RGB, None, "one id per pixel"),
        (GREY * 0, None, "got only 0"),
        (GREY * 0 + 3, None, r"none for \[3\]"),
        (GREY * 0 + 1, "", "readable JSON"),
        (GREY * 0 + 1, "[]", "Expected {"),
        (GREY * 0 + 1, '{"regions": {"one": "sofa"}}', "Expected {"),
        (GREY * 0 + 1, '{"regions": {"1": {"instance": 0}}}', "Expected {"),
    ],
)
def test_unusable_label_maps(tmp_path: Path, array: np.ndarray, names: str | None, reason: str) -> None:
    path = save(tmp_path / "a.png", array)
    _names(path) if names is None else _names(path, names)
    with pytest.raises(SegmentsError, match=reason):
        io.read_segments(path)


def test_a_label_map_without_names_or_file(tmp_path: Path) -> None:
    with pytest.raises(SegmentsError, match="No such file"):
        io.read_segments(tmp_path / "a.png")
    with pytest.raises(SegmentsError, match=r"docs/segments\.md"):
        io.read_segments(save(tmp_path / "a.png", GREY // 255))


VALUES = torch.linspace(0.5, 9, 120).reshape(10, 12)


def test_metric_depth_in_millimetres(tmp_path: Path) -> None:
    io.write_depth(tmp_path / "a.png", Depth(VALUES, "metric"))
    again = io.read_depth(tmp_path / "a.png", (10, 12))
    assert again.kind == "metric"
    assert torch.allclose(again.values, VALUES, atol=0.00051)


@pytest.mark.parametrize("kind", ["metric", "relative"])
def test_npz_depth_is_exact_and_knows_its_kind(tmp_path: Path, kind: str) -> None:
    io.write_depth(tmp_path / "a.npz", Depth(VALUES, kind))
    again = io.read_depth(tmp_path / "a.npz")
    assert again.kind == kind
    assert torch.equal(again.values, VALUES)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_holes_take_the_nearest_depth(tmp_path: Path, hole: float) -> None:
    values = np.full((8, 8), 2.0)
    values[:, 5:] = 4.0
    values[3, 0:2] = values[3, 7] = hole
    np.save(tmp_path / "a.npy", values)
    read = io.read_depth(tmp_path / "a.npy").values
    assert read[3].tolist() == [2, 2, 2, 2, 2, 4, 4, 4]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.npy", np.full((8, 8), np.nan), "none in the map"),
        ("a.npy", np.ones((8, 8, 3)), "one depth per pixel"),
        ("a.npy", np.ones((8, 9)), "Expected 8 x 8 pixels"),
        ("a.npy", b"", "`values`"),
        ("a.npz", b"PK", "`values`"),
        ("a.npz", {"other": np.ones((8, 8))}, "`values`"),
        ("a.npz", {"values": np.ones((8, 8)), "kind": "far"}, "metric or relative"),
        ("a.exr", b"", "or .npz"),
        ("a.png", np.zeros((8, 8), np.uint8), "16-bit"),
        ("a.png", np.zeros((8, 8), np.uint16), "none in the map"),
        ("a.png", None, "No such file"),
    ],
)
def test_unusable_depth(tmp_path: Path, name: str, content: object, reason: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    elif isinstance(content, np.ndarray):
        np.save(path, content) if name.endswith("npy") else save(path, content)
    with pytest.raises(DepthError, match=reason) as caught:
        io.read_depth(path, (8, 8))
    assert one_sentence(caught.value)


@pytest.mark.parametrize(
    ("name", "depth"),
    [("a.png", Depth(VALUES, "relative")), ("a.png", Depth(VALUES * 10, "metric")), ("a.txt", Depth(VALUES, "metric"))],
)
def test_depth_that_the_format_cannot_hold(tmp_path: Path, name: str, depth: Depth) -> None:
    with pytest.raises(DepthError, match="npz"):
        io.write_depth(tmp_path / name, depth)
    assert list(tmp_path.iterdir()) == []
