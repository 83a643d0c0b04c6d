"""Key views in a new look become the scene's own colours: what every camera then renders is the same look."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.gaussians import Gaussians
from relook.lift.scene.uplift import lifted, likeness, spread
from relook.ops.splats import Blend
from relook.ops.splats.solve import RIDGE, Confidences

AGAIN = 0.25
"""How much it counts to show once more what another key view shows already."""
SHOWN = 1.0
"""Pixels that a Gaussian must fill in a view to count as shown."""


def distil(
    scene: Gaussians,
    blends: Sequence[Blend],
    looks: Sequence[Float[Tensor, "3 H W"]],
    confidence: Confidences = None,
    *,
    groups: Int[Tensor, " N"] | None = None,
    ridge: float = RIDGE,
) -> Gaussians:
    """The scene in the look of some of its views: colours whose renderings are nearest to these pictures, in least squares.

    looks: RGB of every view of `blends`. What none of them shows takes the colour of what was most like it before (`spread`), among
    Gaussians of its group (class), if there are groups. Raises ShapeError where views and looks are not as many or show nothing.
    """
    found = lifted(blends, looks, confidence, ridge=ridge)
    return scene.coloured(spread(found.values, found.seen, likeness(scene), groups))


def key_views(blends: Sequence[Blend], count: int) -> list[int]:
    """Numbers of the views that together show most of what all views show, the best first.

    Greedily: each adds the most pixels of Gaussians that no earlier one shows; what was shown n times counts AGAIN^n.
    """
    pixels = torch.stack([one.transposed(torch.ones(1, *one.size))[:, 0] for one in blends])
    shows, value = pixels > SHOWN, pixels.sum(0)
    chosen: list[int] = []
    for _ in range(min(count, len(blends))):
        gains = shows.float() @ value
        gains[chosen] = -1.0
        chosen.append(int(gains.argmax()))
        value = torch.where(shows[chosen[-1]], AGAIN * value, value)
    return chosen
