"""What a surface is made of, from what a picture shows of it: its pattern seen straight on without light, and its colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from relook.ops.exemplar import Exemplar
from relook.ops.flat import Places, places, straight_on
from relook.ops.means import mean_of_known
from relook.ops.srgb import from_linear, to_linear
from relook.ops.statistics import rgb_to_lab
from relook.transfer.materials.surface import Surface

MARGIN = 0.01
"""How far a sample stays from its region's border, as a fraction of the longer side: shadows and ragged masks lie there."""
WHITE = 0.98
"""Pixels above are clipped."""
DARK = 0.004
"""Light below counts as this."""
NEAR, FINEST = 0.2, 0.0025
"""Quantile of the pixels' grain that is the side of a cell, and the least in metres."""
ENOUGH = 2.0
"""Square metres of finer pixels from which on coarser ones are not asked for."""
WIDEST = 1500
"""Cells along a side."""
DIRECTED = 0.2
"""Log ratio of gradients above which a pattern has a direction."""
NARROW = 0.05
"""Metres; half of what is narrow."""
SLOW = 0.12
"""Metres over which light varies, and patterns do not: wider than a plank, narrower than a patch of sun."""
REPEATING = 0.22
"""The same for patterns that repeat: patches of sun do not, and tiles are wide."""
UNLIKE = (2.0, 0.4, 0.25)
"""Robust deviations by which what is no shade of the material differs, over SLOW, from its median, and the least that count: of the log of
light, and of that of ratios of colours."""
OUTLYING = (4.0, 0.3, 0.15)
"""The same of what is no part of its pattern, from around it."""
ROUNDS = 2
"""In which what is unlike and what is light are found."""
FEWEST = 64
"""Pixels or cells below which nothing is said."""
SMOOTH = 6.0
"""Deviation in cells of the Gaussian by which means are found."""
SPREAD = 100_000
"""Pixels of which quantiles are found."""
TYPICAL = 8.0
"""Difference in CIE Lab between a sample's colour and the middle of all that shows its surface, above which it lies in a window's reflection,
or is another surface."""


class Needs(NamedTuple):
    """What a sample must show to be grown: from less, planks become smears."""

    area: float
    """Square metres."""
    across: float
    """Metres across the largest disc."""
    coarse: tuple[float, ...]
    """Metres; pixels that show more along a side are too coarse: the first of these that leaves ENOUGH, else the last."""


SEEN = Needs(1.0, 0.6, (0.015, 0.02))
"""Where regions and planes are only seen by networks and lines."""
EXACT = Needs(0.6, 0.0, (0.015, 0.02, 0.03))
"""Where they are known."""
ANY = Needs(0.0, 0.0, EXACT.coarse)
"""Whatever is shown, though it is not like the rest."""


@dataclass(frozen=True)
class Material:
    """A pattern, and the colour that it varies."""

    detail: Exemplar
    """log of linear RGB over that of the colour, in metres."""
    colour: Float[Tensor, " 3"]
    """Linear RGB."""
    lines: float
    """Log ratio of the gradients across to those ahead: above 0 its lines run ahead."""
    turn: float = 0.0
    """Radians by which it is turned, against the clock."""
    repeats: bool = False
    """It goes on over its sides."""

    @property
    def contrast(self) -> float:
        """Deviation of the pattern."""
        return float(self.detail.values[:, self.detail.known].std())


def sampled(
    image: Float[Tensor, "3 H W"],
    surface: Surface,
    *,
    needs: Needs = EXACT,
    finest: float = FINEST,
    everything: bool = False,
) -> Material | None:
    """The material of a surface; None where less of it is seen than it needs, or that does not look like the rest.

    finest: least side of a cell.

    everything: what differs most belongs to it, as the joints between tiles do.
    """
    seen = _seen(image, surface, finest, needs.coarse)
    if seen is None:
        return None
    detail, colour = _without_light(seen, *((0, REPEATING) if everything else (ROUNDS, SLOW)))
    detail = detail._replace(known=_broad(detail))
    if int(detail.known.sum()) < FEWEST or float(detail.known.sum()) * detail.cell**2 < needs.area:
        return None
    if needs != ANY and not (_across(detail) >= needs.across and _typical(colour, image[:, surface.mask])):
        return None
    return Material(detail, colour, lines_of(detail))


def plain(material: Material) -> Material:
    """Its colour alone."""
    return replace(material, detail=material.detail._replace(values=torch.zeros_like(material.detail.values)))


def turned(material: Material) -> Material:
    """A quarter turn."""
    return replace(material, turn=material.turn + math.pi / 2)


def _seen(image: Float[Tensor, "3 H W"], surface: Surface, finest: float, coarse: Sequence[float]) -> Exemplar | None:
    """log of light as seen straight on, away from the region's border, where pixels are small and not clipped."""
    margin = max(1, round(MARGIN * max(surface.mask.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    core = torch.from_numpy(cv2.erode(surface.mask.numpy().astype(np.uint8), disc, borderValue=1) > 0)
    core &= image.amin(0) < WHITE
    if int(core.sum()) < FEWEST:
        return None
    found = places(surface.H, core)
    cell = max(finest, _quantile(found.grain, NEAR))
    sharp = _sharp(found, coarse)
    if int(sharp.sum()) < FEWEST:
        return None
    core = core.masked_scatter(core, sharp)
    place = found.place[:, sharp]
    low, high = ([_quantile(one, share) for one in place] for share in (0.005, 0.995))
    cell = max(cell, *((b - a) / WIDEST for a, b in zip(low, high, strict=True)))
    columns, rows = (max(1, int((b - a) / cell)) for a, b in zip(low, high, strict=True))
    light = to_linear(image).clamp_min(DARK).log()
    return straight_on(light, core, surface.H, (low[0], low[1]), (rows, columns), cell)


def _sharp(found: Places, coarse: Sequence[float]) -> Bool[Tensor, " N"]:
    """Pixels that show little enough along a side."""
    area = found.short * found.long
    for limit in coarse:
        sharp = found.long < limit
        if float(area[sharp].sum()) > ENOUGH:
            break
    return sharp


def _broad(seen: Exemplar) -> Bool[Tensor, "h w"]:
    """What is known, without narrow parts."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(NARROW / seen.cell)) + 1,) * 2)
    return torch.from_numpy(cv2.morphologyEx(seen.known.numpy().astype(np.uint8), cv2.MORPH_OPEN, disc) > 0)


def _across(seen: Exemplar) -> float:
    """Metres across the largest disc that is known but for narrow holes."""
    narrow = np.ones((2 * max(1, round(NARROW / seen.cell)) + 1,) * 2, np.uint8)
    closed = cv2.morphologyEx(np.pad(seen.known.numpy().astype(np.uint8), 1), cv2.MORPH_CLOSE, narrow)
    return 2 * float(cv2.distanceTransform(closed, cv2.DIST_L2, 5).max()) * seen.cell


def _without_light(seen: Exemplar, rounds: int, over: float) -> tuple[Exemplar, Float[Tensor, " 3"]]:
    """What varies quickly, where it is of the material, and the median of what varies slowly."""
    from scipy.ndimage import binary_erosion

    values, known = seen.values, seen.known
    reach = over / seen.cell
    for _ in range(rounds):
        slow = _mean(values, known, reach)
        detail = values - slow
        alike = _usual(slow, known, UNLIKE) & _usual(detail, known, OUTLYING)
        known = known & torch.from_numpy(binary_erosion(alike.numpy(), iterations=2, border_value=1))
    slow = _mean(values, known, reach)
    detail = torch.where(known, values - slow, 0.0)
    colour = _medians(slow, known).exp()
    return seen._replace(values=detail, known=known), colour


def _typical(colour: Float[Tensor, " 3"], pixels: Float[Tensor, "3 N"]) -> bool:
    """Whether a sample's colour (linear RGB) is near the middle of all pixels that show its surface."""
    both = torch.stack([from_linear(colour), pixels.median(1).values], 1)[:, None]
    return float(rgb_to_lab(both).diff().norm()) < TYPICAL


def _usual(
    logs: Float[Tensor, "3 h w"], known: Bool[Tensor, "h w"], bounds: tuple[float, float, float]
) -> Bool[Tensor, "h w"]:
    """Whether a cell's light and ratios of colours are near the median of what is known."""
    times, *least = bounds
    result = torch.ones_like(known)
    for values, bound in zip((logs.mean(0)[None], logs[[0, 2]] - logs[1]), least, strict=True):
        off = (values - _medians(values, known)[:, None, None]).abs()
        deviation = 1.4826 * _medians(off, known)
        result &= (off < (times * deviation).clamp_min(bound)[:, None, None]).all(0)
    return result


def _medians(values: Float[Tensor, "C h w"], known: Bool[Tensor, "h w"]) -> Float[Tensor, " C"]:
    """Of what is known; zero where nothing is."""
    return values[:, known].median(1).values if bool(known.any()) else values.new_zeros(len(values))


def _mean(values: Float[Tensor, "C h w"], known: Bool[Tensor, "h w"], reach: float) -> Float[Tensor, "C h w"]:
    """Gaussian mean of what is known."""
    factor = max(1, int(reach / SMOOTH))
    weight = known[None].float()
    both = avg_pool2d(torch.cat([values * weight, weight]), factor, ceil_mode=True, count_include_pad=False)
    share = both[-1].numpy()
    seen = (both[:-1] / both[-1].clamp_min(1e-6)).permute(1, 2, 0).numpy()
    means = torch.from_numpy(mean_of_known(seen, share, reach / factor)).permute(2, 0, 1)
    return interpolate(means[None], scale_factor=factor, mode="bilinear")[0, :, : known.shape[0], : known.shape[1]]


def _quantile(values: Float[Tensor, " N"], share: float) -> float:
    """Of evenly spread values."""
    return float(values[:: -(-len(values) // SPREAD)].quantile(share))


def lines_of(detail: Exemplar) -> float:
    """Log ratio of the mean gradients across to those ahead, of the pattern a little smoothed."""
    from scipy.ndimage import binary_erosion

    grey = cv2.GaussianBlur(detail.values.mean(0).numpy(), (0, 0), 1.5)
    inside = binary_erosion(detail.known.numpy(), iterations=4)
    if inside.sum() < 200:
        return 0.0
    across, ahead = (np.abs(cv2.Sobel(grey, cv2.CV_32F, *step))[inside].mean() + 1e-6 for step in ((1, 0), (0, 1)))
    return float(np.log(across / ahead))
