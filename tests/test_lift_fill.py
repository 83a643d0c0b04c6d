"""Holes filled: known pixels stay, seams close, any size works."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.exposure import match_histograms

from relook.lift.fill import FILLERS, matched_histogram, put_back
from relook.types import View


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


def test_known_pixels_stay_and_the_seam_closes() -> None:
    """The filling is 0.2 too dark everywhere: at the rim that is mended, deep inside it is left."""
    true = ramp((40, 120))
    holes = hole((40, 120), (slice(None), slice(30, None)))
    known = torch.where(holes, 0.0, true)
    whole = put_back(true - 0.2, known, holes)
    assert torch.equal(whole[:, ~holes], true[:, ~holes])
    off = (whole - true)[:, :, 30:].mean((0, 1))
    assert abs(float(off[0])) < 0.04
    assert bool((off.diff() < 1e-3).all())
    assert float(off[-1]) == pytest.approx(-0.2, abs=0.01)


def test_nothing_known_and_nothing_missing() -> None:
    filled, known = torch.rand(3, 9, 11), torch.rand(3, 9, 11)
    assert torch.equal(put_back(filled, known, torch.ones(9, 11, dtype=torch.bool)), filled)
    assert torch.equal(put_back(filled, known, torch.zeros(9, 11, dtype=torch.bool)), known)


def test_fillers_that_need_no_network() -> None:
    """The look is the picture, 0.1 brighter."""
    picture = ramp((40, 48))
    holes = hole((40, 48), (slice(12, 24), slice(14, 30)))
    look = torch.where(holes, 0.0, picture + 0.1)
    view = View(picture)
    nothing = FILLERS["none"](view, look, holes, 0)
    assert not bool(nothing[:, holes].any())
    assert torch.equal(nothing[:, ~holes], look[:, ~holes])
    for name, most in (("recolour", 0.02), ("inpaint", 0.06)):
        found = FILLERS[name](view, look, holes, 0)
        assert float((found - picture - 0.1)[:, holes].abs().max()) < most, name
        assert found.shape == look.shape


def test_histograms_are_those_of_another_library() -> None:
    draw = torch.Generator().manual_seed(0)
    ranks = torch.stack([torch.randperm(1200, generator=draw) for _ in range(6)]).view(2, 3, 30, 40) / 1200
    image, known = (
        ranks[0],
        ranks[1].square() * 0.7 + 0.1,
    )  # no value twice: what equal ones become is a matter of taste
    holes = hole((30, 40), (slice(5, 20), slice(8, 30)))
    found = matched_histogram(image, known, holes)
    found_known, wanted = (part[:, ~holes].T[:, None].numpy() for part in (image, known))
    expected = match_histograms(found_known, wanted, channel_axis=-1)
    assert np.allclose(found[:, ~holes].T.numpy(), expected[:, 0], atol=1e-6)
    for channel in range(3):
        torch.testing.assert_close(found[channel][~holes].sort().values, known[channel][~holes].sort().values)
    for channel in range(3):  # holes go the same way: brighter pixels stay the brighter ones
        order = image[channel][holes].argsort()
        assert bool((found[channel][holes][order].diff() >= 0).all())
    flat = matched_histogram(torch.full((3, 30, 40), 0.3), known, holes)
    torch.testing.assert_close(flat[:, 0, 0], known[:, ~holes].median(1).values, atol=2e-3, rtol=0)
    everything = torch.ones(30, 40, dtype=torch.bool)
    assert torch.equal(matched_histogram(image, known, everything), image)
