"""Every checkpoint that Relook can get, as data: what it is, its revision or hash, licence, size, memory and source (catalogue.json).

An entry is one file of weights, or a repository of the hub; a bundle is a name for several. `relook.models.store` finds and fetches them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relook.errors import InputError

TRANSFORMERS = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Files of a transformers checkpoint that are fetched from the hub: never a pickle."""

SEGMENTER_ORDER = ("eomt-ade20k", "oneformer-ade20k", "ade20k", "layout")
"""What finds regions where nobody names a segmenter, best first: the first that is here."""


@dataclass(frozen=True)
class Checkpoint:
    """One thing that can be had: a file by its URL, or the files of a hub repository."""

    name: str
    """How Relook calls it."""
    task: str
    """What kind of thing it is."""
    purpose: str = ""
    """What it is for."""
    licence: str = ""
    """SPDX identifiers (LicenseRef-... where SPDX has none)."""
    size: int = 0
    """Bytes of what is fetched; 0 where nobody knows."""
    vram: float = 0.0
    """Gigabytes that it needs on a GPU in half precision, an estimate."""
    numbers: str = ""
    """Where the revision, the sizes and the memory are from."""
    licence_url: str = ""
    commercial: bool = True
    """Whether the licence allows commercial use; a checkpoint that does not is never a default."""
    role: str = ""
    """Where its name can be used: family, segmenter, depth, labeller, matcher, descriptor."""
    along: tuple[str, ...] = ()
    """Names that are pulled along with it."""
    warning: str = ""
    """What one should know before pulling it."""

    file: str = ""
    """A single file: its name in the folder of models."""
    sha256: str = ""
    """Hash of a single file's content; another file is refused."""
    source: str = ""
    """Page that a single file comes from."""
    url: str = ""
    """Where a single file is fetched; empty if it cannot be."""
    obtain: str = ""
    """Why there is no URL, and what to do instead."""

    repository: str = ""
    """Hub id owner/name."""
    revision: str | None = None
    """Pinned commit of the repository, or None."""
    unpinned: str = ""
    """Why there is no pinned commit."""
    patterns: tuple[str, ...] = TRANSFORMERS
    """Files of the repository that are fetched."""
    needs: tuple[str, ...] = ("config.json", "*.safetensors")
    """Patterns that each must fit a file before the repository counts as there."""
    half: int = 0
    """Bytes where the repository has its weights in fp16 too (*.fp16.safetensors); 0 if it has not."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Known SHA-256 of files of the repository."""

    control: str = ""
    """A family's depth ControlNet, by its name in the catalogue."""
    autoencoder: str = ""
    """What takes the place of a family's own autoencoder, by its name in the catalogue."""
    tiny_decoder: str = ""
    """The tiny decoder for a family's latents, by its name in the catalogue."""

    @property
    def facts(self) -> str:
        """Size and licence, for messages."""
        return f"{readable(self.size)}, {self.licence}" + ("" if self.commercial else ": not for commercial use")

    @property
    def place(self) -> str:
        """Where it lies, relative to a folder of models."""
        return self.file or self.repository


def readable(size: int | float) -> str:
    """Bytes as people say them: 5.8 MB, 99 MB, 1.4 GB."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size < 1e7 else f"{size / 1e6:.0f} MB"


def _read() -> tuple[dict[str, Checkpoint], dict[str, Sequence[str]]]:
    """Entries and bundles of catalogue.json by name."""
    text = (Path(__file__).parent / "catalogue.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    for one in data["checkpoints"]:
        one.update({key: tuple(one[key]) for key in ("along", "patterns", "needs") if key in one})
    return {one["name"]: Checkpoint(**one) for one in data["checkpoints"]}, data["bundles"]


CATALOGUE: Mapping[str, Checkpoint]
"""Every checkpoint by name."""
BUNDLES: Mapping[str, Sequence[str]]
"""Names of several checkpoints by one name."""
CATALOGUE, BUNDLES = _read()


def entry(name: str) -> Checkpoint:
    """The checkpoint called `name`, or the first one of the hub repository `name`. Raises InputError for another."""
    found = known(name)
    if found is None:
        raise InputError(f"Expected a model out of {', '.join(CATALOGUE)}, got {name!r}; choose one of them.")
    return found


def known(name: str) -> Checkpoint | None:
    """The checkpoint of that name or hub id, if the catalogue has one."""
    return CATALOGUE.get(name) or next(
        (one for one in CATALOGUE.values() if one.repository and one.repository == name), None
    )


def entries(names: Sequence[str], *, alone: bool = False) -> list[Checkpoint]:
    """The checkpoints of these names and bundles, each followed by what goes along with it (not if `alone`); none twice."""
    found: dict[str, Checkpoint] = {}
    for name in names:
        for one in map(entry, BUNDLES.get(name, (name,))):
            if one.name not in found:
                found[one.name] = one
                companions = () if alone else entries(one.along)
                found |= {other.name: other for other in companions if other.name not in found}
    return list(found.values())


def is_hub_id(name: str) -> bool:
    """Whether a name looks like `owner/name` of the hub, rather than a path."""
    owner, slash, model = name.partition("/")
    return bool(owner and slash and model) and "/" not in model and not name.startswith((".", "/", "~"))
