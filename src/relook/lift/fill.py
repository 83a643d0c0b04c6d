"""Holes of a carried look, filled without a network: from like colours of the frame itself, or by inpainting; seams closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.io import as_pixels
from relook.ops.fill import smoothly_filled
from relook.ops.guided import guided_filter
from relook.ops.recolour import recoloured
from relook.types import View

Filler = Callable[[View, Float[Tensor, "3 H W"], Bool[Tensor, "H W"], int], Float[Tensor, "3 H W"]]
"""(the frame as it was with whole depth or none, its carried look, holes, seed) -> a picture; the caller takes from it what lies in the holes."""

SEAM = 0.06
"""Distance from the known pixels, in parts of the longer side, at which the correction of a seam has fallen to 1/e."""
MEND = 0.015
"""Half window of the smoothing in `mended`, in parts of the longer side."""


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
