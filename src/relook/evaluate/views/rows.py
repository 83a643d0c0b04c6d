"""The rows of two-view synthesis: how frame 2 gets the new look of frame 1, as picture-making functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from relook.config import PhotoConfig
from relook.evaluate.row import Image, Row
from relook.evaluate.views.rooms import TwoViews
from relook.lift.carry import CARRYING, carried
from relook.lift.fill import STEPS, Filler, Refining, inpainted, matched_histogram, recoloured_frame, refined
from relook.lift.look import Look, RestyledFrame
from relook.models.families import Family, padded
from relook.models.view_refiner import ViewRefiner
from relook.ops.fill import filled
from relook.perceive.match import exact

FILL_SEED = 1
"""Seed of the refiner's noise: that of frame 1 in a walk of seed 0."""


@dataclass(frozen=True)
class Setting:
    """What the rows of a run share."""

    photo: PhotoConfig
    """How a frame is restyled by itself."""
    family: Family | None = None
    """None where it is not on this machine; rows that need it are left out."""
    refiner: ViewRefiner | None = None
    """The same for the view refiner."""
    refiner_steps: int = STEPS


ViewsRow = Row[TwoViews, Setting]
"""A row of two-view synthesis."""


def warped(case: TwoViews, carry: str) -> tuple[Image, Bool[Tensor, "H W"]]:
    """What frame 1 in its new look shows of frame 2 (black elsewhere), and where it shows nothing; as `lift` carries it."""
    past = RestyledFrame(0, case.first, Look.painted(case.styled.image, case.first))
    look = carried([past], case.second, exact, CARRYING[carry])
    return torch.where(look.holes, 0.0, look.image), look.holes


def completed(
    fill: Filler | None,
    *,
    carry: str = "relook",
    back: bool = True,
    sees_source: bool = True,
    histogram: bool = False,
    steps: int | None = None,
) -> Callable[[TwoViews, Setting], Image]:
    """A row that carries the look and fills its holes.

    fill: the view refiner if None. back: known pixels stay as they were carried; else the whole picture is what the filler gives.
    sees_source: the refiner sees frame 2 in its old look.
    """

    def paint(case: TwoViews, setting: Setting) -> Image:
        look, holes = warped(case, carry)
        new = (fill or _refiner(setting, sees_source, steps))(case.second, look, holes, FILL_SEED)
        if histogram:
            new = matched_histogram(new, look, holes)
        return torch.where(holes, new, look) if back else new

    return paint


def _refiner(setting: Setting, sees_source: bool, steps: int | None) -> Filler:
    """The view refiner as a filler."""
    assert setting.refiner is not None
    how = Refining(setting.refiner, steps=steps or setting.refiner_steps, sees_source=sees_source)
    return partial(refined, how=how)


def _black(case: TwoViews, setting: Setting) -> Image:
    return warped(case, "relook")[0]


def _nearest(case: TwoViews, setting: Setting) -> Image:
    return filled(*warped(case, "relook"))


def _navier_stokes(case: TwoViews, setting: Setting) -> Image:
    import cv2

    look, holes = warped(case, "relook")
    pixels = (look.clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    whole = cv2.inpaint(pixels, holes.numpy().astype(np.uint8), 3, cv2.INPAINT_NS)
    return torch.where(holes, torch.from_numpy(whole.astype(np.float32)).permute(2, 0, 1) / 255, look)


def _alone(case: TwoViews, setting: Setting) -> Image:
    from relook.transfer.photo import restyle_photo

    return restyle_photo(case.second, case.styled, replace(setting.photo, prompt=case.prompt)).image


@torch.no_grad()
def _exact(case: TwoViews, setting: Setting) -> Image:
    family = setting.family
    assert family is not None
    look, holes = warped(case, "relook")
    picture, (height, width) = padded(case.exact, family.multiple)
    decoded = family.decode(family.encode(picture[None].to(family.device)))[0, :, :height, :width].float().cpu()
    return torch.where(holes, decoded, look)


CEILING = "exact"
"""The row that no method can beat; it is not marked as the best."""
ROWS: Mapping[str, ViewsRow] = {
    "warp only": Row("looked up in frame 1; holes stay black", _black),
    "nearest": Row("holes take the nearest known pixel", _nearest),
    "warp + inpainting": Row("OpenCV, Telea 2004", completed(inpainted)),
    "warp + inpainting (Navier-Stokes)": Row("OpenCV, Bertalmio et al. 2001", _navier_stokes),
    "recolour": Row("holes: frame 2 itself, its colours moved as those of like pixels nearby", completed(recoloured_frame)),
    "per-frame restyling": Row("frame 2 restyled by itself, frame 1 in its new look as the style picture", _alone, learned=True),
    "splat + inpainting": Row("softmax splatting as in the paper (sharpness 10), then Telea", completed(inpainted, carry="paper")),
    "splat + refiner": Row("softmax splatting as in the paper, then our network", completed(None, carry="paper"), True, True),
    "paper": Row(
        "as the paper has it, with our network: splatted, no old look shown to it, its whole picture, histogram matched",
        completed(None, carry="paper", back=False, sees_source=False, histogram=True), True, True,
    ),
    "refiner/whole picture": Row("our network's whole picture, known pixels not put back", completed(None, back=False), True, True),
    "refiner/paper conditions": Row("our network without the old look of frame 2", completed(None, sees_source=False), True, True),
    "refiner": Row("our network: looked up, holes painted by it, known pixels put back", completed(None), True, True),
    CEILING: Row("holes from the exact answer through the autoencoder: the most that can be reached", _exact, learned=True),
}  # fmt: skip
"""Every row, in the table's order."""


def step_rows(counts: tuple[int, ...]) -> Mapping[str, ViewsRow]:
    """The refiner at several numbers of steps."""
    return {f"{n} steps": Row(f"the refiner in {n} steps", completed(None, steps=n), True, True) for n in counts}
