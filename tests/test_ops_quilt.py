"""Textures that grow from a piece."""

from __future__ import annotations

import torch

from relook.ops.quilt import NOWHERE, quilted


def stripes(rows: int, columns: int, start: int = 0) -> torch.Tensor:
    """Diagonal stripes of period 6."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(start, start + columns), indexing="ij")
    return (((x + y) % 6) < 3).float()[None]


def grown(exemplar: torch.Tensor, known: torch.Tensor, size: tuple[int, int], at: tuple[int, int]) -> torch.Tensor:
    source = quilted(exemplar, known, torch.ones(size, dtype=torch.bool), at)
    assert source is not None
    assert int(source.min()) > NOWHERE
    assert bool(known[source[0], source[1]].all())  # nothing is copied from where nothing is known
    return exemplar[:, source[0], source[1]]


def test_a_regular_pattern_goes_on_as_it_is() -> None:
    """The piece lies at (10, 20): all around it the stripes must run on through it."""
    exemplar, known = stripes(40, 44), torch.ones(40, 44, dtype=torch.bool)
    texture = grown(exemplar, known, (90, 100), (10, 20))
    assert torch.equal(texture, stripes(90, 100, start=-30 % 6))


def test_holes_of_the_piece_are_filled_and_never_copied() -> None:
    exemplar, known = stripes(48, 48), torch.ones(48, 48, dtype=torch.bool)
    known[5:15, 8:20] = False
    texture = grown(torch.where(known, exemplar, 9.0), known, (48, 48), (0, 0))
    assert torch.equal(texture, stripes(48, 48))


def test_what_is_known_stays_in_its_place_but_for_seams_at_its_border() -> None:
    exemplar = torch.rand(3, 60, 60, generator=torch.Generator().manual_seed(0))
    known = torch.ones(60, 60, dtype=torch.bool)
    texture = grown(exemplar, known, (80, 90), (-5, 35))
    overlap = 15  # a quarter of the largest patch that there can be
    assert torch.equal(texture[:, : 55 - overlap, 35 + overlap : 90], exemplar[:, 5 : 60 - overlap, overlap:55])
    assert not torch.equal(texture[:, :55, 35:90], exemplar[:, 5:, :55])


def test_seams_run_where_patches_agree() -> None:
    """Noise on flat ground with flat gaps, as planks have: whole planks are copied, and no seam cuts through one."""
    draw = torch.Generator().manual_seed(1)
    tones = torch.rand(40, generator=draw)
    planks = tones.repeat_interleave(5)[None, :, None].expand(1, 200, 60).clone()
    planks[:, ::5] = 0
    texture = grown(planks, torch.ones(200, 60, dtype=torch.bool), (300, 60), (0, 0))
    rows = texture[0].amax(1)
    assert float((texture[0] - rows[:, None]).abs().max()) < 1e-6  # every row is one plank's
    whole = rows[: 59 * 5].view(-1, 5)
    assert float((whole[:, 1:] - whole[:, 1:2]).abs().max()) < 1e-6
    assert not whole[:, 0].any()


def test_the_same_input_gives_the_same_texture() -> None:
    exemplar, known = torch.rand(3, 50, 50, generator=torch.Generator().manual_seed(2)), torch.ones(50, 50).bool()
    assert torch.equal(grown(exemplar, known, (120, 90), (20, 20)), grown(exemplar, known, (120, 90), (20, 20)))


def test_copies_do_not_all_come_from_one_place() -> None:
    exemplar, known = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(3)), torch.ones(64, 64).bool()
    source = quilted(exemplar, known, torch.ones(300, 300, dtype=torch.bool), (1000, 1000))
    assert source is not None
    counts = torch.bincount((source[0] * 64 + source[1]).flatten(), minlength=64 * 64).double()
    assert float((counts > 0).double().mean()) > 0.6
    assert float(counts.max()) < 4 * 300 * 300 / (64 * 64)


def test_a_piece_that_lies_elsewhere_still_gives_its_pattern() -> None:
    exemplar, known = stripes(40, 40), torch.ones(40, 40, dtype=torch.bool)
    texture = grown(exemplar, known, (60, 60), (500, -900))
    assert abs(float(texture.mean()) - 0.5) < 0.02
    runs = (texture[0, 30, 6:] - texture[0, 30, :-6]).abs().mean()
    assert float(runs) < 0.1  # of period 6 there too


def test_only_what_is_wanted_is_grown() -> None:
    wanted = torch.zeros(200, 200, dtype=torch.bool)
    wanted[:20, :20] = True
    source = quilted(stripes(40, 40), torch.ones(40, 40, dtype=torch.bool), wanted, (0, 0))
    assert source is not None
    assert int(source[:, :20, :20].min()) > NOWHERE
    assert int(source[:, 100:, 100:].max()) == NOWHERE


def test_too_small_a_piece_gives_nothing() -> None:
    wanted = torch.ones(20, 20, dtype=torch.bool)
    assert quilted(torch.rand(3, 6, 40), torch.ones(6, 40, dtype=torch.bool), wanted, (0, 0)) is None
    speckled = torch.rand(40, 40, generator=torch.Generator().manual_seed(2)) > 0.3
    assert quilted(torch.rand(3, 40, 40), speckled, wanted, (0, 0)) is None
