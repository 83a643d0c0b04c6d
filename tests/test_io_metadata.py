"""What the structure picture's file holds beside 8-bit colours reaches the output, or is refused in a sentence."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from pictures import Room, write_room
from relook import PhotoConfig, restyle_photo
from relook.errors import PictureError
from relook.io import read_image, read_picture, read_segments, write_image
from relook.types import Metadata

DRAW = np.random.default_rng(0)
DEEP = DRAW.integers(0, 65536, (36, 52, 4)).astype(np.uint16)


@cache
def profile(kind: str = "wide") -> bytes:
    """An RGB profile: sRGB's, or one whose red and green primaries are exchanged, so that a conversion is seen."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if kind == "srgb":
        return plain
    return (
        plain.replace(b"rXYZ", b"_XYZ")
        .replace(b"gXYZ", b"rXYZ")
        .replace(b"_XYZ", b"gXYZ")
        .replace(b"s\0R\0G\0B", b"w\0i\0d\0e")
    )


def exif(**more: object) -> Image.Exif:
    found = Image.Exif()
    found[0x010F] = "Maker"
    found[0x8769] = {0x829A: 0.5, 0xA002: 999}
    found[0x8825] = {1: "N"}
    for tag, value in more.items():
        found[int(tag[1:], 16)] = value
    return found


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return write_room(tmp_path, "structure")


@pytest.fixture
def style(tmp_path: Path) -> Room:
    return write_room(tmp_path, "style", (44, 40), seed=1)


def restyled(structure: Path, room: Room, style: Room, out: Path, **options: object) -> Path:
    files = {"segments": room.segments, "style_segments": style.segments}
    restyle_photo(structure, style.image, PhotoConfig(**{"method": "palette", **files, **options}), out=out)
    return out


def stored(path: Path) -> np.ndarray:
    """Pixels of a file of 16 bits, in the order that the file says."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_and_transparency_survive_where_pixels_are_kept(
    ending: str, channels: int, room: Room, style: Room, tmp_path: Path
) -> None:
    pixels = DEEP[..., :channels].copy()
    if channels == 4:
        pixels[..., 3] = pixels[..., 3] % 3 * 32767 + 1
    structure, out = tmp_path / f"deep.{ending}", tmp_path / f"new.{ending}"
    if ending == "tif":
        tifffile.imwrite(structure, pixels, photometric="rgb", extrasamples=["unassalpha"] * (channels - 3))
    else:
        cv2.imwrite(str(structure), pixels[..., [2, 1, 0, 3][:channels]])
    found = stored(restyled(structure, room, style, out, keep=("window",)))
    window = read_segments(room.segments).mask("window").numpy()
    assert found.dtype == np.uint16
    assert found.shape == pixels.shape
    opaque = window & (pixels[..., -1] > 60000 if channels == 4 else True)
    assert np.array_equal(found[opaque], pixels[opaque])
    assert (found[~window][:, :3] != pixels[~window][:, :3]).mean() > 0.9
    if channels == 4:
        assert np.array_equal(found[..., 3], pixels[..., 3])


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_kept_pixels_are_identical_under_transparency(ending: str, room: Room, style: Room, tmp_path: Path) -> None:
    pixels = (DEEP // 257).astype(np.uint8)
    pixels[0, :3, 3] = 0, 1, 255
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    found = np.asarray(
        Image.open(restyled(tmp_path / "clear.png", room, style, tmp_path / f"new.{ending}", keep=("window",)))
    )
    window = read_segments(room.segments).mask("window").numpy() & (pixels[..., 3] > 0)
    assert np.array_equal(found[..., 3], pixels[..., 3])
    assert np.array_equal(found[window], pixels[window])


@pytest.mark.parametrize(("pixels", "ending", "words"), [
    (DEEP[..., :3], "jpg", "png or .tif for a picture with 16 bits"), (DEEP[..., :3], "webp", "16 bits"),
    ((DEEP // 257).astype(np.uint8), "jpg", "png or .webp or .tif or .avif or .heic for a picture with transparency"),
])  # fmt: skip
def test_formats_that_cannot_hold_it_are_refused_before_any_work(
    pixels: np.ndarray, ending: str, words: str, room: Room, style: Room, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    with pytest.raises(PictureError, match=words):
        restyled(tmp_path / "a.png", room, style, tmp_path / "out" / f"new.{ending}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_exif_and_profile_reach_the_output_upright(ending: str, room: Room, style: Room, tmp_path: Path) -> None:
    pixels = Image.open(room.image)
    turned = pixels.transpose(Image.Transpose.ROTATE_90)  # EXIF 6: turn clockwise to view
    turned.save(tmp_path / "turned.jpg", quality=100, exif=exif(x0112=6), icc_profile=profile())
    with Image.open(restyled(tmp_path / "turned.jpg", room, style, tmp_path / f"new.{ending}")) as new:
        assert new.size == pixels.size
        assert new.info["icc_profile"] == profile()
        found = new.getexif()
        assert found[0x010F] == "Maker"
        assert 0x0112 not in found
        assert dict(found.get_ifd(0x8769)) == {0x829A: 0.5}
        assert dict(found.get_ifd(0x8825)) == {1: "N"}


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_carry_the_profile_and_the_camera(
    ending: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """TIFF leaves the camera's settings out, and says so."""
    like = Metadata(16, None, exif().tobytes(), profile())
    write_image(tmp_path / f"a.{ending}", torch.rand(3, 9, 12), like)
    image, again = read_picture(tmp_path / f"a.{ending}")
    assert image.shape == (3, 9, 12)
    assert (again.bits, again.profile) == (16, profile())
    with Image.open(tmp_path / f"a.{ending}") as picture:
        assert picture.getexif()[0x010F] == "Maker"
        assert bool(picture.getexif().get_ifd(0x8825)) == (ending == "png")
    assert ["PNG keeps them" in record.message for record in caplog.records] == [True] * (ending == "tif")


def test_a_wide_gamut_photograph_keeps_its_numbers_and_says_what_they_mean(
    room: Room, style: Room, tmp_path: Path
) -> None:
    Image.open(room.image).save(tmp_path / "wide.png", icc_profile=profile())
    new = Image.open(restyled(tmp_path / "wide.png", room, style, tmp_path / "new.png", strength=0.0))
    assert new.info["icc_profile"] == profile()
    assert np.abs(np.asarray(new, int) - np.asarray(Image.open(room.image), int)).max() <= 1


def test_a_style_is_read_in_the_colours_of_its_structure(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 60, 60)).save(tmp_path / "a.png", icc_profile=profile())
    Image.new("RGB", (16, 16), (200, 60, 60)).save(tmp_path / "srgb.png", icc_profile=profile("srgb"))
    stored = torch.tensor([200.0, 60.0, 60.0])
    for path, like, changes in (
        ("a.png", None, False), ("a.png", Metadata(profile=profile()), False), ("a.png", Metadata(), True),
        ("srgb.png", Metadata(), False), ("srgb.png", Metadata(profile=profile()), True),
    ):  # fmt: skip
        found = read_image(tmp_path / path, like=like)[:, 8, 8] * 255
        assert torch.allclose(found, stored[[1, 0, 2]] if changes else stored, atol=2), (path, like)


def test_a_transparent_style_counts_as_white_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.new("RGBA", (16, 16), (200, 60, 60, 0)).save(tmp_path / "a.png")
    with caplog.at_level(logging.WARNING, "relook"):
        assert (read_image(tmp_path / "a.png", like=Metadata()) == 1).all()
    assert "transparent in the style picture a.png" in caplog.text


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(orientation: int, tmp_path: Path) -> None:
    from PIL import ImageOps

    picture = Image.fromarray((DEEP[:9, :12, :3] // 257).astype(np.uint8))
    picture.save(tmp_path / "a.png", exif=exif(x0112=orientation))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    assert np.array_equal(read_image(tmp_path / "a.png").permute(1, 2, 0) * 255, expected)


@pytest.mark.parametrize("size", [(10, 10000), (3, 20000), (8, 161)])
def test_strips_are_refused(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match=r"times as long|at least 8 pixels"):
        read_image(tmp_path / "a.png")
