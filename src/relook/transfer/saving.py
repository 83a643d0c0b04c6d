"""The files of one restyled picture: OUT, which carries its record as XMP (and, signed, as content credentials), and OUT.json, the record.

Where they are asked for: OUT.maps/ with what was seen, OUT.psd with every thing apart, OUT.before-after.jpg.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from relook.config import PhotoConfig
from relook.errors import InputError
from relook.files import check_writable, picture_format, sha256, together, write_json
from relook.io import write_depth, write_image, write_segments
from relook.io.layered import needs_layers, write_layers
from relook.io.sheet import contact_sheet
from relook.perceive.layout.files import write_layout
from relook.transfer.credentials import needs_credentials, sign
from relook.transfer.disclosure import xmp_packet
from relook.transfer.label import TEXT
from relook.types import Result, View

SHEET = 1024
"""Longer side in pixels of each picture before and after."""
Picture = str | Path | View
"""A picture's file, or a view with what is known of it."""


def write_result(out: str | Path, result: Result, config: PhotoConfig) -> Result:
    """Write OUT and OUT.json, and what the configuration asks for besides: all of them or none, the picture and its record last."""
    out = Path(out)
    with together(out.parent) as folder:
        if config.keep_maps:
            _write_maps(folder / maps_of(out).name, result)
        if config.layers:
            write_layers(folder / f"{out.stem}.psd", result.structure, result.image)
        if config.label_edited:
            pictures, names = [[result.structure.image, result.image]], ("before", f"after: {TEXT}")
            contact_sheet(pictures, names, side=SHEET).save(_sheet(folder / out.name), quality=92)
        carried = replace(result.metadata, xmp=xmp_packet(result.record))
        write_image(folder / out.name, result.image, carried, quality=config.quality)
        if config.certificate is not None and config.key is not None:
            sign(folder / out.name, result.record, config.certificate, config.key)
        record = result.record | {"output": {"path": str(out.resolve()), "sha256": sha256(folder / out.name)}}
        write_json(folder / f"{out.stem}.json", record)
    return replace(result, record=record)


def check_place(out: str | Path | None, pictures: Sequence[Picture], config: PhotoConfig) -> None:
    """Raise before any work if the result could not be written, or would write over an input."""
    if out is None:
        return
    out = Path(out)
    picture_format(out)
    if config.layers:
        needs_layers()
    if config.certificate is not None:
        needs_credentials()
    inputs = (*pictures, *config.files().values(), config.layout, config.style_layout)
    files = {Path(value).resolve() for value in inputs if isinstance(value, str | Path)}
    if written := files & {path.resolve() for path in _places(out, config)}:
        raise InputError(f"Expected an output that is no input, got {written.pop()} as both; choose another name.")
    check_writable(out)
    if config.keep_maps:
        check_writable(maps_of(out), folder=True)


def preview_of(out: str | Path) -> Path:
    """The small picture that is written before a result."""
    return Path(out).with_name(f"{Path(out).stem}.preview.png")


def maps_of(out: Path) -> Path:
    """The folder of what was seen of both pictures of a result."""
    return out.with_name(f"{out.stem}.maps")


def _sheet(out: Path) -> Path:
    """The picture before and after, side by side."""
    return out.with_name(f"{out.stem}.before-after.jpg")


def _places(out: Path, config: PhotoConfig) -> Iterator[Path]:
    """Every file that may be written."""
    yield from (out, out.with_suffix(".json"))
    if config.preview:
        yield preview_of(out)
    if config.layers:
        yield out.with_suffix(".psd")
    if config.label_edited:
        yield _sheet(out)
    if config.keep_maps:
        for name in ("structure", "style"):
            yield from (maps_of(out) / f"{name}{kind}" for kind in (".png", ".json", ".depth.npz", ".layout.json"))


def _write_maps(folder: Path, result: Result) -> None:
    """structure.png and style.png (regions, each with a JSON of names), and where they are known *.depth.npz and *.layout.json."""
    folder.mkdir()
    for name, view in (("structure", result.structure), ("style", result.style)):
        if view.segments is not None:
            write_segments(folder / f"{name}.png", view.segments)
        if view.depth is not None:
            write_depth(folder / f"{name}.depth.npz", view.depth)
        if view.layout is not None:
            write_layout(folder / f"{name}.layout.json", view.layout)
