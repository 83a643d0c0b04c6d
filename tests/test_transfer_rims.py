"""What of the rim of a thing that stays belongs to the wall beside it."""

from __future__ import annotations

import torch

from relook.ops.oklab import rgb_to_oklab
from relook.transfer.colours import colours_of
from relook.transfer.rims import rims_given

SIZE = (200, 300)
WALL, STILL = 1, -1
PAPER = (slice(40, 160), slice(60, 240))
"""A painting's paper, as white as the wall, in a frame of 2 pixels."""


def given(still: torch.Tensor) -> torch.Tensor:
    """Classes of a white wall with a framed picture of white paper, of which `still` is taken for the picture."""
    image = torch.full((3, *SIZE), 0.85)
    image[:, 38:162, 58:242] = 0.1
    image[:, PAPER[0], PAPER[1]] = 0.85
    lab = rgb_to_oklab(image)
    classes = torch.where(still, STILL, WALL)
    return rims_given(classes, still, lab, {WALL: colours_of(lab[:, ~still])})


def test_a_rim_of_wall_round_a_frame_is_wall() -> None:
    still = torch.zeros(SIZE, dtype=torch.bool)
    still[30:170, 50:250] = True
    found = given(still)
    assert (found[30:33, 50:250] == WALL).all()
    assert (found[38:162, 58:242] == STILL).all(), "neither the frame nor the paper behind it"


def test_the_paper_stays_where_the_mask_has_a_notch() -> None:
    still = torch.zeros(SIZE, dtype=torch.bool)
    still[38:162, 58:242] = True
    still[38:44, 100:106] = False
    found = given(still)
    assert (found[PAPER][12:] == STILL).all()
    assert (found[40:44, 62:90] == STILL).all()
