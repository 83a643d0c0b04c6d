"""What we write opens the same in another program: files of Gaussians in Spark (three.js), in a real browser, against our own rendering.

Skipped unless RELOOK_SPARK names a folder node_modules with @sparkjsdev/spark and three (npm install @sparkjsdev/spark@2.2.0 three).
"""

from __future__ import annotations

import io
import json
import math
import os
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from boxes import box_room
from browsers import CHROMIUM, page_at
from relook.captures import camera_for
from relook.config import PhotoConfig, RestyleConfig
from relook.files import write_json
from relook.gaussians import Gaussians
from relook.io import read_gaussians, write_gaussians, write_image
from relook.lift.restyled import restyle_scene
from relook.lift.scene.saving import record_of, with_cameras
from relook.ops.poses import looking
from relook.ops.splats import render

MODULES = Path(os.environ.get("RELOOK_SPARK", "nowhere"))
if not (MODULES / "@sparkjsdev" / "spark").is_dir():
    pytest.skip("needs Spark, a renderer of npm: RELOOK_SPARK names no node_modules with it", allow_module_level=True)
if CHROMIUM is None:
    pytest.skip("needs a browser, and no chromium is installed (apt install chromium)", allow_module_level=True)
pytest.importorskip("playwright", reason="needs playwright to drive the browser")

SIZE, FOV = (240, 320), 55.0
SAME = {"sortRadial": False, "maxStdDev": 3.4, "minAlpha": 1 / 255, "blurAmount": 0.3, "preBlurAmount": 0.0}
"""Our conventions in Spark's words: sorted by depth, cut where a Gaussian is fainter than 1/255, dilated by 0.3 with opacity corrected."""
SHOTS = Path(os.environ["RELOOK_SHOTS"]) if "RELOOK_SHOTS" in os.environ else None
CAMERA = looking(
    camera_for(SIZE, FOV).K, torch.tensor([-0.9, -0.7, 1.5]), torch.tensor([1.0, 0.8, -0.35]), torch.tensor([0.0, 0.0, 1.0])
)  # fmt: skip


def room(degree: int) -> Gaussians:
    """The box, speckled, some of it transparent, its sheets turned a little; beyond degree 0 shining."""
    draw, scene = torch.Generator().manual_seed(3), box_room()
    speckled = scene.coloured((scene.colours + 0.3 * torch.randn(len(scene), 3, generator=draw)).clamp(0, 1))
    quats = torch.nn.functional.normalize(scene.quats + 0.1 * torch.randn(len(scene), 4, generator=draw), dim=1)
    opacities = 0.3 + 0.65 * torch.rand(len(scene), generator=draw)
    rest = 0.12 * torch.randn(len(scene), (degree + 1) ** 2 - 1, 3, generator=draw)
    return replace(speckled, quats=quats, opacities=opacities, sh=torch.cat([speckled.sh, rest], 1))


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}

    def log_message(self, *said: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder that is served on this machine, with the page and the modules that it needs; and its address."""
    folder = tmp_path_factory.mktemp("spark")
    (folder / "modules").symlink_to(MODULES.resolve())
    (folder / "index.html").write_bytes((Path(__file__).parent / "fixtures" / "spark.html").read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "degree"),
    [("a.ply", 0), ("a.compressed.ply", 0), ("a.spz", 0), ("a.splat", 0), ("b.ply", 3), ("b.spz", 3)],
)
def test_another_renderer_shows_what_we_wrote(name: str, degree: int, served: tuple[Path, str]) -> None:
    scene = room(degree)
    write_gaussians(served[0] / name, scene)
    assert _agreement(name, scene, served[1]) >= 35


@pytest.mark.parametrize(("name", "degree"), [("new.ply", 0), ("new.spz", 0), ("deep.ply", 3)])
def test_another_renderer_shows_a_scene_in_its_new_look(name: str, degree: int, served: tuple[Path, str]) -> None:
    """The file that `relook scene restyle` writes, of a picture's colours and with what is left of the view dependence."""
    folder, old = served[0], room(degree)
    write_gaussians(folder / "old.ply", old)
    write_json(record_of(folder / "old.ply"), with_cameras({}, [CAMERA], SIZE))
    look = torch.tensor([0.1, 0.3, 0.8])[:, None, None] * torch.linspace(0.4, 1.2, 64)[None, :, None].expand(3, 64, 64)
    write_image(folder / "look.png", look)
    photo = PhotoConfig(segmenter="whole", depth_estimator="none")
    restyle_scene(
        folder / "old.ply", folder / "look.png", folder / name, RestyleConfig(photo=photo, size=64, key_views=1)
    )
    new = read_gaussians(folder / name)
    assert _psnr(render(new, CAMERA, SIZE), render(old, CAMERA, SIZE)) < 20
    assert _agreement(name, new, served[1]) >= 35


def _agreement(name: str, scene: Gaussians, url: str) -> float:
    """dB between a file's page, at the best of three moments, and our own rendering of what it holds."""
    columns = torch.linalg.inv(CAMERA.world_to_camera.double()) * torch.tensor([1.0, -1.0, -1.0, 1.0])
    ask = {
        "file": name, "width": SIZE[1], "height": SIZE[0], "fov": FOV, "matrix": columns.T.flatten().tolist(), "spark": SAME,
    }  # fmt: skip
    with page_at(f"{url}#{urllib.parse.quote(json.dumps(ask))}", SIZE[1], SIZE[0]) as page:
        page.wait_for_function("document.title.startsWith('shown')")
        return max(_shot(page, name, scene) for _ in range(3))


def _shot(page: Any, name: str, scene: Gaussians) -> float:
    """dB between the page, a moment later, and our own rendering."""
    page.wait_for_timeout(500)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    if SHOTS is not None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        shot.save(SHOTS / f"spark-{name}.png")
    psnr = _psnr(torch.from_numpy(np.array(shot) / 255).permute(2, 0, 1), render(scene, CAMERA, SIZE))
    print(f"{name}: {psnr:.1f} dB")  # noqa: T201  what docs/scenes.md states
    return psnr


def _psnr(one: Tensor, other: Tensor) -> float:
    """dB between pictures within [0, 1]."""
    return -10 * math.log10(float((one - other.clamp(0, 1)).square().mean()))
