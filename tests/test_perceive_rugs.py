"""A rug that a segmenter sees half of is the rectangle on the floor that explains what it says of rug and floor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relook.ops.flat import before, places
from relook.perceive.borders.rugs import rug_whole
from relook.perceive.layout.planes import level_homography
from relook.types import Camera, Layout, Region, Segments, View

WALL, FLOOR, RUG, SOFA = 1, 2, 3, 4
SIZE = (240, 360)
NEAR, FAR, LEFT, RIGHT = 1.6, 3.2, -0.9, 0.8
"""Metres ahead of the camera, and to its right, where the rug ends."""


def room(directions: float = 1.0, horizon: float = 80) -> Layout:
    """A camera 1.3 m above the floor, level, that has the horizon in this row."""
    pose = torch.eye(4)
    pose[1, 3] = 1.3
    return Layout(
        SIZE, Camera(torch.tensor([[260.0, 0, 180], [0, 260.0, horizon], [0, 0, 1]]), pose), 2.6, (), directions
    )


def on_floor(turn: float = 0.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pixels that see the floor, and where they lie in the rug's own directions."""
    H = level_homography(room())
    pixels = before(H, SIZE)
    pixels[:104] = False
    u, v = places(H, pixels).place
    middle = (NEAR + FAR) / 2
    c, s = np.cos(turn), np.sin(turn)
    return pixels, c * u + s * (v - middle), c * (v - middle) - s * u + middle


def seen(turn: float = 0.0, round_rug: bool = False) -> tuple[Segments, np.ndarray, torch.Tensor]:
    """What a segmenter sees: the left of a rug, the right half of it with a share of .4; a sofa before its far side. And the rug as it is."""
    pixels, u, v = on_floor(turn)
    if round_rug:
        rug = (u / 0.9).square() + ((v - 2.4) / 0.8).square() < 1
    else:
        rug = (u > LEFT) & (u < RIGHT) & (v > NEAR) & (v < FAR)
    truth = torch.full(SIZE, WALL)
    truth[pixels] = torch.where(rug, RUG, FLOOR)
    share = torch.zeros(SIZE)
    share[pixels] = torch.where(rug, torch.where(u < 0, 0.7, 0.4), 0.05)
    labels = truth.clone()
    labels[(truth == RUG) & (share < 0.5)] = FLOOR
    for one in (labels, truth):
        one[120:148, 120:200] = SOFA
    share[120:148, 120:200] = 0.0
    names = {WALL: "wall", FLOOR: "floor", RUG: "rug", SOFA: "sofa"}
    return Segments(labels, {id: Region(name) for id, name in names.items()}), share.numpy(), truth


def whole(
    segments: Segments, share: np.ndarray, layout: Layout | None, image: torch.Tensor | None = None
) -> torch.Tensor:
    """The labels of the whole rug, in a picture without any edge if none is given."""
    picture = torch.full((3, *SIZE), 0.5) if image is None else image
    return rug_whole(View(picture, segments, layout=layout), share).labels


def test_half_a_rug_becomes_the_whole_rug() -> None:
    segments, share, truth = seen()
    found = whole(segments, share, room())
    assert (segments.labels == truth).float().mean() < 0.95
    assert (found == truth).float().mean() > 0.995
    assert ((found == SOFA) == (truth == SOFA)).all()


def test_a_strip_of_the_floors_colour_is_floor_though_the_network_says_rug() -> None:
    """The network's rug goes on for 30 cm behind the rug, where the picture shows the floor's brown."""
    segments, share, truth = seen()
    pixels, u, v = on_floor()
    behind = torch.zeros(SIZE, dtype=torch.bool)
    behind[pixels] = (u > LEFT) & (u < RIGHT) & (v > FAR) & (v < FAR + 0.3)
    share, labels = share.copy(), segments.labels.clone()
    share[behind.numpy()], labels[behind] = 0.9, RUG
    brown, cream = torch.tensor([0.5, 0.35, 0.2]), torch.tensor([0.8, 0.78, 0.7])
    image = torch.where(truth == RUG, cream[:, None, None], brown[:, None, None])
    found, plain = (whole(Segments(labels, segments.regions), share, room(), one) for one in (image, None))
    assert (found[behind] == FLOOR).float().mean() > 0.9
    assert (plain[behind] == RUG).float().mean() > 0.9
    assert (found[truth == RUG] == RUG).float().mean() > 0.97


def test_its_sides_move_onto_the_pictures_edges() -> None:
    """The picture shows the rug 5 cm farther out at its right than the chances say; where it shows nothing, sides stay."""
    segments, share, _ = seen()
    pixels, u, v = on_floor()
    image = torch.full((3, *SIZE), 0.5)
    rug = (u > LEFT) & (u < RIGHT + 0.05) & (v < FAR)
    image[:, pixels] = torch.where(rug, 0.3, 0.5).expand(3, -1)
    image[:, 120:148, 120:200] = 0.5
    image += 0.01 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    moved, kept = (whole(segments, share, room(), one) for one in (image, None))
    beside = torch.zeros(SIZE, dtype=torch.bool)
    beside[pixels] = (u > RIGHT + 0.01) & (u < RIGHT + 0.035) & (v < FAR - 0.3)
    assert beside.sum() > 100
    assert (moved[beside] == RUG).float().mean() > 0.95
    assert (kept[beside] == FLOOR).float().mean() > 0.95
    outside = torch.zeros(SIZE, dtype=torch.bool)
    outside[pixels] = (u > RIGHT + 0.08) & (v < FAR - 0.3)
    assert (moved[outside] == FLOOR).all()


def test_shares_may_be_of_another_size() -> None:
    segments, share, truth = seen()
    found = whole(segments, share[::2, ::2].copy(), room())
    assert (found == truth).float().mean() > 0.98


def test_a_fringe_is_floor_and_what_reaches_out_of_the_rug_stays() -> None:
    """A stool that was called rug stands on its near left corner."""
    segments, share, truth = seen()
    labels = segments.labels.clone()
    pixels, u, _ = on_floor()
    beyond = torch.full(SIZE, 9.0)
    beyond[pixels] = u - RIGHT
    fringe = (beyond > 0) & (beyond < 0.08) & (truth == FLOOR)
    fringe[:190] = False
    stool = torch.zeros(SIZE, dtype=torch.bool)
    stool[190:212, 78:112] = True
    labels[fringe | stool] = RUG
    share[stool.numpy()] = 0.7
    found = whole(Segments(labels, segments.regions), share, room())
    assert fringe.sum() > 100
    assert (stool & (truth == FLOOR)).sum() > 100
    assert (found[fringe] == FLOOR).all()
    assert (found[stool] == RUG).all()
    share[stool.numpy() & (truth == FLOOR).numpy()] = 0.05
    found = whole(Segments(labels, segments.regions), share, room())
    assert (found[stool & (truth == FLOOR)] == FLOOR).all(), "the network's chances say floor, whatever its name became"


@pytest.mark.parametrize(
    "why", ["no layout", "unsure", "looks up", "nothing called rug", "round", "askew", "two", "small"]
)
def test_regions_stay_where_no_rectangle_is_sure(why: str) -> None:
    segments, share, _ = seen(0.4 if why == "askew" else 0.0, why == "round")
    layout = {"no layout": None, "unsure": room(0.4), "looks up": room(horizon=900)}.get(why, room())
    if why == "nothing called rug":
        labels = torch.where(segments.labels == RUG, FLOOR, segments.labels)
        labels[200, 180:184] = RUG
        segments = Segments(labels, segments.regions)
    if why == "two":
        pixels, u, v = on_floor()
        share[pixels] = np.where((u > 1.0) & (v < 3.0), np.float32(0.7), share[pixels])
    if why == "small":
        labels = torch.where(segments.labels == RUG, FLOOR, segments.labels)
        labels[200:216, 160:184] = RUG
        share = np.where(labels.numpy() == RUG, np.float32(0.9), np.float32(0.05))
        segments = Segments(labels, segments.regions)
    assert torch.equal(whole(segments, share, layout), segments.labels)
