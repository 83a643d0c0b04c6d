"""Where the presets of a method differ, field by field, from the numbers themselves: the tables of docs/presets.md.

    python benchmarks/presets.py [--out FILE.md]

A field is a row of a method's table where `released`, `paper` and Relook's own presets do not all have the same value.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from common import say, table

from relook.transfer.presets import PRESETS, UNTUNED
from relook.transfer.settings import Denoising, FreeU, Preset, Steps, Swap

METHODS = ("cross-image-attention", "eye-for-an-eye", "restyle3d")
"""Those whose code has been reproduced."""
START, END = "<!-- presets: begin -->", "<!-- presets: end -->"
"""Between these lines of docs/presets.md stands what this prints."""


def columns(method: str) -> Mapping[str, Preset]:
    """Presets by the heading of their column."""
    known = PRESETS[method]
    return {
        "released": known["released"], "paper": known["paper"], "relook": known["relook"],
        "relook, families that nothing was tuned on": UNTUNED[method],
    }  # fmt: skip


def worded(value: object) -> str:
    """A setting as one reads it."""
    if isinstance(value, Steps):
        every = "" if value.every == 1 else f", every {value.every}"
        return f"steps {value.first} to {value.last}{every}"
    if isinstance(value, Swap):
        levels = ", ".join(f"{level:g}" for level in value.levels) or "all"
        return f"levels {levels}: {worded(value.window)}"
    if isinstance(value, FreeU):
        backbone, low = (" and ".join(f"{factor:g}" for factor in factors) for factors in (value.backbone, value.low))
        return f"at {value.where}: backbone {backbone}, low frequencies {low}"
    if isinstance(value, tuple) and all(isinstance(part, float) for part in value):
        return " to ".join(f"{part:g}" for part in value)
    if isinstance(value, tuple):
        return "; ".join(worded(part) for part in value) or "never"
    if isinstance(value, bool) or value is None:
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else f"{value}"


def differences(method: str) -> str:
    """A method's table."""
    presets = columns(method)
    rows = []
    for field in fields(Denoising):
        values = [worded(getattr(preset.denoising, field.name)) for preset in presets.values()]
        if len(set(values)) > 1:
            rows.append((f"`{field.name}`", *values))
    finishes = ["yes" if preset.finish != Preset().finish else "no" for preset in presets.values()]
    return f"### {method}\n\n{table(('setting', *presets), [*rows, ('finish', *finishes)])}"


def tables() -> str:
    """All of them, in markdown."""
    return "\n\n".join(differences(method) for method in METHODS)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, help="also write it there")
    say(tables(), options.parse_args().out)


if __name__ == "__main__":
    main()
