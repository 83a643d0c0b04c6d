"""Photographs as nobody framed them while constants were chosen: random pairs of parts of pictures, mirrored or not, for judging by eye.

    python benchmarks/framings.py PHOTOS FOLDER --seed 505 --pairs 12
    relook evaluate folder FOLDER --rows palette --longest 1024 --out RESULTS

writes structures, styles and pairs as `relook evaluate folder` reads them (docs/evaluate.md), whose report then has the sheet. A seed gives
the same pairs of the same photographs each time; a picture does not meet itself, so there may be one pair less than asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random

from PIL import Image

from relook.evaluate.sources.disk import PAIRS
from relook.evaluate.sources.folder import STRUCTURES, STYLES

SIDE = 1024
"""Longer side of a part at most, in pixels."""
SHARES = (0.75, 0.95)
"""Of a picture's sides that a part has."""


def framed(path: Path, draw: Random) -> Image.Image:
    """A part of a picture, in half of all cases mirrored, at most SIDE pixels long."""
    image = Image.open(path).convert("RGB")
    share = draw.uniform(*SHARES)
    width, height = (int(share * side) for side in image.size)
    x, y = draw.randint(0, image.width - width), draw.randint(0, image.height - height)
    part = image.crop((x, y, x + width, y + height))
    if draw.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    part.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return part


def write(photos: Sequence[Path], folder: Path, seed: int, pairs: int) -> list[tuple[str, str]]:
    """The parts of so many pairs as files of a folder, and its pairs.csv; the names of both pictures of each pair."""
    draw, names = Random(seed), []
    rooms, looks = draw.sample(list(photos), pairs), draw.sample(list(photos), pairs)
    for number, couple in enumerate(zip(rooms, looks, strict=True)):
        found = [
            (kind, f"{number:02d}-{path.stem}", framed(path, draw))
            for kind, path in zip((STRUCTURES, STYLES), couple, strict=True)
        ]
        if couple[0] == couple[1]:
            continue
        for kind, name, part in found:
            (folder / kind).mkdir(parents=True, exist_ok=True)
            part.save(folder / kind / f"{name}.jpg", quality=93)
        names.append((found[0][1], found[1][1]))
    (folder / PAIRS).write_text("\n".join(["structure,style", *map(",".join, names)]) + "\n", "utf-8")
    return names


def main() -> None:
    """Write them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("photos", type=Path, help="folder of JPEG photographs")
    options.add_argument("folder", type=Path, help="where the pairs are written; it must not be there yet")
    options.add_argument("--seed", type=int, default=505)
    options.add_argument("--pairs", type=int, default=12)
    asked = options.parse_args()
    photos = sorted(asked.photos.glob("*.jpg"))
    if not 0 < asked.pairs <= len(photos):
        options.error(f"expected 1 to {len(photos)} pairs, one per photograph in {asked.photos}, got {asked.pairs}")
    if asked.folder.exists():
        options.error(f"expected a folder that is not there yet, got {asked.folder}; name another")
    write(photos, asked.folder, asked.seed, asked.pairs)


if __name__ == "__main__":
    main()
