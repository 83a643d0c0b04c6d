"""Holes of a carried look, filled: by the view refiner, from like colours of the frame itself, or by inpainting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.io import as_pixels
from relook.models.families import padded
from relook.models.view_refiner import ViewRefiner, condition_pictures, encoded
from relook.ops.fill import smoothly_filled
from relook.ops.guided import guided_filter
from relook.ops.recolour import recoloured
from relook.perceive.depth import DepthEstimator
from relook.transfer.sample import denoise, schedule_of
from relook.transfer.working import shrunk, working_side
from relook.types import View

Filler = Callable[[View, Float[Tensor, "3 H W"], Bool[Tensor, "H W"], int], Float[Tensor, "3 H W"]]
"""(the frame as it was with whole depth or none, its carried look, holes, seed) -> a picture; the caller takes from it what lies in the holes."""

SEAM = 0.06
"""Distance from the known pixels, in parts of the longer side, at which the correction of a seam has fallen to 1/e."""
START = 0.3
"""Noise level from which the view refiner paints over its first guess; chosen on 18 rooms that no suite draws. Where it does not see what
the frame was, its guess is only the nearest colour, and it paints from pure noise (1)."""
MEND = 0.015
"""Half window of the smoothing in `mended`, in parts of the longer side."""
STEPS = 8
"""Denoising steps of a whole run from pure noise; the view refiner takes those below START."""


def put_back(
    filled: Float[Tensor, "3 H W"], known: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """Known pixels as they were; in the holes a picture that was made without them, moved smoothly so that it meets them without a seam.

    The difference at the known pixels is spread into the holes (`smoothly_filled`), as in seamless cloning (Perez et al. 2003), and
    fades with the distance from them, as exp(-distance / SEAM): far inside a hole it would be a guess.
    """
    from scipy.ndimage import distance_transform_edt

    if bool(holes.all()) or not bool(holes.any()):
        return filled if bool(holes.all()) else known
    away = torch.from_numpy(distance_transform_edt(holes.numpy())).to(filled) / max(holes.shape)
    offset = smoothly_filled(torch.where(holes, torch.zeros_like(known), known - filled), holes)
    return torch.where(holes, (filled + offset * torch.exp(-away / SEAM)).clamp(0, 1), known)


@dataclass(frozen=True)
class Refining:
    """The view refiner and how it paints."""

    refiner: ViewRefiner
    prompt: str = ""
    steps: int = STEPS
    sees_source: bool = True
    """Whether it sees the frame as it was before."""
    depth: DepthEstimator | None = None
    """Asked for frames that bring no depth."""


@torch.no_grad()
def refined(
    view: View, look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], seed: int, how: Refining
) -> Float[Tensor, "3 H W"]:
    """What the view refiner paints (DDIM), at its working size, carried to the view's.

    It begins from its first guess (`condition_pictures`), noised, and what it changes of that guess is added to the guess
    itself, so nothing is lost on the way through the autoencoder.
    """
    refiner, steps = how.refiner, how.steps
    if view.depth is None and how.depth is not None:
        view = replace(view, depth=how.depth(view))
    family, size = refiner.family, view.size
    side = working_side(family.size)
    small = shrunk(View(look, depth=view.depth), side)
    before = view.image if how.sees_source else None
    small_before = shrunk(View(view.image), side).image if how.sees_source else None
    gone = interpolate(holes.float()[None, None], small.size, mode="area")[0, 0] > 0.01 if small.size != size else holes
    pictures = condition_pictures(_unmixed(look, holes, small, gone), gone, small.depth, small_before)
    even = {name: padded(picture, family.multiple)[0] for name, picture in pictures.items()}
    conditions = encoded(family, even, refiner.conditions)
    text = family.embed([how.prompt])

    def predict(latents: Tensor, timestep: int) -> Tensor:
        times = torch.full((len(latents),), timestep, device=latents.device)
        states = text.states.to(latents.dtype)
        said = refiner.network(torch.cat([latents, conditions], 1), times, encoder_hidden_states=states).sample
        return family.noise_of(said, latents, times)

    schedule, guess = schedule_of(family, steps), conditions[:, : int(refiner.network.config["out_channels"])]
    noise = torch.randn(guess.shape, generator=torch.Generator().manual_seed(seed)).to(guess)
    first = schedule.first(START if how.sees_source else 1.0)
    still = noise.new_zeros(1).expand(steps, *noise.shape)
    latents = denoise(schedule.noised(guess, noise, first), schedule, predict, still, eta=0.0, first=first)
    change = (family.decode(latents) - family.decode(guess))[0].cpu()[:, : small.size[0], : small.size[1]]
    if small.size == size:
        return (pictures["warped"] + change).clamp(0, 1)
    full = condition_pictures(look, holes, view.depth, before)["warped"]
    return (full + interpolate(change[None], size, mode="bicubic", align_corners=False)[0]).clamp(0, 1)


def mended(frame: Float[Tensor, "3 H W"], look: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
    """The frame itself with the change of look, smoothed along its edges: for methods that change colours and no patterns.

    frame + q, q the guided filter of look - frame: what was carried a little wrong, or torn, falls away, the frame's own detail stays.
    """
    return (frame + guided_filter(frame, look - frame, MEND, 1e-4)).clamp(0, 1)


def recoloured_frame(
    view: View, look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], seed: int = 0
) -> Float[Tensor, "3 H W"]:
    """The frame as it was, its colours moved as those of like pixels nearby moved (`relook.ops.recolour`)."""
    return recoloured(view.image, look, holes, None if view.depth is None else view.depth.values)


def inpainted(
    view: View, look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], seed: int = 0
) -> Float[Tensor, "3 H W"]:
    """The look alone, its holes closed from their rims (Telea 2004, OpenCV)."""
    import cv2

    whole = cv2.inpaint(as_pixels(look), holes.numpy().astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return torch.from_numpy(whole.astype(np.float32)).permute(2, 0, 1).contiguous() / 255


def unfilled(
    view: View, look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], seed: int = 0
) -> Float[Tensor, "3 H W"]:
    """Black holes."""
    return look


FILLERS: Mapping[str, Filler] = {"recolour": recoloured_frame, "inpaint": inpainted, "none": unfilled}
"""Those that need no network, by name."""


def matched_histogram(
    image: Float[Tensor, "3 H W"], known: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """The picture with the colour histograms (per channel) that its known pixels should have, as ReStyle3D ends each frame."""
    if bool(holes.all()):
        return image
    matched = []
    for channel, known_channel in zip(image, known, strict=True):
        now, wanted = channel[~holes].sort().values, known_channel[~holes].sort().values
        values = channel.contiguous().flatten()
        low, high = torch.searchsorted(now, values), torch.searchsorted(now, values, right=True)
        rank = ((low + high - 1) // 2).clamp(0, len(now) - 1)  # equal values take their middle rank
        matched.append(wanted[rank].view_as(channel))
    return torch.stack(matched)


def _unmixed(
    look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], small: View, gone: Bool[Tensor, "h w"]
) -> Float[Tensor, "3 h w"]:
    """The look at the working size, the black of holes kept out of it."""
    if small.size == holes.shape:
        return look
    known = (~holes).float()[None]
    maps = interpolate(torch.cat([look * known, known])[None], small.size, mode="area")[0]
    return torch.where(gone, torch.zeros_like(maps[:3]), maps[:3] / maps[3:].clamp_min(1e-6))
