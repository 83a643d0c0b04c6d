"""Time and memory of attention: by groups, by a matrix, by its map, and exact contrast; all side by side in one run.

python benchmarks/attention.py [--out FILE.md] [--repeats 7] [--threads 2] [--clock wall|cpu] [--device cuda]

4096 tokens of 8 heads of 40 channels: the finest layers of Stable Diffusion 1.5 at 512 x 512. Every variant gets the
same tensors, in the layout in which a layer hands them over. Times are medians over rounds in which every variant runs
once (`--calls` times in a row, on a device that is done with one in less than a millisecond). Memory is the peak above what
was there before, on the CPU each variant in a fresh process. On a machine with other work, `--threads 1 --clock cpu` counts
the processor time that the work itself took.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import torch
from common import Record, Timed, parser, peak, rounds, say, tabulated, where
from torch import Tensor

from relook.ops import attention
from relook.ops.attention import attend, attend_materialised
from relook.ops.groups import Groups, class_groups

HEADS, CHANNELS, CONTRAST = 8, 40, 1.67
STRUCTURE = (24, 20, 14, 10, 8, 6, 5, 4, 3, 3, 2, 1)
STYLE = (20, 24, 10, 14, 6, 8, 4, 5, 3, 2, 3, 1)
"""Percent of two pictures that twelve classes fill: uneven, as walls and lamps are."""
PLAIN, MAP = "no mask: scaled_dot_product_attention", "matrix: its map, whole"
CONTRAST_MAP, MASKED_CONTRAST_MAP = "contrast: its map, whole", "contrast, matrix: its map, whole"
BOTH = "own keys too, matrix: scaled_dot_product_attention"


@dataclass(frozen=True)
class Variant:
    """One way to attend."""

    name: str
    run: Callable[[], Tensor]
    rival: str = MAP
    """The variant with a map, whose time and memory this one's are compared with."""
    same: bool = False
    """Whether it must give what the rival gives, within 1e-5 in float32."""


def variants(device: str = "cpu", dtype: torch.dtype = torch.float32, count: int = 4096) -> list[Variant]:
    """Every way, over the same tensors; masks are made beforehand, as one run of many steps makes them once."""
    draw = torch.Generator().manual_seed(0)
    tokens = [torch.randn(1, count, HEADS * CHANNELS, generator=draw).to(device, dtype) for _ in range(5)]
    query, key, value, own_key, own_value = (part.unflatten(-1, (HEADS, CHANNELS)).transpose(1, 2) for part in tokens)
    shares = (STRUCTURE, STYLE), ((1,) * 12, (1,) * 12), (STRUCTURE[:3], STYLE[:3])
    room, equal, few = (groups(*sizes, count, draw).to(device) for sizes in shares)
    matrix, beside, beside_matrix = room.matrix, room.beside_own, room.beside_own.matrix

    def masked(mask: Tensor | Groups | None, contrast: float = 1.0) -> Tensor:
        return attend(query, key, value, mask, contrast=contrast)

    def both(mask: Tensor | Groups) -> Tensor:
        return attend(query, torch.cat([own_key, key], 2), torch.cat([own_value, value], 2), mask)

    def by_map(mask: Tensor | None = None, contrast: float = 1.0, rows: int = attention.ROWS) -> Tensor:
        with patch.object(attention, "ROWS", rows):
            return attend_materialised(query, key, value, mask, contrast=contrast)

    return [
        Variant(PLAIN, lambda: masked(None)),
        Variant(MAP, lambda: by_map(matrix, rows=count)),
        Variant("matrix: its map, 1024 rows at a time", lambda: by_map(matrix), same=True),
        Variant("matrix: scaled_dot_product_attention", lambda: masked(matrix), same=True),
        Variant("groups: 12 classes as uneven as in a room", lambda: masked(room), same=True),
        Variant("groups: 12 equal classes", lambda: masked(equal)),
        Variant("groups: 3 uneven classes", lambda: masked(few)),
        Variant(BOTH, lambda: both(beside_matrix), BOTH),
        Variant("own keys too, groups: 12 uneven classes", lambda: both(beside), BOTH, same=True),
        Variant(CONTRAST_MAP, lambda: by_map(contrast=CONTRAST, rows=count), CONTRAST_MAP),
        Variant("contrast: exact, no mask", lambda: masked(None, CONTRAST), CONTRAST_MAP, same=True),
        Variant(MASKED_CONTRAST_MAP, lambda: by_map(matrix, contrast=CONTRAST, rows=count), MASKED_CONTRAST_MAP),
        Variant("contrast: exact, 12 uneven classes", lambda: masked(room, CONTRAST), MASKED_CONTRAST_MAP, same=True),
    ]


def groups(structure: Sequence[int], style: Sequence[int], count: int, draw: torch.Generator) -> Groups:
    """Classes of these relative sizes over `count` tokens, scattered at random (the worst order in memory)."""
    return class_groups(*(_scattered(sizes, count, draw) for sizes in (structure, style)))


def _scattered(sizes: Sequence[int], count: int, draw: torch.Generator) -> Tensor:
    edges = (torch.tensor(sizes).cumsum(0) * count / sum(sizes)).round().long()
    return (torch.bucketize(torch.arange(count), edges, right=True) + 1)[torch.randperm(count, generator=draw)]


def above(variant: Variant, device: str) -> float:
    """MiB that one run needs above what was there before it."""
    small = torch.randn(1, 2, 64, 40, device=device)
    attend_materialised(small, small, small)
    attend(small, small, small, contrast=2.0)
    before, highest = peak(variant.run, device)
    return highest - before


@torch.no_grad()
def measured(arguments: argparse.Namespace) -> list[Record]:
    """Median milliseconds, peak memory and largest difference of every variant."""
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    every = made(arguments)
    runs = {variant.name: partial(_last, variant.run, arguments.calls) for variant in every}
    rounds(runs, 1, arguments.device)  # to warm up
    timed = rounds(runs, arguments.repeats, arguments.device, clock)
    peaks = {variant.name: _peak(number, variant, arguments) for number, variant in enumerate(every)}
    return [figures(variant, timed, peaks, arguments.calls) for variant in every]


def made(arguments: argparse.Namespace) -> list[Variant]:
    """The variants that the arguments ask for."""
    return variants(arguments.device, getattr(torch, arguments.dtype), arguments.tokens)


def figures(variant: Variant, timed: Mapping[str, Timed[Tensor]], peaks: Mapping[str, float], calls: int = 1) -> Record:
    """One variant beside plain attention and its rival."""
    own, rival = timed[variant.name], timed[variant.rival]
    return {
        "attention": variant.name,
        "ms": 1000 * own.seconds / calls,
        "peak MiB": peaks[variant.name],
        "times faster than no mask": timed[PLAIN].seconds / own.seconds,
        "than the rival with a map": rival.seconds / own.seconds,
        "times less memory": peaks[variant.rival] / max(peaks[variant.name], 0.1),
        "apart": float((own.answer - rival.answer).abs().max()) if variant.same else None,
    }


def _last(run: Callable[[], Tensor], calls: int) -> Tensor:
    """The answer of the last of several calls."""
    for _ in range(calls - 1):
        run()
    return run()


def _peak(number: int, variant: Variant, arguments: argparse.Namespace) -> float:
    """`above` of a variant; on the CPU, where memory that is given back is counted on, in a process of its own."""
    if arguments.device != "cpu":
        return above(variant, arguments.device)
    command = [sys.executable, __file__, "--peak", str(number), "--threads", str(arguments.threads)]
    command += ["--tokens", str(arguments.tokens), "--dtype", arguments.dtype]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def options() -> argparse.ArgumentParser:
    """What there is to choose."""
    found = parser(__doc__ or "", repeats=7)
    found.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: the time of all threads")
    found.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    found.add_argument("--tokens", type=int, default=4096, help="of each picture")
    found.add_argument("--calls", type=int, default=1, help="of a variant in a row, timed together")
    found.add_argument("--peak", type=int, help="print the peak memory of one variant and do nothing else")
    return found


def main() -> None:
    arguments = options().parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak is not None:
        with torch.no_grad():
            say(str(above(made(arguments)[arguments.peak], arguments.device)))
        return
    heading = (
        f"{arguments.tokens} tokens, {HEADS} heads of {CHANNELS}, {arguments.dtype}, "
        f"{where(arguments.device, arguments.threads)}, {arguments.clock} time, medians of {arguments.repeats}"
    )
    say(f"{heading}\n\n{tabulated(measured(arguments))}", arguments.out)


if __name__ == "__main__":
    main()
