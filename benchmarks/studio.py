"""What a designer waits for: from the start of `relook studio` to its page, from two dropped pictures to the preview and to the full picture.

    RELOOK_MODELS=FOLDER python benchmarks/studio.py ROOM.jpg LOOK.jpg --repeats 3

Every round is a process of its own with a folder of its own, seen in Debian's Chromium by playwright. The page is there when its project has a
name; the preview and the picture when the slider shows them.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from common import parser, say, table, where
from playwright.sync_api import Page, sync_playwright

STEPS = ("start to page", "drop to preview", "drop to full picture", "strength to preview")
RUN = "import sys; from relook.present.cli import main; sys.exit(main())"


def main() -> None:
    options = parser(__doc__ or "", repeats=3)
    options.add_argument("pictures", nargs=2, type=Path)
    chosen = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    with sync_playwright() as held:
        browser = held.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        found = [once(browser, *chosen.pictures) for _ in range(chosen.repeats)]
    rows = [
        (name, f"{statistics.median(one[name] for one in found):.1f}", " ".join(f"{one[name]:.1f}" for one in found))
        for name in STEPS
    ]
    say(
        f"Seconds, median of {len(found)}; {where('cpu', chosen.threads)}\n\n" + table(("step", "median", "all"), rows),
        chosen.out,
    )


def once(browser: Any, room: Path, look: Path) -> dict[str, float]:
    """One round."""
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        with running(Path(folder)) as url:
            page = browser.new_page()
            page.set_default_timeout(300_000)
            page.goto(url)
            page.wait_for_url("**project=**")
            there = time.perf_counter()
            page.set_input_files("#structure input[type=file]", room)
            page.wait_for_selector("#structure img")
            page.set_input_files("#style input[type=file]", look)
            dropped = time.perf_counter()
            shown(page, "preview")
            preview = time.perf_counter()
            shown(page, "full size")
            full = time.perf_counter()
            page.get_by_role("button", name="Options").click()
            page.get_by_role("button", name="Most used").click()
            number = page.get_by_label("number input for strength")
            number.wait_for()
            moved = time.perf_counter()
            number.fill("0.5")
            number.blur()
            shown(page, "preview")
            live = time.perf_counter()
            page.close()
    return dict(zip(STEPS, (there - began, preview - dropped, full - dropped, live - moved), strict=True))


def shown(page: Page, words: str) -> None:
    """Wait until the slider shows what its label says."""
    page.locator("#slider label", has_text=words).wait_for()
    page.wait_for_selector("#slider img")


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A studio in a process of its own; its address, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["studio", "--projects", str(folder), "--port", str(port), "--no-browser"]
    process = subprocess.Popen([sys.executable, "-c", RUN, *words], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except URLError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main()
