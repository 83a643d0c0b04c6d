"""What a run asks about a picture: regions, the room and depth, each by the help of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch

from relook.perceive.borders import refined_segments
from relook.perceive.borders.rugs import rug_whole
from relook.perceive.borders.standing import legs_given
from relook.perceive.depth import estimator
from relook.perceive.layout import known_layout
from relook.perceive.layout.faces import squared
from relook.perceive.layout.lines import lines_of
from relook.perceive.segment import SEGMENTERS, ade20k, segmenter
from relook.perceive.segment.superpixels import superpixels_of
from relook.perceive.whole import stands_for
from relook.session import Session, content_key
from relook.types import Camera, Segments, View

SMALL = "ade20k"
"""The small network."""
COARSE = (SMALL, "layout")
"""Segmenters whose borders are refined."""
CAMERA = Camera(torch.eye(3), torch.eye(4))
"""Any; its numbers are read apart."""


@dataclass(frozen=True)
class Perception:
    """Who is asked."""

    session: Session
    """Its `check` may end what takes long between two steps."""
    segmenter: str
    """Of views without segments."""
    depth_estimator: str = "none"
    """Of views without depth."""

    @property
    def by_layout(self) -> bool:
        """Whether no network sees regions, so that the room gives them."""
        return SEGMENTERS.chosen(self.segmenter) == "layout"

    def seen(self, view: View, layout: str = "auto", focal: float | None = None) -> View:
        """The view with segments, layout and depth, each unless it has its own or nobody is asked.

        What is seen of a plain picture is remembered in the session: of a style that many rooms take, once.
        """

        def see() -> View:
            return self.depth(self.regions_and_room(view, layout, focal))

        if view != View(view.image) or layout not in ("auto", "none"):
            return see()
        key = (content_of(view), self.segmenter, self.depth_estimator)
        return self.session.remembered("seen", (*key, layout, focal), see)

    def glanced(self, view: View, small: View, focal: float | None = None) -> View:
        """The small view of a picture with segments, its own or those of a glance: two looks of the small network where a network would look, else what
        the segmenter says of the small picture, its borders as they come.

        What is seen is for a draft; looks, lines and the camera are remembered for the whole picture. focal: in pixels of the small one.
        """
        if small.segments is not None:
            return small
        name = SEGMENTERS.chosen(self.segmenter)
        key = (content_of(small), name, focal)
        return self.session.remembered("glance", key, lambda: self._glance(name, view, small, focal))

    def _glance(self, name: str, view: View, small: View, focal: float | None) -> View:
        """What a glance sees for a segmenter."""
        if name == SMALL or (SEGMENTERS.entry(name) is None and SEGMENTERS.is_here(SMALL)):
            return replace(small, segments=ade20k.glanced(view.image, small.image, self.session))
        if name == "layout":
            stands_for(small.image, view.image, self.session)
            small = replace(small, layout=known_layout(small, "auto", self.session, focal=focal))
        return replace(small, segments=segmenter(name, self.session)(small))

    def regions(self, view: View) -> Segments:
        """The regions of a view alone: its own, those that a network sees, or the room's planes."""
        if view.segments is None and self.by_layout:
            view = self.regions_and_room(view)
        return segmenter(self.segmenter if view.segments is None else "exact", self.session)(view)

    def regions_and_room(self, view: View, layout: str = "auto", focal: float | None = None) -> View:
        """The view with its segments and its layout (see `known_layout`): regions help to find the room, or the room gives them.

        Regions with coarse borders then get those of the picture and the room.
        """
        asked = None if view.segments is not None else SEGMENTERS.chosen(self.segmenter)
        if asked is not None and asked != "layout":
            with self.session.meanwhile(*self._beside(asked, view)):
                view = replace(view, segments=self._asked(asked, view))
        self.session.check()
        view = replace(view, layout=known_layout(view, layout, self.session, focal=focal))
        if asked == "layout":
            view = replace(view, segments=segmenter(asked, self.session)(view))
        self.session.check()
        if asked not in COARSE:
            return view
        view = replace(view, segments=self._refined(view))
        if asked == SMALL:
            view = replace(view, segments=rug_whole(view, ade20k.seen(view.image, self.session).rug))
        return replace(view, segments=legs_given(view))

    def _beside(self, name: str, view: View) -> tuple[Callable[[], object], ...]:
        """What is found in a view while a network looks at it, where its coarse regions ask for it."""
        found = (superpixels_of, lines_of) if name in COARSE else ()
        return tuple(partial(find, view.image, self.session) for find in found)

    def _asked(self, name: str, view: View) -> Segments:
        """What a segmenter says of a view; of a plain picture it is remembered in the session, for work that was ended before its end."""

        def ask() -> Segments:
            return segmenter(name, self.session)(view)

        if view != View(view.image):
            return ask()
        return self.session.remembered("regions", (content_of(view), name), ask)

    def _refined(self, view: View) -> Segments:
        """The view's regions with the borders of its picture."""
        image, session = view.image, self.session
        return refined_segments(view, lines_of(image, session), superpixels_of(image, session), session.check)

    def depth(self, view: View) -> View:
        """The view with depth, unless nobody estimates it; where its room is looked for, square to the room."""
        if view.depth is not None or self.depth_estimator == "none":
            return view
        view = replace(view, depth=estimator(self.depth_estimator, self.session)(view))
        return view if view.layout is None else squared(view)


def content_of(view: View) -> tuple[object, ...]:
    """A key of a view's picture, regions and room: the same for views that show the same."""
    found: list[object] = [content_key(view.image)]
    if view.segments is not None:
        found += [content_key(view.segments.labels), repr(view.segments.regions)]
    if view.layout is not None:
        camera = view.layout.camera
        found += [content_key(camera.K), content_key(camera.world_to_camera), repr(replace(view.layout, camera=CAMERA))]
    return tuple(found)
