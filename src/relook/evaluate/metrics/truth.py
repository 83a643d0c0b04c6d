"""Numbers for pictures with an exact answer, of the whole picture and of every class.

Pictures are RGB in [0, 1], 3 x H x W. A mask says which pixels count; classes hold an id per pixel, 0 = do not count.
A metric that nothing can be said about (an empty mask, no weights) is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from skimage.color import deltaE_ciede2000
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn.functional import pad

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import Image, declare
from relook.evaluate.metrics.lpips import distance_map
from relook.evaluate.metrics.pixels import lab, masked_mean, same_size
from relook.evaluate.records import WHOLE
from relook.session import Session

BEST_PSNR = 100.0
"""Pictures that are equal, in dB (the true value is infinite)."""
WINDOW = 11
"""Side of the window of SSIM in pixels; smaller pictures are continued by their rim until it fits."""


@declare("psnr", "PSNR dB", "higher", (0.0, BEST_PSNR), "10 log10(1 / mean squared error)", group="truth", digits=2)
def psnr(output: Image, exact: Image, mask: Bool[Tensor, "H W"] | None = None) -> float | None:
    """Peak signal-to-noise ratio over the masked pixels, in dB, at most 100."""
    return _decibels(masked_mean(squared_error_map(output, exact), mask))


@declare("ssim", "SSIM", "higher", (-1.0, 1.0), "Wang et al. 2004, Gaussian window of sigma 1.5, mean over RGB", group="truth")  # fmt: skip
def ssim(output: Image, exact: Image, mask: Bool[Tensor, "H W"] | None = None) -> float | None:
    """Structural similarity: the map of every pixel, averaged over the masked ones."""
    return masked_mean(ssim_map(output, exact), mask)


@declare("lpips", "LPIPS", "lower", (0.0, 1.0), "Zhang et al. 2018, v0.1, AlexNet", group="truth")
def lpips(
    output: Image, exact: Image, mask: Bool[Tensor, "H W"] | None = None, session: Session | None = None
) -> float | None:
    """Learned perceptual distance, averaged over the masked pixels; None where its weights are not on this machine.

    session: keeps the weights for the next pictures.
    """
    same_size(output, exact)
    distances = distance_map(output, exact, session)
    return None if distances is None else masked_mean(distances, mask)


@declare(
    "colour_error", "colour error", "lower", (0.0, 120.0),
    "CIEDE2000 (Sharma et al. 2005) of mean Lab colours, mean over classes", group="truth", digits=1,
)  # fmt: skip
def colour_error(output: Image, exact: Image, classes: Int[Tensor, "H W"]) -> float | None:
    """Mean over classes of the CIEDE2000 difference between their mean colours in CIE Lab (D65); about 1 is just visible."""
    found = colour_errors(output, exact, classes)
    return float(np.mean(list(found.values()))) if found else None


def colour_errors(output: Image, exact: Image, classes: Int[Tensor, "H W"]) -> dict[int, float]:
    """CIEDE2000 between the mean colours of every class id but 0."""
    same_size(output, exact)
    colours, exact_colours, ids = lab(output), lab(exact), classes.cpu().numpy()
    return {
        int(id): float(deltaE_ciede2000(colours[ids == id].mean(0), exact_colours[ids == id].mean(0)))
        for id in np.unique(ids)
        if id != 0
    }


def by_class(
    output: Image,
    exact: Image,
    classes: Int[Tensor, "H W"] | None,
    names: Sequence[str] = (),
    session: Session | None = None,
) -> dict[str, dict[str, float | None]]:
    """psnr, ssim, lpips and colour_error in total and of every class: metric -> WHOLE or class name -> value; each map computed once.

    classes: 1 + index into `names` per pixel, 0 = does not count; None: every pixel counts, as one class without a name. A class
    without pixels has no entry; classes of one name are one. The total counts pixels alike but for colour_error, which is the mean
    over classes. Raises ShapeError where an id has no name.
    """
    if classes is None:
        classes, names = torch.ones(output.shape[1:], dtype=torch.int64), (WHOLE,)
    greatest = int(classes.max()) if classes.numel() else 0
    if greatest > len(names):
        raise ShapeError(f"Expected names for {greatest} classes, got {len(names)}; name every class of the map.")
    same_size(output[0], classes)
    masks = _masks(classes.cpu(), names)
    regions = {WHOLE: classes.cpu() > 0} | masks
    errors, similarities = squared_error_map(output, exact), ssim_map(output, exact)
    distances = distance_map(output, exact, session)
    merged = torch.zeros(classes.shape, dtype=torch.int64)
    for id, mask in enumerate(masks.values(), start=1):
        merged[mask] = id
    colours = colour_errors(output, exact, merged)
    mean = float(np.mean(list(colours.values()))) if colours else None
    return {
        "psnr": {name: _decibels(masked_mean(errors, mask)) for name, mask in regions.items()},
        "ssim": {name: masked_mean(similarities, mask) for name, mask in regions.items()},
        "lpips": {name: None if distances is None else masked_mean(distances, mask) for name, mask in regions.items()},
        "colour_error": {WHOLE: mean} | {name: colours[id] for id, name in enumerate(masks, start=1)},
    }


def squared_error_map(output: Image, exact: Image) -> Float[Tensor, "H W"]:
    """Squared difference of every pixel, mean over RGB, in float64 on the CPU."""
    same_size(output, exact)
    return (output - exact).detach().cpu().double().square().mean(0)


def ssim_map(output: Image, exact: Image) -> Float[Tensor, "H W"]:
    """Structural similarity of every pixel, mean over RGB, in float64; SSIM's window reaches over the rim by mirroring.

    A picture smaller than the window is continued by its own rim first.
    """
    same_size(output, exact)
    height, width = output.shape[1:]
    lack = [max(0, WINDOW - side) for side in (width, height)]
    borders = [lack[0] // 2, lack[0] - lack[0] // 2, lack[1] // 2, lack[1] - lack[1] // 2]
    pair = (pad(one.detach().cpu().double()[None], borders, mode="replicate")[0].numpy() for one in (output, exact))
    _, per_pixel = structural_similarity(
        *pair, data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
    )  # fmt: skip
    found = torch.from_numpy(per_pixel).mean(0)
    return found[borders[2] : borders[2] + height, borders[0] : borders[0] + width]


def _masks(classes: Int[Tensor, "H W"], names: Sequence[str]) -> dict[str, Bool[Tensor, "H W"]]:
    """Pixels of every name that the map shows, in the order of the names."""
    masks: dict[str, Tensor] = {}
    present = set(classes.unique().tolist())
    for id, name in enumerate(names, start=1):
        if id in present:
            masks[name] = masks.get(name, torch.zeros_like(classes, dtype=torch.bool)) | (classes == id)
    return masks


def _decibels(error: float | None) -> float | None:
    return None if error is None else min(BEST_PSNR, -10 * float(np.log10(max(error, 1e-10))))
