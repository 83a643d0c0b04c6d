"""What a photograph waits for, stage by stage: `restyle_photo` as a user calls it, at several sizes, with and without materials.

    RELOOK_MODELS=FOLDER python benchmarks/photo.py ROOM.jpg LOOK.jpg --sides 512 1280 3840 --repeats 3

The two small networks must be here (`relook models pull ade20k fastdepth`), or the room's lines alone give the regions. Seconds of the whole
process's cores together (`cores`) say what is left on a machine that does other things as well.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from common import Record, Stages, parser, say, tabulated, where

from relook import PhotoConfig, restyle_photo
from relook.io import read_image, write_image
from relook.ops.resize import resized
from relook.progress import Progress


def run(room: Path, look: Path, out: Path, config: PhotoConfig) -> Record:
    """Seconds by stage of one picture, everything loaded anew."""
    stages, wall, cores = Stages(), time.perf_counter(), time.process_time()
    restyle_photo(room, look, config, out=out, progress=Progress(stages.listen))
    whole = time.perf_counter() - wall
    rest = whole - sum(stages.seconds.values())
    return {**stages.seconds, "files": rest, "whole": whole, "cores": time.process_time() - cores}


def medians(records: Sequence[Record]) -> Record:
    """Of every column."""
    return {name: statistics.median(record.get(name, 0.0) for record in records) for name in records[0]}


def enlarged(path: Path, side: int, folder: Path) -> Path:
    """The picture with its longer side at `side`, as a file."""
    image = read_image(path)
    scale = side / max(image.shape[1:])
    place = folder / f"{path.stem}-{side}.jpg"
    write_image(place, resized(image, tuple(round(scale * length) for length in image.shape[1:])).clamp(0, 1))
    return place


def main() -> None:
    """Every size with and without materials, one after another in every round."""
    options = parser(__doc__ or "", repeats=3)
    options.add_argument("room", type=Path)
    options.add_argument("look", type=Path)
    options.add_argument("--sides", type=int, nargs="+", default=[512, 1280, 3840], help="longer sides in pixels")
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = [(side, materials) for side in asked.sides for materials in (True, False)]
        found: dict[tuple[int, bool], list[Record]] = {case: [] for case in cases}
        for _ in range(asked.repeats):
            for side, materials in cases:
                room, look = (enlarged(path, side, folder) for path in (asked.room, asked.look))
                config = PhotoConfig(materials=materials, device=asked.device)
                found[side, materials].append(run(room, look, folder / "new.png", config))
    rows = [
        {"pixels": f"{side}", "colours and": "materials" if materials else "nothing else"} | medians(records)
        for (side, materials), records in found.items()
    ]
    say(f"Seconds, medians of {asked.repeats}, {where(asked.device, asked.threads)}\n\n{tabulated(rows)}", asked.out)


if __name__ == "__main__":
    main()
