"""A scene of Gaussians, or a capture that becomes one, in the look of a style picture: read, see, restyle, write."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from relook import cache
from relook.config import RestyleConfig
from relook.errors import InputError, SceneError
from relook.files import PathLike, check_writable, read_json, sha256, write_json
from relook.gaussians import Gaussians
from relook.io import read_gaussians, write_gaussians, write_recoloured
from relook.io.splats import ENDINGS
from relook.lift.restyled.dependence import recoloured
from relook.lift.restyled.floor import check_materials
from relook.lift.restyled.methods import METHODS, check_losses
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.restyled.views import candidates, scene_of, views_of
from relook.lift.scene.change import seer
from relook.lift.scene.fit import fit_posed
from relook.lift.scene.saving import record_of, with_cameras
from relook.lift.scene.sources import camera_of, scene_views, smaller
from relook.progress import SILENT, Progress
from relook.record import Clock
from relook.session import Session, opened
from relook.transfer.references import Styles, check_pictures, listed
from relook.types import View

SECONDS = (10.0, 1.5, 3.0, 1.6e-4)
"""About how long it takes one core: once, for each key view, for each megapixel of them, for each Gaussian (`benchmarks/restyle3d.py`)."""
BYTES = (0.8e9, 1700.0, 500.0)
"""About how much memory it takes: once, for each Gaussian, for each pixel of key views (their matrices hold 1 GiB at most)."""
MANY = 500_000
"""Gaussians from which time and memory are said before the work begins."""
log = logging.getLogger("relook")


def restyle_scene(
    scene: PathLike,
    style: Styles,
    out: PathLike,
    config: RestyleConfig | None = None,
    *,
    session: Session | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write `scene` in the look of the style to `out` (.ply, .compressed.ply, .spz, .splat), with a record beside it; gives the record.

    scene: Gaussians in one of these formats, or a capture, which is fitted first. Only colours change: a .ply from a .ply, or from a
    capture, has the same positions, sizes, turns and opacities to the last bit. A stopped run goes on where it was, from OUT.work.
    Raises an error of relook.errors, one sentence, for what cannot be used; nothing is written then.
    """
    config, clock, scene, out = config or RestyleConfig(), Clock(), Path(scene), Path(out)
    config.check()
    check_materials(config)
    check_losses(config)
    check_place(scene, out)
    check_pictures(style, config.photo)
    with (
        opened(session, config.photo.device, config.photo.precision) as session,
        _working(scene, style, out, config) as work,
    ):
        with clock.part("read"):
            source, gaussians, views = _read(scene, config, work, session, progress)
            foretell(len(gaussians), views, config)
        with clock.part("see"):
            seen = scene_of(gaussians, views, config.key_views, seer(config.photo, session), progress)
        with clock.part("restyle"):
            new = new_look(seen, style, Settings(config, session, progress, work))
        with clock.part("write"):
            _write(out, source, new)
        record = _record(scene, style, seen, config, clock)
        write_json(record_of(out), with_cameras(record, [camera_of(view) for view in views], views[0].size))
    return record


def new_look(scene: Scene, style: Styles, settings: Settings) -> Gaussians:
    """The Gaussians of a scene in the look of the style, by the configuration's method; what it leaves stays to the last bit."""
    config = settings.config
    changed = changing(scene, config)
    return recoloured(scene.gaussians, METHODS[config.method](scene, style, settings), changed, config.view_dependence)


def check_place(scene: Path, out: Path) -> None:
    """Raise InputError or SceneError unless `out` can be written, has a scene's ending and is another file than `scene`."""
    if not any(out.name.lower().endswith(ending) for ending in ENDINGS):
        raise SceneError(f"Expected a scene's name to end in {', '.join(ENDINGS)}, got {out.name!r}; rename it.")
    check_writable(out)
    if out.resolve() == scene.resolve():
        raise InputError(f"Expected another name than that of the scene to write to, got {out}; choose one.")


def changing(scene: Scene, config: RestyleConfig) -> Bool[Tensor, " N"]:
    """The Gaussians that may change: those of what is named, or all but what is kept. Raises SegmentsError for names the scene does not have."""
    if config.only:
        return scene.named(config.only)
    return ~scene.named(config.photo.keep)


def foretell(count: int, views: list[View], config: RestyleConfig) -> None:
    """Say, for large scenes, about how long it takes and how much memory."""
    if count >= MANY:
        number = min(config.key_views, len(views))
        pixels = number * views[0].size[0] * views[0].size[1]
        seconds = SECONDS[0] + SECONDS[1] * number + SECONDS[2] * pixels / 1e6 + SECONDS[3] * count
        memory = BYTES[0] + BYTES[1] * count + BYTES[2] * pixels
        log.info(
            "%.1f million Gaussians and %d key views take about %.0f minutes and %.1f GB of memory", count / 1e6, number,
            max(1.0, seconds / 60), memory / 1e9,
        )  # fmt: skip


def _read(
    scene: Path, config: RestyleConfig, work: Path, session: Session, progress: Progress
) -> tuple[Path, Gaussians, list[View]]:
    """The scene's file (of a capture: the one that is fitted to it), what it holds, and posed pictures of it."""
    if any(scene.name.lower().endswith(ending) for ending in ENDINGS):
        gaussians = read_gaussians(scene)
        count = candidates(gaussians, config.key_views)
        return scene, gaussians, views_of(scene, gaussians, config, count)
    fitting = replace(config.fit, device=config.photo.device, depth_estimator=config.photo.depth_estimator)
    posed, source = scene_views(scene, fitting, session, progress, config.photo.segments), work / "fitted.ply"
    if not source.exists():
        write_gaussians(source, fit_posed(posed, fitting, progress).gaussians)
    views = [replace(smaller(view, config.size), depth=None, points=None) for view in posed.views]
    return source, read_gaussians(source), views


def _write(out: Path, source: Path, new: Gaussians) -> None:
    """The scene in its new colours; between plain PLY files everything else is copied."""
    plain = all(
        path.name.lower().endswith(".ply") and not path.name.lower().endswith(".compressed.ply")
        for path in (source, out)
    )
    if plain:
        write_recoloured(out, source, new)
    else:
        write_gaussians(out, new)


def _record(scene: Path, style: Styles, seen: Scene, config: RestyleConfig, clock: Clock) -> dict[str, Any]:
    """How it was made."""
    files = [scene, *(Path(one) for one in listed(style) if not isinstance(one, View))]
    return {
        "inputs": [{"path": str(path.resolve()), "sha256": sha256(path) if path.is_file() else None} for path in files],
        "configuration": config.as_json(), "method": config.method, "gaussians": len(seen.gaussians), "views": len(seen.views),
        "things": list(seen.parts.names), "timings": dict(clock.seconds),
    }  # fmt: skip


@contextmanager
def _working(scene: Path, style: Styles, out: Path, config: RestyleConfig) -> Iterator[Path]:
    """OUT.work for this very run: emptied first if another left it, gone at the end of the run, or where it holds nothing to go on from."""
    folder = out.with_name(out.name + ".work")
    parts = [one.image if isinstance(one, View) else sha256(one) for one in listed(style)]
    key = cache.key(config.as_json(), *parts, *(sha256(path) for path in _files(scene)))
    if folder.exists():
        try:
            same = read_json(folder / "run.json")["key"] == key
        except (InputError, KeyError, TypeError):
            raise InputError(f"Expected no folder {folder}, got one that is no stopped run; move it.") from None
        if not same:
            shutil.rmtree(folder)
    write_json(folder / "run.json", {"key": key})
    try:
        yield folder
    except BaseException:
        if len(list(folder.iterdir())) > 1:  # something to go on from
            raise
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


def _files(scene: Path) -> list[Path]:
    """What a scene or capture consists of."""
    return [scene] if scene.is_file() else sorted(path for path in scene.rglob("*") if path.is_file())
