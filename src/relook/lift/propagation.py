"""A walk through a room: one frame restyled, its look carried to the others, what none shows painted anew; frame by frame.

What is noted of every frame: `number`; `key_frame`, whether it was restyled from the style picture; `history`, the frames whose look it
took; `painted` and `moving`, shares of its pixels; `candidates`, frames that later ones may look back on; `weights`; `seconds`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from relook.config import Fill, ViewsConfig
from relook.errors import InputError
from relook.lift.carry import Carrying, best_first, carried, carrying_of, looked_back_on
from relook.lift.fill import FILLERS, Filler, matched_histogram, mended, put_back
from relook.lift.geometry import MatchedViews, can_estimate, matched_views
from relook.lift.look import Look, RestyledFrame
from relook.lift.source import ViewSource
from relook.lift.store import History, InMemory
from relook.ops.fill import whole_depth
from relook.perceive.depth import estimator
from relook.perceive.perception import Perception
from relook.perceive.segment import SEGMENTERS
from relook.progress import SILENT, Progress
from relook.session import Session
from relook.transfer.photo import restyle_photo
from relook.transfer.resolve import family_of
from relook.types import View

if TYPE_CHECKING:
    from relook.models.view_refiner import ViewRefiner

CANDIDATES = 10
"""Earlier frames that are looked back on, besides the previous one."""
NEW = 0.01
"""A frame that painted at least this share anew is looked back on later."""
BLIND = ("embedded", "layout", "whole")
"""Segmenters that know nothing that moves."""
GROWN = 5
"""Width in pixels of the square by which what moves is grown."""

Seen = tuple[View, Bool[Tensor, "H W"]]
"""A view with its segments, and what moves in it."""


def propagate(
    source: ViewSource,
    style: str | Path | View,
    config: ViewsConfig,
    session: Session,
    progress: Progress = SILENT,
    history: History | None = None,
) -> Iterator[RestyledFrame]:
    """Give every view the look of the style picture, one after the other: from the first key frame to the end, then back to the beginning.

    Nothing is written. history: where finished frames are kept for those that look back on them (None: in memory); those that it
    holds already are neither made again nor yielded, so a stopped walk goes on. Raises an error of relook.errors, one sentence.
    """
    walk, carrying = matched_views(source, config, session), carrying_of(config)
    history = history or InMemory(whole=carrying.choice == "random")
    painter = _Painter(
        walk, history, config, carrying, style, session, progress, _filler(config, carrying.fill, session)
    )
    path = order(first_frame(walk, config), len(walk))
    left = [number for number in path if history.notes(number) is None]
    with progress.stage("frames", len(path)) as tick:
        if len(left) < len(path):
            tick(len(path) - len(left))
        for number, seen in _ahead(partial(_see, walk, config, session), left):
            done = path.index(number)
            frame = painter.paint(number, seen, path[:done])
            history.add(frame)
            yield frame
            tick(done + 1)


def first_frame(walk: MatchedViews, config: ViewsConfig) -> int:
    """Number of the frame that is restyled first. Raises InputError for one that the walk does not have."""
    if config.first is None:
        return best_first(len(walk), walk.view, walk.match)
    if config.first >= len(walk):
        raise InputError(f"Expected a first frame below {len(walk)}, got {config.first}; the frames count from 0.")
    return config.first


def order(first: int, count: int) -> list[int]:
    """The frames as they are painted: from the first one to the end, then from it back to the beginning."""
    return [*range(first, count), *range(first - 1, -1, -1)]


def view_refiner(config: ViewsConfig, session: Session) -> ViewRefiner:
    """The view refiner that the configuration names, or that of its family."""
    from relook.models.view_refiner import find_view_refiner, load_view_refiner

    def load() -> ViewRefiner:
        place = None if config.refiner is None else find_view_refiner(config.refiner)
        return load_view_refiner(family_of(config.photo, session), place)

    return session.loaded(("view refiner", config.photo.family, config.refiner), load)


@dataclass
class _Painter:
    """What every frame needs."""

    walk: MatchedViews
    history: History
    config: ViewsConfig
    carrying: Carrying
    style: str | Path | View
    session: Session
    progress: Progress
    fill: Filler
    weights: dict[str, str] = field(default_factory=dict)
    """Of the key frame that was painted last."""

    @property
    def whole(self) -> bool:
        """Whether all of a frame that is no key frame is painted anew."""
        if self.carrying.fill != "refiner":
            return False
        from relook.lift.paint import painting_of

        return painting_of(self.config.carry).whole

    def paint(self, number: int, seen: Seen, done: Sequence[int]) -> RestyledFrame:
        """One frame. done: those before it, in the order of painting."""
        start = time.perf_counter()
        view, moving = seen
        past = self._past(number, view, done)
        look = carried(past, view, self.walk.match, self.carrying)
        share = float(((look.styled > 0.5) | moving).float().mean())
        key_frame = not past or share < self.carrying.key_frame_below
        holes = look.holes | moving
        if key_frame:  # what was only filled so far takes the style picture's look too
            holes |= look.styled <= 0.5
        painted = float((holes & ~moving).float().mean())
        whole = self.whole and not key_frame
        image = look.image if painted == 0 and not whole else self._painted(number, view, look.image, holes, key_frame)
        if past and self.config.photo.chosen_method == "palette" and not whole:
            image = mended(view.image, image)
        image = torch.where(moving, view.image, image)
        age = torch.where(holes, 0.0, look.age + 1)
        styled = torch.where(holes, float(key_frame), look.styled)
        new = Look(image, age, styled, view.image, (~moving).float())
        candidates = self._candidates(done)
        notes = {
            "number": number, "key_frame": key_frame, "history": [frame.number for frame in past], "painted": round(painted, 5),
            "moving": round(float(moving.float().mean()), 5),
            "candidates": [*candidates, number] if key_frame or painted > NEW else candidates,
            "weights": self.weights if key_frame else {},
            "seconds": round(time.perf_counter() - start, 2),
        }  # fmt: skip
        return RestyledFrame(number, view, new.rounded(), notes)

    def _painted(
        self, number: int, view: View, known: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], key_frame: bool
    ) -> Float[Tensor, "3 H W"]:
        """What is known, with its holes painted: from the style picture in a key frame, else from what is around them, or all of it."""
        view = replace(view, depth=None if view.depth is None else whole_depth(view.depth))
        if key_frame:
            return put_back(self._restyled(view), known, holes)
        new = self.fill(view, torch.where(holes, 0.0, known), holes, self.config.photo.seed + number)
        if self.config.histogram:
            new = matched_histogram(new, known, holes)
        return new if self.whole else torch.where(holes, new, known)

    def _restyled(self, view: View) -> Float[Tensor, "3 H W"]:
        """The view restyled from the style picture, which is perceived once."""
        result = restyle_photo(view, self.style, self.config.photo, session=self.session, progress=self.progress)
        self.style, self.weights = result.style, result.record["weights"]
        return result.image

    def _past(self, number: int, view: View, done: Sequence[int]) -> list[RestyledFrame]:
        """The finished frames to look back on."""
        if not done:
            return []
        count, read = self.carrying.history, partial(self.history.frame, view=self.walk.view)
        # on the way back the neighbour is the frame after this one, not the last that was painted
        previous = min(done, key=lambda other: (abs(other - number), -other))
        rng = np.random.default_rng([self.config.photo.seed, number])
        candidates = self._candidates(done)
        if self.carrying.choice == "random":
            candidates = [int(i) for i in rng.permutation(done)[:count]]
        others = [read(other) for other in candidates if other != previous]
        return looked_back_on(view, read(previous), others, count, self.walk.match, self.carrying, rng)

    def _candidates(self, done: Sequence[int]) -> list[int]:
        """Frames to look back on, the very first always among them, at most CANDIDATES."""
        notes = self.history.notes(done[-1]) if done else None
        found: list[int] = [] if notes is None else notes["candidates"]
        return found if len(found) <= CANDIDATES else [found[0], *found[1 - CANDIDATES :]]


def _see(walk: ViewSource, config: ViewsConfig, session: Session, number: int) -> Seen:
    """A view with its segments, where something in it may move."""
    view = walk.view(number)
    moving = torch.zeros(view.size, dtype=torch.bool)
    name = config.photo.segmenter
    if config.leave and (view.segments is not None or SEGMENTERS.chosen(name) not in BLIND):
        segments = Perception(session, name).regions(view)
        view = replace(view, segments=segments)
        for left in set(config.leave) & set(segments.names):
            moving |= segments.mask(left)
    return view, max_pool2d(moving[None, None].float(), GROWN, 1, GROWN // 2)[0, 0] > 0


def _ahead(see: Callable[[int], Seen], numbers: Sequence[int]) -> Iterator[tuple[int, Seen]]:
    """Every frame with what is seen in it; the next one is perceived while this one is painted."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(see, number) for number in numbers[:1]]
        for number, after in zip_longest(numbers, numbers[1:]):
            seen = waiting.pop().result()
            if after is not None:
                waiting.append(pool.submit(see, after))
            yield number, seen


def _filler(config: ViewsConfig, fill: Fill, session: Session) -> Filler:
    """What paints the holes of frames that are no key frames, or all of them."""
    if fill != "refiner":
        return FILLERS[fill]
    from relook.lift.paint import Refining, painting_of, refined

    name = config.photo.depth_estimator
    depth = None if name == "none" or not can_estimate(name) else estimator(name, session)
    how = Refining(view_refiner(config, session), painting_of(config.carry), config.photo.prompt, depth)
    return partial(refined, how=how)
