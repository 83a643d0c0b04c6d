"""Pictures per second of the dollhouse on this machine: geometry, and restyling of cached geometry, at 128 x 128.

python benchmarks/dollhouse.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console

from relook.dollhouse import sample_layout, sample_style, shade, trace

ROOMS, REPEATS, SIZE = 64, 5, (128, 128)


def rate(work: Callable[[], object]) -> float:
    """Median pictures per second over the repeats, after one run to warm up."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return ROOMS / statistics.median(seconds)


def main() -> None:
    layouts, styles = [sample_layout(i) for i in range(ROOMS)], [sample_style(i) for i in range(ROOMS)]
    geometry = trace(layouts, SIZE)
    atlases = torch.stack([style.atlas(geometry.texels) for style in styles])
    console = Console(highlight=False)
    console.print(f"geometry, one ray a pixel:   {rate(lambda: trace(layouts, SIZE, smooth=False)):6.0f} pictures/s")
    console.print(f"geometry, four rays a pixel: {rate(lambda: trace(layouts, SIZE)):6.0f} pictures/s")
    console.print(
        f"restyling, four rays a pixel:{rate(lambda: shade(geometry, styles, atlases=atlases)):6.0f} pictures/s"
    )


if __name__ == "__main__":
    main()
