"""Pictures out: the formats, what each can hold, and how it is written."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, PngImagePlugin
from torch import Tensor

from relook.errors import PictureError
from relook.files import FORMATS, PathLike, picture_format, replacing
from relook.heif import know_heif, writes_heif
from relook.io.pictures import POSITION, SETTINGS
from relook.types import Metadata

log = logging.getLogger("relook")

_OPTIONS: Mapping[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True},
    "AVIF": {"quality": 90, "subsampling": "4:4:4"}, "HEIF": {"quality": 90, "subsampling": "4:4:4"},
}  # fmt: skip
"""What Pillow gets for a format where no quality is asked for."""
_DEEP, _TRANSPARENT, _LOSSY = ("PNG", "TIFF"), ("PNG", "WEBP", "TIFF", "AVIF", "HEIF"), tuple(_OPTIONS)
"""Formats of FORMATS that hold 16 bits per colour, transparency, and those that have a quality."""
_XMP, _KEYWORD = 700, "XML:com.adobe.xmp"
"""TIFF's tag for XMP, and PNG's name of it."""
_HEAD = 33
"""Bytes of a PNG before its first chunk that may hold a text: the signature and the chunk of sizes."""


def write_image(
    path: PathLike, image: Float[Tensor, "*shape"], like: Metadata | None = None, *, quality: int | None = None
) -> None:
    """Write RGB in [0, 1] (values outside are clipped); the ending names the format (one of relook.files.FORMATS).

    like: bits, transparency, EXIF, profile and XMP that the file gets; without it 8 bits and nothing else. Transparent colours are taken
    to be over white, as `read_picture` gives them. quality: 1 to 100, of the formats that lose detail; without one JPEG has 95, AVIF and
    HEIC 90, and WebP loses nothing. Raises PictureError for what cannot be written; see `check_format`.
    """
    like = like or Metadata()
    kind = check_format(path, like, quality)
    if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0:
        raise PictureError(f"Expected an image of shape (3, H, W), got {tuple(image.shape)}; pass RGB with pixels.")
    if not bool(torch.isfinite(image).all()):
        raise PictureError("Expected finite colours to write, got NaN or infinity; check the step that made them.")
    pixels = _pixels(image, like)
    with replacing(path) as temporary:
        if like.bits == 8:
            _write_plain(temporary, kind, pixels, like, quality)
        elif kind == "TIFF":
            _write_deep_tiff(temporary, pixels, like)
        else:
            _write_deep_png(temporary, pixels, like)


def check_format(path: PathLike, like: Metadata, quality: int | None = None) -> str:
    """Pillow's name of the format that a file's ending names; PictureError if it cannot hold what the picture has, or has no quality."""
    kind, name = picture_format(path), Path(path).name
    for needed, formats, what in (
        (like.bits == 16, _DEEP, "a picture with 16 bits per colour"),
        (like.alpha is not None, _TRANSPARENT, "a picture with transparency"),
        (quality is not None, _LOSSY, "a stated quality"),
    ):
        if needed and kind not in formats:
            endings = {one: ending for ending, one in reversed(FORMATS.items()) if one in formats}
            raise PictureError(
                f"Expected a name ending in {' or '.join(endings[one] for one in formats)} for {what}, got {name!r}; rename it."
            )
    if kind == "HEIF" and not writes_heif():
        raise PictureError(
            f'Expected pillow-heif to write {name}, got none; run pip install "relook[heic]" or write .avif.'
        )
    return kind


def _pixels(image: Float[Tensor, "3 H W"], like: Metadata) -> np.ndarray:
    """Whole numbers, H x W x 3, or x 4 with transparency."""
    channels = image.detach().float().cpu().clamp(0, 1)
    if like.alpha is not None:
        alpha = like.alpha.cpu()[None]
        channels = torch.cat([((channels - (1 - alpha)) / alpha.clamp_min(1e-6)).clamp(0, 1), alpha])
    top, whole = (65535, np.uint16) if like.bits == 16 else (255, np.uint8)
    return (channels * top).round().permute(1, 2, 0).numpy().astype(whole)


def _write_plain(path: Path, kind: str, pixels: np.ndarray, like: Metadata, quality: int | None) -> None:
    """Write 8 bits per colour by Pillow."""
    know_heif()
    lossy = {} if quality is None else {"quality": quality, "lossless": False}
    known = {"exif": like.exif, "icc_profile": like.profile} | _with_xmp(kind, like)
    extra = {name: value for name, value in known.items() if value}
    Image.fromarray(pixels).save(path, format=kind, **(_OPTIONS.get(kind, {}) | lossy), **extra)


def _with_xmp(kind: str, like: Metadata) -> dict[str, Any]:
    """What Pillow gets to write an XMP packet: PNG has it in a text, TIFF in a tag beside those of EXIF."""
    if not like.xmp:
        return {}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt(_KEYWORD, like.xmp.decode())
        return {"pnginfo": texts}
    if kind == "TIFF":
        exif = Image.Exif()
        exif.load(like.exif)
        exif[_XMP] = like.xmp
        return {"exif": exif.tobytes()}
    return {"xmp": like.xmp}


def _write_deep_tiff(path: Path, pixels: np.ndarray, like: Metadata) -> None:
    """Write 16 bits per colour by tifffile, which Pillow cannot, without the camera's settings."""
    import tifffile

    exif = Image.Exif()
    exif.load(like.exif)
    if exif.get_ifd(SETTINGS) or exif.get_ifd(POSITION):
        log.warning(
            "A TIFF of 16 bits holds no camera settings and no position: those of the picture are left out; PNG keeps them."
        )
    words: list[tuple[Any, ...]] = [(tag, "s", 0, value, True) for tag, value in exif.items() if isinstance(value, str)]
    if like.xmp:
        words.append((_XMP, "B", len(like.xmp), like.xmp, True))
    extra = ["unassalpha"] if pixels.shape[2] == 4 else None
    tifffile.imwrite(
        path, pixels, photometric="rgb", extrasamples=extra, iccprofile=like.profile, extratags=words, metadata=None,
        software=False,
    )  # fmt: skip


def _write_deep_png(path: Path, pixels: np.ndarray, like: Metadata) -> None:
    """Write 16 bits per colour by OpenCV, which Pillow cannot."""
    import cv2

    blocks = {cv2.IMAGE_METADATA_EXIF: like.exif.removeprefix(b"Exif\0\0"), cv2.IMAGE_METADATA_ICCP: like.profile}
    found = {name: np.frombuffer(block, np.uint8) for name, block in blocks.items() if block}
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, file = cv2.imencodeWithMetadata(".png", cv2.cvtColor(pixels, order), list(found), list(found.values()))
    content = file.tobytes()
    path.write_bytes(content[:_HEAD] + _text_chunk(like.xmp) + content[_HEAD:] if like.xmp else content)


def _text_chunk(xmp: bytes) -> bytes:
    """PNG's chunk for XMP (iTXt, not compressed), which OpenCV writes in a form that nobody reads."""
    chunk = b"iTXt" + _KEYWORD.encode() + b"\0" * 5 + xmp
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
