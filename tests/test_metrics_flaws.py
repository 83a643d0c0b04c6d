"""Numbers without an answer: each rises when its own fault is painted into a picture, and is about 0 when nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from relook.evaluate.metrics.flaws import clouds, crookedness, foreign_chroma, halo
from relook.perceive.layout.planes import CEILING, WALLS, ceiling_lines, seen_planes
from relook.types import Camera, Layout, Wall

HEIGHT, WIDTH = 144, 192
LINE = 50
Y, X = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
REGIONS = torch.where(Y < LINE, 1, torch.where(X < 110, 2, 3))
"""A ceiling, and below it two walls."""
LINES = torch.tensor([[0.0, LINE - 0.5, WIDTH - 1, LINE - 0.5]])


def room() -> Tensor:
    """Three flat colours with a little grain, darker to the right as a room is beside its window."""
    colours = torch.tensor([[0.8, 0.8, 0.78], [0.55, 0.5, 0.45], [0.5, 0.3, 0.3]])
    grain = 0.01 * torch.randn(1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    return (colours[REGIONS - 1].permute(2, 0, 1) * (1 - 0.3 * X / WIDTH) + grain).clamp(0, 1)


def restyled() -> Tensor:
    """Another colour for each region, more contrast, the same light: nothing is wrong."""
    tints = torch.tensor([[1.0, 0.95, 0.85], [0.7, 0.9, 0.75], [0.9, 1.2, 1.1]])
    return (tints[REGIONS - 1].permute(2, 0, 1) * room() ** 1.2).clamp(0, 1)


def clouded(image: Tensor, strength: float) -> Tensor:
    return image * (1 - strength * torch.exp(-((Y - 100) ** 2 + (X - 50) ** 2) / 800))


def haloed(image: Tensor, strength: float) -> Tensor:
    rim = np.min([distance_transform_edt(id == REGIONS) + 1e3 * (REGIONS.numpy() != id) for id in (1, 2, 3)], axis=0)
    return (image + strength * torch.from_numpy(np.exp(-rim / 1.5)).float()).clamp(0, 1)


def coloured(image: Tensor, strength: float) -> Tensor:
    pink = torch.tensor([1.0, 0.1, 0.6])[:, None, None].expand_as(image)
    return torch.where(REGIONS == 3, torch.lerp(image, pink, strength), image)


def ragged(image: Tensor, strength: float) -> Tensor:
    rows = (Y + 8 * strength * torch.sin(X / 3.0)).round().long().clamp(0, HEIGHT - 1)
    return image[:, rows, X]


METRICS: dict[str, tuple[Callable[[Tensor], float | None], Callable[[Tensor, float], Tensor]]] = {
    "foreign chroma": (lambda image: foreign_chroma(image, room(), restyled(), REGIONS, REGIONS), coloured),
    "clouds": (lambda image: clouds(image, room(), REGIONS), clouded),
    "halo": (lambda image: halo(image, room(), REGIONS), haloed),
    "crookedness": (lambda image: crookedness(image, room(), LINES), ragged),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_number_rises_with_its_fault_and_falls_when_it_is_mended(name: str) -> None:
    measure, break_it = METRICS[name]
    right, little, much = (measure(break_it(restyled(), strength)) for strength in (0.0, 0.25, 0.5))
    assert right is not None
    assert little is not None
    assert much is not None
    assert right < 0.3 * little < 0.3 * much


@pytest.mark.parametrize("name", METRICS)
def test_the_structure_itself_has_no_fault(name: str) -> None:
    assert METRICS[name][0](room()) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_other_faults_move_a_number_less_than_its_own(name: str) -> None:
    """But a ragged border is a wrong rim as well."""
    measure, break_it = METRICS[name]
    also = {name, "crookedness"} if name == "halo" else {name}
    own = measure(break_it(restyled(), 0.5))
    others = [measure(other(restyled(), 0.5)) for what, (_, other) in METRICS.items() if what not in also]
    assert own is not None
    assert all(one is not None and one < own for one in others)


def test_what_cannot_be_said_is_none() -> None:
    nothing = torch.zeros_like(REGIONS)
    assert clouds(restyled(), room(), nothing) is halo(restyled(), room(), nothing) is None
    assert crookedness(restyled(), room(), torch.zeros(0, 4)) is None
    flat = torch.full((3, HEIGHT, WIDTH), 0.5)
    assert crookedness(flat, room(), LINES) is None, "an edge that is gone has no place"


def test_a_region_without_a_counterpart_may_have_any_colour_of_the_style() -> None:
    other = torch.zeros_like(REGIONS)
    found = foreign_chroma(restyled(), room(), restyled(), REGIONS, other)
    assert found == pytest.approx(0)


def test_lines_of_the_ceiling_lie_where_walls_begin() -> None:
    K = torch.tensor([[60.0, 0.0, 48.0], [0.0, 60.0, 36.0], [0.0, 0.0, 1.0]])
    pose = torch.eye(4)
    pose[1, 3] = 1.2  # the camera stands 1.2 m above the floor
    walls = (Wall((-2.0, 0.5), (-2.0, 4.0), 1.0), Wall((-2.0, 4.0), (2.0, 4.0), 1.0), Wall((2.0, 4.0), (2.0, 0.5), 0.1))
    layout = Layout((72, 96), Camera(K, pose), 2.6, walls)
    ids, lines = seen_planes(layout).ids, ceiling_lines(layout)
    assert len(lines) == 2, "the third wall is not sure"
    for x0, y0, x1, y1 in lines.long().tolist():
        assert ids[y0, x0] == ids[y1, x1] == CEILING
        assert ids[y0 + 1, x0] == ids[y1 + 1, x1] >= WALLS
    assert lines[1].tolist() == [18, 14, 77, 14], "4 m ahead, 1.4 m above the eye, at 60 pixels a metre in one metre"
