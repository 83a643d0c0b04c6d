"""Floors and ceilings: where they end by the picture's own edges, and what stands on them or hangs there, thin legs too, by its colour."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from relook.ops.means import broad_mean_of_known
from relook.ops.slopes import slopes
from relook.perceive.borders.cut import depth_inside, flooded
from relook.perceive.borders.regions import Kinds
from relook.perceive.segment.regions import around, connected_parts
from relook.types import UNLABELLED

BAND = 0.035
"""How far, in parts of the longer side, a floor's border may move."""
ROUNDS = ((0.07, 1.2), (0.07, 1.0), (0.035, 1.0), (0.035, 1.0), (0.035, 1.0))
"""Standard deviation, in parts of the longer side, of the neighbourhood whose colours a floor's pixel is compared with, and how far a pixel
of that neighbourhood may be to count."""
EVERY = 2
"""Of so many lines of pixels one tells what a surface looks like."""
LEAST, SPREADS = np.array([26, 8, 9], np.float32), np.array([4, 3.5, 3.5], np.float32)
"""What counts as a distance of 1 in L*, a* and b*: so much at least, and so many of the surface's own deviations."""
DOUBTFUL, FOREIGN = 1.0, 1.6
"""Distances of colour from which on a pixel may not be floor, and is not."""
ALIKE = 0.5
"""A part that was floor, between the legs of a chair perhaps, stays floor where its colours are nearer than this."""
SHADED = 0.8
"""The most that a shadow counts."""
DARKEST, SAME_HUE, HUE_PER_SPREAD = 0.16, 0.1, 0.005
"""A shadow leaves at least this share of the light, and changes the shares of red, green and blue by less than this, or a little more where
the surface itself has several hues."""
SHARP = 6.0
"""Change of Lab (of 8 bits) per pixel below which there is no edge."""
SOFT = 0.5
"""Length of the border without an edge between a floor and a part that it lost, in sides of a square as large, from which on that is floor."""
HOLE = 0.0003
"""Share of the picture below which a hole is filled."""
CHANGES = (0.7, 1.3)
"""Bounds of the ratio of new to old area."""
NEAR, CLEARLY = 0.05, 0.6
"""How far, in parts of the longer side, the pixels of a thing are that a part of a surface is compared with, and how many times as near to
their colours as to the surface's it has to be."""
FEWEST = 50
"""Pixels; fewer have no colours of their own."""


def floors_cut(lab: UInt8[np.ndarray, "h w 3"], labels: Int[np.ndarray, "h w"], kinds: Kinds) -> Int[np.ndarray, "h w"]:
    """The labels with every floor's border moved to the picture's edges, and floors and ceilings without what has other colours.

    What a surface loses joins the region that it touches most, or no region where it touches none.
    """
    result = labels.copy()
    for id in (*kinds.floors, *kinds.ceilings):
        mask = result == id
        if mask.sum() < FEWEST:
            continue
        far = foreign(lab, mask)
        new = _floor(lab, mask, far) if id in kinds.floors else _ceiling(mask, far)
        if CHANGES[0] < new.sum() / mask.sum() < CHANGES[1]:
            result[new] = id
            _hand_over(result, mask & ~new, id)
    return result


def doubtful_given(
    lab: UInt8[np.ndarray, "h w 3"], labels: Int[np.ndarray, "h w"], kinds: Kinds
) -> Int[np.ndarray, "h w"]:
    """The labels, parts of a floor or ceiling of doubtful colours given to the thing that they touch where they are more like its pixels
    near them, and an edge parts them from it: the end of a carpet, say."""
    result, values, reach = labels.copy(), _values(lab), round(NEAR * max(labels.shape))
    for id in (*kinds.floors, *kinds.ceilings):
        mask = labels == id
        if mask.sum() < FEWEST:
            continue
        far = foreign(lab, mask)
        for place, part, area in connected_parts(mask & ~without_soft_losses(lab, mask, mask & (far <= DOUBTFUL))):
            ring = around(labels, place, part)
            ring = ring[np.isin(ring, kinds.things)]
            if area < HOLE * labels.size or not len(ring):
                continue
            other = int(np.bincount(ring).argmax())
            window = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in place)
            beside = values[window][labels[window] == other]
            own, usual = (np.median(pixels, 0) for pixels in (values[place][part], beside))
            if _far(own - usual, _spread(beside - usual)) < CLEARLY * np.median(far[place][part]):
                result[place][part] = other
    return result


def foreign(lab: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """How far each pixel's colour is from the surface's own colours near it; about 1 where it stops to be likely.

    In deviations (robust, and bounded below) from the mean of the surface's likely pixels around, which are found in turn with it. What
    differs by light alone, as a shadow does, counts at most SHADED.
    """
    values = _values(lab)
    near, spread = _usual(values[::EVERY, ::EVERY], mask[::EVERY, ::EVERY])
    near = cv2.resize(near, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    far = _far(values - near, spread)
    return np.where(_shadow(values, near, spread), np.minimum(far, SHADED), far)


def _usual(
    values: Float[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "3"]]:
    """The mean of a surface's likely pixels around each pixel, and their deviation from it."""
    middle = np.median(values[mask], 0)
    near, spread = np.broadcast_to(middle, values.shape), 1.3 * _spread(values[mask] - middle)
    for reach, limit in ROUNDS:
        likely = mask & (_far(values - near, spread) < limit)
        near = broad_mean_of_known(values, likely.astype(np.float32), reach * max(mask.shape), middle, doubt=1e-4)
        spread = _spread((values - near)[likely])
    return np.asarray(near, np.float32), spread


def _ceiling(mask: Bool[np.ndarray, "h w"], far: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """One ceiling without what is foreign and large enough: walls beside planks, lamps."""
    new = mask.copy()
    for place, part, area in connected_parts(mask & (far > DOUBTFUL)):
        new[place][part] = area < HOLE * mask.size or (far[place][part] > FOREIGN).mean() < 0.5
    return new


def _floor(
    lab: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], far: Float[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """One floor: sure are its likely pixels far from its border; never is what is far outside, or foreign."""
    band = BAND * max(mask.shape)
    likely, outside = mask & (far <= DOUBTFUL), mask & (far > FOREIGN)
    sure = likely & (depth_inside(mask & ~outside) > band)
    new = flooded(lab, likely, sure, (depth_inside(~mask) > band) | outside) & (far <= FOREIGN)
    for place, part, area in connected_parts(~new):
        if area < HOLE * mask.size:
            new[place][part] = True
    new = without_soft_losses(lab, mask, new)
    for place, part, _ in connected_parts(mask & ~new & (far <= DOUBTFUL)):
        if np.median(far[place][part]) < ALIKE:
            new[place][part] = True
    return new


def without_soft_losses(
    lab: UInt8[np.ndarray, "h w 3"], old: Bool[np.ndarray, "h w"], new: Bool[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """The new mask with the lost parts back that no edge of the picture divides from it: light that lies on a floor, not a thing.

    What stands in that light, with edges around it, stays lost.
    """
    calm, result = slopes(lab) < SHARP, new.copy()
    beside = cv2.dilate(new.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    for place, part, area in connected_parts(old & ~new & calm):
        if (part & beside[place]).sum() > SOFT * np.sqrt(area):
            result[place][part] = True
    for place, part, area in connected_parts(old & ~result):
        if area < HOLE * old.size:
            result[place][part] = True
    return result


def _values(lab: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """L* a* b*."""
    return cv2.cvtColor(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _spread(differences: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "3"]:
    """Robust standard deviation around 0."""
    return np.asarray(1.4826 * np.median(np.abs(differences), 0))


def _far(differences: Float[np.ndarray, "*size 3"], spread: Float[np.ndarray, "3"]) -> Float[np.ndarray, "*size"]:
    parts = np.asarray(differences / np.maximum(LEAST, SPREADS * spread), np.float32)
    return np.asarray(np.sqrt(np.einsum("...c,...c->...", parts, parts)))


def _shadow(
    values: Float[np.ndarray, "h w 3"], near: Float[np.ndarray, "h w 3"], spread: Float[np.ndarray, "3"]
) -> Bool[np.ndarray, "h w"]:
    """Where a pixel is as the surface around would be with less light."""
    own, lit = (
        cv2.cvtColor(np.asarray(one, np.float32), cv2.COLOR_LAB2RGB).clip(0, 1) ** 2.2 + 0.003 for one in (values, near)
    )
    light, usual = own.sum(-1, keepdims=True), lit.sum(-1, keepdims=True)
    hue = np.abs(own / light - lit / usual).sum(-1)
    ratio = (light / usual)[..., 0]
    return np.asarray((ratio < 1) & (ratio > DARKEST) & (hue < SAME_HUE + HUE_PER_SPREAD * spread[1:].max()))


def _hand_over(labels: Int[np.ndarray, "h w"], lost: Bool[np.ndarray, "h w"], floor: int) -> None:
    for place, part, _ in connected_parts(lost):
        touched = around(labels, place, part)
        touched = touched[touched != floor]
        labels[place][part] = np.bincount(touched).argmax() if len(touched) else UNLABELLED
