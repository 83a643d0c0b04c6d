"""HEIC and AVIF, a stated quality, and XMP: what is read and written beside the older formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pi_heif
import pillow_heif
import pytest
import torch
from PIL import Image

from relook import heif
from relook.errors import PictureError
from relook.io import read_image, read_picture, read_size, read_xmp, write_image
from relook.types import Metadata
from test_io_metadata import exif, profile

PACKET = '<x:xmpmeta xmlns:x="adobe:ns:meta/">…</x:xmpmeta>'.encode()


def smooth(height: int = 48, width: int = 64) -> torch.Tensor:
    """A picture that lossy formats hold well: bright at the left, red at the bottom."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(1, 0, width), indexing="ij")
    return torch.stack([y, x, (x + y) / 2])


def noise() -> torch.Tensor:
    return torch.rand(3, 96, 128, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("ending", ["jpg", "webp", "avif", "heic", "tif", "png"])
def test_every_format_comes_back_with_what_it_carries(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    write_image(path, smooth(), Metadata(exif=exif().tobytes(), profile=profile(), xmp=PACKET))
    image, metadata = read_picture(path)
    assert (image - smooth()).abs().mean() < 0.02
    assert read_size(path) == (48, 64)
    assert metadata.profile == profile()
    carried = Image.Exif()
    carried.load(metadata.exif)
    assert carried[0x010F] == "Maker"
    assert read_xmp(path) == PACKET


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_carry_xmp(ending: str, tmp_path: Path) -> None:
    write_image(tmp_path / f"a.{ending}", smooth(), Metadata(16, xmp=PACKET))
    assert read_xmp(tmp_path / f"a.{ending}") == PACKET


def test_a_picture_without_xmp_has_none(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", smooth())
    assert read_xmp(tmp_path / "a.png") == b""


@pytest.mark.parametrize("ending", ["avif", "heic"])
def test_transparency_is_held(ending: str, tmp_path: Path) -> None:
    alpha = (torch.arange(64) >= 32).float().expand(48, 64).contiguous()
    write_image(tmp_path / f"a.{ending}", smooth() * alpha + (1 - alpha), Metadata(alpha=alpha))
    image, metadata = read_picture(tmp_path / f"a.{ending}")
    assert metadata.alpha is not None
    assert (metadata.alpha - alpha).abs().mean() < 0.02
    assert (image[:, :, :30] == 1).float().mean() > 0.9


@pytest.mark.parametrize("ending", ["jpg", "webp", "avif", "heic"])
def test_a_lower_quality_is_a_smaller_file_further_off(ending: str, tmp_path: Path) -> None:
    sizes, errors = [], []
    for quality in (20, 60, 95):
        path = tmp_path / f"{quality}.{ending}"
        write_image(path, noise(), quality=quality)
        sizes.append(path.stat().st_size)
        errors.append(float((read_image(path) - noise()).abs().mean()))
    assert sizes[0] < sizes[1] < sizes[2]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_quality_of_a_format_that_loses_nothing_is_refused(ending: str, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"\.jpg or \.webp or \.avif or \.heic for a stated quality, got 'a"):
        write_image(tmp_path / f"a.{ending}", smooth(), quality=80)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("plugin", [pi_heif, pillow_heif])
def test_a_phone_held_sideways_gives_an_upright_picture(plugin: object, tmp_path: Path) -> None:
    """Phones store the sensor's pixels, a turn of the container, and the same orientation in EXIF: it must be applied once."""
    stored = Image.fromarray((smooth().permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    stored.save(tmp_path / "a.heic", quality=95, exif=exif(x0112=6).tobytes())
    expected = stored.transpose(Image.Transpose.ROTATE_270)
    plugin.register_heif_opener()  # type: ignore[attr-defined]
    image = read_image(tmp_path / "a.heic")
    assert read_size(tmp_path / "a.heic") == image.shape[1:] == (64, 48)
    assert np.abs(image.permute(1, 2, 0).numpy() * 255 - np.asarray(expected, np.float32)).mean() < 6


def test_a_heic_is_known_by_its_content(tmp_path: Path) -> None:
    write_image(tmp_path / "a.heic", smooth())
    (tmp_path / "a.heic").rename(tmp_path / "a.jpg")
    assert (read_image(tmp_path / "a.jpg") - smooth()).abs().mean() < 0.02


def test_without_the_encoder_heic_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heif, "find_spec", lambda name: None)
    with pytest.raises(PictureError, match=r'pillow-heif to write a\.heic, got none; run pip install "relook\[heic\]"'):
        write_image(tmp_path / "a.heic", smooth())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["avif", "heic"])
def test_a_broken_file_is_refused_in_a_sentence(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    write_image(path, noise())
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(PictureError, match="Expected a readable picture"):
        read_image(path)
