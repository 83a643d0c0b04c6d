"""One denoising step of Cross-Image Attention at the full size of Stable Diffusion 1.5, with random weights.

    python benchmarks/step.py [--out FILE.md]

The published scheme (Alaluf et al. 2023, as released) runs the denoiser twice over three rows (output, style, structure): once with
the output's attention swapped to the style and once without, every attention map in memory. Ours runs once over the output under both
conditions and the style, or, where the style was remembered on disk, over the output alone; no map is ever built. All variants are
timed one after another in every round, and the table gives medians and ratios to the published scheme.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from rich.console import Console
from torch import Tensor

from relook.models.families import Family
from relook.models.placement import Placement
from relook.models.text import Text
from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.guide import Row, appearance, compose, predict_rows
from relook.transfer.memory import StyleMemory
from relook.transfer.restyle import remembering

CONTRAST, SCALE = 1.67, 3.5
"""Contrast of the swapped maps and appearance guidance (the paper's)."""
TIMESTEP = 500


class Published:
    """The released scheme's attention processor: every map is built; the output row (0) may take keys and values of row 1."""

    def __init__(self, swap: bool) -> None:
        self.swap = swap

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: Any
    ) -> Tensor:
        own = encoder_hidden_states is None
        context = hidden_states if own else encoder_hidden_states
        query, key, value = (
            layer(states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for layer, states in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
        )
        if own and self.swap:
            key, value = (torch.cat([part[1:2], part[1:]]) for part in (key, value))
        weights = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)
        if own and self.swap:
            mean = weights[:1].mean(-1, keepdim=True)
            weights = torch.cat([((weights[:1] - mean) * CONTRAST + mean).clamp(0, 1), weights[1:]])
        return attn.to_out[1](attn.to_out[0]((weights @ value).transpose(1, 2).flatten(2)))


@contextmanager
def published(denoiser: UNet2DConditionModel, swap: bool) -> Any:
    """The denoiser with the released scheme's attention: swapped in the decoder's self-attention."""
    before = denoiser.attn_processors
    denoiser.set_attn_processor(
        {name: Published(swap and name.startswith("up_blocks") and "attn1" in name) for name in before}
    )
    try:
        yield
    finally:
        denoiser.set_attn_processor(before)


def random_family(device: torch.device, dtype: torch.dtype, size: int) -> Family:
    """The denoiser of Stable Diffusion 1.5 (859.5 M parameters) with seeded random weights, and nothing else."""
    torch.manual_seed(0)
    with torch.device("meta"):
        denoiser = UNet2DConditionModel(sample_size=size // 8, cross_attention_dim=768)
    denoiser = denoiser.to_empty(device=device).to(dtype).eval().requires_grad_(False)
    for name, parameter in denoiser.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5 * parameter[0].numel() ** -0.5)
        else:
            torch.nn.init.constant_(parameter, 1.0 if "norm" in name and name.endswith("weight") else 0.0)
    schedule = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    return Family(
        "sd15-random",
        None,
        denoiser,
        None,
        None,
        schedule,
        (),
        size,
        Placement(device, dtype),  # type: ignore[arg-type]
    )


def variants(family: Family, size: int, folder: Path) -> dict[str, Callable[[], Tensor]]:
    """The schemes, each as one step's guided noise."""
    draw = torch.Generator().manual_seed(0)
    grid = (size // 8, size // 8)
    output, style, structure = (torch.randn(1, 4, *grid, generator=draw).to(family.device) for _ in range(3))
    text = Text(torch.randn(1, 77, 768, generator=draw).to(family.device))
    mix = appearance(SCALE)
    rows = [Row(output, TIMESTEP, text) for _ in mix]
    edit = AttentionEdit(Rows([i for i, c in enumerate(mix) if c.swap], [len(rows)]), grid, contrast=CONTRAST)
    giver, memory = Row(style, TIMESTEP, text), StyleMemory(folder)

    def scheme() -> Tensor:
        batch = torch.cat([output, style, structure]).to(family.dtype)
        states = text.states.to(family.dtype).expand(3, -1, -1)
        found = []
        for swap in (True, False):
            with published(family.denoiser, swap):
                found.append(family.denoiser(batch, TIMESTEP, encoder_hidden_states=states).sample[:1].float())
        return found[1] + SCALE * (found[0] - found[1])

    def ours() -> Tensor:
        return compose(mix, predict_rows(family, [*rows, giver], [edit]))

    def cached() -> Tensor:
        return compose(mix, remembering(memory, family, rows, giver, [edit]))

    cached()  # fills the memory
    return {"published": scheme, "ours": ours, "ours, style remembered": cached}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="side of the picture in pixels")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the table gives medians")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--types", nargs="+", default=["float32", "bfloat16"], help="precisions of ours; float32 comes first"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="write the table there as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, seconds = torch.device(options.device), {}
    exact: dict[str, float] = {}
    for dtype in (getattr(torch, name) for name in options.types):
        family = random_family(device, dtype, options.size)
        with tempfile.TemporaryDirectory() as folder:
            kinds = variants(family, options.size, Path(folder))
            if dtype == torch.bfloat16:
                kinds.pop("published")
            answers = {}
            for _ in range(options.repeats):
                for name, run in kinds.items():
                    began = time.perf_counter()
                    answers[name] = run()
                    if device.type == "cuda":
                        torch.cuda.synchronize()
                    label = f"{name}, {str(dtype).removeprefix('torch.')}"
                    seconds.setdefault(label, []).append(time.perf_counter() - began)
            exact[str(dtype)] = float((answers["ours"] - answers["ours, style remembered"]).abs().max())
        del family
    base = statistics.median(seconds["published, float32"])
    lines = ["| scheme | seconds a step (median) | times faster |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {statistics.median(t):.2f} | {base / statistics.median(t):.2f} |" for name, t in seconds.items()
    ]
    lines.append(f"\nLargest difference between remembered and computed style: {exact} (noise of unit deviation).")
    report = "\n".join(lines)
    Console(highlight=False, soft_wrap=True).print(report, markup=False)
    if options.out is not None:
        options.out.write_text(report + "\n")


if __name__ == "__main__":
    main()
