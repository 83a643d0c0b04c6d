"""Label maps and depth in and out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from relook.errors import DepthError, InputError, SegmentsError
from relook.files import PathLike, read_json, reason, replacing, write_json
from relook.io.pictures import BROKEN, by, open_picture
from relook.ops.fill import filled
from relook.types import UNLABELLED, Depth, Region, Segments

MILLIMETRES = 1000.0
"""A 16-bit depth PNG counts millimetres; 0 is a hole."""
WRITTEN = ("name", "instance", "confidence")
"""What the JSON beside a label map says of a region."""


def write_segments(path: PathLike, segments: Segments) -> None:
    """Write region ids as PNG (8 bits if they fit, else 16) and their names as JSON of the same name beside it.

    {"regions": {"1": {"name": "sofa", "instance": 0, "confidence": 0.9}}}; see docs/segments.md.
    """
    path, labels = Path(path), segments.labels.cpu().numpy()
    if path.suffix.lower() != ".png":
        raise SegmentsError(f"Expected a name ending in .png, got {path.name!r}; rename it.")
    if labels.size == 0 or labels.min() < 0 or labels.max() > 65535:
        raise SegmentsError("Expected region ids from 0 to 65535 to write, got others; number the regions anew.")
    regions = sorted(segments.regions.items())
    entries = {str(id): {field: getattr(region, field) for field in WRITTEN} for id, region in regions}
    write_json(path.with_suffix(".json"), {"regions": entries})
    with replacing(path) as temporary:
        Image.fromarray(labels.astype(np.uint8 if labels.max() <= 255 else np.uint16)).save(temporary, format="PNG")


def read_segments(path: PathLike, size: tuple[int, int] | None = None, *, resize: bool = False) -> Segments:
    """Read a PNG of ids with the JSON of names beside it; `size` = (H, W) of the picture that it must fit.

    A label map of another size is refused, or taken with the nearest id per pixel where `resize` says so.
    """
    path = Path(path)
    picture = open_picture(path, SegmentsError)
    labels = np.asarray(picture)
    if labels.ndim == 3 and picture.mode in ("RGB", "RGBA") and (labels[..., :3] == labels[..., :1]).all():
        labels = labels[..., 0]
    if labels.ndim != 2 or not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool):
        raise SegmentsError(
            f"Expected one id per pixel in {path}, got mode {picture.mode}; save it as an 8- or 16-bit grey PNG."
        )
    if size is not None and resize:
        steps = zip(size, labels.shape, strict=True)
        rows, columns = (((2 * np.arange(new) + 1) * old) // (2 * new) for new, old in steps)
        labels = labels[rows[:, None], columns[None, :]]
    _must_fit(labels.shape, size, path, SegmentsError)
    if not labels.any():
        raise SegmentsError(
            f"Expected a region in the label map {path}, got only {UNLABELLED} (none); label something."
        )
    return Segments(torch.from_numpy(labels.astype(np.int64)), _regions(path.with_suffix(".json")))


def read_depth(path: PathLike, size: tuple[int, int] | None = None) -> Depth:
    """Read depth from a 16-bit PNG (millimetres), .npy (metres) or .npz (`values`, and `kind` = metric | relative).

    Holes (0, negative, NaN, infinity) take the depth of the nearest pixel that has one. `size` = (H, W) of its picture.
    """
    path = Path(path)
    ending, kind = path.suffix.lower(), "metric"
    if ending == ".png":
        picture = open_picture(path, DepthError)
        if not picture.mode.startswith("I"):
            raise DepthError(f"Expected a 16-bit grey depth PNG at {path}, got mode {picture.mode}; save millimetres.")
        values = np.asarray(picture) / MILLIMETRES
    elif ending in (".npy", ".npz"):
        values, kind = _array(path)
    else:
        raise DepthError(f"Expected depth as .png (16-bit millimetres), .npy or .npz, got {path.name!r}; convert it.")
    if values.ndim != 2 or values.size == 0:
        raise DepthError(f"Expected one depth per pixel (H x W) in {path}, got shape {values.shape}; save one channel.")
    _must_fit(values.shape, size, path, DepthError)
    if kind not in ("metric", "relative"):
        raise DepthError(f"Expected kind metric or relative in {path}, got {kind!r}; write one of them.")
    whole = fill_holes(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)))
    return Depth(whole, "relative" if kind == "relative" else "metric")


def write_depth(path: PathLike, depth: Depth) -> None:
    """Write depth as .npz (exact, any kind) or as 16-bit PNG in millimetres (metric, up to 65.5 scene units)."""
    values, ending = depth.values.detach().cpu().numpy(), Path(path).suffix.lower()
    if ending == ".npz":
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, values=values, kind=np.array(depth.kind))
        return
    if ending != ".png" or depth.kind != "metric" or not 0 < values.min() <= values.max() < 65535 / MILLIMETRES:
        raise DepthError(
            f"Expected metric depth below {65535 / MILLIMETRES:.1f} for a PNG, or a name ending in .npz, "
            f"got {depth.kind} depth for {Path(path).name!r}; write .npz."
        )
    with replacing(path) as temporary:
        Image.fromarray((values * MILLIMETRES).round().clip(1).astype(np.uint16)).save(temporary, format="PNG")


def fill_holes(values: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """Depth with every hole (not finite, or not positive) replaced by the nearest pixel that has depth."""
    holes = ~(torch.isfinite(values) & (values > 0))
    if bool(holes.all()):
        raise DepthError("Expected some finite, positive depth, got none in the map; check it or leave depth out.")
    return filled(values, holes)


def _regions(path: Path) -> Mapping[int, Region]:
    """What region ids are; a plain string is short for a name, missing instances are counted, and a missing confidence is 1."""
    try:
        entries = read_json(path)["regions"]
        regions: dict[int, Region] = {}
        for key, entry in entries.items():
            fields = {"name": entry} if isinstance(entry, str) else dict(entry)
            name = str(fields["name"]).strip().lower()
            count = sum(region.name == name for region in regions.values())
            confidence = min(1.0, max(0.0, float(fields.get("confidence", 1.0))))
            regions[int(key)] = Region(name, int(fields.get("instance", count)), confidence=confidence)
        return regions
    except InputError as error:
        raise SegmentsError(
            f"Expected the regions' names in {path}, got no readable JSON; see docs/segments.md."
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        form = '{"regions": {"1": {"name": "sofa", "instance": 0}}}'
        raise SegmentsError(f"Expected {form} in {path}, got something else ({error}); correct it.") from error


def _array(path: Path) -> tuple[np.ndarray, Literal["metric", "relative"] | str]:
    """Depth values and their kind from .npy or .npz."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded.astype(np.float32), "metric"
        with loaded:
            return loaded["values"].astype(np.float32), str(loaded["kind"]) if "kind" in loaded else "metric"
    except BROKEN as error:
        raise DepthError(f"Expected depth `values` in {path}, got none ({reason(error)}); check the file.") from error


def _must_fit(shape: tuple[int, ...], size: tuple[int, int] | None, path: Path, problem: type[InputError]) -> None:
    """Raise unless a map has the size (H, W) of its picture."""
    if size is not None and tuple(shape) != tuple(size):
        raise problem(f"Expected {by(size)} pixels in {path} as in its picture, got {by(shape)}; save it at that size.")
