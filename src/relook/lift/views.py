"""A walk restyled into a folder: its frames one by one, a video, coloured points, a report and a record."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relook import cache
from relook.config import Carry, ViewsConfig
from relook.errors import GeometryError, InputError, MissingModelError
from relook.files import PathLike
from relook.lift.carry import carrying_of
from relook.lift.geometry import MatchedViews, can_estimate, found_by, is_posed, matched_views, posed_views
from relook.lift.outputs import ViewsResult, write_outputs
from relook.lift.placed import MOST
from relook.lift.propagation import first_frame, propagate, view_refiner
from relook.lift.scene.change import through_frames, through_scene
from relook.lift.scene.decided import LYING
from relook.lift.source import ViewSource, Walk, key_of, read_walk, with_maps
from relook.lift.store import WalkStore
from relook.perceive.first_use import first_use
from relook.perceive.match.dis import dis
from relook.perceive.segment.vocabulary import canonical
from relook.progress import SILENT, Progress
from relook.record import Clock, make_record
from relook.session import Session, opened
from relook.types import View

if TYPE_CHECKING:
    from relook.models.view_refiner import ViewRefiner

log = logging.getLogger("relook")


def restyle_views(
    walk: Walk,
    style: str | Path | View,
    config: ViewsConfig | None = None,
    *,
    out: PathLike,
    session: Session | None = None,
    progress: Progress = SILENT,
) -> ViewsResult:
    """Give every frame of a walk the look of the style picture, the same look in all of them.

    walk: a folder of frames, a video, a COLMAP project, a nerfstudio transforms.json, a capture.json, views, or a source of views.
    Writes into `out`: frames/, walk.mp4, points.ply, report.html, views.json; frames are finished one by one, so a stopped run goes on
    where it was and ends with the same bytes. Memory does not grow with the number of frames.
    session: what is loaded stays in it for the next walk; None: nothing stays. Raises an error of relook.errors, one sentence.
    """
    config, clock = config or ViewsConfig(), Clock()
    config.check()
    photo = config.photo
    with opened(session, photo.device, photo.precision, low_vram=photo.low_vram) as session:
        with clock.part("read"):
            source, fps = read_walk(walk, style, config, Path(out))
            plain, config = source, replace(config, photo=replace(photo, segments=None))
            if photo.segments is not None:
                source = with_maps(source, photo.segments)
            first = source.view(0)
            seen = style if isinstance(style, View) else View(first.image, first.segments)  # a picture has no depth
            first_use(config.photo, session, first, seen, progress=progress)
            views, config = _matched(source, replace(config, carry=_carry(source, config)), session, config.carry)
            refiner = view_refiner(config, session) if carrying_of(config).fill == "refiner" else None
            store, asked = WalkStore(Path(out)), replace(config, photo=photo)
            key = key_of(walk, plain, style, asked)
            begun = store.open(key, lambda: {"first": _first(views, config), "geometry": views.geometry})
        with clock.part("restyle"):
            way = {"scene": through_scene, "frames": through_frames}.get(config.carry, propagate)
            for _ in way(views, style, replace(config, first=int(begun["first"])), session, progress, store):
                pass  # each is on disk before the next one begins
        with clock.part("write"), progress.stage("writing"):
            record = _record(walk, style, asked, views, refiner) | {"timings": dict(clock.seconds)}
            return write_outputs(store, views, fps, record, points=config.points)


def _matched(
    source: ViewSource, config: ViewsConfig, session: Session, asked: Carry
) -> tuple[MatchedViews, ViewsConfig]:
    """The walk with its geometry. Where `auto` finds no cameras for a scene, one sentence says so, and looks go from frame to frame."""
    if config.carry == "frames":
        return MatchedViews(source.view, range(len(source)), dis, "flow (dis)"), config
    if config.carry == "scene":
        try:
            return posed_views(source, config, session, cache.home() / "cameras"), config
        except (GeometryError, MissingModelError) as error:
            if asked == "scene":
                raise
            log.info("the look is carried from frame to frame, as there is no scene of these: %s", error)
            config = replace(config, carry="relook")
    return matched_views(source, config, session), config


def _first(views: MatchedViews, config: ViewsConfig) -> int:
    """The frame to begin with; what is decided for all of them at once is known before the first is made."""
    return 0 if config.carry in ("scene", "frames") and config.first is None else first_frame(views, config)


def _carry(source: ViewSource, config: ViewsConfig) -> Carry:
    """The way of carrying; `auto` is the one that is known to be better for such a walk. Raises InputError for what one that is named cannot carry."""
    photo = config.photo
    covers = [canonical(cover.thing) for cover in photo.covers if cover.picture is not None]
    upright = [
        cover.thing for cover in photo.covers if cover.picture is not None and canonical(cover.thing) not in LYING
    ]
    if config.carry == "scene" and upright:
        raise InputError(
            f"Expected materials on floors alone to carry the look through the scene, got one for {upright[0]}; choose another way of carrying."
        )
    if config.carry == "frames" and (covers or photo.chosen_method != "palette"):
        got = f"one for {covers[0]}" if covers else f"method {photo.chosen_method}"
        raise InputError(
            f"Expected method palette, and no materials, to change frames without cameras, got {got}; choose another way of carrying."
        )
    if config.carry != "auto":
        return config.carry
    first = source.view(0)
    if photo.chosen_method != "palette" or upright:
        return "relook"
    if is_posed(first):
        return "scene"
    if not covers and first == View(first.image) and config.geometry == "auto":
        return "frames"
    return "scene" if _can_be_placed(first, source, config) else "relook"


def _can_be_placed(first: View, source: ViewSource, config: ViewsConfig) -> bool:
    """Whether cameras of plain frames are looked for."""
    here = found_by(first, config.geometry) == "colmap" and config.photo.depth_estimator != "none"
    return here and first.camera is None and can_estimate(config.photo.depth_estimator) and len(source) <= MOST


def _record(
    walk: Walk, style: str | Path | View, config: ViewsConfig, views: MatchedViews, refiner: ViewRefiner | None
) -> dict[str, Any]:
    """Everything that a reader must know of the run; timings, frames and points are added by what measures and writes them."""
    weights = {} if refiner is None else {"view refiner": refiner.revision}
    record = make_record({"structure": views.view(0), "style": style}, config.photo, weights=weights, timings={})
    path = str(Path(walk).resolve()) if isinstance(walk, str | Path) else None
    record["inputs"]["structure"] = {"path": path}
    return record | {"configuration": config.as_json(), "geometry": views.geometry}
