"""Finding models by hub id or path: a folder, $RELOOK_MODELS, the hub's cache, or the hub, in that order; loading is elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from relook.errors import InputError, MissingModelError
from relook.models.registry import FOLDER_VARIABLE

PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Files of a checkpoint that are fetched from the hub: never a pickle."""


def is_hub_id(name: str) -> bool:
    """Whether a name looks like `owner/name` of the hub, rather than a path."""
    owner, slash, model = name.partition("/")
    return bool(owner and slash and model) and "/" not in model and not name.startswith((".", "/", "~"))


def is_checkpoint(name: str) -> bool:
    """Whether a name is an existing folder, or looks like a hub id `owner/name`."""
    return Path(name).expanduser().is_dir() or is_hub_id(name)


def is_here(name: str) -> bool:
    """Whether a checkpoint can be loaded without the network."""
    if _on_disk(name) is not None:
        return True
    cached = _cached(name, PATTERNS) if is_hub_id(name) else None
    return cached is not None and (cached / "config.json").is_file()


def checkpoint(name: str, what: str, note: str = "") -> Path:
    """Folder of a checkpoint: that path, the same name under $RELOOK_MODELS, the hub's cache, or else the hub.

    what: the kind of model, and note: size and licence, for the sentence of the errors: MissingModelError when it is nowhere to be
    found, InputError when the name is neither a folder with config.json nor a hub id.
    """
    found = _on_disk(name)
    if found is not None:
        return found
    if Path(name).expanduser().is_dir() or not is_hub_id(name):
        raise InputError(
            f"Expected {what} as a hub id owner/name or a folder with config.json, got {name!r}; name such a model."
        )
    cached = _cached(name, PATTERNS)
    if cached is not None and (cached / "config.json").is_file():
        return cached
    return _fetched(name, PATTERNS, what, note)


def snapshot(repository: str, patterns: Sequence[str], what: str = "", note: str = "") -> Path:
    """The files of a hub repository that fit the patterns, out of the hub's cache or else fetched. Raises MissingModelError."""
    return _cached(repository, patterns) or _fetched(repository, patterns, what, note)


def under_models(name: str) -> Path | None:
    """The folder of that name under $RELOOK_MODELS, if there is one."""
    root = os.environ.get(FOLDER_VARIABLE)
    place = Path(root) / name if root else None
    return place if place is not None and place.is_dir() else None


def _on_disk(name: str) -> Path | None:
    """A folder with config.json at the path `name`, or (where that is no folder) under $RELOOK_MODELS."""
    place: Path | None = Path(name).expanduser()
    if place is not None and not place.is_dir():
        place = under_models(name)
    return place if place is not None and (place / "config.json").is_file() else None


def _cached(repository: str, patterns: Sequence[str]) -> Path | None:
    """The snapshot of a repository in the hub's cache; None if it is not there, or no id that the hub could have."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(patterns), local_files_only=True))
    except (OSError, ValueError):
        return None


def _fetched(repository: str, patterns: Sequence[str], what: str, note: str) -> Path:
    """The snapshot of a repository, fetched from the hub."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(patterns)))
    except Exception as error:  # no network, no such id, a gate, a full disk: whatever the hub's client raises
        known = f" ({note})" if note else ""
        raise MissingModelError(
            f"Expected {what + ' ' if what else ''}{repository}{known} in the hub's cache or on the hub, got {type(error).__name__}; "
            f"get it with `hf download {repository}` or name a local folder."
        ) from error
