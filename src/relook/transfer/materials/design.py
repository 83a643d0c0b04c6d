"""What a rug looks like as a whole: seen straight on, light taken out, what is hidden taken from where the design repeats it mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from relook.ops.exemplar import Exemplar
from relook.ops.fill import filled
from relook.ops.flat import places, straight_on
from relook.ops.likeness import Likeness, likeness
from relook.ops.srgb import to_linear
from relook.transfer.materials.outline import SEEN, Outline
from relook.transfer.materials.surface import Surface

DARK = 0.004
"""Light below counts as this."""
COARSE, FINER = 0.02, 4
"""Metres of a cell in which mirrored copies are compared, and how many smaller ones along a side it is the mean of."""
RIM = 0.008
"""Metres at the sides that are left out: what lies there is half floor."""
ALIKE = 0.4
"""Correlation of a design with its mirrored copy above which it is symmetric."""
PLAIN = 0.08
"""Deviation of a design below which it says nothing of its middle, and is like itself however it is turned."""
SHARED = 0.15
"""Share of what is known that both copies must show."""
MOVES = 0.08
"""Metres by which the middle moves where both sides are seen."""
OFF, CLEARLY = 0.03, 0.15
"""Metres off the middle from which on, of a symmetric rug of which both sides are seen, one side is of the floor beside it; and how much more the
mirrored design must be like it there."""
LONGER, SHORTER = 1.0, 0.35
"""How much longer or shorter, as parts of what is seen, a rug is of which a side is hidden."""
NEAR, FINEST, WIDEST = 0.2, 0.0025, 1200
"""Quantile of the pixels' grain that is the side of a cell, the least in metres, and the most cells along a side."""
CALM = 0.012
"""Metres over which copies are compared cell by cell."""
FOREIGN = (0.7, 0.35)
"""Differences from the usual of all copies, of the log of light and of ratios of colours, from which on a cell shows something else."""
SHARPER, OWN = 12, 1.0
"""How much sharper copies count, as a power; and how much that is its own, in the same measure."""
SMOOTH = 0.01
"""Metres over which one copy goes over into another."""
FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))
"""Axes that are turned round: the design itself, mirrored across, ahead, and turned by half."""


@dataclass(frozen=True)
class Design:
    """A rug seen straight on."""

    detail: Exemplar
    """log of linear RGB along its own axes from its middle, in metres; what is not known is that of the nearest cell."""
    outline: Outline
    symmetric: bool
    """Whether one half of it is like the other."""

    @property
    def whole(self) -> Exemplar:
        """Its linear RGB."""
        return self.detail._replace(values=self.detail.values.exp())

    @property
    def known(self) -> float:
        """Share of it that is seen, in one of its copies."""
        return float(self.detail.known.float().mean())


def design_of(image: Float[Tensor, "3 H W"], surface: Surface, outline: Outline) -> Design | None:
    """The design of a rug, and its outline with the middle where the design is symmetric; None where none of it is seen away from its border."""
    light = to_linear(image).clamp_min(DARK).log()
    outline = _centred(light, surface, outline)
    found = places(outline.H, surface.mask)
    a, b = (half - RIM for half in outline.half)
    cell = max(FINEST, float(found.grain[:: 1 + len(found.grain) // 100_000].quantile(NEAR)), 2 * max(a, b) / WIDEST)
    sharpness = torch.zeros(surface.mask.shape)
    sharpness[surface.mask] = -found.long.clamp_min(1e-6).log()
    size = max(8, round(2 * b / cell)), max(8, round(2 * a / cell))
    flat = straight_on(torch.cat([light, sharpness[None]]), _eroded(surface.mask), outline.H, (-a, -b), size, cell)
    if not bool(flat.known.any()):
        return None
    flips = [flip for flip in FLIPS if not flip or _like(flat, flip)]
    values, sharp = flat.values[:3], flat.values[3]
    values = values - _slope(values, flat.known, flips)
    copies = [tuple(one.flip(flip) for one in (values, sharp[None], flat.known[None])) for flip in flips]
    logs, sharps, knowns = (torch.stack(one) for one in zip(*copies, strict=True))
    knowns = knowns[:, 0]
    usual = knowns & _usual(logs, knowns, cell)
    knowns = torch.where(usual.any(0), usual, knowns)
    power = SHARPER * (sharps[:, 0] - sharps[:, 0].amax(0))
    power[0] += OWN
    weights = _blurred(knowns.float(), SMOOTH / cell) * knowns * power.clamp_min(-60).exp() + 1e-12 * knowns
    total = weights.sum(0)
    mixed = (logs * weights[:, None]).sum(0) / total.clamp_min(1e-30)
    known = total > 0
    whole = Exemplar(filled(mixed, ~known), known, cell, (-a, -b))
    return Design(whole, outline, len(flips) > 1)


def _centred(light: Float[Tensor, "3 H W"], surface: Surface, outline: Outline) -> Outline:
    """The outline with its middle where the mirrored design is most like the design; sides that are hidden follow."""
    for axis in (0, 1):
        reach = [one * (1 + LONGER) for one in outline.half]
        rows, columns = (round(2 * one / COARSE) for one in reversed(reach))
        size, cell = (FINER * rows, FINER * columns), COARSE / FINER
        flat = straight_on(light, _eroded(surface.mask), outline.H, (-reach[0], -reach[1]), size, cell)
        values, known = _pooled(flat, (rows, columns))
        values = _levelled(values, known)
        if not bool(known.any()) or float(values[:, known].std()) < PLAIN:
            return outline
        turned = 2 - axis
        both = known, known.flip(turned - 1)
        found = likeness(values, values.flip(turned), both, max(64.0, SHARED * float(known.sum())))
        first, second = outline.seen[2 * axis : 2 * axis + 2]
        half = outline.half[axis]
        ends = _ends(found, axis, half, (first >= SEEN, second >= SEEN))
        if ends != (-half, half):
            (left, right), (near, far) = ((-one, one) if at != axis else ends for at, one in enumerate(outline.half))
            outline = outline.with_sides(surface, (left, right, near, far))
    return outline


def _ends(found: Likeness, axis: int, half: float, seen: tuple[bool, bool]) -> tuple[float, float]:
    """Where a design begins and ends along an axis from its middle so far, by how like it is to its mirrored copy at every shift."""
    low, high = seen
    least, most = -MOVES, MOVES
    if low != high:
        away = (half * SHORTER, half * LONGER)
        least, most = (-away[1], away[0]) if high else (-away[0], away[1])
    along, still = (
        (round(2 * least / COARSE), round(2 * most / COARSE)),
        (-round(MOVES / COARSE), round(MOVES / COARSE)),
    )
    row, column, like = found.best(*((still, along) if axis == 0 else (along, still)))
    middle = (column, row)[axis] * COARSE / 2
    if like < ALIKE:
        return -half, half
    if low and high:  # both edges are seen, which is more exact, unless one of them clearly is no edge of the design
        centred = found.best(*((still, (0, 0)) if axis == 0 else ((0, 0), still)))[2]
        if abs(middle) <= OFF or like < centred + CLEARLY:
            return -half, half
        low, high = middle < 0, middle > 0
    if low or high:
        return (-half, 2 * middle + half) if low else (2 * middle - half, half)
    longest = half + abs(middle)
    return middle - longest, middle + longest


def _like(flat: Exemplar, flip: tuple[int, ...]) -> bool:
    """Whether the design is like its copy, turned round those axes, where it is."""
    factor = max(1, round(COARSE / flat.cell))
    size = max(4, flat.known.shape[0] // factor), max(4, flat.known.shape[1] // factor)
    values, whole = _pooled(flat, size)
    if int(whole.sum()) < 64:
        return False
    other = tuple(axis - 1 for axis in flip)
    values = _levelled(values, whole)
    if float(values[:, whole].std()) < PLAIN:
        return True
    found = likeness(values, values.flip(flip), (whole, whole.flip(other)), max(64.0, SHARED * float(whole.sum())))
    return found.best((-1, 1), (-1, 1))[2] >= ALIKE


def _pooled(flat: Exemplar, size: tuple[int, int]) -> tuple[Float[Tensor, "3 h w"], Bool[Tensor, "h w"]]:
    """The first three values in so many cells, and where all of a cell is known."""
    values, known = (adaptive_avg_pool2d(one[None], size)[0] for one in (flat.values[:3], flat.known[None].float()))
    return values, known[0] > 0.99


def _levelled(values: Float[Tensor, "C h w"], known: Bool[Tensor, "h w"]) -> Float[Tensor, "C h w"]:
    """Less the plane that is nearest to what is known."""
    rows, columns = (torch.linspace(-1, 1, side) for side in known.shape)
    terms = torch.stack(
        [torch.ones_like(known, dtype=torch.float32), rows[:, None].expand(known.shape), columns.expand(known.shape)]
    )
    if int(known.sum()) < 3:
        return values
    factors = torch.linalg.lstsq(terms[:, known].T, values[:, known].T).solution
    return values - torch.einsum("kc,khw->chw", factors, terms)


def _slope(
    values: Float[Tensor, "3 h w"], known: Bool[Tensor, "h w"], flips: list[tuple[int, ...]]
) -> Float[Tensor, "h w"]:
    """Light that gets stronger to one side, a plane and a twist: what copies differ in that should be alike."""
    rows, columns = (torch.linspace(-1, 1, side) for side in known.shape)
    terms = torch.stack([columns.expand(known.shape), rows[:, None].expand(known.shape), rows[:, None] * columns])
    light = values.mean(0)
    lefts, rights = [], []
    for flip in flips[1:]:
        other = tuple(axis - 1 for axis in flip)
        both = known & known.flip(other)
        lefts.append((terms - terms.flip(flip))[:, both])
        rights.append((light - light.flip(other))[both])
    if not lefts or sum(one.shape[1] for one in lefts) < 64:
        return torch.zeros_like(light)
    left, right = torch.cat(lefts, 1), torch.cat(rights)
    weight = torch.ones_like(right)
    factors = torch.zeros(3)
    for _ in range(4):
        square = (left * weight) @ left.T + 1e-3 * len(right) * torch.eye(3)
        factors = torch.linalg.solve(square, (left * weight) @ right)
        weight = 1 / (1 + ((right - factors @ left) / 0.3) ** 2)
    return torch.einsum("k,khw->hw", factors, terms)


def _usual(logs: Float[Tensor, "K 3 h w"], known: Bool[Tensor, "K h w"], cell: float) -> Bool[Tensor, "K h w"]:
    """Where each copy shows what most copies do, or, of two, what is nearer to the colours of the whole."""
    share = _blurred(known.float(), CALM / cell)
    calm = torch.stack([_blurred(one * mask, CALM / cell) for one, mask in zip(logs, known, strict=True)])
    calm = calm / share[:, None].clamp_min(1e-6)
    parts = torch.stack([calm.mean(1), calm[:, 0] - calm[:, 1], calm[:, 2] - calm[:, 1]], 1)
    everywhere = parts[0][:, known[0]].median(1).values
    seen = torch.where(known[:, None], parts, torch.nan)
    few = known.sum(0) == 2
    middle = seen.nanmedian(0).values
    nearest = (seen - everywhere[:, None, None]).abs().sum(1).nan_to_num(torch.inf).argmin(0)
    middle = torch.where(few, parts.gather(0, nearest[None, None].expand(1, 3, -1, -1))[0], middle)
    off = (parts - middle).abs()
    return (off[:, 0] < FOREIGN[0]) & (off[:, 1:].amax(1) < FOREIGN[1])


def _blurred(values: Float[Tensor, "K h w"], sigma: float) -> Float[Tensor, "K h w"]:
    if sigma < 0.3:
        return values
    return torch.from_numpy(np.stack([cv2.GaussianBlur(one.numpy(), (0, 0), sigma) for one in values]))


def _eroded(mask: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Two pixels less: borders mix what lies on both sides."""
    return torch.from_numpy(cv2.erode(mask.numpy().astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1) > 0)
