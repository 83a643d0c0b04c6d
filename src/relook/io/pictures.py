"""Pictures in, with what their files hold beside colours: depth of bits, transparency, EXIF and the ICC profile.

RGB numbers stay as they are stored, and the output carries the structure picture's profile, which says what they mean; so a wide-gamut
photograph keeps its colours. The style picture is converted to the structure's profile where they differ.
"""

from __future__ import annotations

import logging
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageCms, ImageFile
from torch import Tensor

from relook.errors import InputError, PictureError
from relook.files import FORMATS, PathLike, reason
from relook.heif import know_heif
from relook.types import Metadata

MINIMUM_SIDE = 8
"""Pictures with a shorter side than this hold nothing to restyle."""
MAXIMUM_ASPECT = 20
"""Pictures that are more times as long as wide are refused: networks see nothing in a strip."""
MAXIMUM_PIXELS = 120_000_000
"""Larger pictures are refused before they are decoded."""
ENDINGS = frozenset({*FORMATS, ".bmp", ".gif", ".ppm", ".pgm", ".jp2"})
"""File endings, in lower case, that say "a picture" in a folder; whether it can be read is Pillow's to say."""
BROKEN = (OSError, ValueError, SyntaxError, EOFError, KeyError, struct.error, zlib.error, zipfile.BadZipFile)
"""What libraries raise for files that are not what they seem."""

log = logging.getLogger("relook")

SETTINGS, POSITION = 0x8769, 0x8825
"""EXIF's tags for the camera's settings and for its position."""
_ORIENTATION, _SIZES = 0x0112, {0xA002, 0xA003}
"""EXIF's tags for how a picture was held, and among the settings for the picture's size."""
_KEPT = {*range(0x010E, 0x0111), 0x0131, 0x0132, 0x013B, 0x8298, SETTINGS, POSITION, *range(0x9C9B, 0x9CA0)}
"""EXIF's tags that speak of the photograph: title, camera, software, time, author, rights, settings, position. Others are of its file."""
_TURNS: Mapping[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}
"""Pixels upright, by EXIF's orientation; from 5 on the sides are swapped."""


def read_image(path: PathLike, *, upright: bool = True, like: Metadata | None = None) -> Float[Tensor, "3 H W"]:
    """RGB in [0, 1] of any picture file; see `read_picture`."""
    return read_picture(path, upright=upright, like=like)[0]


def read_picture(
    path: PathLike, *, upright: bool = True, like: Metadata | None = None
) -> tuple[Float[Tensor, "3 H W"], Metadata]:
    """RGB in [0, 1] of any picture file, and what else the file holds: upright as EXIF says, transparency over white, grey or colour.

    PNG, TIFF and PPM are read with 16 bits where they have them. Without `upright` the pixels stay as they are stored, as programs that
    find cameras read them. like: for a style picture, whose colours are converted (with 8 bits) to the profile of its structure picture.
    Raises PictureError if the file is missing, empty, broken, too small, too long or too large.
    """
    picture = open_picture(path, PictureError)
    _check_sides(picture.size[::-1], path)
    exif, profile = picture.getexif(), picture.info.get("icc_profile")
    turn = _TURNS.get(exif.get(_ORIENTATION, 1)) if upright else None
    deep = _is_deep(path)
    if picture.mode == "CMYK" and profile and _space(profile) == "CMYK":
        picture = _converted(picture, profile, None)
    pixels = _channels(picture, path, deep)
    pixels = turn(pixels) if turn else pixels
    colours, alpha = pixels[..., :3], pixels[..., 3:]
    opacity = None if (alpha == 1).all() else torch.from_numpy(np.ascontiguousarray(alpha[..., 0]))
    if opacity is not None:
        colours = colours * alpha + (1 - alpha)
    profile = profile if profile and _space(profile) == "RGB" else None
    if like is not None and not _same_colours(profile, like.profile):
        eight = Image.fromarray((colours * 255).round().astype(np.uint8))
        colours, profile = np.asarray(_converted(eight, profile, like.profile), np.float32) / 255, like.profile
    if like is not None and opacity is not None:
        log.warning("What is transparent in the style picture %s counts as white.", Path(path).name)
    metadata = Metadata(16 if deep else 8, opacity, _carried(exif), profile)
    return torch.from_numpy(np.ascontiguousarray(colours)).permute(2, 0, 1).contiguous(), metadata


def read_size(path: PathLike, *, upright: bool = True) -> tuple[int, int]:
    """(H, W) that `read_image` will give, from the file's head alone. Raises PictureError for a file that is no picture."""
    try:
        with _opened(path) as picture:
            sideways = upright and picture.getexif().get(_ORIENTATION, 1) in range(5, 9)
            return (picture.width, picture.height) if sideways else (picture.height, picture.width)
    except (Image.DecompressionBombError, *BROKEN) as error:
        raise PictureError(
            f"Expected a readable picture at {path}, got none ({reason(error)}); check the file."
        ) from error


def as_pixels(image: Float[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """RGB in [0, 1] as the 8-bit array that OpenCV and many networks read."""
    pixels = (image.detach().float().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
    return pixels.contiguous().numpy()


def as_picture(image: Float[Tensor, "3 H W"]) -> Image.Image:
    """The same as the Pillow picture that image processors read (an array could be taken for channels-first)."""
    return Image.fromarray(as_pixels(image))


def open_picture(path: PathLike, problem: type[InputError]) -> Image.Image:
    """A decoded picture; raises `problem`, one sentence, where there is none."""
    try:
        with _opened(path) as picture:
            if picture.width * picture.height > MAXIMUM_PIXELS:
                raise Image.DecompressionBombError(by(picture.size[::-1]))
            picture.load()
        return picture
    except Image.DecompressionBombError as error:
        limit = f"{MAXIMUM_PIXELS // 1_000_000} million pixels"
        raise problem(f"Expected at most {limit} in {path}, got more ({error}); make it smaller.") from error
    except BROKEN as error:
        raise problem(f"Expected a readable picture at {path}, got none ({reason(error)}); check the file.") from error


def by(size: tuple[int, ...]) -> str:
    """(H, W) as people say it."""
    return f"{size[1]} x {size[0]}"


def read_xmp(path: PathLike) -> bytes:
    """The XMP packet of a picture file; empty where it has none. Raises PictureError for a file that is no picture."""
    found = open_picture(path, PictureError).info.get("xmp", b"")
    return found.encode() if isinstance(found, str) else found


def _opened(path: PathLike) -> ImageFile.ImageFile:
    """A picture file of any known format, its head read; what Pillow only warns of is left to `open_picture`."""
    know_heif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(path)


def _check_sides(size: tuple[int, int], path: PathLike) -> None:
    """Raise for pictures that hold nothing to restyle."""
    if min(size) < MINIMUM_SIDE:
        raise PictureError(
            f"Expected sides of at least {MINIMUM_SIDE} pixels, got {by(size)} in {path}; use a larger one."
        )
    if max(size) > MAXIMUM_ASPECT * min(size):
        raise PictureError(
            f"Expected a picture at most {MAXIMUM_ASPECT} times as long as wide, got {by(size)} in {path}; cut it."
        )


def _is_deep(path: PathLike) -> bool:
    """Whether the file has more than 8 bits per colour, as its head says."""
    with _opened(path) as picture:
        return picture.mode[0] in "IF" or any(";16" in str(tile) or "65535" in str(tile) for tile in picture.tile)


def _channels(picture: Image.Image, path: PathLike, deep: bool) -> Float[np.ndarray, "H W C"]:
    """Float RGB in [0, 1] of any Pillow mode, with opacity as a fourth channel where there is one."""
    if picture.mode[0] in "IF":
        grey = np.asarray(picture, dtype=np.float32)
        if not np.isfinite(grey).all():
            raise PictureError("Expected finite grey values, got NaN or infinity; save the picture as 8 or 16 bits.")
        tops = (1.0, 255.0) if picture.mode == "F" else ()
        top = next((top for top in tops if grey.max() <= top), 65535.0)
        return np.repeat((grey / top).clip(0, 1)[..., None], 3, axis=2)
    if deep:  # Pillow decodes these to 8 bits
        import cv2

        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
            raise PictureError(f"Expected 16 bits per colour in {path}, got others; save it as 8 or 16 bits.")
        order = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        return cv2.cvtColor(pixels, order).astype(np.float32) / 65535
    transparent = picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info
    return np.asarray(picture.convert("RGBA" if transparent else "RGB"), dtype=np.float32) / 255


def _carried(exif: Image.Exif) -> bytes:
    """What EXIF says of the photograph, without what it says of the file: orientation, sizes, thumbnail."""
    kept = Image.Exif()
    try:
        for tag in _KEPT & set(exif):
            kept[tag] = exif.get_ifd(tag) if tag in (SETTINGS, POSITION) else exif[tag]
        for tag in _SIZES & set(kept.get(SETTINGS, ())):
            del kept[SETTINGS][tag]
        return kept.tobytes() if len(kept) else b""
    except BROKEN:
        log.warning("The picture's EXIF is broken and is left out.")
        return b""


def _space(profile: bytes) -> str:
    """Which channels an ICC profile is for, e.g. RGB; empty if it is broken."""
    try:
        return ImageCms.ImageCmsProfile(BytesIO(profile)).profile.xcolor_space.strip()
    except BROKEN:
        return ""


def _same_colours(first: bytes | None, second: bytes | None) -> bool:
    """Whether two RGB profiles mean the same; none means sRGB."""
    names = (p and (ImageCms.ImageCmsProfile(BytesIO(p)).profile.profile_description or "") for p in (first, second))
    plain = [name is None or "sRGB" in name for name in names]
    return first == second or all(plain)


def _converted(picture: Image.Image, profile: bytes | None, wanted: bytes | None) -> Image.Image:
    """A picture of 8 bits in the colours of another profile; None is sRGB."""
    ends = (ImageCms.createProfile("sRGB") if one is None else BytesIO(one) for one in (profile, wanted))
    old, new = (ImageCms.ImageCmsProfile(end) for end in ends)
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    try:
        return ImageCms.profileToProfile(picture, old, new, renderingIntent=intent, outputMode="RGB") or picture
    except ImageCms.PyCMSError as error:
        raise PictureError(f"Expected a usable ICC profile, got another ({reason(error)}); save it as sRGB.") from error
