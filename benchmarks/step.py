"""One denoising step of Cross-Image Attention at the full size of Stable Diffusion 1.5, with random weights.

    python benchmarks/step.py [--out FILE.md]

The published scheme (Alaluf et al. 2023, as released) runs the denoiser twice over three rows (output, style, structure): once with
the output's attention swapped to the style and once without, every attention map in memory. Relook runs once over the output under both
conditions and the style, or, where the style was remembered on disk, over the output alone; no map is ever built. All variants are
timed one after another in every round, and the table gives medians and ratios to the published scheme.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import parser, rounds, say, table
from diffusers import DDIMScheduler, UNet2DConditionModel
from randoms import PUBLISHED, model
from torch import Tensor

from relook.models.families import Family
from relook.models.text import Text
from relook.session import Placement
from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.guidance import appearance, composed
from relook.transfer.memory import StyleMemory, remembering
from relook.transfer.predict import Row, predict_rows

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


def alone(place: Placement, size: int, configurations: Path = PUBLISHED) -> Family:
    """The denoiser of Stable Diffusion 1.5 (859.5 M parameters) with seeded random weights, and nothing else."""
    schedule = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    denoiser = model("sd15_unet", place, configurations)
    return Family("sd15-random", None, denoiser, None, None, schedule, (), size, place)  # type: ignore[arg-type]


def variants(family: Family, size: int, folder: Path) -> dict[str, Callable[[], Tensor]]:
    """The schemes, each as one step's guided noise."""
    draw = torch.Generator().manual_seed(0)
    grid = (size // 8, size // 8)
    output, style, structure = (torch.randn(1, 4, *grid, generator=draw).to(family.device) for _ in range(3))
    width = family.denoiser.config["cross_attention_dim"]
    text = Text(torch.randn(1, 77, width, generator=draw).to(family.device))
    mix = appearance(SCALE)
    rows = [Row(output, TIMESTEP, text) for _ in mix]
    edit = AttentionEdit(Rows([i for i, c in enumerate(mix) if c.swap], [len(rows)]), grid, contrast=CONTRAST)
    rows.append(Row(style, TIMESTEP, text))
    predict = partial(predict_rows, family)
    remembered = remembering(predict, StyleMemory(folder), family)

    def scheme() -> Tensor:
        batch = torch.cat([output, style, structure]).to(family.dtype)
        states = text.states.to(family.dtype).expand(3, -1, -1)
        found = []
        for swap in (True, False):
            with published(family.denoiser, swap):
                found.append(family.denoiser(batch, TIMESTEP, encoder_hidden_states=states).sample[:1].float())
        return found[1] + SCALE * (found[0] - found[1])

    def single() -> Tensor:
        return composed(mix, predict(rows, [edit]))

    def cached() -> Tensor:
        return composed(mix, remembered(rows, [edit]))

    cached()  # fills the memory
    return {"published": scheme, "relook": single, "relook, style remembered": cached}


@torch.no_grad()
def main() -> None:
    options = parser(__doc__, repeats=3)
    options.add_argument("--size", type=int, default=512, help="side of the picture in pixels")
    options.add_argument(
        "--types", nargs="+", default=["float32", "bfloat16"], help="precisions of Relook's; float32 first"
    )
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    found: dict[str, float] = {}
    apart: dict[str, float] = {}
    for name in arguments.types:
        family = alone(Placement(torch.device(arguments.device), getattr(torch, name)), arguments.size)
        with tempfile.TemporaryDirectory() as folder:
            schemes = variants(family, arguments.size, Path(folder))
            if name != "float32":
                schemes.pop("published")
            timed = rounds(schemes, arguments.repeats, arguments.device)
        found |= {f"{scheme}, {name}": one.seconds for scheme, one in timed.items()}
        apart[name] = float((timed["relook"].answer - timed["relook, style remembered"].answer).abs().max())
        del family, schemes
    base = found.get("published, float32", float("nan"))  # only float32 is timed the published way
    rows = [(scheme, f"{time:.2f}", f"{base / time:.2f}") for scheme, time in found.items()]
    say(
        f"{table(('scheme', 'seconds a step (median)', 'times faster'), rows)}\n\n"
        f"Largest difference between remembered and computed style: {apart} (noise of unit deviation).",
        arguments.out,
    )


if __name__ == "__main__":
    main()
