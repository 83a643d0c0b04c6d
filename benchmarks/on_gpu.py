"""Everything that wants a GPU as one run of at most eight minutes, with random weights of the published configurations.

    python benchmarks/on_gpu.py --out results/on_gpu --device cuda        # writes results/on_gpu.json and results/on_gpu.md
    python benchmarks/on_gpu.py --out results/rehearsal --rehearse        # the same code in small, on the CPU in a minute

Parts come in the order of their importance, and each is written when it is finished. A run that goes on with the files of an earlier one
skips the parts that are there. A part that fails leaves its error, and one that by its estimate would not fit into the budget is skipped;
both are listed, and the next run tries them again.
"""

from __future__ import annotations

import argparse
import gc
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import attention
import methods
import step
import torch
from common import Record, peak, rounds, say, seconds, tabulated, where
from diffusers import AutoencoderTiny
from methods import Case
from randoms import PUBLISHED, narrowed, random_family
from torch import Tensor

from relook.evaluate.sources.dollhouse import Pair, draw_pair
from relook.files import read_json, write_bytes, write_json
from relook.models.families import Family
from relook.session import placement
from relook.transfer.presets import PRESETS, PROMPTED

FEW = 20
"""Steps of a picture where a whole run is long: the figures of all steps are extrapolated."""


@dataclass(frozen=True)
class Part:
    """One thing to measure."""

    name: str
    table: str
    """Heading of the table that its records stand in."""
    estimate: float
    """Seconds on an H100."""
    measure: Callable[[], list[Record]]


@dataclass
class Bench:
    """Where the parts run, in which size, and what they share: one family at a time."""

    device: str
    configurations: Path = PUBLISHED
    rehearsal: bool = False
    _held: dict[tuple[str, str], Family] = field(default_factory=dict)

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """The pictures of each family."""
        sides = dict.fromkeys(("sd15", "sdxl"), 64) if self.rehearsal else {"sd15": 512, "sdxl": 1024}
        return {kind: draw_pair(0, 0, (side, side)) for kind, side in sides.items()}

    def family(self, kind: str, precision: str) -> Family:
        """A family with random weights; the one before it is given back."""
        if (kind, precision) not in self._held:
            self._held.clear()
            give_back(self.device)
            self._held[kind, precision] = random_family(kind, placement(self.device, precision), self.configurations)
        return self._held[kind, precision]

    def parts(self) -> list[Part]:
        """All parts, what matters most first."""
        types = ("float32",) if self.rehearsal else ("bfloat16", "float32")
        short, released, paper = [Case(method) for method in PRESETS], once("released"), once("paper")
        prompted = [Case(method, preset, repeats=0) for method in PROMPTED for preset in PROMPTED[method]]
        return [
            *(self.attention(name) for name in types),
            *(self.step(name) for name in types),
            *self.pictures("sd15", "bf16", short, 8), *self.pictures("sd15", "bf16", released, 18),
            *self.pictures("sdxl", "bf16", short, 20), *self.pictures("sdxl", "bf16", once("released", FEW), 15),
            self.decoders("sdxl"), self.compiled("sdxl", 75),
            *self.pictures("sd15", "bf16", prompted, 10), self.decoders("sd15"), self.compiled("sd15", 60),
            *self.pictures("sd15", "bf16", paper, 18), *self.pictures("sd15", "fp32", short[:1], 12),
            *self.pictures("sdxl", "bf16", once("paper", FEW), 15), *self.pictures("sdxl", "bf16", prompted, 15),
            *self.pictures("sdxl", "bf16", released, 60),
        ]  # fmt: skip

    def attention(self, name: str) -> Part:
        """Every way to attend."""
        words = ["--device", self.device, "--dtype", name, "--calls", "1" if self.rehearsal else "20"]
        words += ["--tokens", "96" if self.rehearsal else "4096", "--repeats", "1" if self.rehearsal else "9"]
        measure = partial(attention.measured, attention.options().parse_args(words))
        return Part(f"attention {name}", f"Attention, {name}", 8, measure)

    def step(self, name: str) -> Part:
        """The schemes of one step."""
        words = ["--device", self.device, "--configurations", str(self.configurations)]
        words += ["--size", "64" if self.rehearsal else "512", "--repeats", "1" if self.rehearsal else "9"]
        measure = partial(step.measured, name, step.options().parse_args(words))
        return Part(f"step {name}", "One step of Cross-Image Attention, Stable Diffusion 1.5", 12, measure)

    def pictures(self, kind: str, precision: str, cases: Iterable[Case], estimate: float) -> list[Part]:
        """Whole pictures; in a rehearsal of a few steps."""

        def measure(case: Case) -> list[Record]:
            small = Case(case.method, case.preset, 8, min(case.repeats, 1)) if self.rehearsal else case
            found = methods.figures(self.family(kind, precision), self.pairs[kind], small, self.configurations)
            return [{"family": kind} | found]

        return [
            Part(
                f"picture {kind} {precision} {case.method} {case.preset}, {case.steps or 'all'} steps",
                "Whole pictures", estimate, partial(measure, case),
            )
            for case in cases
        ]  # fmt: skip

    def decoders(self, kind: str) -> Part:
        """The autoencoder's decoder and the tiny one of `--tiny-decoder`."""
        return Part(f"decoders {kind}", "Decoding", 5, partial(decoders, self, kind))

    def compiled(self, kind: str, estimate: float) -> Part:
        """The denoiser's forward under torch.compile."""
        return Part(
            f"compile {kind}", "torch.compile, two rows through the denoiser", estimate, partial(compiled, self, kind)
        )


def once(preset: str, steps: int | None = None) -> list[Case]:
    """One picture by every method, on a device that is warm."""
    return [Case(method, preset, steps, repeats=0) for method in PRESETS]


def decoders(bench: Bench, kind: str) -> list[Record]:
    """Seconds and memory of decoding one picture; the tiny decoder is diffusers' own default, as published for both families."""
    family = bench.family(kind, "bf16")
    narrow = {f"{half}_block_out_channels": (8,) * 4 for half in ("encoder", "decoder")} if bench.rehearsal else {}
    tiny = family.place.placed(AutoencoderTiny(**narrow).to(family.dtype))
    side = bench.pairs[kind].structure.size[0] // family.factor
    latents = torch.randn(1, 4, side, side).to(family.device, family.dtype)
    runs = {name: partial(decoded, one, latents) for name, one in (("whole", family.autoencoder), ("tiny", tiny))}
    rounds(runs, 1, bench.device)  # to warm up
    timed = rounds(runs, 1 if bench.rehearsal else 5, bench.device)
    peaks = {name: peak(run, bench.device) for name, run in runs.items()}
    return [
        {
            "family": kind, "decoder": name, "precision": family.place.precision, "pixels": side * family.factor,
            "ms": 1000 * timed[name].seconds, "times faster": timed["whole"].seconds / timed[name].seconds,
            "MiB above the weights": peaks[name][1] - peaks[name][0],
        }
        for name in runs
    ]  # fmt: skip


@torch.no_grad()
def decoded(autoencoder: Any, latents: Tensor) -> Tensor:
    """The picture of latents."""
    return autoencoder.decode(latents).sample


def compiled(bench: Bench, kind: str) -> list[Record]:
    """Two rows through the denoiser, as it is and compiled; the first call compiles."""
    family = bench.family(kind, "bf16")
    side = bench.pairs[kind].structure.size[0] // family.factor
    latents = torch.randn(2, 4, side, side).to(family.device, family.dtype)
    text, timesteps = family.embed(["", ""]), torch.tensor([500, 500], device=family.device)
    backend = "eager" if bench.rehearsal else "inductor"
    run = torch.no_grad()(partial(family.denoise, latents, timesteps, text))
    seconds(run, bench.device)  # to warm up
    forward = family.denoiser.forward
    fast = torch.compile(forward, backend=backend)

    def compiled_run() -> Tensor:
        with patch.object(family.denoiser, "forward", fast):
            return run()

    first, _ = seconds(compiled_run, bench.device)
    runs = {"no": run, backend: compiled_run}
    timed = rounds(runs, 1 if bench.rehearsal else 15, bench.device)
    apart = float((timed[backend].answer - timed["no"].answer).abs().max())
    return [
        {
            "family": kind, "compiled": name, "precision": family.place.precision, "pixels": side * family.factor,
            "ms": 1000 * one.seconds, "times faster": timed["no"].seconds / one.seconds,
            "seconds of the first call": first if name == backend else None, "apart": apart if name == backend else None,
        }
        for name, one in timed.items()
    ]  # fmt: skip


def run(parts: Sequence[Part], file: Path, budget: float, machine: str, device: str) -> None:
    """Measure the parts that are not in the file yet, each written at once, as long as they fit into the budget."""
    began = time.perf_counter()
    found: dict[str, Any] = read_json(file) if file.exists() else {}
    for part in parts:
        if "records" in found.get(part.name, {}):
            continue
        spent = time.perf_counter() - began
        if spent + part.estimate > budget:
            found[part.name] = {"skipped": f"{part.estimate:.0f} s by estimate, {budget - spent:.0f} s left"}
        else:
            say(f"{spent:4.0f} s: {part.name}")
            found[part.name] = outcome(part, device) | {"machine": machine}
        write_json(file, found)
        write_bytes(file.with_suffix(".md"), report(parts, found).encode())


def outcome(part: Part, device: str) -> Record:
    """A part's records and how long they took, or its error in one sentence; the trace goes to the terminal."""
    began = time.perf_counter()
    try:
        records = part.measure()
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no words'}"}
    finally:
        give_back(device)
    return {"seconds": time.perf_counter() - began, "records": records}


def give_back(device: str) -> None:
    """Give back memory that nobody uses."""
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()


def report(parts: Sequence[Part], found: dict[str, Any]) -> str:
    """The tables in markdown, and what is missing."""
    done = [part for part in parts if "records" in found.get(part.name, {})]
    machines = dict.fromkeys(found[part.name]["machine"] for part in done)
    blocks = ["; ".join(machines)]
    for heading in dict.fromkeys(part.table for part in done):
        records = [record for part in done if part.table == heading for record in found[part.name]["records"]]
        blocks.append(f"## {heading}\n\n{tabulated(records)}")
    for kind in ("error", "skipped"):
        names = [f"- {part.name}: {found[part.name][kind]}" for part in parts if kind in found.get(part.name, {})]
        blocks += [f"## {kind.capitalize()}\n\n" + "\n".join(names)] if names else []
    return "\n\n".join(blocks) + "\n"


def options() -> argparse.ArgumentParser:
    """What there is to choose."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--out", type=Path, required=True, help="FILE.json and FILE.md are written")
    found.add_argument("--device", default="cpu", help="cpu or cuda")
    found.add_argument("--budget", type=float, default=480, help="seconds")
    found.add_argument("--rehearse", action="store_true", help="tiny sizes and configurations")
    return found


def main(words: Sequence[str] | None = None) -> None:
    arguments = options().parse_args(words)
    with TemporaryDirectory() as folder:
        configurations = narrowed(Path(folder)) if arguments.rehearse else PUBLISHED
        bench = Bench(arguments.device, configurations, arguments.rehearse)
        machine = where(arguments.device, torch.get_num_threads())
        run(bench.parts(), arguments.out.with_suffix(".json"), arguments.budget, machine, arguments.device)
    say(arguments.out.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
