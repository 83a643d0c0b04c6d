"""The pictures of docs/studio.md: a studio with the photographs that Relook ships, driven in Debian's Chromium.

    RELOOK_MODELS=FOLDER python tools/studio_screens.py docs/ [picture regions layout walk phone]

Writes studio-*.png, of at most 150 kB each; some of them where they are named.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

MOST, WIDTH = 150_000, 960
"""Bytes of a picture, and its pixels across."""
NAMES = ("picture", "regions", "layout", "walk", "phone")
LOOKS = files("relook.present") / "photographs"


def main(out: Path, *names: str) -> None:
    with TemporaryDirectory() as folder:
        os.environ |= {"GRADIO_TEMP_DIR": f"{folder}/.uploads", "GRADIO_ANALYTICS_ENABLED": "False"}
        from playwright.sync_api import sync_playwright

        from relook.present.studio.server import Server
        from relook.present.studio.work import Studio

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        studio = Studio(Path(folder), "cpu")
        with Server(studio, port=port) as server, sync_playwright() as held:
            browser = held.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(300_000)
            page.goto(server.url)
            page.wait_for_url("**project=**")
            shots(page, out, Path(folder), names or NAMES)


def shots(page: Any, out: Path, folder: Path, names: Sequence[str]) -> None:
    """Every screen, in the order of the work."""
    for role in ("structure", "style"):
        page.set_input_files(f"#{role} input[type=file]", str(LOOKS / f"{role}.jpg"))
        page.wait_for_selector(f"#{role} img")
    page.get_by_text("Done.").wait_for()
    page.locator("#things label").first.click()
    page.wait_for_selector("#choice")
    for name in (name for name in NAMES if name in names):
        match name:
            case "regions":
                opened(page, "Regions", "#overlay img")
            case "layout":
                opened(page, "Layout", "#room svg")
            case "walk":
                walk(page, folder)
            case "phone":
                page.set_viewport_size({"width": 390, "height": 844})
                page.evaluate("document.body.classList.add('dark')")
                opened(page, "Picture", "#slider img")
        shot(page, out, name)


def walk(page: Any, folder: Path) -> None:
    """A walk of three frames: the room seen through a window that moves."""
    from relook.io import open_video, read_image

    image = read_image(str(LOOKS / "structure.jpg"))
    height, width = image.shape[1], image.shape[2]
    with open_video(folder / "walk.mp4", 6) as video:
        for number in range(3):
            left = number * width // 40
            video.add(image[:, : height // 2 * 2, left : left + width * 9 // 10 // 2 * 2])
    opened(page, "Walk", "#walk")
    page.set_input_files("#walk input[type=file]", folder / "walk.mp4")
    page.wait_for_selector("#walk a[download]")
    page.wait_for_function("document.querySelector('#walk-command').innerText.includes('source.mp4')")
    page.click("#walk-go")
    page.locator("#walk-film:visible").wait_for()
    page.wait_for_timeout(1000)


def opened(page: Any, title: str, waited: str) -> None:
    page.get_by_role("tab", name=title, exact=True).click()
    page.wait_for_selector(waited)
    page.wait_for_timeout(500)


def shot(page: Any, out: Path, name: str) -> None:
    """What the window shows, as large as there is space for."""
    with Image.open(BytesIO(page.screenshot())) as taken:
        picture = taken.convert("RGB")
    for across in (WIDTH, 800, 720, 640):
        width = min(across, picture.width)
        small = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        held = BytesIO()
        small.quantize(256, Image.Quantize.MAXCOVERAGE, 3, dither=Image.Dither.NONE).save(held, "PNG", optimize=True)
        if held.tell() <= MOST:
            break
    (out / f"studio-{name}.png").write_bytes(held.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
