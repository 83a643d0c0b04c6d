"""Up without cameras: things alone, with and without a floor, and rooms, in a world that is turned any way."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import alone
from relook.gaussians import Gaussians
from relook.lift.scene.standing import End, Standing, pieces_of, standing
from relook.lift.scene.upright import up_of

EVEN = End(1.0, 0.5, 1.0)
LEVEL = Standing(EVEN, EVEN, 0.0, 0.0, 0.0, 1.0)


@cache
def scene(name: str, seed: int) -> Gaussians:
    """A drawn scene by what it is of."""
    if name.startswith("room"):
        return alone.room(seed, ceiling=name == "room")
    return alone.group(seed, floor=name == "floor") if name in ("group", "floor") else alone.thing(name, seed)


TURNS = {
    "y down": Rotation.from_euler("x", 180, degrees=True), "z up": Rotation.from_euler("x", 90, degrees=True), "any": Rotation.random(random_state=3),
}  # fmt: skip
"""From y up to what exports and COLMAP have."""
SCENES = (
    ("group", 20),
    ("group", 21),
    ("floor", 20),
    ("room open", 31),
    ("sofa", 200),
    ("chair", 200),
    ("bed", 200),
)
"""benchmarks/upright.py has many more."""


@pytest.mark.parametrize(("name", "seed"), SCENES)
def test_up_is_found_whatever_stands_there_and_whatever_way_the_world_is_turned(name: str, seed: int) -> None:
    for words, turn in TURNS.items():
        up = up_of(alone.turned(scene(name, seed), turn))
        assert float(up @ torch.tensor(turn.apply([0, 1, 0])).float()) > 0.99, words


def test_what_speaks_for_an_end() -> None:
    assert LEVEL.upright == 0
    assert LEVEL._replace(high=EVEN._replace(firm=-1.0)).upright > 0
    assert LEVEL._replace(high=EVEN._replace(wide=0.2)).upright > 0
    assert LEVEL._replace(lighter=0.1).upright > 0
    assert LEVEL._replace(low=EVEN._replace(filled=0.1)).upright > 0, "legs are below a plate"
    walled = LEVEL._replace(walled=1.0, low=EVEN._replace(filled=0.1))
    assert walled.upright == 0, "walls are no legs"
    assert walled._replace(tipped=-0.1).upright > 0, "things stand below the middle of a room"
    assert LEVEL._replace(tipped=0.4).upright == 0, "but a lamp's shade does not"
    assert LEVEL._replace(lighter=9.0).upright == LEVEL._replace(lighter=0.15).upright


def test_a_sofa_stands_on_its_foot_and_not_on_the_edge_of_its_back() -> None:
    found = standing(pieces_of(scene("sofa", 200)), np.array([0.0, 1.0, 0.0]))
    assert found.low.firm > 0.9 > 0 > found.high.firm
    assert found.low.wide > 0.8 > 0.5 > found.high.wide
    assert 0.4 < found.tall < 1.0
    over = standing(pieces_of(scene("sofa", 200)), np.array([0.0, -1.0, 0.0]))
    assert [*over.low, *over.high] == pytest.approx([*found.high, *found.low], abs=0.05)
    assert over.upright == pytest.approx(-found.upright, abs=0.1)


def test_a_few_gaussians_have_some_axis() -> None:
    for count in (1, 2, 5):
        up = up_of(scene("sofa", 200)[torch.arange(count)])
        assert float(up.norm()) == pytest.approx(1, abs=1e-5)
