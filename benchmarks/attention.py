"""Time and memory of attention: by groups, by a matrix, by its map, and exact contrast; all side by side in one run.

python benchmarks/attention.py [--out FILE.md] [--repeats 7] [--threads 2] [--clock wall|cpu] [--device cuda]

4096 tokens of 8 heads of 40 channels: the finest layers of Stable Diffusion 1.5 at 512 x 512. Every variant gets the
same tensors, in the layout in which a layer hands them over. Times are medians over rounds in which every variant runs
once. Memory is the peak above what was there before, each variant in a fresh process. On a machine with other work,
`--threads 1 --clock cpu` counts the processor time that the work itself took.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import torch
from common import parser, peak, rounds, say, table, where
from torch import Tensor

from relook.ops import attention
from relook.ops.attention import attend, attend_materialised
from relook.ops.groups import Groups, class_groups

TOKENS, HEADS, CHANNELS, CONTRAST = 4096, 8, 40, 1.67
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


def variants(device: str = "cpu", dtype: torch.dtype = torch.float32) -> list[Variant]:
    """Every way, over the same tensors; masks are made beforehand, as one run of many steps makes them once."""
    draw = torch.Generator().manual_seed(0)
    tokens = [torch.randn(1, TOKENS, HEADS * CHANNELS, generator=draw).to(device, dtype) for _ in range(5)]
    query, key, value, own_key, own_value = (part.unflatten(-1, (HEADS, CHANNELS)).transpose(1, 2) for part in tokens)
    room = groups(STRUCTURE, STYLE, draw).to(device)
    equal, few = groups((1,) * 12, (1,) * 12, draw).to(device), groups(STRUCTURE[:3], STYLE[:3], draw).to(device)
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
        Variant(MAP, lambda: by_map(matrix, rows=TOKENS)),
        Variant("matrix: its map, 1024 rows at a time", lambda: by_map(matrix), same=True),
        Variant("matrix: scaled_dot_product_attention", lambda: masked(matrix), same=True),
        Variant("groups: 12 classes as uneven as in a room", lambda: masked(room), same=True),
        Variant("groups: 12 equal classes", lambda: masked(equal)),
        Variant("groups: 3 uneven classes", lambda: masked(few)),
        Variant(BOTH, lambda: both(beside_matrix), BOTH),
        Variant("own keys too, groups: 12 uneven classes", lambda: both(beside), BOTH, same=True),
        Variant(CONTRAST_MAP, lambda: by_map(contrast=CONTRAST, rows=TOKENS), CONTRAST_MAP),
        Variant("contrast: exact, no mask", lambda: masked(None, CONTRAST), CONTRAST_MAP, same=True),
        Variant(MASKED_CONTRAST_MAP, lambda: by_map(matrix, contrast=CONTRAST, rows=TOKENS), MASKED_CONTRAST_MAP),
        Variant("contrast: exact, 12 uneven classes", lambda: masked(room, CONTRAST), MASKED_CONTRAST_MAP, same=True),
    ]


def groups(structure: tuple[int, ...], style: tuple[int, ...], draw: torch.Generator) -> Groups:
    """Classes of these relative sizes, scattered at random (the worst order in memory)."""
    return class_groups(_scattered(structure, draw), _scattered(style, draw))


def _scattered(sizes: tuple[int, ...], draw: torch.Generator) -> Tensor:
    edges = (torch.tensor(sizes).cumsum(0) * TOKENS / sum(sizes)).round().long()
    return (torch.bucketize(torch.arange(TOKENS), edges, right=True) + 1)[torch.randperm(TOKENS, generator=draw)]


def above(variant: Variant, device: str) -> float:
    """MiB that one run needs above what was there before it."""
    small = torch.randn(1, 2, 64, 40, device=device)
    attend_materialised(small, small, small)
    attend(small, small, small, contrast=2.0)
    before, highest = peak(variant.run, device)
    return highest - before


@dataclass(frozen=True)
class Figures:
    """What was measured of one variant."""

    variant: Variant
    seconds: float
    mebibytes: float
    apart: float
    """Largest difference from the rival's answer."""


def measured(arguments: argparse.Namespace) -> list[Figures]:
    """Median seconds, peak memory and largest difference of every variant."""
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    with torch.no_grad():
        every = variants(arguments.device, getattr(torch, arguments.dtype))
        runs = {variant.name: variant.run for variant in every}
        rounds(runs, 1)  # to warm up
        timed = rounds(runs, arguments.repeats, arguments.device, clock)
    return [
        Figures(
            variant, timed[variant.name].seconds, _apart_from_others(number, arguments),
            float((timed[variant.name].answer - timed[variant.rival].answer).abs().max()),
        )
        for number, variant in enumerate(every)
    ]  # fmt: skip


def _apart_from_others(number: int, arguments: argparse.Namespace) -> float:
    """`above` of a variant in a process of its own."""
    command = [sys.executable, __file__, "--peak", str(number), "--threads", str(arguments.threads)]
    command += ["--device", arguments.device, "--dtype", arguments.dtype]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def in_words(every: list[Figures]) -> str:
    """The figures in markdown."""
    found = {figures.variant.name: figures for figures in every}
    columns = (
        "Attention", "ms", "peak MiB", "times faster than no mask", "than the rival with a map", "times less memory", "apart",
    )  # fmt: skip
    rows = []
    for one in every:
        rival = found[one.variant.rival]
        rows.append([
            one.variant.name, f"{1000 * one.seconds:.0f}", f"{one.mebibytes:.0f}", f"{found[PLAIN].seconds / one.seconds:.1f}",
            f"{rival.seconds / one.seconds:.1f}", f"{rival.mebibytes / max(one.mebibytes, 0.1):.0f}",
            f"{one.apart:.0e}" if one.variant.same else "",
        ])  # fmt: skip
    return table(columns, rows)


def main() -> None:
    options = parser(__doc__, repeats=7)
    options.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: the time of all threads")
    options.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    options.add_argument("--peak", type=int, help="print the peak memory of one variant and do nothing else")
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak is not None:
        with torch.no_grad():
            every = variants(arguments.device, getattr(torch, arguments.dtype))
            say(str(above(every[arguments.peak], arguments.device)))
        return
    heading = (
        f"{TOKENS} tokens, {HEADS} heads of {CHANNELS}, {arguments.dtype}, {where(arguments.device, arguments.threads)}, "
        f"{arguments.clock} time, medians of {arguments.repeats}"
    )
    say(f"{heading}\n\n{in_words(measured(arguments))}", arguments.out)


if __name__ == "__main__":
    main()
