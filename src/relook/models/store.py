"""Where checkpoints lie on this machine: one of the catalogue, a folder, or a repository of the hub.

They lie in plain files in one folder ($RELOOK_MODELS, else the user's cache), repositories at owner/name: so a folder can be carried to a
machine without network. A repository that the hub's own cache already holds is used from there and not fetched again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from relook import cache
from relook.errors import InputError, MissingModelError
from relook.files import sha256
from relook.models import catalogue, fetch
from relook.models.catalogue import Checkpoint, entry, is_hub_id, known

FOLDER_VARIABLE = "RELOOK_MODELS"
"""Environment variable that names the folder with the checkpoints."""


def root() -> Path:
    """The folder that models are pulled into: $RELOOK_MODELS, else relook/models in the user's cache ($XDG_CACHE_HOME)."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder).expanduser() if folder else _users()


def roots() -> tuple[Path, ...]:
    """The folders in which models are looked for: $RELOOK_MODELS if it is set, and the user's cache."""
    return tuple(dict.fromkeys((root(), _users())))


def locate(name: str) -> Path:
    """Where a checkpoint of the catalogue lies on this machine: its file with the known content, or its folder, whole.

    Raises MissingModelError if it is not here or is another file, InputError for an unknown name.
    """
    one = entry(name)
    path = located(one)
    if path is not None:
        return path
    pull = f"get it with `relook models pull {one.name}`"
    if one.repository:
        raise MissingModelError(f"Expected {one.name} ({one.repository}) on this machine, got none; {pull}.")
    what = f"{one.file} ({one.task}: {one.purpose}; {one.facts})"
    advice = f"{pull + ', or' if one.url else 'get it'} from {one.source} and set {FOLDER_VARIABLE} to its folder"
    for folder in roots():
        if (folder / one.file).is_file():
            raise MissingModelError(f"Expected {what} at {folder / one.file}, got another content; {advice}.")
    raise MissingModelError(f"Expected {what} in {root()}, got no such file; {advice}.")


def located(one: Checkpoint) -> Path | None:
    """Where a checkpoint lies whole: in a folder of models, or in the hub's cache; None where it does not."""
    for place in (folder / one.place for folder in roots()):
        if one.file and place.is_file() and digest(place) == one.sha256:
            return place
        if one.repository and _fits(place, one.needs):
            return place
    return _in_hub_cache(one) if is_hub_id(one.repository) else None


def hub_cache() -> Path:
    """The folder of the hub's own cache: $HF_HUB_CACHE, else hub in $HF_HOME, else in the user's cache."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(os.path.expandvars(named or Path(home) / "hub")).expanduser()


def is_here(name: str) -> bool:
    """Whether a checkpoint (a name of the catalogue, a hub id, or a folder with config.json) can be loaded without the network."""
    if (Path(name).expanduser() / "config.json").is_file():
        return True
    return located(known(name) or _unlisted(name)) is not None


def is_checkpoint(name: str, role: str = "") -> bool:
    """Whether a name is an existing folder, looks like a hub id `owner/name`, or is a repository of the catalogue with that role."""
    one = catalogue.CATALOGUE.get(name) if role else None
    listed = one is not None and one.role == role and not one.file
    return listed or is_hub_id(name) or Path(name).expanduser().is_dir()


def find(name: str, what: str) -> Path:
    """The folder of a checkpoint: that path, its repository in a folder of models or the hub's cache, or else fetched from the hub.

    name: a path, a name of the catalogue, or a hub id. what: the kind of model, for messages. Raises InputError when the name is none of
    these, MissingModelError when the model is nowhere to be found.
    """
    path, one = Path(name).expanduser(), known(name) or _unlisted(name)
    if (path / "config.json").is_file():
        return path
    if path.is_dir() or not is_hub_id(one.repository):
        raise InputError(
            f"Expected {what} as a hub id owner/name or a folder with config.json, got {name!r}; name such a model."
        )
    return obtain(one, what)


def obtain(one: Checkpoint, what: str = "") -> Path:
    """The folder of a repository, fetched into the hub's cache where it is not here. Raises MissingModelError."""
    return located(one) or fetch.into_hub_cache(one, what)


def digest(path: Path) -> str:
    """SHA-256 of a file, computed once for each state of it."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


def _unlisted(name: str) -> Checkpoint:
    """What stands for a repository of the hub that the catalogue does not have."""
    return Checkpoint(name, "", repository=name, needs=("config.json",))


def _users() -> Path:
    """The folder of models in the user's cache."""
    return cache.home() / "models"


def _fits(folder: Path, needs: Iterable[str]) -> bool:
    """Whether every pattern fits a file of a folder."""
    return all(any(path.is_file() for path in folder.glob(pattern)) for pattern in needs)


def _in_hub_cache(one: Checkpoint) -> Path | None:
    """The snapshot of a repository in the hub's cache, the pinned one first; None if there is none, or no such id could be.

    The hub's library, half a second's import, is asked only where that cache has something of the repository.
    """
    if not (hub_cache() / f"models--{one.repository.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import snapshot_download

    for revision in dict.fromkeys((one.revision, None)):
        try:
            found = Path(
                snapshot_download(
                    one.repository, revision=revision, allow_patterns=list(one.patterns), local_files_only=True
                )
            )
        except (OSError, ValueError):
            continue
        if _fits(found, one.needs):
            return found
    return None


@lru_cache(maxsize=512)
def _digest(path: Path, size: int, changed: int) -> str:
    return sha256(path)
