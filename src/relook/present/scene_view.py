"""`relook scene view`: scenes of Gaussians in the browser, two looks of one room to switch and fade between, the capture's cameras as buttons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from relook.config import FILES, USED, File
from relook.errors import InputError, MissingModelError
from relook.options import EXISTING, POSITIONAL
from relook.present.terminal import OUT

if TYPE_CHECKING:
    from relook.captures import CameraPath
    from relook.gaussians import Gaussians
    from relook.types import Camera

HOST = "127.0.0.1"
"""The only address that is served: scenes stay on this machine."""
LINES = (90, 170, 255)
"""Colour of the cameras in the scene."""
BUTTONS = 12
"""So many cameras of a capture have a button; all have a frustum to click at."""


@dataclass(frozen=True)
class ViewScene:
    """Look at a scene of Gaussians in the browser, on this machine alone; ends with Ctrl-C."""

    scene: Annotated[Path, EXISTING, POSITIONAL, FILES]
    """A scene: .ply, .compressed.ply, .spz, .splat."""
    other: Annotated[File, USED] = None
    """The same room in another look, to switch to, or to fade to where both have the same Gaussians."""
    cameras: Annotated[Path | None, FILES] = None
    """The capture that the scene is from, whose views become buttons. Default: the cameras in the record beside the scene."""
    port: Annotated[int, Interval(ge=1, le=65535), USED] = 8080
    """Port of 127.0.0.1; the next free one where it is taken."""


def view_scene(options: ViewScene) -> int:
    """relook scene view."""
    _viser()
    from relook.captures import read_path
    from relook.io import read_gaussians
    from relook.lift.scene.saving import own_cameras

    scenes = {path.name: read_gaussians(path) for path in (options.scene, options.other) if path is not None}
    if options.other is not None and len(scenes) == 1:
        scenes = {str(path): read_gaussians(path) for path in (options.scene, options.other)}
    known = own_cameras(options.scene) if options.cameras is None else read_path(options.cameras)
    with viewer(scenes, known, options.port) as held:
        OUT.print(
            f"http://{HOST}:{held.get_port()} shows {' and '.join(scenes)} (one colour per Gaussian); Ctrl-C ends it.",
            markup=False,
        )
        held.sleep_forever()
    return 0


@contextmanager
def viewer(scenes: dict[str, Gaussians], known: CameraPath | None = None, port: int = 8080) -> Iterator[Any]:
    """A running viser server with one or two scenes by name; it stops when the block ends. Raises InputError where no port is free."""
    from relook.lift.scene.orbit import orbit
    from relook.lift.scene.upright import up_of

    first = next(iter(scenes.values()))
    cameras = () if known is None else known.cameras
    up = up_of(first, cameras)
    start = cameras[0] if cameras else orbit(first, 1, (9, 16)).cameras[0]
    try:
        with redirect_stdout(StringIO()):  # its frame with the address
            server = _viser().ViserServer(host=HOST, port=port, label="Relook", verbose=False)
    except OSError as error:
        raise InputError(f"Expected a free port from {port} on, got none ({error}); choose another.") from error
    try:
        server.gui.configure_theme(show_logo=False, show_share_button=False, dark_mode=True)
        server.scene.set_up_direction(up.tolist())
        server.scene.world_axes.visible = False
        reach = _reach(first, start)
        _start_at(server.initial_camera, start, up.tolist(), reach)
        _looks(server, scenes, first)
        if known is not None:
            _camera_buttons(server, known, reach)
        yield server
    finally:
        server.stop()


def _looks(server: Any, scenes: dict[str, Gaussians], first: Gaussians) -> None:
    """The scenes, and how to go from one to the other."""
    handles = [_splats(server, f"/look{number}", scene) for number, scene in enumerate(scenes.values())]
    if len(handles) == 1:
        return
    names, other = list(scenes), list(scenes.values())[1]
    handles[1].visible = False
    shown = server.gui.add_button_group("Show", names)

    @shown.on_click
    def _(event: Any) -> None:
        for handle, name in zip(handles, names, strict=True):
            handle.visible = shown.value == name

    if len(first) == len(other) and bool((first.means - other.means).abs().max() < 1e-3 * first.means.abs().max()):
        _fade(server, handles[0], [_plain(scene.colours.clamp(0, 1)) for scene in (first, other)], names[1])


def _fade(server: Any, handle: Any, colours: Sequence[Any], name: str) -> None:
    """A slider from one scene's colours to the other's, where both have the same Gaussians."""
    slider = server.gui.add_slider(f"Fade to {name}", min=0.0, max=1.0, step=0.05, initial_value=0.0)

    @slider.on_update
    def _(event: Any) -> None:
        handle.rgbs = (1 - slider.value) * colours[0] + slider.value * colours[1]


def _camera_buttons(server: Any, known: CameraPath, reach: float) -> None:
    """The capture's cameras: frustums in the scene and buttons beside it, each of which puts whoever clicks there."""
    from relook.captures.frames import spread

    frustums = []
    for number, camera in enumerate(known.cameras):
        eye, quat, fov = _placed(camera, known.size)
        frustum = server.scene.add_camera_frustum(
            f"/cameras/{number}",
            fov=fov,
            aspect=known.size[1] / known.size[0],
            scale=0.02 * reach,
            line_width=1.5,
            color=LINES,
            position=eye,
            wxyz=quat,
            visible=False,
        )
        frustum.on_click(lambda event, camera=camera: _go(event.client, camera, known.size, reach))
        frustums.append(frustum)
    visible = server.gui.add_checkbox("Show the capture's cameras", initial_value=False)
    chosen = [str(number + 1) for number in spread(len(known.cameras), BUTTONS)]
    buttons = server.gui.add_button_group("Go to camera", chosen)

    @visible.on_update
    def _(event: Any) -> None:
        for frustum in frustums:
            frustum.visible = visible.value

    @buttons.on_click
    def _(event: Any) -> None:
        _go(event.client, known.cameras[int(buttons.value) - 1], known.size, reach)


def _go(client: Any, camera: Camera, size: tuple[int, int], reach: float) -> None:
    """Put a browser's camera where a camera of the capture is, to see no less than it."""
    if client is None:
        return
    eye, quat, fov = _placed(camera, size)
    ahead = camera.world_to_camera[2, :3].numpy()
    with client.atomic():
        client.camera.wxyz = quat
        client.camera.position = eye
        client.camera.look_at = eye + reach * ahead
        client.camera.fov = fov


def _start_at(initial: Any, camera: Camera, up: list[float], reach: float) -> None:
    """Where a browser begins."""
    from relook.ops.align import centre

    eye = centre(camera)
    initial.position = tuple(eye.tolist())
    initial.look_at = tuple((eye + reach * camera.world_to_camera[2, :3]).tolist())
    initial.up = tuple(up)


def _placed(camera: Camera, size: tuple[int, int]) -> tuple[Any, Any, float]:
    """(position, quaternion (w, x, y, z) from camera to world, angle of view from top to bottom in radians) of a camera."""
    import math

    from scipy.spatial.transform import Rotation

    from relook.ops.align import centre

    quat = Rotation.from_matrix(camera.world_to_camera[:3, :3].T.double().numpy()).as_quat()
    return centre(camera).numpy(), quat[[3, 0, 1, 2]], 2 * math.atan(size[0] / 2 / float(camera.K[1, 1]))


def _splats(server: Any, name: str, scene: Gaussians) -> Any:
    """The Gaussians in viser, which shows one colour of each."""
    return server.scene.add_gaussian_splats(
        name, centers=_plain(scene.means), covariances=_plain(scene.covariances),
        rgbs=_plain(scene.colours.clamp(0, 1)), opacities=_plain(scene.opacities[:, None]),
    )  # fmt: skip


def _reach(scene: Gaussians, camera: Camera) -> float:
    """The distance of the middle of what a camera has before it."""
    depth = scene.means @ camera.world_to_camera[2, :3] + camera.world_to_camera[2, 3]
    ahead = depth[depth > 0]
    return float(ahead.median()) / 2 if len(ahead) else 1.0


def _plain(values: Any) -> Any:
    return values.detach().cpu().numpy()


def _viser() -> Any:
    """viser, or one sentence."""
    try:
        import viser
    except ImportError as error:
        raise MissingModelError(
            "Expected the package viser (Apache-2.0), which shows scenes in the browser, got none; install it with `pip install relook[scenes]`."
        ) from error
    return viser
