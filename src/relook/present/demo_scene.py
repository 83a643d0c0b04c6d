"""The end of `relook demo`: a drawn room as a scene of Gaussians, in the look of another room, against the exact answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from relook.progress import SILENT, Progress

if TYPE_CHECKING:
    from relook.dollhouse import Rendering
    from relook.evaluate.scene.rooms import Room
    from relook.gaussians import Gaussians
    from relook.io.sheet import Picture
    from relook.session import Session
    from relook.types import Camera

ROOM = 1
"""Which walk of a seed: a bedroom; the demo's walk is the first, through a living room."""
FRAMES, SIZE = 10, 160
"""Pictures of the capture, and their height and width in pixels."""
FILMED, PICTURES = 256, 36
"""Height and width of the film in pixels, and its pictures one way; it goes back the same way."""


def restyled_room(
    out: Path,
    seed: int,
    *,
    frames: int = FRAMES,
    size: int = SIZE,
    pictures: int = PICTURES,
    session: Session | None = None,
    progress: Progress = SILENT,
) -> tuple[Path, Path]:
    """A capture of a drawn room is fitted (scene/before.ply), restyled (scene/after.ply) and filmed (scene.mp4); scene.png shows both scenes
    from two cameras beside the capture's path, and the exact answer. Returns the sheet and the film; earlier ones are replaced.
    """
    from relook.config import PhotoConfig, RestyleConfig, SceneConfig
    from relook.evaluate.scene.rooms import draw_room
    from relook.io import read_gaussians
    from relook.lift.restyled.task import restyle_scene
    from relook.lift.scene import fit
    from relook.lift.scene.saving import write_scene

    with progress.stage("drawing a room"):
        room = draw_room(seed, ROOM, frames, 4, size)
    before, after = out / "scene" / "before.ply", out / "scene" / "after.ply"
    found = fit(room.views, SceneConfig(size=size, held_out=0, geometry="exact"), session, progress)
    write_scene(before, found)
    # the embedded segmenter knows drawn rooms; the exact answer changes windows and lamps too
    photo = PhotoConfig(segmenter="embedded", restyle=("all",))
    options = RestyleConfig(photo=photo, size=size)
    restyle_scene(before, room.walk.style, after, options, session=session, progress=progress)
    new = read_gaussians(after)
    _film(new, found.cameras, size, pictures, out / "scene.mp4", progress)
    _sheet(room, found.gaussians, new, out / "scene.png")
    return out / "scene.png", out / "scene.mp4"


def _film(scene: Gaussians, cameras: Sequence[Camera], size: int, pictures: int, out: Path, progress: Progress) -> None:
    """There and back past the capture's cameras, but the first and the last, whose corners no other camera saw."""
    from relook.captures import CameraPath
    from relook.lift.scene.film import film
    from relook.ops.poses import through

    ends = pictures // 6
    there = through(cameras, pictures + 2 * ends)[ends : ends + pictures]
    path = CameraPath((*there, *reversed(there)), (size, size)).fitted((FILMED, FILMED))
    film(scene, path, out, progress=progress)


def _sheet(room: Room, before: Gaussians, after: Gaussians, out: Path) -> None:
    """The style, then at the two middle cameras beside the path: the scene before, after, and the answer."""
    from relook.files import replacing
    from relook.io.sheet import contact_sheet
    from relook.ops.splats import shown

    def line(old: Rendering, new: Rendering) -> list[Picture]:
        scenes = [shown(scene, old.camera, room.views[0].size)[0].clamp(0, 1) for scene in (before, after)]
        return [*scenes, new.image]

    lines = [line(*pair) for pair in list(zip(room.held_old, room.held_new, strict=True))[1:3]]
    sheet = contact_sheet(
        [[style, *one] for style, one in zip((room.walk.style.image, None), lines, strict=True)],
        ["style", "scene", "restyled", "exact answer"],
    )
    with replacing(out) as temporary:
        sheet.save(temporary, format="PNG")
