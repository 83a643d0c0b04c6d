"""What a scene of Gaussians in a new look waits for, stage by stage: `restyle_scene` as a user calls it, from file to file, and its memory.

    RELOOK_MODELS=FOLDER python benchmarks/restyle3d.py LOOK.jpg --gaussians 130000 2000000 --key-views 24 --side 256

The scene is a drawn living room, fitted once and brought to every number of Gaussians (some left out, or some as four
on their own surface); its record holds twice as many cameras as key views. With --scene FILE an own scene, as it is. Seconds of all stages, of the process's
cores together, peak memory, and what `relook scene restyle` says beforehand of scenes that are large. On drawn rooms name `--segmenter embedded`.
"""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from common import Record, Stages, parser, peak, say, shown, table, where

from relook.config import PhotoConfig, RestyleConfig, SceneConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.gaussians import Gaussians
from relook.lift.restyled.task import restyle_scene
from relook.lift.scene.divide import split
from relook.lift.scene.fit import Fit, fit
from relook.lift.scene.saving import write_scene
from relook.progress import Progress

FITTED = 12
"""Frames that the drawn room is fitted to."""


def drawn_room(frames: int, side: int) -> Fit:
    """A drawn living room as Gaussians, with the cameras of a walk of so many frames."""
    layout, style = sample_layout(31, "living"), sample_style(31)
    views = [render(layout, style, (side, side), pose).view() for pose in walk(layout, FITTED, stride=1.2, turn=1.2)]
    found = fit(views, SceneConfig(size=side, held_out=0, refine=0, geometry="exact"))
    cameras = tuple(pose.camera((side, side)) for pose in walk(layout, frames, stride=1.2, turn=1.2))
    return replace(found, cameras=cameras)


def resampled(scene: Gaussians, count: int) -> Gaussians:
    """The scene in about so many Gaussians: some of them, or some as four on their own surface, in rounds."""
    draw = torch.Generator().manual_seed(0)
    while len(scene) < count - 2:
        more = min(len(scene), (count - len(scene)) // 3)
        scene = split(scene, torch.randperm(len(scene), generator=draw) < more)
    return scene[torch.randperm(len(scene), generator=draw)[:count].sort().values]


def measured(scene: Path, look: Path, out: Path, config: RestyleConfig, listener: logging.Handler) -> Record:
    """One run, everything loaded anew: seconds, and peak memory of the process."""
    stages, found = Stages(time.process_time), {}
    log = logging.getLogger("relook")
    log.addHandler(listener)
    log.setLevel(logging.INFO)
    began, cores = time.perf_counter(), time.process_time()

    def run() -> None:
        found.update(restyle_scene(scene, look, out, config, progress=Progress(stages.listen)))

    before, highest = peak(run)
    log.removeHandler(listener)
    whole, parts = time.perf_counter() - began, found["timings"]
    return {
        "": f"{found['gaussians']} Gaussians", "key views": str(found["views"]), **{f"{name} s": s for name, s in parts.items()},
        "whole s": whole, "cores s": time.process_time() - cores, "MiB before": before, "peak MiB": highest,
        **{f"cores s, {name}": s for name, s in stages.seconds.items() if s > 0.5},
    }  # fmt: skip


class Heard(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())


def main() -> None:
    """Every number of Gaussians once, the smallest first."""
    options = parser(__doc__ or "", repeats=1)
    options.add_argument("look", type=Path)
    options.add_argument("--scene", type=Path, help="an own scene in place of drawn ones")
    options.add_argument("--gaussians", type=int, nargs="+", default=[130_000])
    options.add_argument("--key-views", type=int, default=24)
    options.add_argument("--side", type=int, default=256)
    options.add_argument("--method", default="semantic")
    options.add_argument("--by", default="auto")
    options.add_argument("--segmenter", default="auto")
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    photo = PhotoConfig(device=asked.device, segmenter=asked.segmenter)
    config = RestyleConfig(photo=photo, method=asked.method, by=asked.by, key_views=asked.key_views, size=asked.side)
    heard, records = Heard(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenes = [asked.scene]
        if asked.scene is None:
            scenes, room = [], drawn_room(2 * asked.key_views, asked.side)
            for count in sorted(asked.gaussians):
                scenes.append(folder / f"{count}.ply")
                write_scene(scenes[-1], replace(room, gaussians=resampled(room.gaussians, count)))
            del room
        records = [measured(scene, asked.look, folder / "new.ply", config, heard) for scene in scenes]
    lead = f"{asked.method}, {asked.key_views} key views of {asked.side} pixels, {where(asked.device, asked.threads)}"
    rows = [
        [name, *(shown(one.get(name)) for one in records)]
        for name in dict.fromkeys(key for one in records for key in one)
    ]
    heads, *rows = rows
    say("\n".join([lead, "", table(heads, rows), "", *heard.lines]), asked.out)


if __name__ == "__main__":
    main()
