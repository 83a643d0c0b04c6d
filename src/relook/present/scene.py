"""`relook scene fit`: rooms as 3D Gaussians on the command line.

A command is a dataclass of its options and a function from it to an exit code, entered in COMMANDS and SHORT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from relook.present.arguments import one_of, parse
from relook.present.scene_fit import FitScene, fit_scene
from relook.present.terminal import OUT

SHORT = """usage: relook scene fit CAPTURE --out SCENE.ply

  fit       a capture as a scene of Gaussians

relook scene COMMAND --help lists a command's options."""
COMMANDS: Mapping[str, tuple[type, Callable[[Any], int]]] = {"fit": (FitScene, fit_scene)}
"""Options and function of each command."""


def main(words: Sequence[str]) -> int:
    """Run one command of `relook scene`. Raises RelookError for the user to mend."""
    if not words or words[0] in ("-h", "--help"):
        OUT.print(SHORT, markup=False)
        return 0
    options, run = COMMANDS[one_of(COMMANDS, words[0], "command of relook scene")]
    return run(parse(options, f"relook scene {words[0]}", words[1:]))
