"""Refinement: a finished picture made larger, noised a little, and denoised by a family that knows finer detail.

SDEdit (Meng et al. 2022, algorithm 1) with a depth ControlNet, as the last step of ReStyle3D's first stage (section 3.2): what is
faint in the noise is painted anew, what is strong in the picture stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.models.families import FEW, Family, padded
from relook.progress import SILENT, Progress
from relook.transfer.guidance import available, classifier_free
from relook.transfer.predict import predictor
from relook.transfer.sample import FRESH, Predictor, Schedule, denoise, schedule_of
from relook.types import Depth, View

LARGER = 2
"""How many times longer the sides of a picture become."""
FINE = 512
"""Families trained on pictures of this length and more are refined with by the paper's numbers, smaller ones by the dollhouse's."""


@dataclass(frozen=True)
class Refinement:
    """How a picture is refined."""

    strength: float = 0.2
    """Noise level to which the enlarged picture is noised, up to 1 (pure noise)."""
    steps: int = 100
    """Steps of a whole run from pure noise; this one takes the last `strength` of them."""
    guidance: float = 5.0
    """Classifier-free guidance towards the prompt; without a prompt there is none."""
    control_scale: float = 0.8
    """Strength of the depth ControlNet's residuals; 0 leaves it out."""
    eta: float = 0.0
    """Stochasticity of the steps: 0 is DDIM, 1 is DDPM."""
    residual: bool = False
    """Give back what the enlarged picture lost on its way through the autoencoder."""


REFINEMENTS: Mapping[str, Refinement] = {
    "paper": Refinement(),
    "dollhouse": Refinement(strength=0.06, steps=20, guidance=1.0, control_scale=1.0, residual=True),
}
"""`paper`: ReStyle3D's with SDXL, as its authors' code has the numbers (512 to 1024). `dollhouse`: for the embedded family (256 to 512),
which sees four times the length that it was trained on: more noise than this leaves grain on plain surfaces."""


def refinement_for(family: Family) -> Refinement:
    """The refinement that suits the size of the pictures that a family was trained on."""
    return REFINEMENTS["paper" if family.size >= FINE else "dollhouse"]


@torch.no_grad()
def refined(
    image: Float[Tensor, "3 H W"],
    structure: View,
    family: Family,
    setting: Refinement | None = None,
    *,
    prompt: str = "",
    seed: int = 0,
    progress: Progress = SILENT,
) -> Float[Tensor, "3 H2 W2"]:
    """A restyled picture refined with the depth of its structure picture, at any size; on the CPU.

    setting: None for the one that suits the family. The result is LARGER times as large as the picture; kept pixels are the caller's to put
    back. Depth is read where the family has a ControlNet. Families of few steps (LCM, turbo) take FEW steps below the noise level, with fresh
    noise and without guidance.
    """
    setting = setting or refinement_for(family)
    size = (LARGER * image.shape[-2], LARGER * image.shape[-1])
    large = enlarged(image, size)
    if family.few_steps:
        setting = replace(setting, steps=max(1, round(FEW / setting.strength)), guidance=1.0, eta=FRESH)
    framed, _ = padded(large, family.multiple)
    clean = family.encode(framed[None]).float()
    predict = _predictor(family, setting, _control(family, setting, structure.depth, size), prompt)
    latents = _repainted(clean, schedule_of(family, setting.steps), predict, setting, seed, progress)
    found = family.decode(latents).cpu()
    if setting.residual:
        found = (found + (framed.cpu() - family.decode(clean).cpu())).clamp(0, 1)
    return found[0, :, : size[0], : size[1]]


def enlarged(image: Float[Tensor, "3 H W"], size: tuple[int, int]) -> Float[Tensor, "3 H2 W2"]:
    """The picture at another size (H, W) by Lanczos' windowed sinc of three lobes, in float32; clamped, for the sinc rings."""
    from PIL import Image

    pixels = image.detach().float().cpu().numpy()
    wide = (size[1], size[0])
    planes = [np.asarray(Image.fromarray(plane, "F").resize(wide, Image.Resampling.LANCZOS)) for plane in pixels]
    return torch.from_numpy(np.stack(planes)).clamp(0, 1)


def _repainted(
    clean: Float[Tensor, "1 C h w"],
    schedule: Schedule,
    predict: Predictor,
    setting: Refinement,
    seed: int,
    progress: Progress,
) -> Float[Tensor, "1 C h w"]:
    """The latents noised to a level of the schedule and denoised from there."""
    first = schedule.first(setting.strength)
    count = len(schedule.timesteps)
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(clean.shape, generator=generator).to(clean)
    fresh = clean.new_zeros(1).expand(count, *clean.shape)
    if setting.eta > 0:
        fresh = torch.randn(count, *clean.shape, generator=generator).to(clean)

    start = schedule.noised(clean, start, first)
    with progress.stage("refining", count - first) as tick:
        return denoise(start, schedule, predict, fresh, eta=setting.eta, first=first, tick=tick)


def _control(
    family: Family, setting: Refinement, depth: Depth | None, size: tuple[int, int]
) -> Float[Tensor, "1 3 H W"] | None:
    """The control image of the enlarged and padded picture; None where the family, the view or the setting has none."""
    if depth is None or family.control is None or setting.control_scale <= 0:
        return None
    return padded(family.control_image(depth, size), family.multiple)[0]


def _predictor(family: Family, setting: Refinement, control: Float[Tensor, "1 3 H W"] | None, prompt: str) -> Predictor:
    """Classifier-free guidance, with depth in both predictions; one prediction a step where there is no prompt."""
    depth = control is not None
    mix = available(
        classifier_free(setting.guidance, depth=depth), prompt=bool(prompt.strip()), swap=False, depth=depth
    )
    text = family.embed([prompt, ""])
    return predictor(family, mix, text[:1], text[1:], control, control_scale=setting.control_scale)
