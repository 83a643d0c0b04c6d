"""Recolouring: a change of look that is known in part, guessed for the rest."""

from __future__ import annotations

import torch

from relook.ops.recolour import recoloured


def halves() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A floor below a wall; the new look is known on the left only."""
    picture = torch.zeros(3, 48, 64)
    picture[:, :24], picture[:, 24:] = 0.8, 0.3
    look = picture.clone()
    look[0, :24], look[2, 24:] = 0.2, 0.9
    holes = torch.zeros(48, 64, dtype=torch.bool)
    holes[:, 32:] = True
    return picture, look, holes


def test_each_surface_takes_its_own_change() -> None:
    picture, look, holes = halves()
    found = recoloured(picture, torch.where(holes, 0.0, look), holes)
    inside = holes.clone()
    inside[20:28] = False
    torch.testing.assert_close(found[:, inside], look[:, inside], atol=0.02, rtol=0)


def test_what_holes_held_does_not_matter() -> None:
    picture, look, holes = halves()
    first = recoloured(picture, torch.where(holes, 0.0, look), holes)
    second = recoloured(picture, torch.where(holes, 1.0, look), holes)
    torch.testing.assert_close(first, second)


def test_nothing_known_changes_nothing() -> None:
    picture, look, _ = halves()
    assert torch.equal(recoloured(picture, look, torch.ones(48, 64, dtype=torch.bool)), picture)


def test_a_single_known_pixel_is_enough() -> None:
    picture, look, _ = halves()
    holes = torch.ones(48, 64, dtype=torch.bool)
    holes[40, 5] = False
    assert torch.isfinite(recoloured(picture, look, holes)).all()
