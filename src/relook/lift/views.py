"""A walk through a room: one frame restyled, its look carried to the others, what none shows painted anew; frame by frame, on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from relook.captures import Capture
from relook.config import PhotoConfig, ViewsConfig
from relook.errors import InputError
from relook.files import PathLike
from relook.lift.book import Book
from relook.lift.carry import CARRYING, Painted, carried, history, key_frame
from relook.lift.fill import Filler, filler, matched_histogram, mended, put_back
from relook.lift.geometry import Located, Readable, located
from relook.lift.inputs import frames_of, key_of
from relook.lift.outputs import ViewsResult, written
from relook.models.view_refiner import ViewRefiner, load_view_refiner
from relook.ops.fill import whole_depth
from relook.perceive.depth import estimator, is_here
from relook.perceive.first_use import first_use
from relook.perceive.segment import chosen, segmenter
from relook.record import Clock, make_record
from relook.transfer.photo import family_of, restyle_photo
from relook.types import View

Progress = Callable[[int, int], None]
"""(frames done, frames in all)."""

KEYS = 10
"""Earlier frames that are looked back on, besides the previous one."""
NEW = 0.01
"""A frame that painted at least this share anew is looked back on later."""
BLIND = ("embedded", "whole")
"""Segmenters that know nothing that moves."""


def restyle_views(
    walk: str | Path | Capture | Sequence[View],
    style: str | Path | View,
    config: ViewsConfig | None = None,
    *,
    out: PathLike,
    progress: Progress | None = None,
) -> ViewsResult:
    """Give every frame of a walk the look of the style picture, the same look in all of them.

    walk: a folder of frames, a video, a COLMAP project, a nerfstudio transforms.json, a capture.json, or views. Writes into `out`:
    frames/, walk.mp4, points.ply, report.html, views.json; frames are finished one by one, so a stopped run goes on where it was and
    ends with the same bytes. Memory does not grow with the number of frames. Raises an error of relook.errors, one sentence.
    """
    config, clock = config or ViewsConfig(), Clock()
    config.check()
    with clock.part("read"):
        frames, names, fps = frames_of(walk, style, config, Path(out))
        first_use(config.photo, View(frames[0].view().image))
        place = located(frames, config.geometry, _depth_model(config))
        book = Book(Path(out), names)
        settled = book.open(key_of(walk, frames, style, config), lambda: _settle(frames, place, config))
    run = _Run(place, book, style, config, _filler(config))
    path = order(int(settled["first"]), len(frames))
    for done, (number, seen) in enumerate(_ahead(path, book, run.perceived)):
        if seen is not None:
            with clock.part("restyle"):
                run.paint(number, seen, path[:done])
        if progress is not None:
            progress(done + 1, len(path))
    with clock.part("write"):
        return written(
            book,
            place,
            len(frames),
            fps,
            _record(walk, style, run, clock),
            points=config.points,
        )


def order(first: int, count: int) -> list[int]:
    """The frames as they are painted: from the first one to the end, then from it back to the beginning."""
    return [*range(first, count), *range(first - 1, -1, -1)]


@dataclass
class _Run:
    """What every frame needs."""

    place: Located
    book: Book
    style: str | Path | View
    config: ViewsConfig
    fill: Filler
    weights: dict[str, str] = field(default_factory=dict)
    """Of the anchor that was painted last."""

    def perceived(self, number: int) -> tuple[View, Bool[Tensor, "H W"]]:
        """A frame, and what moves in it."""
        view = self.place.view(number)
        moving = torch.zeros(view.size, dtype=torch.bool)
        photo = self.config.photo
        if self.config.leave and (view.segments is not None or chosen(photo.segmenter) not in BLIND):
            segments = segmenter("exact" if view.segments is not None else photo.segmenter)(view)
            view = replace(view, segments=segments)
            for name in set(self.config.leave) & set(segments.names):
                moving |= segments.mask(name)
        grown = torch.nn.functional.max_pool2d(moving[None, None].float(), 5, 1, 2)[0, 0] > 0
        return view, grown

    def paint(self, number: int, seen: tuple[View, Tensor], done: Sequence[int]) -> None:
        """Paint one frame and write it into the book. done: the frames before it, in the order of painting."""
        start = time.perf_counter()
        (view, moving), config = seen, self.config
        past = self._past(number, view, done)
        look = carried(past, view, self.place.match, CARRYING[config.carry])
        holes, styled = look.holes | moving, look.values[4]
        anchor = not past or float(((styled > 0.5) | moving).float().mean()) < config.key_frame_below
        if anchor:  # what was only filled so far takes the style picture's look too
            holes |= styled <= 0.5
        missing = float((holes & ~moving).float().mean())
        paint = self._anchored if anchor else self.fill
        known = look.values[:3]
        whole = known
        if missing > 0:
            new = paint(
                _with_depth(view),
                torch.where(holes, 0.0, known),
                holes,
                config.photo.seed + number,
            )
            if config.histogram and not anchor:
                new = matched_histogram(new, known, holes)
            whole = put_back(new, known, holes) if anchor else torch.where(holes, new, known)
        if past and config.photo.chosen_method == "palette":
            whole = mended(view.image, whole)
        image = torch.where(moving, view.image, whole)
        age = torch.where(holes, torch.zeros_like(look.confidence), look.values[3] + 1)
        styled = torch.where(holes, torch.full_like(styled, float(anchor)), styled)
        keys = self._keys(done)
        notes = {
            "number": number, "anchor": anchor, "history": [frame.number for frame in past], "painted": round(missing, 5),
            "moving": round(float(moving.float().mean()), 5),
            "keys": [*keys, number] if anchor or missing > NEW else keys,
            "weights": self.weights if anchor else {},
            "seconds": round(time.perf_counter() - start, 2),
        }  # fmt: skip
        self.book.write(number, image, age, ~moving, styled, notes)

    def _past(self, number: int, view: View, done: Sequence[int]) -> list[Painted]:
        """The finished frames to look back on."""
        if not done:
            return []
        config, read = self.config, partial(self.book.painted, view=self.place.view)
        # on the way back the neighbour is the frame after this one, not the last that was painted
        previous = min(done, key=lambda other: (abs(other - number), -other))
        rng = np.random.default_rng([config.photo.seed, number])
        others = self._keys(done)
        if CARRYING[config.carry].choice == "random":
            others = [int(i) for i in rng.permutation(done)[: config.history]]
        rest = [read(other) for other in others if other != previous]
        return history(
            view,
            read(previous),
            rest,
            config.history,
            self.place.match,
            CARRYING[config.carry],
            rng,
        )

    def _keys(self, done: Sequence[int]) -> list[int]:
        """Frames to look back on, the very first always among them, at most KEYS."""
        notes = self.book.notes(done[-1]) if done else None
        keys: list[int] = [] if notes is None else notes["keys"]
        return keys if len(keys) <= KEYS else [keys[0], *keys[1 - KEYS :]]

    def _anchored(self, view: View, look: Tensor, holes: Tensor, seed: int) -> Tensor:
        """The frame restyled from the style picture."""
        result = restyle_photo(view, self.style, self.config.photo)
        self.style, self.weights = result.style, result.record["weights"]
        return result.image


def _settle(frames: Sequence[Readable], place: Located, config: ViewsConfig) -> dict[str, Any]:
    """What is decided once for a run: which frame comes first."""
    if config.first is not None and config.first >= len(frames):
        raise InputError(f"Expected a first frame below {len(frames)}, got {config.first}; the frames count from 0.")
    first = key_frame(len(frames), place.view, place.match) if config.first is None else config.first
    return {"first": first, "geometry": place.name}


def _ahead(path: Sequence[int], book: Book, look: Callable[[int], Any]) -> Iterator[tuple[int, Any]]:
    """Every frame with what is perceived of it (None where it is finished); the next one is perceived while this one is painted."""
    left = [number for number in path if book.notes(number) is None]
    with ThreadPoolExecutor(1) as pool:
        waiting = {left[0]: pool.submit(look, left[0])} if left else {}
        for number in path:
            seen = None
            if number in waiting:
                seen = waiting.pop(number).result()
                if (after := left.index(number) + 1) < len(left):
                    waiting[left[after]] = pool.submit(look, left[after])
            yield number, seen


def _with_depth(view: View) -> View:
    """The view with depth without holes for the networks."""
    return replace(view, depth=None if view.depth is None else whole_depth(view.depth))


def _depth_model(config: ViewsConfig) -> str:
    return "auto" if config.photo.depth_estimator == "none" else config.photo.depth_estimator


def _filler(config: ViewsConfig) -> Filler:
    """What paints the holes."""
    photo = config.photo
    fill = filler(
        config.fill,
        lambda: _refiner(photo),
        prompt=photo.prompt,
        told=config.carry != "paper",
    )
    if config.fill != "refiner" or photo.depth_estimator == "none" or not is_here(photo.depth_estimator):
        return fill
    depth = estimator(photo.depth_estimator)

    def deep(view: View, look: Tensor, holes: Tensor, seed: int) -> Tensor:
        return fill(
            view if view.depth is not None else replace(view, depth=depth(view)),
            look,
            holes,
            seed,
        )

    return deep


@lru_cache(1)
def _refiner(photo: PhotoConfig) -> ViewRefiner:
    return load_view_refiner(family_of(photo))


def _record(walk: Any, style: Any, run: _Run, clock: Clock) -> dict[str, Any]:
    """Everything that a reader must know of the run; frames and points are added by what writes them."""
    photo, given = run.config.photo, walk if isinstance(walk, str | Path) else None
    weights = {"view refiner": _refiner(photo).revision} if run.config.fill == "refiner" else {}
    record = make_record(run.place.view(0), style, photo, weights=weights, timings=clock.seconds)
    record["inputs"]["structure"] = {"path": None if given is None else str(Path(given).resolve())}
    return record | {"configuration": run.config.as_json(), "geometry": run.place.name}
