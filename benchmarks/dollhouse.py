"""Pictures per second of the dollhouse on this machine: geometry, and restyling of cached geometry, at 128 x 128.

python benchmarks/dollhouse.py
"""

from __future__ import annotations

import torch
from common import rounds, say, table

from relook.dollhouse import sample_layout, sample_style, shade, trace

ROOMS, REPEATS, SIZE = 64, 5, (128, 128)


def main() -> None:
    layouts, styles = [sample_layout(i) for i in range(ROOMS)], [sample_style(i) for i in range(ROOMS)]
    geometry = trace(layouts, SIZE)
    atlases = torch.stack([style.atlas(geometry.texels) for style in styles])
    runs = {
        "geometry, one ray a pixel": lambda: trace(layouts, SIZE, smooth=False),
        "geometry, four rays a pixel": lambda: trace(layouts, SIZE),
        "restyling, four rays a pixel": lambda: shade(geometry, styles, atlases=atlases),
    }
    rounds(runs, 1)  # to warm up
    rows = [(name, f"{ROOMS / timed.seconds:.0f}") for name, timed in rounds(runs, REPEATS).items()]
    say(table(("work", "pictures a second"), rows))


if __name__ == "__main__":
    main()
