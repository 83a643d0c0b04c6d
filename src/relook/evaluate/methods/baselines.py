"""What anyone would try first, as plain functions.

Copy, Reinhard's colour transfer, colour statistics per class, optimal transport of colour per class, and MicroAST (whole and per class).
AdaIN or WCT on VGG features (Huang and Belongie 2017, Li et al. 2017) is not here: both need a decoder of VGG features, and no checkpoint
of one is in the catalogue. MicroAST is AdaIN with encoders and a decoder of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.errors import InputError, ShapeError
from relook.ops.transport import cells, entropic_map
from relook.session import Session

Image = Float[Tensor, "3 H W"]
OtherImage = Float[Tensor, "3 h w"]
"""A picture of another size."""
Colours = Float[np.ndarray, "N 3"]
"""CIE Lab, one pixel per row."""
OtherColours = Float[np.ndarray, "M 3"]

BLUR = 7.0
"""Standard deviation, in units of CIE Lab, by which the plan is smoothed. Measured on dollhouse pairs: PSNR rises with it up to 10, LPIPS
is level from 3 to 10, and photographs lose contrast above."""
CELL = 3.0
"""Side of the cells of Lab in which like colours are counted as one."""


def copy(structure: Image) -> Image:
    """The structure picture as it is."""
    return structure.clone()


def reinhard(structure: Image, style: OtherImage) -> Image:
    """Mean and deviation of the whole picture in CIE Lab made those of the style (Reinhard et al. 2001)."""
    colours = _lab(structure)
    return _rgb(_matched(colours.reshape(-1, 3), _lab(style).reshape(-1, 3)).reshape(colours.shape))


def statistics(structure: Image, style: OtherImage, correspondence: Correspondence) -> Image:
    """Reinhard's transfer per class: every matched class takes its counterpart's mean and deviation; others stay.

    Raises ShapeError if the correspondence belongs to pictures of other sizes.
    """
    return _by_class(structure, style, correspondence, _matched)


def transport(structure: Image, style: OtherImage, correspondence: Correspondence, blur: float = BLUR) -> Image:
    """Every matched class takes its counterpart's colours by optimal transport in CIE Lab; others stay.

    The map is the entropic one (Pooladian and Niles-Weed 2021), the barycentric projection of the plan of Cuturi (2013), found by
    Sinkhorn's algorithm (`relook.ops.transport.entropic_map`). A blur near 0 is optimal transport without regularisation; a large one gives the style's mean colour alone.
    Raises InputError for a blur that is not positive, ShapeError if the correspondence belongs to pictures of other sizes.
    """
    if not blur > 0:
        raise InputError(f"Expected a blur above 0, got {blur}; choose one, such as {BLUR:g}.")
    return _by_class(structure, style, correspondence, partial(_transported, blur=blur))


def microast(structure: Image, style: OtherImage, session: Session) -> Image:
    """MicroAST (Wang et al. 2023) of the whole pictures. Raises MissingModelError where its checkpoint is not."""
    from relook.models.microast import restyled

    return restyled(structure, style, session)


def microast_by_class(structure: Image, style: OtherImage, correspondence: Correspondence, session: Session) -> Image:
    """MicroAST with its statistics per class, Relook's addition; unmatched and locked pixels stay.

    Raises MissingModelError where its checkpoint is not, ShapeError if the correspondence belongs to pictures of other sizes.
    """
    from relook.models.microast import restyled

    _check(structure, style, correspondence)
    classes = correspondence.structure_classes, correspondence.style_classes
    changed = ((classes[0] > 0) & ~correspondence.kept).cpu()
    return torch.where(changed, restyled(structure, style, session, classes=classes), structure.cpu())


def _by_class(
    structure: Image,
    style: OtherImage,
    correspondence: Correspondence,
    move: Callable[[Colours, OtherColours], Colours],
) -> Image:
    """The structure with the Lab colours of every class that both pictures show moved; unmatched and locked pixels stay bit-identical."""
    _check(structure, style, correspondence)
    colours, style_colours = _lab(structure), _lab(style)
    ids, style_ids = correspondence.structure_classes.cpu().numpy(), correspondence.style_classes.cpu().numpy()
    changed = np.isin(ids, np.setdiff1d(style_ids, [0])) & ~correspondence.kept.cpu().numpy()
    for id in np.unique(ids[changed]):
        colours[ids == id] = move(colours[ids == id], style_colours[style_ids == id])
    return torch.where(torch.from_numpy(changed), _rgb(colours), structure.detach().cpu())


def _matched(values: Colours, wanted: OtherColours) -> Colours:
    """Values shifted and scaled to the mean and deviation of the wanted ones, channel by channel."""
    scale = wanted.std(0) / np.maximum(values.std(0), 1e-3)
    return (values - values.mean(0)) * scale + wanted.mean(0)


def _transported(values: Colours, wanted: OtherColours, blur: float) -> Colours:
    """The values under the entropic map to the wanted ones."""
    move = entropic_map(cells(values, CELL), cells(wanted, CELL), blur)
    return move(torch.from_numpy(values).float()).double().numpy()


def _check(structure: Tensor, style: Tensor, correspondence: Correspondence) -> None:
    """ShapeError if the label maps are not of the pictures' sizes."""
    for name, picture, segments in (
        ("structure", structure, correspondence.structure),
        ("style", style, correspondence.style),
    ):
        if segments.labels.shape != picture.shape[1:]:
            raise ShapeError(
                f"Expected {name} segments of shape {tuple(picture.shape[1:])} as the picture, got "
                f"{tuple(segments.labels.shape)}; segment that picture."
            )


def _lab(image: Tensor) -> np.ndarray:
    return rgb2lab(image.detach().cpu().double().permute(1, 2, 0).numpy())


def _rgb(lab: np.ndarray) -> Tensor:
    """RGB in [0, 1]; colours outside of it are clipped."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-image warns of Lab colours that no RGB shows
        rgb = lab2rgb(lab)
    return torch.from_numpy(rgb).float().clamp(0, 1).permute(2, 0, 1).contiguous()
