"""Seconds and memory of a whole restyled picture, for every method: random weights of Stable Diffusion 1.5 and SDXL, and the embedded family.

    python benchmarks/methods.py --device cuda                                      # 512 x 512 with SD 1.5, 1024 x 1024 with SDXL
    python benchmarks/methods.py --families dollhouse --steps 4 --compile off       # a try on a small machine

The pair is two rooms of the dollhouse with exact segments and depth, so perception is not in the figures; encoding, inversion, every step,
decoding and the finish are. The first picture, which warms up (and compiles), is timed apart; the others give the median. Where fewer steps
than the preset's are asked for, a column says what a whole run would take: its steps at the same pace. Memory is the highest of the
device's allocator with the family's weights in it; on the CPU, resident memory of the whole process. With `--compile on` the denoiser is
given to torch.compile, and the table says how many graphs it made and how many kinds of breaks it met.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from common import Record, parser, peak, say, seconds, tabulated, where
from randoms import PUBLISHED, random_family, write_adapter

from relook.evaluate.sources.dollhouse import Pair, draw_pair
from relook.models import image_prompt
from relook.models.families import Family, load_family
from relook.progress import Progress, Step
from relook.session import Placement, placement
from relook.transfer.presets import PRESETS, PROMPTED, preset_of
from relook.transfer.restyle import Options, restyle

METHODS = (*PRESETS, *PROMPTED)
SIZES = {"dollhouse": (128, 256), "sd15": (512,), "sdxl": (1024,)}
"""Families, and the sides in pixels of their pictures."""


@dataclass(frozen=True)
class Case:
    """One way to make a picture."""

    method: str
    preset: str = "relook"
    steps: int | None = None
    """Of a whole run; the preset's if None."""
    repeats: int = 3
    """Pictures after the first; 0 where the device is warm and the first is the figure."""
    backend: str | None = None
    """torch.compile's for the denoiser; None: not compiled."""


class Stages:
    """Listens to a run: the seconds of each stage, the device's own work included."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: Counter[str] = Counter()
        self._device, self._last = device, 0.0

    def __call__(self, step: Step) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if step.done:
            self.seconds[step.stage] += now - self._last
        self._last = now


def main(words: Sequence[str] | None = None) -> None:
    arguments = options().parse_args(words)
    torch.set_num_threads(arguments.threads)
    place = placement(arguments.device, arguments.precision)
    heading = f"{where(arguments.device, arguments.threads)}, medians of {arguments.repeats}"
    records: list[Record] = []
    for record in (record for kind in arguments.families for record in measured(kind, place, arguments)):
        records.append(record)
        text = f"{heading}\n\n{tabulated(records)}"
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


def measured(kind: str, place: Placement, arguments: argparse.Namespace) -> Iterator[Record]:
    """A record for every state of compilation, size and method; a new family for each size, so that no adapter of the last is in memory."""
    methods = [name for name in arguments.methods if kind != "dollhouse" or name not in PROMPTED]
    for state, side in product(arguments.compile, arguments.sizes or SIZES[kind]):
        family = (
            load_family(kind, place) if kind == "dollhouse" else random_family(kind, place, arguments.configurations)
        )
        pair = draw_pair(0, 0, (int(side), int(side)))
        backend = arguments.backend if state == "on" else None
        for method in methods:
            case = Case(method, arguments.preset, arguments.steps, arguments.repeats, backend)
            yield {"family": kind} | figures(family, pair, case, arguments.configurations)
        del family
        gc.collect()


def figures(family: Family, pair: Pair, case: Case, configurations: Path = PUBLISHED) -> Record:
    """Seconds of a picture, of its stages and of the first, peak memory, and what the compiler made of the denoiser."""
    if case.backend is not None:
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        family.denoiser.compile(backend=case.backend)
    device, preset, stages = (
        str(family.device),
        preset_of(case.method, case.preset, tuned=family.tuned),
        Stages(family.device),
    )
    times: list[float] = []

    with tempfile.TemporaryDirectory() as folder:
        adapter = None
        if preset.denoising.image_scale > 0:
            write_adapter(Path(folder), family.denoiser, family.place, configurations)
            adapter = image_prompt.adapter(folder, family)

        def run() -> None:
            stages.seconds.clear()
            restyle(
                family, pair.structure, pair.style, pair.correspondence(), preset, Options(case.steps, adapter=adapter),
                Progress(stages),
            )  # fmt: skip

        def often() -> None:
            times.extend(seconds(run, device)[0] for _ in range(case.repeats + 1))

        _, highest = peak(often, device)
    spent = statistics.median(times[1:] or times)
    steps, of = case.steps or preset.denoising.steps, preset.denoising.steps
    paced = sum(stages.seconds[name] for name in ("inverting", "restyling"))
    return {
        "precision": family.place.precision,
        "method": case.method,
        "preset": case.preset,
        "steps": f"{steps} of {of}",
        "compiled": case.backend or "no",
        "pixels": pair.structure.size[0],
        "seconds": spent,
        **{name: stages.seconds[name] for name in ("inverting", "restyling", "finishing")},
        "all steps, extrapolated": None if steps == of else spent + paced * (of / steps - 1),
        "first picture": times[0] if case.repeats else None,
        "repeats": max(case.repeats, 1),
        "peak MiB": highest,
        **({} if case.backend is None else graph()),
    }


def graph() -> Record:
    """Graphs and breaks since the counters were cleared."""
    counters = torch._dynamo.utils.counters
    return {"graphs": counters["stats"]["unique_graphs"], "breaks": sum(counters["graph_break"].values())}


if __name__ == "__main__":
    main()
