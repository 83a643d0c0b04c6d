"""One denoising step of Cross-Image Attention at the full size of Stable Diffusion 1.5, with random weights.

    python benchmarks/step.py [--out FILE.md]

Four schemes, timed one after another in every round; the table gives medians and ratios to the first.

- published: Alaluf et al. 2023, as released. The denoiser runs twice over three rows (output, style, structure), once with the output's
  attention swapped to the style and once without; every attention map is in memory, and the contrasted one is clipped to [0, 1].
- same mathematics: the same noise of all three rows in Relook's way. One pass over the output under both conditions, the style and the
  structure; only the contrasted map, which is clipped, is built. The run checks in float32 that both agree.
- recorded: what the presets `paper` and `relook` do. Style and structure are taken as they were drawn, so the structure is no row at all;
  contrast is exact, without a map.
- style remembered: recorded, and the style's hidden states come from the disk, so the style is no row either.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import Record, parser, rounds, say, tabulated, where
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
TIMESTEP, TOLERANCE = 500, 1e-4
PUBLISHED_SCHEME, SAME, RECORDED, REMEMBERED = "published", "same mathematics", "recorded", "recorded, style remembered"


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


@dataclass(frozen=True)
class Scheme:
    """One way to compute a step's guided noise."""

    name: str
    noise: Callable[[], Tensor]
    twin: str | None = None
    """The scheme of the same mathematics, which must give the same noise."""


def schemes(family: Family, size: int, folder: Path) -> list[Scheme]:
    """The schemes over the same latents."""
    draw = torch.Generator().manual_seed(0)
    grid = (size // 8, size // 8)
    output, style, structure = (torch.randn(1, 4, *grid, generator=draw).to(family.device) for _ in range(3))
    width = family.denoiser.config["cross_attention_dim"]
    text = Text(torch.randn(1, 77, width, generator=draw).to(family.device))
    mix = appearance(SCALE)
    predict = partial(predict_rows, family)
    remembered = remembering(predict, StyleMemory(folder), family)
    rows = [Row(latents, TIMESTEP, text) for latents in (*[output] * len(mix), style, structure)]
    asking = Rows([place for place, condition in enumerate(mix) if condition.swap], [len(mix)])
    exact = AttentionEdit(asking, grid, contrast=CONTRAST)

    def scheme() -> Tensor:
        batch = torch.cat([output, style, structure]).to(family.dtype)
        states = text.states.to(family.dtype).expand(3, -1, -1)
        found = []
        for swap in (True, False):
            with published(family.denoiser, swap):
                found.append(family.denoiser(batch, TIMESTEP, encoder_hidden_states=states).sample.float())
        return found[1] + SCALE * (found[0] - found[1])

    def same() -> Tensor:
        noises = predict(rows, [replace(exact, clip=True)])
        return torch.cat([composed(mix, noises), noises[len(mix) :]])

    return [
        Scheme(PUBLISHED_SCHEME, scheme),
        Scheme(SAME, same, PUBLISHED_SCHEME),
        Scheme(RECORDED, lambda: composed(mix, predict(rows[:-1], [exact]))),
        Scheme(REMEMBERED, lambda: composed(mix, remembered(rows[:-1], [exact])), RECORDED),
    ]


@torch.no_grad()
def measured(name: str, arguments: argparse.Namespace) -> list[Record]:
    """Every scheme in one precision, by the name of its type; in float32, AssertionError where schemes of the same mathematics differ."""
    place = Placement(torch.device(arguments.device), getattr(torch, name))
    family = alone(place, arguments.size, arguments.configurations)
    with tempfile.TemporaryDirectory() as folder:
        every = schemes(family, arguments.size, Path(folder))
        with full_float32():
            apart = differences(every)  # which warms up, and fills the memory
        if name == "float32" and max(apart.values()) > TOLERANCE:
            raise AssertionError(f"Expected the same noise within {TOLERANCE}, got {apart}; the schemes differ.")
        timed = rounds({scheme.name: scheme.noise for scheme in every}, arguments.repeats, arguments.device)
    base = timed[PUBLISHED_SCHEME].seconds
    return [
        {
            "scheme": scheme.name, "precision": name, "ms a step": 1000 * timed[scheme.name].seconds,
            "times faster": base / timed[scheme.name].seconds, "apart from the same mathematics": apart.get(scheme.name),
        }
        for scheme in every
    ]  # fmt: skip


@contextmanager
def full_float32() -> Any:
    """Convolutions of float32 in float32 on the GPU too, where they are rounded to TensorFloat-32 by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def differences(every: Sequence[Scheme]) -> dict[str, float]:
    """The largest difference of each scheme from its twin, in noise of unit deviation."""
    noises = {scheme.name: scheme.noise() for scheme in every}
    again = {scheme.name: scheme.noise() for scheme in every if scheme.twin}  # remembered the second time
    return {
        scheme.name: float((again[scheme.name] - noises[scheme.twin]).abs().max()) for scheme in every if scheme.twin
    }


def options() -> argparse.ArgumentParser:
    """What there is to choose."""
    found = parser(__doc__ or "", repeats=3)
    found.add_argument("--size", type=int, default=512, help="side of the picture in pixels")
    found.add_argument("--types", nargs="+", default=["float32"], help="precisions: float32, bfloat16")
    found.add_argument("--configurations", type=Path, default=PUBLISHED, help="folder of the models' configurations")
    return found


def main() -> None:
    arguments = options().parse_args()
    torch.set_num_threads(arguments.threads)
    records = [record for name in arguments.types for record in measured(name, arguments)]
    heading = f"{where(arguments.device, arguments.threads)}, medians of {arguments.repeats}"
    say(f"{heading}\n\n{tabulated(records)}", arguments.out)


if __name__ == "__main__":
    main()
