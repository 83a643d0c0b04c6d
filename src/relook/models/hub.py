"""Folders of models by hub id or path: from the disk, the hub's cache, or the hub, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from relook.errors import InputError, MissingModelError


def is_hub_id(name: str) -> bool:
    """Whether a name looks like `owner/name` of the hub, rather than a path."""
    owner, slash, model = name.partition("/")
    return bool(owner and slash and model) and "/" not in model and not name.startswith((".", "/", "~"))


def is_model(name: str) -> bool:
    """Whether a name is a folder with a config.json, or looks like a hub id."""
    return (Path(name).expanduser() / "config.json").is_file() or is_hub_id(name)


def model_folder(
    name: str, what: str, *, note: str = "", patterns: Sequence[str] = ("*.json", "*.safetensors")
) -> Path:
    """The folder of a model in transformers' layout (config.json, *.safetensors); fetched from the hub if it is not here.

    what: the kind of model, and note: its size and licence, for messages. Pickled weights are never fetched.
    Raises MissingModelError when it is neither here nor on the hub, InputError for a name that is neither a folder nor an id.
    """
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir() or not is_hub_id(name):
        raise InputError(
            f"Expected {what} as a hub id owner/name or a folder with config.json, got {name!r}; name such a model."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=True))
        if (found / "config.json").is_file():
            return found
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except Exception as error:  # no network, no such id, a gate, a full disk: whatever the hub's client raises
        known = f" ({note})" if note else ""
        raise MissingModelError(
            f"Expected {what} {name}{known} in the hub's cache or on the hub, got {type(error).__name__}; "
            f"get it with `hf download {name}` or name a local folder."
        ) from error
