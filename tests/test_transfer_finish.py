"""The last touch: plain surfaces and edges from the structure picture, patterns from the denoiser's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from relook.correspond.semantic import match_segments
from relook.transfer.finish import finished
from relook.transfer.presets import Preset
from relook.types import Region, Segments, View

SIDE = 64
LEFT, RIGHT = slice(4, 28), slice(36, 60)
"""Columns well inside the wall and the rug."""
MIX = Preset(plain_share=1.0, smooth=0.06)


def view(wall: torch.Tensor, rug: torch.Tensor) -> View:
    """A picture whose left half is wall and whose right half is rug, each 1 x W of grey levels."""
    labels = torch.ones(SIDE, SIDE, dtype=torch.int64)
    labels[:, SIDE // 2 :] = 2
    line = torch.cat([wall, rug]).expand(3, SIDE, SIDE).clone()
    return View(line, Segments(labels, {1: Region("wall"), 2: Region("rug")}))


def flat(level: float) -> torch.Tensor:
    return torch.full((SIDE // 2,), level)


STRIPES = 0.3 + 0.4 * ((torch.arange(SIDE // 2) // 2) % 2).float()


def finish(structure: View, style: View, preset: Preset, strength: float = 1.0) -> torch.Tensor:
    """With a painted picture of noise, so that what comes from where can be told."""
    assert structure.segments is not None
    assert style.segments is not None
    painted = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return finished(painted, structure, style, match_segments(structure.segments, style.segments), preset, strength)


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
    image = finish(structure, style, Preset(edge_share=1.0, smooth=0.06))
    border = image[:, :, SIDE // 2 - 1 : SIDE // 2 + 1]
    assert border.std((0, 1)).max() < 0.02
    assert image[:, :, LEFT].std() > 0.2


@pytest.mark.parametrize("preset", [MIX, replace(MIX, final=1.0, edge_share=0.5, structure_share=0.2)])
def test_no_strength_is_the_structure(preset: Preset) -> None:
    structure = view(STRIPES, flat(0.4))
    assert torch.allclose(finish(structure, view(flat(0.7), STRIPES), preset, 0.0), structure.image, atol=1e-3)
