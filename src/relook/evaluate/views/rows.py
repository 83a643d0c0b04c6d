"""The rows of two-view synthesis: how frame 2 gets the new look of frame 1, as picture-making functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from relook.config import Carry
from relook.evaluate.row import Image, Row
from relook.evaluate.sections import CEILING
from relook.evaluate.views.rooms import TwoViews
from relook.evaluate.views.setting import Setting
from relook.evaluate.weights import family, through_autoencoder
from relook.io import as_pixels
from relook.lift.carry import CARRYING, carried
from relook.lift.fill import Filler, inpainted, matched_histogram, recoloured_frame
from relook.lift.look import Look, RestyledFrame
from relook.lift.paint import PAINTING, Painting, Refining, refined
from relook.ops.fill import filled
from relook.perceive.match import exact
from relook.session import Session

FILL_SEED = 1
"""Seed of the refiner's noise: that of frame 1 in a walk of seed 0."""


ViewsRow = Row[TwoViews, Setting]
"""A row of two-view synthesis."""


def warped(case: TwoViews, carry: Carry) -> tuple[Image, Bool[Tensor, "H W"]]:
    """What frame 1 in its new look shows of frame 2 (black elsewhere), and where it shows nothing; as `lift` carries it."""
    past = RestyledFrame(0, case.first, Look.painted(case.styled.image, case.first))
    look = carried([past], case.second, exact, CARRYING[carry])
    return torch.where(look.holes, 0.0, look.image), look.holes


@dataclass(frozen=True)
class Completed:
    """A row that carries the look and fills its holes."""

    fill: Filler | None = None
    """The view refiner if None."""
    carry: Carry = "relook"
    back: bool = True
    """Known pixels stay as they were carried; else the whole picture is what the filler gives."""
    painting: Painting = PAINTING["relook"]
    """How the refiner paints."""
    histogram: bool = False
    """What is painted takes the colour histogram of what is known."""
    steps: int | None = None
    """Of the refiner where it fills holes; the run's if None."""

    def __call__(self, case: TwoViews, setting: Setting, session: Session) -> Image:
        """Frame 2 in its new look."""
        look, holes = warped(case, self.carry)
        new = (self.fill or self._refiner(case, setting, session))(case.second, look, holes, FILL_SEED)
        if self.histogram:
            new = matched_histogram(new, look, holes)
        return torch.where(holes, new, look) if self.back else new

    def _refiner(self, case: TwoViews, setting: Setting, session: Session) -> Filler:
        """The view refiner as a filler: as its way of painting says, but for its steps where it fills holes; the prompt only guides."""
        painting = self.painting
        if not painting.whole:
            painting = replace(painting, steps=self.steps or setting.refiner_steps)
        prompt = case.prompt if painting.guidance != 1 else ""
        return partial(refined, how=Refining(setting.load_refiner(session), painting, prompt))


def _black(case: TwoViews, setting: Setting, session: Session) -> Image:
    return warped(case, "relook")[0]


def _nearest(case: TwoViews, setting: Setting, session: Session) -> Image:
    return filled(*warped(case, "relook"))


def _navier_stokes(case: TwoViews, setting: Setting, session: Session) -> Image:
    import cv2

    look, holes = warped(case, "relook")
    pixels = as_pixels(look)
    whole = cv2.inpaint(pixels, holes.numpy().astype(np.uint8), 3, cv2.INPAINT_NS)
    return torch.where(holes, torch.from_numpy(whole.astype(np.float32)).permute(2, 0, 1) / 255, look)


def _alone(case: TwoViews, setting: Setting, session: Session) -> Image:
    from relook.transfer.photo import restyle_photo

    return restyle_photo(case.second, case.styled, setting.photo(case.prompt), session=session).image.cpu()


def _exact(case: TwoViews, setting: Setting, session: Session) -> Image:
    look, holes = warped(case, "relook")
    return torch.where(holes, through_autoencoder(case.exact, family(setting.family, session)), look)


ROWS: Mapping[str, ViewsRow] = {
    "warp only": Row("looked up in frame 1; holes stay black", _black),
    "nearest": Row("holes take the nearest known pixel", _nearest),
    "warp + inpainting": Row("OpenCV, Telea 2004", Completed(inpainted)),
    "warp + inpainting (Navier-Stokes)": Row("OpenCV, Bertalmio et al. 2001", _navier_stokes),
    "recolour": Row("holes: frame 2 itself, its colours moved as those of like pixels nearby", Completed(recoloured_frame)),
    "per-frame restyling": Row("frame 2 restyled by itself, frame 1 in its new look as the style picture", _alone, learned=True),
    "splat + inpainting": Row("softmax splatting as in the paper (sharpness 10), then Telea", Completed(inpainted, carry="paper")),
    "splat + refiner": Row("softmax splatting as in the paper, then our network", Completed(carry="paper"), learned=True),
    "paper": Row(
        "as the paper has it, with our network: splatted, no old look shown to it, its whole picture, histogram matched",
        Completed(carry="paper", back=False, painting=PAINTING["paper"], histogram=True), learned=True,
    ),
    "released": Row(
        "as the authors' code has it, with our network: the same with its own splatting, 100 steps and guidance 5",
        Completed(carry="released", back=False, painting=PAINTING["released"]), learned=True,
    ),
    "refiner/whole picture": Row("our network's whole picture, known pixels not put back", Completed(back=False), learned=True),
    "refiner/paper conditions": Row("our network without the old look of frame 2", Completed(painting=PAINTING["paper"]), learned=True),
    "refiner": Row("our network: looked up, holes painted by it, known pixels put back", Completed(), learned=True),
    CEILING: Row("holes from the exact answer through the autoencoder: the most that can be reached", _exact, learned=True),
}  # fmt: skip
"""Every row, in the table's order."""


def step_rows(counts: tuple[int, ...]) -> Mapping[str, ViewsRow]:
    """The refiner at several numbers of steps."""
    return {f"{n} steps": Row(f"the refiner in {n} steps", Completed(steps=n), learned=True) for n in counts}
