"""Equal rows through the encoder once: the same noise as one by one, with edits, depth and both kinds of denoiser."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from relook.models.image_prompt import adapter, prompted
from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.predict import Row, predict_rows
from relook.transfer.share import distinct


def encoded(family, call) -> int:
    """Rows that the encoder sees while `call` runs."""
    seen: list[int] = []
    handle = family.denoiser.conv_in.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    try:
        call()
    finally:
        handle.remove()
    return sum(seen)


@pytest.mark.parametrize("kind", ["sd", "xl"])
@pytest.mark.parametrize("depth", [False, True])
@torch.no_grad()
def test_rows_that_differ_only_in_their_edit_share_the_encoder(kind: str, depth: bool) -> None:
    family = tiny.family() if kind == "sd" else tiny.xl_family()
    draw = torch.Generator().manual_seed(0)
    output, style = (torch.randn(1, 4, 8, 12, generator=draw) for _ in range(2))
    text, image = family.embed(["a living room"]), torch.rand(1, 3, 32, 48, generator=draw) if depth else None
    rows = [Row(output, 400, text, image), Row(style, 300, text), Row(output, 400, text, image), Row(output, 400, text)]
    apart = [Row(row.latents.clone(), row.timestep, row.text, row.depth) for row in rows]
    edit = AttentionEdit(Rows((0,), (1,)), (8, 12), contrast=1.3)
    found: list[torch.Tensor] = []
    few = encoded(family, lambda: found.append(predict_rows(family, rows, [edit])))
    many = encoded(family, lambda: found.append(predict_rows(family, apart, [edit])))
    assert (few, many) == (3 if depth else 2, 4)
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)
    assert (found[0][0] - found[0][2]).abs().max() > 1e-4
    assert not family.denoiser.up_blocks[0]._forward_pre_hooks


def test_equal_rows_are_the_same_objects_and_numbers() -> None:
    one, other = torch.zeros(1), torch.zeros(1)
    firsts, index = distinct([(one, 3), (other, 3), (one, 3), (one, 4)])
    assert firsts == [0, 1, 3]
    assert index.tolist() == [0, 1, 0, 2]


@torch.no_grad()
def test_image_prompts_go_through_shared_rows_too(tmp_path: Path) -> None:
    family = tiny.family()
    output, style = torch.randn(2, 1, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    text, image = family.embed(["a room"]), torch.randn(1, 12, generator=torch.Generator().manual_seed(1))
    rows = [
        Row(output, 400, text, None, image),
        Row(output, 400, text, None, image),
        Row(style, 300, text, None, image),
    ]
    apart = [Row(row.latents.clone(), row.timestep, row.text, None, row.image) for row in rows]
    edit = AttentionEdit(Rows((0,), (2,)), (8, 12))
    with prompted(family.denoiser, adapter(str(tiny.write_adapter(tmp_path, family.denoiser)), family)):
        found = predict_rows(family, rows, [edit])
        torch.testing.assert_close(found, predict_rows(family, apart, [edit]), atol=1e-5, rtol=1e-5)
        other = [Row(row.latents, row.timestep, row.text, None, -image) for row in rows]
        assert (found - predict_rows(family, other, [edit])).abs().max() > 1e-4
