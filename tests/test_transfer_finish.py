"""The finish: plain surfaces and edges from the structure picture, patterns from the denoiser's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from relook.correspond.semantic import match_segments
from relook.transfer import finish as module
from relook.transfer.finish import finished
from relook.transfer.settings import Finish
from relook.types import Depth, Region, Segments, View

SIDE = 64
LEFT, RIGHT = slice(4, 28), slice(36, 60)
"""Columns well inside the wall and the rug."""
MIX = Finish(plain_share=1.0)


@pytest.fixture(autouse=True)
def reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures are small: patterns within 4 pixels are smoothed away."""
    monkeypatch.setattr(module, "SMOOTH", 0.06)


def view(wall: torch.Tensor, rug: torch.Tensor) -> View:
    """A picture whose left half is wall and whose right half is rug, each 1 x W of grey levels."""
    labels = torch.ones(SIDE, SIDE, dtype=torch.int64)
    labels[:, SIDE // 2 :] = 2
    line = torch.cat([wall, rug]).expand(3, SIDE, SIDE).clone()
    return View(line, Segments(labels, {1: Region("wall"), 2: Region("rug")}))


def flat(level: float) -> torch.Tensor:
    return torch.full((SIDE // 2,), level)


STRIPES = 0.3 + 0.4 * ((torch.arange(SIDE // 2) // 2) % 2).float()


def finish(structure: View, style: View, setting: Finish, strength: float = 1.0) -> torch.Tensor:
    """With a painted picture of noise, so that what comes from where can be told."""
    assert structure.segments is not None
    assert style.segments is not None
    painted = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return finished(painted, structure, style, match_segments(structure.segments, style.segments), setting, strength)


def test_plain_style_takes_the_structure_and_patterned_style_the_painting() -> None:
    image = finish(view(flat(0.5), flat(0.5)), view(flat(0.7), STRIPES), MIX)
    assert torch.allclose(image[:, :, LEFT], torch.tensor(0.7), atol=0.01)
    assert image[:, :, RIGHT].std() > 0.25, "the painting's noise is there"


def test_the_structures_own_pattern_is_gone() -> None:
    ramp = 0.6 - 0.2 * torch.cos(torch.linspace(0, torch.pi, SIDE // 2))  # contrast, but no pattern
    image = finish(view(STRIPES, flat(0.5)), view(ramp, flat(0.5)), replace(MIX, structure_share=1.0))
    assert image[:, :, LEFT].diff(dim=2).abs().mean() < 0.04


def test_edges_come_from_the_structure() -> None:
    structure, style = view(flat(0.2), flat(0.8)), view(STRIPES, STRIPES)
    image = finish(structure, style, Finish(edge_share=1.0))
    border = image[:, :, SIDE // 2 - 1 : SIDE // 2 + 1]
    assert border.std((0, 1)).max() < 0.02
    assert image[:, :, LEFT].std() > 0.2


@pytest.mark.parametrize(
    "setting",
    [
        MIX,
        replace(MIX, statistics=True, edge_share=0.5, structure_share=0.2),
        replace(MIX, relight=True, edge_share=0.5),
    ],
)
def test_no_strength_is_the_structure(setting: Finish) -> None:
    structure = view(STRIPES, flat(0.4))
    assert torch.allclose(finish(structure, view(flat(0.7), STRIPES), setting, 0.0), structure.image, atol=1e-3)


def test_the_painting_adds_its_pattern_and_no_colour() -> None:
    """Where the style is patterned: the structure's level in the style's albedo, and on it what the painting varies by."""
    dark = 0.5 * STRIPES
    structure, style = view(flat(0.5), flat(0.5)), view(dark, dark)
    image = finish(structure, style, Finish(plain_share=0.5, relight=True))[:, :, RIGHT]
    assert image.mean() == pytest.approx(float(dark.mean()), abs=0.05), "the noise is clipped at black"
    assert image.std() > 0.15


def test_relit_surfaces_take_the_styles_light_where_they_face() -> None:
    """Both pictures show a left and a right wall; light comes from the left in one and from the right in the other."""
    x = (torch.arange(SIDE) + 0.5 - SIDE / 2) / (0.7 * SIDE)
    depth = Depth((1 / (0.3 + x.abs())).expand(SIDE, SIDE), "metric")
    labels = torch.ones(SIDE, SIDE, dtype=torch.int64)
    sides = torch.where(x < 0, 0.3, 0.6).expand(3, SIDE, SIDE)
    structure = View(sides, Segments(labels, {1: Region("wall")}), depth)
    style = View(
        sides.flip(2) * torch.tensor([1.0, 0.8, 0.5])[:, None, None], Segments(labels, {1: Region("wall")}), depth
    )
    image = finish(structure, style, Finish(structure_share=1.0, relight=True))
    assert torch.allclose(image[:, :, 4:28], style.image[:, :, 4:28], atol=0.05)
    assert torch.allclose(image[:, :, 36:60], style.image[:, :, 36:60], atol=0.05)
    blind = finish(replace(structure, depth=None), style, Finish(structure_share=1.0, relight=True))
    assert blind[0, 0, 10] < blind[0, 0, 50], "without depth the light stays the structure's"


def test_a_class_without_counterpart_is_not_relit() -> None:
    structure, style = view(flat(0.4), flat(0.5)), view(flat(0.7), flat(0.7))
    style = replace(style, segments=Segments(torch.ones(SIDE, SIDE, dtype=torch.int64), {1: Region("wall")}))
    image = finish(structure, style, Finish(structure_share=1.0, relight=True))
    assert torch.isfinite(image).all()
    assert torch.allclose(image[:, :, LEFT], torch.tensor(0.7), atol=0.01)


def test_what_corresponds_to_nothing_keeps_the_structure() -> None:
    """The style has no rug: its share comes from the structure picture, pattern and all, the wall's does not."""
    structure, style = view(flat(0.5), STRIPES), view(STRIPES, STRIPES)
    assert style.segments is not None
    style = replace(style, segments=Segments(style.segments.labels, {1: Region("wall"), 2: Region("lamp")}))
    image = finish(structure, style, Finish(unmatched_share=1.0))
    assert image[:, :, RIGHT].std(1).max() < 1e-4, "no noise of the painting along the stripes"
    assert image[:, 0, RIGHT].diff().abs().max() > 0.1, "the structure's own stripes"
    assert image[:, :, LEFT].std() > 0.25, "the painting's noise is there"
