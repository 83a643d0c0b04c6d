"""Pairs of the user's own: a folder of structures and a folder of styles, all with all or as pairs.csv says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relook.errors import InputError
from relook.evaluate.sources.disk import PAIRS, Case, OnDisk, Shot, pictures, read_pairs

STRUCTURES, STYLES = "structures", "styles"
"""Folders of the pictures."""
SEGMENTS, DEPTHS = "segments.png", ("depth.npz", "depth.npy", "depth.png")
"""Maps of a picture in the folder that has its name, as `relook perceive structures/NAME.jpg --out structures/NAME` writes them; the first
depth that is there counts."""


@dataclass(frozen=True)
class Folder(OnDisk):
    """DIR/structures/*, DIR/styles/* and perhaps DIR/pairs.csv; docs/evaluate.md has an example."""

    def listing(self) -> Sequence[Case]:
        """The pairs of pairs.csv, or every structure with every style. Raises InputError where the folder does not have the layout."""
        if not self.path.is_dir():
            raise InputError(
                f"Expected a folder at {self.path}, got none; name one with {STRUCTURES} and {STYLES} in it."
            )
        structures, styles = (_shots(self.path / name) for name in (STRUCTURES, STYLES))
        if not (self.path / PAIRS).is_file():
            return [Case(f"{a}--{b}", shot, style) for a, shot in structures.items() for b, style in styles.items()]
        return self._listed(structures, styles)

    def _listed(self, structures: Mapping[str, Shot], styles: Mapping[str, Shot]) -> list[Case]:
        """The pairs of pairs.csv."""
        path, cases = self.path / PAIRS, []
        named: dict[tuple[str, str], int] = {}
        for number, cells in read_pairs(path, ("structure", "style"), ("prompt", "exact")):
            place = f"line {number} of {path}"
            a = _find(cells["structure"], structures, STRUCTURES, place)
            b = _find(cells["style"], styles, STYLES, place)
            if (a, b) in named:
                raise InputError(f"Expected every pair once, got {place} as line {named[a, b]}; remove one.")
            named[a, b] = number
            exact = self.path / cells["exact"] if cells.get("exact") else None
            if exact is not None and not exact.is_file():
                raise InputError(
                    f"Expected the picture of an answer at {exact}, got none ({place}); give its path from {self.path}."
                )
            cases.append(Case(f"{a}--{b}", structures[a], styles[b], cells.get("prompt", ""), exact))
        return cases


def _shots(folder: Path) -> dict[str, Shot]:
    """The pictures of a folder by their names without endings, in natural order, with the maps that lie beside them."""
    found: dict[str, Shot] = {}
    for file in pictures(folder):
        if file.stem in found:
            raise InputError(
                f"Expected pictures of different names in {folder}, got {found[file.stem].image.name} and {file.name}; rename one."
            )
        maps = file.with_suffix("")
        depth = next((maps / name for name in DEPTHS if (maps / name).is_file()), None)
        found[file.stem] = Shot(file, maps / SEGMENTS if (maps / SEGMENTS).is_file() else None, depth)
    return found


def _find(name: str, shots: Mapping[str, Shot], folder: str, place: str) -> str:
    """The name without ending of the picture called `name`, with or without its ending."""
    for stem, shot in shots.items():
        if name == shot.image.name:
            return stem
    if name in shots:
        return name
    raise InputError(
        f"Expected the name of a picture in {folder}/, got {name!r} in {place}; there are {', '.join(shots)}."
    )
