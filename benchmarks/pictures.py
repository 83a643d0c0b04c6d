"""Seconds and memory of a whole restyled picture, for every method: random weights of Stable Diffusion 1.5 and SDXL, and the embedded family.

    python benchmarks/pictures.py --device cuda                                      # 512 x 512 with SD 1.5, 1024 x 1024 with SDXL
    python benchmarks/pictures.py --families dollhouse --steps 4 --compile off       # a try on a small machine

The pair is two rooms of the dollhouse with exact segments and depth, so perception is not in the figures; encoding, inversion, every step,
decoding and the finish are. The first picture, which warms up (and compiles), is timed apart; the others give the median. Memory is the
highest of the device's allocator with the family's weights in it; on the CPU, resident memory of the whole process. With `--compile on`
the denoiser is given to torch.compile, and the table says how many graphs it made and how many kinds of breaks it met.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import torch
from common import parser, peak, rounds, say, seconds, table, where
from randoms import PUBLISHED, random_family, write_adapter

from relook.evaluate.sources.dollhouse import draw_pair
from relook.models import image_prompt
from relook.models.families import Family, load_family
from relook.session import Placement, placement
from relook.transfer.presets import PRESETS, PROMPTED, preset_of
from relook.transfer.restyle import Options, restyle

METHODS = (*PRESETS, *PROMPTED)
SIZES = {"dollhouse": (128, 256), "sd15": (512,), "sdxl": (1024,)}
"""Families, and the sides in pixels of their pictures."""
COLUMNS = ("family", "pixels", "method", "compiled", "seconds", "first picture", "peak MiB", "graphs, breaks")


def main(words: Sequence[str] | None = None) -> None:
    arguments = options().parse_args(words)
    torch.set_num_threads(arguments.threads)
    place = placement(arguments.device, arguments.precision)
    steps = f"{arguments.steps} steps" if arguments.steps else "steps of the preset"
    heading = f"{where(arguments.device, arguments.threads)}, {place.precision}, preset {arguments.preset}, {steps}, medians of {arguments.repeats}"
    rows: list[list[str]] = []
    for row in (row for kind in arguments.families for row in measured(kind, place, arguments)):
        rows.append(row)
        text = f"{heading}\n\n{table(COLUMNS, rows, words=4)}"
        if arguments.out:  # after every row: what is stopped early has measured something
            arguments.out.write_text(text + "\n")
    say(text)


def options() -> argparse.ArgumentParser:
    """What there is to choose."""
    found = parser(__doc__, repeats=3)
    found.add_argument("--families", type=listed, default=["sd15", "sdxl"], help=f"out of {', '.join(SIZES)}")
    found.add_argument("--methods", type=listed, default=list(METHODS), help=f"out of {', '.join(METHODS)}")
    found.add_argument("--sizes", type=listed, help="sides in pixels, in place of each family's own")
    found.add_argument("--preset", default="relook")
    found.add_argument("--steps", type=int, help="of a whole run; the preset's if not given")
    found.add_argument("--precision", choices=["auto", "fp32", "fp16", "bf16"], default="auto")
    found.add_argument("--compile", type=listed, default=["off", "on"], help="off, on, or off,on")
    found.add_argument(
        "--backend", default="inductor", help="torch.compile's; eager only counts graphs, in little time"
    )
    found.add_argument("--configurations", type=Path, default=PUBLISHED, help="folder of the models' configurations")
    return found


def listed(text: str) -> list[str]:
    """What stands between the commas."""
    return text.split(",")


def measured(kind: str, place: Placement, arguments: argparse.Namespace) -> Iterator[list[str]]:
    """A row for every state of compilation, size and method; a new family for each size, so that no adapter of the last is in memory."""
    methods = [name for name in arguments.methods if kind != "dollhouse" or name not in PROMPTED]
    for state, side in product(arguments.compile, arguments.sizes or SIZES[kind]):
        family = (
            load_family(kind, place) if kind == "dollhouse" else random_family(kind, place, arguments.configurations)
        )
        with tempfile.TemporaryDirectory() as folder:
            for method in methods:
                if method in PROMPTED:
                    write_adapter(Path(folder), family.denoiser, place, arguments.configurations)
                found = figures(family, int(side), method, state, Path(folder), arguments)
                yield [kind, str(side), method, state, *found]
        del family
        gc.collect()


def figures(
    family: Family, side: int, method: str, state: str, adapter: Path, arguments: argparse.Namespace
) -> tuple[str, str, str, str]:
    """Seconds of a picture and of the first, peak memory, and what the compiler made of the denoiser."""
    if state == "on":
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        family.denoiser.compile(backend=arguments.backend)
    pair = draw_pair(0, 0, (side, side))
    preset = preset_of(method, arguments.preset)
    shows = image_prompt.adapter(str(adapter), family) if preset.denoising.image_scale > 0 else None
    options = Options(arguments.steps, adapter=shows)
    run = partial(restyle, family, pair.structure, pair.style, pair.correspondence(), preset, options)
    first, _ = seconds(run, arguments.device)
    times = []
    _, highest = peak(
        lambda: times.append(rounds({"": run}, arguments.repeats, arguments.device)[""].seconds), arguments.device
    )
    return f"{times[0]:.2f}", f"{first:.2f}", f"{highest:.0f}", graph() if state == "on" else ""


def graph() -> str:
    """Graphs and breaks since the counters were cleared."""
    counters = torch._dynamo.utils.counters
    return f"{counters['stats']['unique_graphs']}, {sum(counters['graph_break'].values())}"


if __name__ == "__main__":
    main()
