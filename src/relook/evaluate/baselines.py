"""What anyone would try first, as plain functions: copy, Reinhard's colour transfer, colour statistics per class."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor

from relook.correspond.semantic import Correspondence

Image = Float[Tensor, "3 H W"]
OtherImage = Float[Tensor, "3 h w"]
"""A picture of another size."""


def copy(structure: Image) -> Image:
    """The structure picture as it is."""
    return structure.clone()


def reinhard(structure: Image, style: OtherImage) -> Image:
    """Mean and deviation of the whole picture in CIE Lab made those of the style (Reinhard et al. 2001)."""
    ours, theirs = _lab(structure), _lab(style)
    return _rgb(_matched(ours.reshape(-1, 3), theirs.reshape(-1, 3)).reshape(ours.shape))


def statistics(structure: Image, style: OtherImage, correspondence: Correspondence) -> Image:
    """Reinhard's transfer per class: every matched class takes its counterpart's mean and deviation; others stay."""
    ours, theirs = _lab(structure), _lab(style)
    ours_ids, theirs_ids = (
        ids.cpu().numpy() for ids in (correspondence.structure_classes, correspondence.style_classes)
    )
    for id in np.intersect1d(ours_ids, theirs_ids):
        if id != 0:
            ours[ours_ids == id] = _matched(ours[ours_ids == id], theirs[theirs_ids == id])
    return _rgb(ours)


def _matched(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """N x 3 values shifted and scaled to the mean and deviation of the wanted ones, channel by channel."""
    scale = wanted.std(0) / np.maximum(values.std(0), 1e-3)
    return (values - values.mean(0)) * scale + wanted.mean(0)


def _lab(image: Tensor) -> np.ndarray:
    return rgb2lab(image.detach().cpu().double().permute(1, 2, 0).numpy())


def _rgb(lab: np.ndarray) -> Tensor:
    """RGB in [0, 1]; colours outside of it are clipped."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-image warns of Lab colours that no RGB shows
        rgb = lab2rgb(lab)
    return torch.from_numpy(rgb).float().clamp(0, 1).permute(2, 0, 1).contiguous()
