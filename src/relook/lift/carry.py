"""The look of finished frames as a new frame sees it: which frames to look back on, how they are warped, how they are blended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from relook.captures.frames import spread
from relook.config import Fill, ViewsConfig
from relook.lift.look import Look, RestyledFrame, blend
from relook.ops.released_views import eight_bits, released_flow, released_importance, released_splat
from relook.ops.warp import look_up, nearness, softmax_splat
from relook.perceive.match import Matcher
from relook.types import View

LEAST = 0.25
"""Matches of less confidence are no matches."""
UNLIKE = 0.12
"""Colours (RGB, smoothed over 5 x 5 pixels, the median difference apart) that differ by more than this are not of one point."""
BEGINNINGS = 5
"""Frames among which the first key frame is chosen."""
GLANCE = 96
"""Longer side in pixels of the pictures by which overlap is judged."""


@dataclass(frozen=True)
class Carrying:
    """How looks are carried."""

    warp: Literal["look up", "splat", "released"] = "look up"
    """`look up`: every new pixel fetches its colour from where an earlier frame shows its point; `splat`: softmax splatting; `released`: as
    the authors' code does it (`relook.ops.released_views`)."""
    sharpness: float = 50.0
    """Of the nearest surface in splatting (`relook.ops.warp.nearness`)."""
    rank: Literal["age", "order"] = "age"
    """What decides where several frames show a point: `age`, how often the colour was resampled since it was painted, then the frame's
    place in the history; `order` alone, the previous frame first."""
    choice: Literal["overlap", "random"] = "overlap"
    """Which earlier frames besides the previous one: those that show most of what is not known yet, or random ones."""
    decay: float = 4.0
    """Weights fall as exp(-decay · rank)."""
    checked: bool = True
    """Whether a carried pixel must fit the frame: where the earlier frame as it was, carried alike, differs from this frame as it was,
    the geometry is wrong there, and the pixel is painted anew."""
    history: int = 3
    """How many earlier frames, if the configuration does not say."""
    key_frame_below: float = 0.2
    """The share below which a frame becomes a key frame, if the configuration does not say."""
    fill: Fill = "recolour"
    """What paints holes, if the configuration does not say."""


CARRYING: Mapping[str, Carrying] = {
    "relook": Carrying(),
    "paper": Carrying("splat", 10.0, "order", "random", 1.0, False),
    "released": Carrying(
        "released", 10.0, "order", "random", 0.0, False, history=1, key_frame_below=0.0, fill="refiner"
    ),
}
"""Relook's own way, ReStyle3D's (section 3.3), and that of its authors' code: the previous frame alone, splatted, and every frame painted
anew over it; what several frames show is their mean."""


def carrying_of(config: ViewsConfig) -> Carrying:
    """The way of carrying that the configuration names, with what the user says of it."""
    own = CARRYING.get(config.carry, CARRYING["relook"])
    share = own.key_frame_below if config.key_frame_below is None else config.key_frame_below
    return replace(own, history=config.history or own.history, key_frame_below=share, fill=config.fill or own.fill)


def carried(past: Sequence[RestyledFrame], view: View, match: Matcher, carrying: Carrying) -> Look:
    """What finished frames show of a view, the most trusted first, with holes where none shows anything."""
    looks = [_carried(frame, view, match, carrying) for frame in past]
    if not looks:
        return Look.nothing(view.size)
    ranks = [torch.full(view.size, float(place)) for place in range(len(looks))]
    if carrying.rank == "age":
        ranks = [look.age + 0.25 * place for look, place in zip(looks, ranks, strict=True)]
    return blend(looks, carrying.decay, ranks)


def _carried(frame: RestyledFrame, view: View, match: Matcher, carrying: Carrying) -> Look:
    """What one frame shows of the view."""
    if carrying.warp == "released":
        return _released(frame, view, match)
    if carrying.warp == "splat":
        matches = match(frame.view, view)
        depth = frame.view.metric_depth
        importance = torch.zeros(frame.view.size) if depth is None else nearness(depth, carrying.sharpness)
        used = (matches.confidence > LEAST) & ~frame.look.holes
        importance = torch.where(used, importance, float("-inf"))
        look, confidence = frame.look.warped(lambda maps: softmax_splat(maps, matches.flow, importance, view.size))
    else:
        matches = match(view, frame.view)
        sure = torch.where(matches.confidence > LEAST, matches.confidence, 0.0)
        guide = (frame.view.image, view.image) if carrying.checked else None
        look, confidence = frame.look.warped(lambda maps: look_up(maps, matches.flow, sure, guide))
    right = look.confidence > 0.99
    if carrying.checked:
        right &= _alike(look.source, view.image, confidence > 0)
    return replace(look, confidence=confidence * right)


def _released(frame: RestyledFrame, view: View, match: Matcher) -> Look:
    """What one frame shows of the view, as the authors' code has it: whatever lands, hidden or not, in 8 bits.

    Where matches come without depth, all that are matches weigh the same.
    """
    matches = match(frame.view, view)
    if matches.depth is None:
        flow, importance = matches.flow, torch.where(matches.confidence > LEAST, 0.0, float("-inf"))
    else:
        flow, importance = released_flow(matches.flow, matches.depth), released_importance(matches.depth)
    importance = torch.where(frame.look.holes, float("-inf"), importance)
    look, known = frame.look.warped(lambda maps: released_splat(maps, flow, importance, view.size))
    return replace(look, image=eight_bits(look.image), confidence=known)


def _alike(
    first: Float[Tensor, "3 H W"], second: Float[Tensor, "3 H W"], known: Bool[Tensor, "H W"]
) -> Bool[Tensor, "H W"]:
    """Where two pictures of one view show the same, exposure apart."""
    if not bool(known.any()):
        return known
    difference = first - second
    difference = difference - difference[:, known].median(1).values[:, None, None]
    maps = torch.cat([difference * known, known.float()[None]])
    sums = avg_pool2d(maps[None], 5, 1, 2)[0]
    return known & ((sums[:3] / sums[3:].clamp_min(1e-6)).abs().amax(0) < UNLIKE)


def looked_back_on(
    view: View,
    previous: RestyledFrame,
    others: Sequence[RestyledFrame],
    count: int,
    match: Matcher,
    carrying: Carrying,
    rng: np.random.Generator,
) -> list[RestyledFrame]:
    """The previous frame and up to count - 1 of the others, chosen as `carrying` says; by overlap, the best one first.

    Overlap is judged greedily on small pictures: each next frame shows most of what those before it do not.
    """
    others = [frame for frame in others if frame.number != previous.number]
    if carrying.choice == "random":
        return [previous, *(others[i] for i in rng.permutation(len(others))[: count - 1])]
    shown = {frame.number: seen(view, frame.view, match) for frame in (previous, *others)}
    missing, chosen = ~shown[previous.number], list[RestyledFrame]()

    def gain(frame: RestyledFrame) -> tuple[int, int]:
        """What only this frame shows counts most, but what the previous one shows too is fresher here."""
        adds, shows = (int(part.sum()) for part in (shown[frame.number] & missing, shown[frame.number]))
        return 4 * adds + shows, -frame.number

    while others and len(chosen) < count - 1:
        best = max(others, key=gain)
        chosen.append(best)
        missing &= ~shown[best.number]
        others = [frame for frame in others if frame.number != best.number]
    return [*chosen, previous]


def seen(view: View, other: View, match: Matcher) -> Bool[Tensor, "h w"]:
    """Which part of a view another one shows too, at a glance."""
    small, small_other = glance(view), glance(other)
    return match(small, small_other).confidence > LEAST


def glance(view: View, side: int = GLANCE) -> View:
    """A small copy of a view, with its camera and depth."""
    height, width = view.size
    scale = side / max(height, width)
    if scale >= 1:
        return view
    size = (max(8, round(height * scale)), max(8, round(width * scale)))
    image = interpolate(view.image[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)
    camera = None if view.camera is None else view.camera.resized(view.size, size)
    return View(image, depth=None if view.depth is None else view.depth.resized(size), camera=camera)


def best_first(count: int, view_of: Callable[[int], View], match: Matcher) -> int:
    """The key frame to begin with: of some spread over the walk, the one that shows most of the others."""
    numbers = spread(count, BEGINNINGS)
    if len(numbers) < 3:
        return numbers[0]
    views = {number: glance(view_of(number)) for number in numbers}

    def share(number: int) -> float:
        others = (views[other] for other in numbers if other != number)
        return sum(float(seen(other, views[number], match).float().mean()) for other in others)

    return max(numbers, key=lambda number: (round(share(number), 3), -number))
