"""The colours of a region, and the map that carries them to the colours of its counterpart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.ops.oklab import tint_of
from relook.ops.transport import Cells, cells, entropic_map

SIDE = 0.02
"""Side of the cells of OKLab in which like colours are counted as one."""
BLUR = 0.08
"""Standard deviation, in OKLab, by which the plan is smoothed; what it takes from the structure's own colours is put back (`PLAIN`)."""
PLAIN, DOUBT = 0.02, 0.4
"""Standard deviation of lightness up to which the colours of a region vary by the light on it, which stays, and not by its pattern, which
goes; and how much that grows per doubt of the region."""
LEAST = (0.2, 0.5)
"""How much of shading, and of fine detail, stays at least."""
CHROMA = 0.2
"""How much of the variation of chroma inside a region stays."""
GAINS = (0.4, 1.1)
"""Bounds of the gain of detail."""
SPREAD, FOREIGN = 0.08, 0.2
"""Distance in OKLab within which a pixel counts for a colour, and how much of a region of no confidence is taken to be other things."""
MAIN = 0.03
"""Distance in OKLab within which colours count as a region's main ones, per doubt of the region."""
TINT, SHADE, BLACK = 0.09, 0.6, 0.15
"""How far the tints of one material are apart, and the logarithms of its lightness; the lightness below which tints are noise."""
GREY = 0.04
"""Tint of what is about grey."""
LIGHT, MIDDLE = 0.6, 0.6
"""What differences of light count beside those of tint, and the lightness at which distances of tints are those of chroma."""
ONE = (0.65, 0.85)
"""Share of a region in its main material from which it may be of one, and from which it is."""
GLOW, BLOWN = 0.65, 0.95
"""How much of its brightness a light source keeps when its region gets darker, and the lightness from which it is one."""
WHITE = 0.62, 0.78
"""Mean lightness from which paint may be white, and from which it is."""
NODES = 17
"""Of the map's table along each axis."""
DIRECTIONS = np.stack([(math.cos(angle), math.sin(angle)) for angle in np.arange(16) * math.pi / 8]).astype(np.float32)
"""In the plane of chroma, in which the colours of a region are bounded."""


@dataclass(frozen=True)
class Colours:
    """The colours of one region in OKLab; those far from its main ones count less the less sure the region is."""

    cells: Cells
    """Like colours counted as one."""
    confidence: float
    """Of the region."""
    spread: float
    """Standard deviation of lightness."""
    brightest: float
    """98 % quantile of lightness."""
    reach: Float[Tensor, " 16"]
    """How far chroma goes in each of DIRECTIONS."""
    doubt: float
    """That what has other colours is of the region."""
    main: bool = False
    """Whether only its main material is meant."""

    def chance(self, values: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """That a pixel of this colour is of the region, not something before it that was labelled with it.

        p / (p + FOREIGN doubt), p the share of the region that has about this colour; times `material` where only that is meant.
        """
        colours, new = (torch.from_numpy(_unlit(part)).float() for part in (self.cells.colours, values.numpy()))
        near = (
            torch.exp(torch.cdist(new, colours).square() / (-2 * SPREAD**2))
            @ torch.from_numpy(self.cells.shares).float()
        )
        chance = near / (near + FOREIGN * self.doubt + 1e-9)
        return chance * torch.from_numpy(material(values.numpy(), self.cells)).float() if self.main else chance


def colours_of(pixels: Float[Tensor, "3 N"], confidence: float = 1.0) -> Colours:
    """The colours of a region from a sample of its pixels."""
    values = pixels.T.double().numpy()
    found = cells(values, SIDE)
    shares = _main(found, (1 - confidence)) if confidence < 1 else found.shares
    found = Cells(found.colours, shares)
    lightness = found.colours[:, 0]
    spread = math.sqrt(max(0.0, float(shares @ (lightness - shares @ lightness) ** 2)))
    kept = found.colours[shares > 0.02 * shares.max(), 1:]
    reach = torch.from_numpy((DIRECTIONS @ kept.T).max(1)).float()
    return Colours(found, confidence, spread, float(np.quantile(values[:, 0], 0.98)), reach, 1 - confidence)


def _main(found: Cells, doubt: float) -> Float[np.ndarray, " M"]:
    """Shares of the cells that fall off with the distance from the region's main colour (mean shift, from the densest cell)."""
    places = _unlit(found.colours)

    def near(place: np.ndarray, width: float) -> np.ndarray:
        return np.exp(((places - place) ** 2).sum(-1) / (-2 * width**2))

    place, width = places[int((near(places[:, None], BLUR) @ found.shares).argmax())], MAIN / doubt
    for _ in range(5):
        shares = found.shares * near(place, width)
        shares /= shares.sum()
        place = shares @ places
    return shares


def _unlit(colours: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """OKLab colours where their light counts LIGHT as much as what they are: about as far apart as in OKLab at a lightness of MIDDLE."""
    logs, tints = _tinted(colours)
    return MIDDLE * np.column_stack([LIGHT * logs, tints])


def as_paint(style: Colours, structure: Colours, tint: float, lightness: float) -> Colours:
    """The style's colours as light and pale as paint: a mean tint (chroma by lightness) of at most `tint`, a mean lightness of at least
    `lightness`, or as the structure already is. White for white keeps its lightness, the more the surer both are white: how bright it is says
    how it is lit."""
    mean, own = style.cells.mean, structure.cells.mean
    white = float(np.clip((min(own[0], mean[0]) - WHITE[0]) / (WHITE[1] - WHITE[0]), 0, 1))
    lift = white * float(own[0] - mean[0]) + (1 - white) * max(0.0, min(lightness, float(own[0])) - float(mean[0]))
    most = max(tint, float(np.hypot(*own[1:])) / max(float(own[0]), 1e-6)) * float(mean[0] + lift)
    pale = min(1.0, most / max(float(np.hypot(*mean[1:])), 1e-6))
    colours = np.column_stack([(style.cells.colours[:, 0] + lift).clip(0, 1), pale * style.cells.colours[:, 1:]])
    return replace(style, cells=Cells(colours, style.cells.shares), reach=pale * style.reach)


def as_plain(style: Colours, structure: Colours) -> Colours:
    """The style's colours, those of its main material alone where the structure's region is of one: a sofa of one cloth, whose light and shade
    would become the red and the blue of a bed's covers, takes the larger of both."""
    alone = float(structure.cells.shares @ material(structure.cells.colours, structure.cells))
    return _of_main(style, float(np.clip((alone - ONE[0]) / (ONE[1] - ONE[0]), 0, 1)))


def as_main(structure: Colours) -> Colours:
    """The colours of its main material, which alone is meant: a bed that takes a sofa's cloth keeps the wood of its frame."""
    return replace(_of_main(structure, 1.0), main=True)


def _of_main(region: Colours, alone: float) -> Colours:
    """Colours of a region of which those beside its main material count less, from 0 (as they are) to 1."""
    shares = region.cells.shares * material(region.cells.colours, region.cells) ** alone
    return replace(region, cells=Cells(region.cells.colours, shares / shares.sum()))


def material(colours: Float[np.ndarray, "N 3"], found: Cells) -> Float[np.ndarray, " N"]:
    """How much OKLab colours are those of a region's main material in more or less light, from 0 to 1.

    In OKLab k times the light is k^(1/3) times all of L, a and b: a material in any light has one tint (a / L, b / L).
    Its gloss adds white: L' = L + w, so the tint is L / L' of that. 1 / (1 + (distance of the tints / TINT)^4 + (that of log L / SHADE)^4).
    """
    (own, tint), (logs, tints) = main_of(found), _tinted(colours)
    along = np.clip(tints @ tint / max(float(tint @ tint), 1e-9), np.minimum(1, np.exp(own - logs)), 1)
    away = np.hypot(*(tints - along[:, None] * tint).T)
    return np.asarray(1 / (1 + (away / TINT) ** 4 + ((logs - own) / SHADE) ** 4))


def main_of(found: Cells) -> tuple[float, Float[np.ndarray, " 2"]]:
    """Logarithm of the lightness of a region's main material, and its tint: those about which most of the region is."""
    logs, tints = _tinted(found.colours)
    near = np.hypot(*(tints[:, None] - tints).transpose(2, 0, 1)) / TINT, (logs[:, None] - logs) / SHADE
    best = np.exp(-2 * (near[0] ** 2 + near[1] ** 2)) * found.shares
    best = best[int(best.sum(1).argmax())]
    return float(best @ logs / best.sum()), best @ tints / best.sum()


def _tinted(colours: Float[np.ndarray, "N 3"]) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, "N 2"]]:
    """Logarithms of lightness, and tints."""
    return np.log(np.maximum(colours[:, 0], BLACK)), tint_of(torch.from_numpy(colours), BLACK).numpy()


def as_light(style: Colours, structure: Colours, least: float, most: float) -> Colours:
    """The style's colours, their lightness scaled so that its mean is at least `least` and at most `most` times the structure's: shading of
    dark wood is no shading of white, and the pattern of a pale cover none of black. What gets lighter loses chroma by the square of that, as in
    `mixed`: no crimson is pink."""
    own, mean = float(structure.cells.mean[0]), max(float(style.cells.mean[0]), 1e-6)
    scale = min(max(1.0, least * own / mean), most * own / mean)
    pale = min(1.0, scale**-2)
    colours = style.cells.colours * np.array([scale, pale, pale])
    return replace(style, cells=Cells(colours.clip([0, -1, -1], 1), style.cells.shares), reach=pale * style.reach)


def in_light(style: Colours, scale: float) -> Colours:
    """The style's colours in less light: in OKLab k times the light is k^(1/3) times all three; scale: that, from 0 to 1."""
    return replace(style, cells=Cells(scale * style.cells.colours, style.cells.shares), reach=scale * style.reach)


@dataclass(frozen=True)
class ColourChange:
    """A map of colours as a table over a box of OKLab, with what happens to the detail that the smooth colours leave out."""

    table: Float[Tensor, "6 n n n"]
    """New lightness and chroma (L, a, b); gain of the detail of lightness and of chroma; that the colour is the region's."""
    low: Float[Tensor, " 3"]
    """The box's corner."""
    size: Float[Tensor, " 3"]
    """Its sides."""
    reach: Float[Tensor, " 16"]
    """How far new chroma may go in each of DIRECTIONS, unless the old one went farther."""
    centre: Float[Tensor, " 2"]
    """The chroma from which that is measured."""

    def applied(
        self, pixels: Float[Tensor, "3 N"], smooth: Float[Tensor, "3 N"]
    ) -> tuple[Float[Tensor, "3 N"], Float[Tensor, " N"]]:
        """New OKLab pixels, and the chance that each is the region's and takes them; `smooth` are the same without fine detail."""
        place = ((smooth - self.low[:, None]) / self.size[:, None] * 2 - 1).flip(0).T
        new = functional.grid_sample(
            self.table[None], place[None, None, None], mode="bilinear", padding_mode="border", align_corners=True
        )[0, :, 0, 0]
        detail = pixels - smooth
        light = (new[0] + new[3] * detail[0]).clamp(0, 1)
        chroma = self._bounded(new[1:3] + new[4] * detail[1:], pixels[1:])
        return torch.cat([light[None], chroma]), new[5]

    def _bounded(self, chroma: Float[Tensor, "2 N"], own: Float[Tensor, "2 N"]) -> Float[Tensor, "2 N"]:
        """Chroma drawn towards the centre until it is nowhere beyond both the style's reach and the pixel's own."""
        step, share = chroma - self.centre[:, None], torch.ones_like(chroma[0])
        for direction, reach in zip(torch.from_numpy(DIRECTIONS), self.reach, strict=True):
            middle = float(direction @ self.centre)
            room = (torch.maximum(direction @ own, reach) - middle).clamp_min(0)
            along = direction @ step
            share = torch.where(along > room, torch.minimum(share, room / along.clamp_min(1e-6)), share)
        return self.centre[:, None] + share * step


def colour_change(
    structure: Colours, style: Colours, box: tuple[Tensor, Tensor], *, polished: bool = False, likely: float = 1.0
) -> ColourChange:
    """The map from the colours of a region to those of its counterpart, for colours between two corners.

    new = T(z) + k g (z - S(z)), T the entropic map to the style's colours, S that to the structure's own, which says what the blur takes;
    k = T / S of lightness, for chroma never more than S / T (what gets lighter loses its own colour), g by how plain the region is. As much
    of it as it is likely that the colour is the region's. polished: lightness is scaled, mean to mean, as its light and dark are reflections
    or shading and no pattern of the thing; what is darker has as much less chroma. likely: that the counterpart is one, which counts as much.
    """
    low, size = box[0], (box[1] - box[0]).clamp_min(0.02)
    axes = [low[i] + size[i] * torch.linspace(0, 1, NODES) for i in range(3)]
    nodes = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 3)
    wanted = entropic_map(structure.cells, style.cells, BLUR)(nodes)
    own = entropic_map(structure.cells, structure.cells, BLUR)(nodes)
    if polished:
        wanted[:, 0] = own[:, 0] * float(style.cells.mean[0]) / max(float(structure.cells.mean[0]), 1e-6)
        shade = (nodes[:, 0] / max(float(structure.cells.mean[0]), 1e-6)).clamp(0, 1)
        wanted[:, 1:] *= (shade * _tint_left(own.numpy(), structure.cells))[:, None]
    plain = PLAIN + DOUBT * (1 - structure.confidence)
    contrast = 1 / (1 + (structure.spread / plain) ** 2)
    kept = torch.tensor([1.0 if polished else max(LEAST[0], contrast), CHROMA, CHROMA])
    raised = wanted[:, :1] / own[:, :1].clamp_min(0.05)
    gain = raised.clamp(*GAINS)
    gain = torch.cat([gain, *[torch.minimum(gain, 1 / raised.clamp_min(1))] * 2], 1)
    swing = torch.cat([raised if polished else gain[:, :1], gain[:, 1:]], 1)
    new = wanted + swing * kept * (nodes - own)
    new[:, 0] = _glowing(nodes[:, 0], new[:, 0].clamp(0, 1), structure.brightest)
    chance = likely * structure.chance(nodes)[:, None]
    gains = torch.cat([max(LEAST[1], contrast**0.5) * gain[:, :1], CHROMA * gain[:, 1:2]], 1)
    table = torch.cat([new, gains, chance], 1).T.reshape(6, NODES, NODES, NODES)
    return ColourChange(table, low, size, style.reach, torch.from_numpy(style.cells.mean[1:]).float())


def _tint_left(colours: Float[np.ndarray, "N 3"], found: Cells) -> Float[Tensor, " N"]:
    """How much OKLab colours have of the tint of a region's main material: a reflection on red wood is hardly red; 1 where that has none."""
    _, tint = main_of(found)
    own = np.hypot(*_tinted(colours)[1].T)
    return torch.from_numpy(np.minimum(1, (own + GREY) / (float(np.hypot(*tint)) + GREY))).float()


def mixed(
    old: Float[Tensor, " 3 *N"], new: Float[Tensor, " 3 *N"], share: Float[Tensor, " *N"] | float
) -> Float[Tensor, " 3 *N"]:
    """OKLab colours a share of the way from old to new; what is left of the old chroma fades as they get lighter.

    A colour half way from dark mahogany to white would be pink, which neither has: its old chroma counts by the square of old over new
    lightness.
    """
    light = old[0] + share * (new[0] - old[0])
    left = (1 - share) * (old[0] / light.clamp_min(1e-3)).clamp(0, 1).square()
    return torch.cat([light[None], new[1:] + left * (old[1:] - new[1:])])


def _glowing(old: Float[Tensor, " N"], new: Float[Tensor, " N"], brightest: float) -> Float[Tensor, " N"]:
    """What is brighter than nearly all of its region and about white is a light source: it keeps GLOW of its brightness."""
    first = min(max(BLOWN, brightest), 0.99)
    source = ((old - first) / (1 - first)).clamp(0, 1)
    return new + GLOW * source * (old - new).clamp_min(0)
