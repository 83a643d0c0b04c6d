"""Seconds of processor time for one view by the learned lifter, beside the straightforward implementation.

    python benchmarks/lifting.py --side 256 --sources 8

Straightforward: both stages along every ray, 2048 rays at a time, maps fetched at every sample of every source and summed; in float32 and in
bfloat16. Both carry the colours and the probabilities of 20 classes. Rays are sampled evenly over the picture (--rays) and counted up to all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from common import parser, rounds, say, table
from torch import Tensor

from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.lift.lifted import Learned, posed
from relook.models.lifter import Lifter, Sampling, Sources, load_lifter
from relook.ops.geometry import pixel_centres
from relook.ops.lifting import Cameras, cast, fetched
from relook.types import Camera

CLASSES, PLAIN = 20, 2048
"""Channels that are carried beside RGB; rays at a time of the straightforward way."""


@torch.no_grad()
def straightforward(
    network: Lifter, sources: Sources, camera: Camera, pixels: Tensor, sampling: Sampling, maps: Tensor
) -> Tensor:
    """Maps along some rays, R x C."""
    found = []
    for part in pixels.split(PLAIN):
        blending = network(sources, cast(camera, part), sampling).blending
        found.append(torch.einsum("rsvc,rsv->rc", fetched(maps, blending.grid), blending.weights.to(maps)))
    return torch.cat(found)


def shown(way: Learned, camera: Camera, size: tuple[int, int], chosen: list[int], maps: Tensor) -> Tensor:
    """The same by `relook lift`."""
    found = torch.zeros(size[0] * size[1], maps.shape[1])
    for places, values, _ in way.parts(camera, size, chosen, maps):
        found[places] = values
    return found


def main() -> None:
    """Both ways on one drawn room."""
    options = parser(__doc__ or "", repeats=3)
    options.add_argument("--side", type=int, default=256)
    options.add_argument("--sources", type=int, default=8)
    options.add_argument("--rows", type=int, default=16, help="rows of the picture that are timed")
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    side, network, layout = asked.side, load_lifter(), sample_layout(31, "living")
    shots = [
        render(layout, sample_style(31), (side, side), pose) for pose in walk(layout, asked.sources + 1, stride=0.5)
    ]
    target = shots.pop(asked.sources // 2)
    source = posed([one.view() for one in shots], side)
    way, chosen = Learned(source, network, asked.sources), list(range(asked.sources))
    maps = torch.cat([source.images, torch.rand(asked.sources, CLASSES, side, side)], 1)
    sources = Sources(source.images, Cameras.of([one.camera for one in shots], source.size), way.features)
    # a strip of the picture as a picture of its own: the rows from the middle on
    K = target.camera.K.clone()
    K[1, 2] -= side // 2
    camera, strip = Camera(K, target.camera.world_to_camera), (asked.rows, side)
    pixels = pixel_centres(strip).reshape(-1, 2)
    plain = partial(straightforward, network, sources, camera, pixels, way.sampling)

    def halved() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return plain(maps)

    runs: dict[str, Callable[[], Tensor]] = {
        "straightforward": lambda: plain(maps),
        "straightforward in bfloat16": halved,
        "relook lift": lambda: shown(way, camera, strip, chosen, maps),
    }
    timed = rounds(runs, asked.repeats, clock=time.process_time)
    first, times = timed["straightforward"], side / asked.rows
    rows = [
        [
            name,
            f"{one.seconds * times:.1f}",
            f"{first.seconds / one.seconds:.1f}",
            f"{float((one.answer - first.answer)[:, :3].square().mean().sqrt()):.4f}",
        ]
        for name, one in timed.items()
    ]
    lead = f"One view of {side} x {side} pixels from {asked.sources} sources, {asked.threads} thread(s), processor time counted up from {asked.rows} rows"
    say(f"{lead}\n\n{table(['', 's a view', 'times faster', 'RMSE of colours'], rows)}", asked.out)


if __name__ == "__main__":
    main()
