"""The view refiner paints: holes at any size, or a whole frame as released."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import get_args

import pytest
import torch

from relook.config import Carry
from relook.lift.carry import CARRYING
from relook.lift.paint import PAINTING, Painting, Refining, painted, refined
from relook.models.view_refiner import CONDITIONS, PAPER, PUBLISHED, ViewRefiner, widened
from relook.transfer.working import working_side
from relook.types import Depth, View
from tiny import family, xl_family


def hole(size: tuple[int, int], box: tuple[slice, slice]) -> torch.Tensor:
    holes = torch.zeros(size, dtype=torch.bool)
    holes[box] = True
    return holes


def ramp(size: tuple[int, int]) -> torch.Tensor:
    return (
        (torch.linspace(0.2, 0.6, size[1])[None, None] + torch.linspace(0, 0.1, size[0])[None, :, None])
        .expand(3, -1, -1)
        .contiguous()
    )


@pytest.fixture(scope="module")
def refiner() -> ViewRefiner:
    torch.manual_seed(0)
    return ViewRefiner(family(), widened(family().denoiser, len(CONDITIONS)).eval())


@pytest.mark.parametrize("size", [(37, 53), (64, 64), (90, 131)])
@pytest.mark.parametrize("depth", [None, "metric"])
def test_the_refiner_paints_any_size(refiner: ViewRefiner, size: tuple[int, int], depth: str | None) -> None:
    assert max(size) <= working_side(32) or size == (90, 131)  # smaller, as large as and larger than the working size
    picture = ramp(size)
    values = torch.full(size, 2.0)
    values[: size[0] // 2] = 3.0
    view = View(picture, depth=None if depth is None else Depth(values, "metric"))
    holes = hole(size, (slice(10, 30), slice(15, 40)))
    look = torch.where(holes, 0.0, picture)
    paint = partial(refined, how=Refining(refiner, replace(PAINTING["relook"], steps=2)))
    found = paint(view, look, holes, 7)
    assert found.shape == (3, *size)
    assert bool(torch.isfinite(found).all())
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    if depth is None:
        assert torch.equal(found, paint(view, look, holes, 7))
        assert not torch.equal(found, paint(view, look, holes, 8))


def test_the_refiner_sees_the_frame_only_where_it_may(refiner: ViewRefiner) -> None:
    picture, holes = ramp((40, 64)), hole((40, 64), (slice(10, 30), slice(15, 40)))
    look = torch.where(holes, 0.0, picture)
    for painting in PAINTING.values():
        how = Refining(refiner, replace(painting, steps=2))
        first, second = (refined(View(frame), look, holes, 1, how) for frame in (picture, 1 - picture))
        assert torch.equal(first, second) != painting.sees_structure


def test_a_refiner_of_the_papers_conditions_paints_too() -> None:
    paper = ViewRefiner(family(), widened(family().denoiser, len(PAPER)).eval())
    assert paper.conditions == PAPER
    picture, holes = ramp((32, 48)), hole((32, 48), (slice(10, 30), slice(15, 40)))
    found = refined(
        View(picture), torch.where(holes, 0.0, picture), holes, 0, Refining(paper, replace(PAINTING["paper"], steps=1))
    )
    assert found.shape == (3, 32, 48)


def test_black_warps_are_no_first_guess(refiner: ViewRefiner) -> None:
    """Without a step nothing changes: holes keep what was guessed there, though the published network is shown black ones."""
    published = replace(refiner, network=widened(family().denoiser, 3).eval(), conventions=PUBLISHED)
    picture, holes = ramp((40, 64)), hole((40, 64), (slice(10, 30), slice(15, 40)))
    for one in (refiner, published):
        how = Refining(one, replace(PAINTING["relook"], start=0.0))
        found = refined(View(picture), torch.where(holes, 0.0, picture + 0.1), holes, 1, how)
        torch.testing.assert_close(found, picture + 0.1, atol=0.02, rtol=0)


def test_every_way_of_carrying_has_its_painting() -> None:
    assert set(PAINTING) == set(CARRYING) == set(get_args(Carry)) - {"auto", "scene", "frames"}


def test_released_paints_the_whole_frame_in_the_colours_that_are_known(refiner: ViewRefiner) -> None:
    """Random weights paint noise, but where the look is known its histogram comes back: every tenth of each colour, within four levels."""
    look = torch.rand(3, 40, 64, generator=torch.Generator().manual_seed(2)) * 0.5 + 0.25
    holes = hole((40, 64), (slice(10, 30), slice(15, 40)))
    how = Refining(refiner, replace(PAINTING["released"], steps=3))
    found = refined(View(ramp((40, 64))), torch.where(holes, 0.0, look), holes, 1, how)
    assert not torch.equal(found[:, ~holes], look[:, ~holes])
    tenths = torch.linspace(0.1, 0.9, 9)
    for now, wanted in zip(found[:, ~holes], look[:, ~holes], strict=True):
        torch.testing.assert_close(now.quantile(tenths), wanted.quantile(tenths), atol=4 / 255, rtol=0)


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_a_refiner_of_sdxl_is_told_prompt_and_size(guidance: float) -> None:
    """Every way paints; another prompt, or the same latents as part of a larger picture, gives another one."""
    own = xl_family()
    network = widened(own.denoiser, 3).eval()
    torch.nn.init.normal_(network.conv_in.weight, std=0.1)
    refiner = ViewRefiner(own, network, conventions=PUBLISHED)
    draw = torch.Generator().manual_seed(0)
    conditions, noise = torch.randn(1, 12, 8, 8, generator=draw), torch.randn(1, 4, 8, 8, generator=draw)
    for painting in PAINTING.values():
        how = replace(painting, steps=2, guidance=guidance)

        def latents(prompt: str, how: Painting = how) -> torch.Tensor:
            text = refiner.embed(prompt, empty=guidance != 1)
            assert len(text) == (2 if guidance != 1 and prompt else 1)
            return painted(refiner, conditions, conditions[:, :4], text, noise, how)

        with torch.no_grad():
            assert bool(torch.isfinite(latents("a sofa")).all())
            assert not torch.equal(latents("a sofa"), latents("a bedroom"))
            assert torch.equal(latents(""), latents(""))
    text = refiner.embed("a sofa", empty=True)
    assert not bool(text.states[0].any())
    assert text.pooled is not None
    assert not bool(text.pooled[0].any())
    seen: list[torch.Tensor] = []
    hook = network.add_embedding.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        refiner.denoise(noise, conditions, 500, text)
        refiner.denoise(noise[..., :6], conditions[..., :6], 500, text)
    hook.remove()
    assert not torch.allclose(seen[0][:, -24:], seen[1][:, -24:])
    assert torch.equal(seen[0][0, -24:], seen[0][1, -24:])
