"""Up without cameras: how many drawn scenes stand, in worlds turned at random. `python benchmarks/upright.py [SEED]`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from common import say, tabulated
from scipy.spatial.transform import Rotation

from relook.lift.scene.upright import up_of

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "fixtures"))


def main(seed: int = 300) -> None:
    """A line for every kind of scene, from scenes of `seed` on."""
    import alone

    kinds = {
        **{name: [alone.thing(name, seed + k) for k in range(2)] for name in alone.THINGS},
        "groups": [alone.group(seed + k) for k in range(8)], "groups on a floor": [alone.group(seed + k, floor=True) for k in range(4)],
        "rooms": [alone.room(seed + k) for k in range(6)], "rooms without a ceiling": [alone.room(seed + k, ceiling=False) for k in range(6)],
    }  # fmt: skip
    rows = []
    for kind, scenes in kinds.items():
        cosines = []
        for number, scene in enumerate(scenes):
            for turn in Rotation.random(2, random_state=seed + number):
                cosines.append(float(up_of(alone.turned(scene, turn)) @ torch.tensor(turn.apply([0, 1, 0])).float()))
        right, over = (sum(sign * one > 0.99 for one in cosines) for sign in (1, -1))
        rows.append(
            {
                "": kind,
                "worlds": len(cosines),
                "upright": right,
                "upside down": over,
                "another axis": len(cosines) - right - over,
            }
        )
    say(tabulated(rows))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
