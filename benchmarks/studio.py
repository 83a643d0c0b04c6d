"""What a designer waits for: from the start of `relook studio` to its page, from two dropped pictures to the preview and to the full picture.

    RELOOK_MODELS=FOLDER python benchmarks/studio.py ROOM.jpg LOOK.jpg --repeats 3 --choosing 5

Every round is a process of its own with a folder of its own, seen in Debian's Chromium by playwright. The page is there when its project has a
name; the preview and the picture when the slider shows them. --choosing: seconds before each drop, in which a person would look for the picture.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    options.add_argument("--choosing", type=float, default=0.0)
    chosen = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every round compiles all that it imports
    with sync_playwright() as held:
        browser = held.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        found = [once(browser, *chosen.pictures, chosen.choosing) for _ in range(chosen.repeats)]
    rows = [(step, *(_said(values) for values in zip(*(one[step] for one in found), strict=True))) for step in STEPS]
    title = f"Median of {len(found)} (all), {chosen.choosing:g} s before each drop; {where('cpu', chosen.threads)}"
    say(f"{title}\n\n" + table(("step", "seconds", "of the cores"), rows), chosen.out)


def _said(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({' '.join(f'{value:.1f}' for value in values)})"


@dataclass
class Studio:
    """One that runs in a process of its own, and when something was seen of it."""

    url: str
    process: int
    clock: tuple[float, float] = (0.0, 0.0)

    def lap(self) -> tuple[float, float]:
        """Seconds since the last lap, and those of its cores, as Linux counts them."""
        spent = sum(map(int, Path(f"/proc/{self.process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        before, self.clock = self.clock, (time.perf_counter(), spent / os.sysconf("SC_CLK_TCK"))
        return self.clock[0] - before[0], self.clock[1] - before[1]


def once(browser: Any, room: Path, look: Path, choosing: float) -> dict[str, tuple[float, float]]:
    """One round: seconds of every step, and those of the studio's cores."""
    with TemporaryDirectory() as folder, running(Path(folder)) as studio:
        page = browser.new_page()
        page.set_default_timeout(300_000)
        page.goto(studio.url)
        page.wait_for_url("**project=**")
        there = studio.lap()
        page.wait_for_timeout(1000 * choosing)
        page.set_input_files("#structure input[type=file]", room)
        page.wait_for_selector("#structure img")
        page.wait_for_timeout(1000 * choosing)
        page.set_input_files("#style input[type=file]", look)
        studio.lap()
        shown(page, "preview", "full size")  # small pictures are whole before a page asks for their preview
        preview = studio.lap()
        shown(page, "full size")
        rest = studio.lap()
        page.get_by_role("button", name="Options").click()
        page.get_by_role("button", name="Most used").click()
        number = page.get_by_label("number input for strength")
        number.wait_for()
        studio.lap()
        number.fill("0.5")
        number.blur()
        shown(page, "preview")
        live = studio.lap()
        page.close()
    full = (preview[0] + rest[0], preview[1] + rest[1])
    return dict(zip(STEPS, (there, preview, full, live), strict=True))


def shown(page: Page, *words: str) -> None:
    """Wait until the slider shows what its label says in one of these ways."""
    page.locator("#slider label", has_text=re.compile("|".join(words))).wait_for()
    page.wait_for_selector("#slider img")


@contextmanager
def running(folder: Path) -> Iterator[Studio]:
    """A studio in a process of its own, once it answers; its clock began with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["studio", "--projects", str(folder), "--port", str(port), "--no-browser"]
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", RUN, *words], stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except URLError:
                time.sleep(0.05)
        yield Studio(f"http://127.0.0.1:{port}/", process.pid, (began, 0.0))
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main()
