"""Light and material apart: a drawn room whose light is known."""

from __future__ import annotations

import pytest
import torch

from relook.ops.light import HIGHEST, Surfaces, light_of, relit

SIDE = 48
WALLS = torch.tensor([[1.0, 0, 0], [0, 0, -1], [-1, 0, 0], [0, -1, 0]])
"""Normals of the four columns: left wall, back wall, right wall, floor."""
COLUMNS = (torch.arange(SIDE) * 4 // SIDE).expand(SIDE, SIDE)
NORMALS = WALLS[COLUMNS].permute(2, 0, 1)
ROWS = 1 + (torch.arange(SIDE)[:, None] * 2 // SIDE).expand(SIDE, SIDE)
"""Class 1 above, class 2 below."""


def lit(light: torch.Tensor, first: torch.Tensor, second: torch.Tensor, known: bool = True) -> Surfaces:
    """Two materials, each in four directions."""
    albedo = torch.stack([first, second])[ROWS - 1].permute(2, 0, 1)
    return Surfaces(albedo * light[COLUMNS], ROWS, NORMALS if known else None)


OURS = lit(torch.tensor([0.5, 0.8, 0.6, 1.0]), torch.tensor([0.8, 0.4, 0.2]), torch.tensor([0.3, 0.3, 0.7]))
THEIRS = lit(torch.tensor([0.9, 0.5, 0.7, 0.6]), torch.tensor([0.2, 0.5, 0.6]), torch.tensor([0.7, 0.6, 0.2]))


def test_light_is_found_up_to_a_factor() -> None:
    light = light_of(OURS)
    steps = light.brightness[[0, 5, 3, 4]]  # +x, -z, -x, -y
    assert torch.allclose(
        steps - steps[:1], torch.tensor([0.5, 0.8, 0.6, 1.0]).div(0.5).log()[:, None].expand(4, 3), atol=0.05
    )
    assert torch.allclose(light.albedo[1] / light.albedo[2], torch.tensor([0.8 / 0.3, 0.4 / 0.3, 0.2 / 0.7]), rtol=0.01)


def test_relit_is_their_materials_in_their_light_on_our_surfaces() -> None:
    assert torch.allclose(relit(OURS, THEIRS), THEIRS.image, atol=0.02)


def test_what_light_does_not_explain_stays() -> None:
    shadow = torch.ones(SIDE, SIDE)
    shadow[20:24] = 0.5
    image = relit(Surfaces(OURS.image * shadow, ROWS, NORMALS), THEIRS)
    assert ((image[:, 21] / image[:, 10]) < 0.6).all()


def test_highlights_are_bounded_and_patterns_lose_their_colour() -> None:
    bright = OURS.image.clone()
    bright[0, 5, 5] = 1.0
    seen = Surfaces(bright, ROWS, NORMALS)
    image, grey = relit(seen, THEIRS), relit(seen, THEIRS, torch.ones(SIDE, SIDE))
    rise = (image[:, 5, 5] / image[:, 5, 6]).log()
    assert rise[0] == pytest.approx(HIGHEST, abs=0.02)
    even = (grey[:, 5, 5] / grey[:, 5, 6]).log()
    assert even.std() < 0.01


def test_our_patterns_vary_no_more_than_theirs() -> None:
    spots = torch.where((torch.arange(SIDE) % 6 < 3)[:, None], 0.3, 1.0).expand(SIDE, SIDE)
    ours = Surfaces(OURS.image * spots, ROWS, NORMALS)
    left = [relit(ours, THEIRS, patterned)[:, 2:20, 4].log().std(1) for patterned in (None, torch.ones(SIDE, SIDE))]
    assert (left[1] < 0.2 * left[0]).all()


def test_without_normals_only_materials_change() -> None:
    ours = Surfaces(OURS.image, ROWS)
    image = relit(ours, Surfaces(THEIRS.image, ROWS))
    assert torch.allclose(image[:, 10, 2] / image[:, 10, 20], OURS.image[:, 10, 2] / OURS.image[:, 10, 20], rtol=0.02)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_white_and_unknown_stay_finite(level: float) -> None:
    broken = NORMALS.clone()
    broken[:, :4] = torch.nan
    ours = Surfaces(torch.full((3, SIDE, SIDE), level), ROWS, broken)
    assert torch.isfinite(relit(ours, THEIRS)).all()
    nobody = Surfaces(OURS.image, torch.zeros_like(ROWS), NORMALS)
    assert torch.equal(relit(nobody, THEIRS), OURS.image)
    one = Surfaces(
        torch.full((3, 1, 1), 0.5), torch.ones(1, 1, dtype=torch.int64), torch.tensor([0.0, 0, -1]).view(3, 1, 1)
    )
    assert torch.isfinite(relit(one, one)).all()
