"""A contact sheet: what the embedded family makes under each of its conditions, from fresh noise."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from relook.correspond.semantic import match_segments
from relook.dollhouse import Rendering, render, sample_layout, sample_style
from relook.io import write_image
from relook.models.families import Family, load_family
from relook.models.text import Text
from relook.training.data import HELD_OUT
from relook.training.vocabulary import ROOM_WORDS
from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.predict import Row, predict_rows
from relook.transfer.sample import Predictor, denoise, schedule_of

CONDITIONS = ("none", "prompt", "depth", "depth and prompt", "depth and style picture")
"""Rows of the sheet, from top to bottom; below them the depth's own room in the style (exact), and the style pictures."""

COLUMNS, STEPS = 6, 30
"""Samples of each condition, and their denoising steps."""


@torch.no_grad()
def write_contact_sheet(folder: Path, path: Path) -> None:
    """Write a family's samples of every condition, one row each, then the exact answers and the style pictures."""
    family = load_family(str(folder))
    rows: list[list[Tensor]] = [[] for _ in range(len(CONDITIONS) + 2)]
    size = (family.size, family.size)
    for column in range(COLUMNS):
        first = HELD_OUT + 2 * column
        kind = tuple(ROOM_WORDS)[column % len(ROOM_WORDS)]
        layouts, look = [sample_layout(first + i, kind) for i in range(2)], sample_style(first, 0.0)
        room, example = render(layouts[0], look, size), render(layouts[1], look, size)
        text = family.embed(["", f"a photo of a {look.theme} {ROOM_WORDS[kind]}"])
        depth = family.control_image(room.view().depth)  # type: ignore[arg-type]
        for number, name in enumerate(CONDITIONS):
            words = text[1:] if "prompt" in name else text[:1]
            shape = depth if "depth" in name else None
            predict = _styled(family, room, example, words, depth) if "style" in name else _plain(family, words, shape)
            rows[number].append(_sample(family, predict, column))
        rows[-2].append(room.image)
        rows[-1].append(example.image)
    write_image(path, torch.cat([torch.cat(row, -1) for row in rows], -2))


def _plain(family: Family, text: Text, depth: Tensor | None) -> Predictor:
    return lambda latents, timestep: predict_rows(family, [Row(latents, timestep, text, depth)])


def _styled(family: Family, room: Rendering, example: Rendering, text: Text, depth: Tensor) -> Predictor:
    """Attention class by class to a noised style picture, as in training."""
    structure, style = room.view(), example.view()
    matches = match_segments(structure.segments, style.segments)  # type: ignore[arg-type]
    clean = family.encode(style.image[None])
    style_depth = family.control_image(style.depth)  # type: ignore[arg-type]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    edit = AttentionEdit(Rows((0,), (1,)), (clean.shape[-2], clean.shape[-1]), mask=matches.groups)

    def predict(latents: Tensor, timestep: int) -> Tensor:
        cleaner = round(0.3 * timestep)
        signal = family.noise_levels()[cleaner]
        noised = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        rows = [Row(latents, timestep, text, depth), Row(noised, cleaner, text, style_depth)]
        return predict_rows(family, rows, [edit])[:1]

    return predict


def _sample(family: Family, predict: Predictor, seed: int) -> Float[Tensor, "3 H W"]:
    """One picture from pure noise by DDIM."""
    side = family.size // family.factor
    shape = (1, int(family.denoiser.config["in_channels"]), side, side)
    start = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return family.decode(denoise(start, schedule_of(family, STEPS), predict, torch.zeros(STEPS, *shape), eta=0.0))[0]
