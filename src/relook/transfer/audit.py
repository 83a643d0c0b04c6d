"""What became of a picture, from its record and its pixels: what was changed, by thing, and that what was to be kept is identical."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import MissingModelError, PictureError, RecordError
from relook.files import sha256
from relook.io import read_picture
from relook.record import read_record
from relook.session import Session
from relook.transfer.credentials import Credentials, read_credentials
from relook.transfer.disclosure import read_disclosure
from relook.transfer.photo import see_again
from relook.types import Segments

EXACT = (".png", ".tif", ".tiff", ".webp")
"""Endings of formats that lose nothing, where no quality is asked for."""


@dataclass(frozen=True)
class Change:
    """How much of one thing was changed."""

    name: str
    share: float
    """Of the picture."""
    changed: float
    """Share of the thing's own pixels."""
    difference: float
    """Mean difference of its colours, in levels of 255."""
    kept: float
    """Share of its pixels that were to be kept."""


@dataclass(frozen=True)
class Audit:
    """What the record, the file and the pixels say."""

    unchanged: bool
    """Whether the picture's file is the one that was written."""
    embedded: bool
    """Whether the file itself carries a record (XMP)."""
    credentials: Credentials | None
    whole: Change
    things: tuple[Change, ...]
    """Empty where what was seen cannot be seen again."""
    kept_differ: int
    """Pixels that were to be kept and are not identical."""
    notes: tuple[str, ...]
    """Sentences on what could not be said, and why."""


def audit_photo(picture: str | Path, *, session: Session | None = None) -> Audit:
    """Compare a restyled picture with the structure picture that its record (the JSON beside it) names.

    Raises RecordError where there is no record, or the structure picture is gone or has changed; PictureError for a picture of another
    size. The networks that saw the things are asked again; without them only the whole picture is compared.
    """
    picture = Path(picture)
    beside = picture.with_suffix(".json")
    if not beside.is_file():
        raise RecordError(f"Expected the record of {picture} at {beside}, got none; put it back beside the picture.")
    record = read_record(beside)
    (after, metadata), (before, _) = read_picture(picture), read_picture(record["inputs"]["structure"]["path"])
    if after.shape != before.shape:
        raise PictureError(
            f"Expected the structure picture's {tuple(before.shape[1:])} pixels in {picture}, got {tuple(after.shape[1:])}; it was cut or resized."
        )
    difference = (after - before).abs().amax(0) * 255
    differs = difference > (0.5 if metadata.bits == 8 else 0.5 / 257)
    mark = _mark(record, differs)
    notes = [] if not mark.any() else ["Pixels under the corner mark are left out."]
    try:
        segments, kept = see_again(record, session)
    except (MissingModelError, RecordError) as error:
        segments, kept = None, torch.zeros_like(differs)
        notes.append(f"What was seen cannot be seen again: {error}")
    kept = kept & ~mark
    if kept.any() and (picture.suffix.lower() not in EXACT or record["configuration"].get("quality") is not None):
        notes.append(f"A {picture.suffix[1:]} loses detail everywhere, so its kept pixels cannot be identical.")
    return Audit(
        sha256(picture) == record["output"]["sha256"], read_disclosure(picture) is not None, read_credentials(picture),
        _change("whole picture", ~mark, differs, difference, kept),
        tuple(changes(segments, mark, differs, difference, kept)), int((kept & differs).sum()), tuple(notes),
    )  # fmt: skip


def changes(
    segments: Segments | None,
    mark: Bool[Tensor, "H W"],
    differs: Bool[Tensor, "H W"],
    difference: Float[Tensor, "H W"],
    kept: Bool[Tensor, "H W"],
) -> list[Change]:
    """The change of every class of things, the largest first; pixels under `mark` do not count."""
    if segments is None:
        return []
    places = ((name, segments.mask(name) & ~mark) for name in segments.names)
    found = [_change(name, place, differs, difference, kept) for name, place in places if place.any()]
    return sorted(found, key=lambda one: -one.share)


def _change(
    name: str,
    place: Bool[Tensor, "H W"],
    differs: Bool[Tensor, "H W"],
    difference: Float[Tensor, "H W"],
    kept: Bool[Tensor, "H W"],
) -> Change:
    """The change at a place."""
    shares = (float(where[place].float().mean()) for where in (differs, difference, kept))
    return Change(name, float(place.float().mean()), *shares)


def _mark(record: dict[str, Any], like: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Where the mark stands that says that the picture was restyled."""
    mark = torch.zeros_like(like)
    if "label" in record:
        top, left, bottom, right = record["label"]["box"]
        mark[top:bottom, left:right] = True
    return mark
