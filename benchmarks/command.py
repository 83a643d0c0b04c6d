"""What a user waits for: the command line as whole processes, started anew every time.

    python benchmarks/command.py ROOM.jpg LOOK.jpg --repeats 5

The two small networks must be here (`relook models pull ade20k fastdepth`), or the whole picture counts as one region.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common import parser, rounds, say, table, where


def commands(room: Path, look: Path, folder: Path) -> dict[str, list[str]]:
    """What is timed, by name."""
    photo = ["photo", str(room), "--style", str(look), "--out", str(folder / "new.png")]
    return {
        "relook --help": ["--help"],
        "relook photo, a file that is not there": ["photo", str(folder / "absent.jpg"), *photo[2:]],
        "relook photo (palette)": photo,
        "relook perceive": ["perceive", str(room), "--out", str(folder / "seen")],
    }


def run(words: Sequence[str]) -> int:
    """One command in a process of its own; its exit status."""
    return subprocess.run(
        [sys.executable, "-m", "relook.present.cli", *words], capture_output=True, check=False
    ).returncode


def main() -> None:
    """Time every command, one after another in every round."""
    options = parser(__doc__ or "", repeats=5)
    options.add_argument("room", type=Path)
    options.add_argument("look", type=Path)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wanted = commands(asked.room, asked.look, Path(folder))
        found = rounds({name: partial(run, words) for name, words in wanted.items()}, asked.repeats)
    rows = [[name, f"{one.seconds:.2f}", str(one.answer)] for name, one in found.items()]
    lead = f"Whole processes, wall time, medians of {asked.repeats}, {where('cpu', asked.threads)}"
    say(f"{lead}\n\n{table(['command', 'seconds', 'exit status'], rows)}", asked.out)


if __name__ == "__main__":
    main()
