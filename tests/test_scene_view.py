"""`relook scene view` in a real browser, Debian's chromium with WebGL on the CPU."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from boxes import box_room
from browsers import CHROMIUM, page_at
from relook.captures import CameraPath, camera_for
from relook.ops.poses import looking
from relook.ops.splats import render
from relook.present.cli import main

if CHROMIUM is None:
    pytest.skip("needs a browser, and no chromium is installed (apt install chromium)", allow_module_level=True)
pytest.importorskip("playwright", reason="needs playwright to drive the browser")
pytest.importorskip("viser", reason="needs the scene viewer (relook[scenes])")

from relook.present.scene_view import viewer

SIZE = (600, 800)
CLEAR = (slice(200, None), slice(0, 420))
"""Pixels that neither viser's panel nor its notice covers."""
SHOTS = Path(os.environ["RELOOK_SHOTS"]) if "RELOOK_SHOTS" in os.environ else None
pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's libraries


@pytest.fixture(scope="module")
def path() -> CameraPath:
    """Two cameras in the box, one towards the red wall, one towards the blue one."""
    K, up = camera_for(SIZE, 50.0).K, torch.tensor([0.0, 0.0, 1.0])
    eye = torch.tensor([0.0, 0.1, 1.3])
    return CameraPath(tuple(looking(K, eye, torch.tensor([sign, 0.2, -0.1]), up) for sign in (1.0, -1.0)), SIZE)


@pytest.fixture(scope="module")
def page(path: CameraPath) -> Iterator[Any]:
    import jaxtyping

    scene = box_room()
    other = scene.coloured(scene.colours.clamp(0, 1).flip(1))
    jaxtyping.config.update("jaxtyping_disable", True)  # threads of the server: as a user has it
    with viewer({"room.ply": scene, "blue.ply": other}, path, 8765) as server:
        assert server.get_host() == "127.0.0.1"
        with page_at(f"http://127.0.0.1:{server.get_port()}", SIZE[1], SIZE[0]) as found:
            found.get_by_role("button", name="2", exact=True).wait_for()
            yield found
    jaxtyping.config.update("jaxtyping_disable", False)


def seen(page: Any, wanted: Any) -> float:
    """The best PSNR (dB) of the page against a picture within half a minute, where nothing lies over it."""
    best = 0.0
    for _ in range(60):
        pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")) / 255
        error = ((pixels - wanted.permute(1, 2, 0).numpy())[CLEAR] ** 2).mean()
        best = max(best, float(-10 * np.log10(error)))
        if best > 28:
            break
        page.wait_for_timeout(500)
    if SHOTS is not None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"view-{len(list(SHOTS.glob('view-*.png')))}.png")
    return best


def test_a_scene_its_other_look_and_its_cameras_are_shown(page: Any, path: CameraPath) -> None:
    scene = box_room()
    pictures = [render(scene, camera, SIZE, 0.08).clamp(0, 1) for camera in path.cameras]
    for number in ("2", "1"):
        page.get_by_role("button", name=number, exact=True).click()
        assert seen(page, pictures[int(number) - 1]) > 28
    page.get_by_role("button", name="blue.ply").click()
    assert seen(page, pictures[0].flip(0)) > 28
    page.get_by_role("button", name="room.ply").click()
    slider = page.get_by_role("slider").first
    slider.focus()
    slider.press("End")
    assert seen(page, pictures[0].flip(0)) > 28


def test_a_scene_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "room.ply").write_text("no scene")
    for words in (
        [str(tmp_path / "room.ply")],
        [str(tmp_path / "none.ply")],
        [str(tmp_path / "room.ply"), "--port", "70000"],
    ):
        assert main(["scene", "view", *words]) == 2
        said = capsys.readouterr().err
        assert said.startswith("relook: Expected")
        assert said.count("\n") == 1
