"""Every checkpoint that Relook can get: what it is, its revision or hash, licence, size, memory and source, as data (catalogue.json).

An entry is one file of weights, or a repository of the hub. `relook.models.store` fetches, checks and removes them; `relook.models.hub` and
`locate` find them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from relook.errors import InputError, MissingModelError

FOLDER_VARIABLE = "RELOOK_MODELS"
"""Environment variable that names the folder with the checkpoints."""
TRANSFORMERS = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Files of a transformers checkpoint that are fetched from the hub: never a pickle."""


@dataclass(frozen=True)
class Checkpoint:
    """One thing that can be had: a file by its URL, or the files of a hub repository."""

    name: str
    """How Relook calls it."""
    task: str
    """What kind of thing it is."""
    purpose: str
    """What it is for."""
    licence: str
    """SPDX identifiers (LicenseRef-... where SPDX has none)."""
    size: int
    """Bytes of what is fetched."""
    vram: float
    """Gigabytes that it needs on a GPU in half precision, an estimate."""
    numbers: str
    """Where the revision, the sizes and the memory are from."""
    licence_url: str = ""
    commercial: bool = True
    """Whether the licence allows commercial use; a checkpoint that does not is never a default."""
    role: str = ""
    """Where its name can be given: family, segmenter, depth, labeller, matcher, descriptor."""
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
    """Where a single file, or the archive that holds it, is fetched; empty if it cannot be."""
    member: str = ""
    """Name of a single file inside its archive."""
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

    @property
    def megabytes(self) -> str:
        """The size as people say it."""
        return readable(self.size)

    @property
    def facts(self) -> str:
        """Size and licence, for messages."""
        return f"{self.megabytes}, {self.licence}" + ("" if self.commercial else ": not for commercial use")

    @property
    def place(self) -> str:
        """Where it lies, relative to a folder of models."""
        return self.file or self.repository


def readable(size: int | float) -> str:
    """Bytes as people say them: 5.8 MB, 99 MB, 1.4 GB."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size < 1e7 else f"{size / 1e6:.0f} MB"


def _read() -> dict[str, Checkpoint]:
    """The entries of catalogue.json by name."""
    text = (Path(__file__).parent / "catalogue.json").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = json.loads(text)["checkpoints"]
    for one in entries:
        one.update({key: tuple(one[key]) for key in ("along", "patterns", "needs") if key in one})
    return {one["name"]: Checkpoint(**one) for one in entries}


REGISTRY: Mapping[str, Checkpoint] = _read()
"""Every checkpoint by name."""
CHECKPOINTS: Mapping[str, Checkpoint] = {name: entry for name, entry in REGISTRY.items() if entry.file}
"""Those that are single files."""


def entry(name: str) -> Checkpoint:
    """The checkpoint called `name`, or the first one of the hub repository `name`. Raises InputError for another."""
    found = known(name)
    if found is None:
        raise InputError(f"Expected a model out of {', '.join(REGISTRY)}, got {name!r}; choose one of them.")
    return found


def known(name: str) -> Checkpoint | None:
    """The checkpoint of that name or hub id, if the registry has one."""
    return REGISTRY.get(name) or next(
        (one for one in REGISTRY.values() if one.repository and one.repository == name), None
    )


def with_companions(names: tuple[str, ...] | list[str]) -> list[Checkpoint]:
    """The checkpoints of these names, each followed by what is pulled along with it; no checkpoint twice."""
    found: dict[str, Checkpoint] = {}
    for name in names:
        one = entry(name)
        if one.name not in found:
            found[one.name] = one
            found |= {other.name: other for other in with_companions(one.along) if other.name not in found}
    return list(found.values())


def root() -> Path:
    """The folder that models are pulled into: $RELOOK_MODELS, else relook/models in the user's cache ($XDG_CACHE_HOME)."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "relook" / "models"


def roots() -> tuple[Path, ...]:
    """The folders in which models are looked for: $RELOOK_MODELS if it is set, and the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "relook" / "models"
    return tuple(dict.fromkeys((root(), cache)))


def locate(name: str) -> Path:
    """Path of a single file whose content has the registered hash.

    Raises MissingModelError if the file is not there or is another file, InputError for an unknown name.
    """
    if name not in CHECKPOINTS:
        raise InputError(f"Expected a checkpoint out of {', '.join(CHECKPOINTS)}, got {name!r}; choose one of them.")
    checkpoint = CHECKPOINTS[name]
    what = f"{checkpoint.file} ({checkpoint.task}: {checkpoint.purpose}; {checkpoint.megabytes}, {checkpoint.licence})"
    pull = f"get it with `relook models pull {name}`, or " if checkpoint.url else "get it "
    advice = f"{pull}from {checkpoint.source} and set {FOLDER_VARIABLE} to its folder"
    paths = [folder / checkpoint.file for folder in roots()]
    there = [path for path in paths if path.is_file()]
    for path in there:
        if digest(path) == checkpoint.sha256:
            return path
    if there:
        raise MissingModelError(f"Expected {what} at {there[0]}, got a file with another content; {advice}.")
    if FOLDER_VARIABLE not in os.environ:
        raise MissingModelError(f"Expected {what}, got no folder of models that has it; {advice}.")
    raise MissingModelError(f"Expected {what} in {paths[0].parent}, got no such file; {advice}.")


def available(name: str) -> bool:
    """Whether `locate` would find a checkpoint."""
    try:
        locate(name)
    except MissingModelError:
        return False
    return True


def digest(path: Path) -> str:
    """SHA-256 of a file, computed once for each state of it."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=512)
def _digest(path: Path, size: int, changed: int) -> str:
    from relook.files import sha256

    return sha256(path)
