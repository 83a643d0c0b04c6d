"""Small rooms as files, for tests of whole commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from relook.io import write_depth, write_image, write_segments
from relook.types import Depth, Region, Segments

NAMES = {1: Region("wall"), 2: Region("floor"), 3: Region("sofa"), 4: Region("window")}


@dataclass(frozen=True)
class Room:
    """A picture file with its label map and depth."""

    image: Path
    segments: Path
    depth: Path


def write_room(folder: Path, name: str, size: tuple[int, int] = (36, 52), seed: int = 0) -> Room:
    """A wall, a floor, a sofa and a window of random colours with a little texture."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.ones(size, dtype=torch.int64)
    labels[size[0] * 2 // 3 :] = 2
    labels[size[0] // 2 : -4, size[1] // 3 : size[1] * 2 // 3] = 3
    labels[4 : size[0] // 3, 4 : size[1] // 4] = 4
    colours = torch.rand(5, 3, generator=generator)
    image = (colours[labels].permute(2, 0, 1) + 0.05 * torch.randn(3, *size, generator=generator)).clamp(0, 1)
    depth = torch.linspace(4, 1, size[0])[:, None].expand(size).contiguous()
    room = Room(folder / f"{name}.png", folder / f"{name}-map.png", folder / f"{name}-depth.npz")
    write_image(room.image, image)
    write_segments(room.segments, Segments(labels, NAMES))
    write_depth(room.depth, Depth(depth, "metric"))
    return room
