"""`relook train WHAT`: one subcommand per family that can be trained here."""

from __future__ import annotations

from collections.abc import Sequence

import tyro
from rich.console import Console

from relook.errors import InputError
from relook.training.dollhouse import TrainDollhouse, train_dollhouse


def main(words: Sequence[str]) -> int:
    """Parse the words after `relook train` and run; returns the exit code. Raises InputError for an unknown subject."""
    if not words or words[0] in ("-h", "--help"):
        Console().print("relook train dollhouse [--help]: the embedded family, on the dollhouse world")
        return 0
    if words[0] != "dollhouse":
        raise InputError(f"Expected `relook train dollhouse`, got {words[0]!r}; it is what can be trained here.")
    folder = train_dollhouse(tyro.cli(TrainDollhouse, prog="relook train dollhouse", args=list(words[1:])))
    Console(highlight=False).print(f"{folder}")
    return 0
