"""A family with another view refiner than its own, without copying a weight."""

from __future__ import annotations

from pathlib import Path

from relook.errors import InputError
from relook.models.families import Family
from relook.models.view_refiner import FOLDER


def family_with(family: Family, refiner: Path, place: Path) -> Path:
    """A folder that is the family with another view refiner, by links. Raises InputError where it cannot be made."""
    unet = next(file.parent for file in family.weights if file.parent.name == "unet")
    parts = {part.name: part for part in unet.parent.iterdir() if part.name != FOLDER} | {FOLDER: refiner}
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, part in parts.items():
            link = place / name
            if link.is_symlink() and link.resolve() == part.resolve():
                continue
            if link.is_symlink():
                link.unlink()
            link.symlink_to(part.resolve())
    except OSError as error:
        raise InputError(
            f"Expected to write links to the family's parts into {place}, got {error}; choose another folder."
        ) from error
    return place.resolve()
