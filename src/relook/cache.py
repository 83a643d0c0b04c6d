"""Results on disk, by a key that hashes the content, the configuration, the weights' revision and Relook's own code."""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from relook.errors import InputError
from relook.files import read_json, write_json


def home() -> Path:
    """The folder of what Relook keeps for a user's later runs: relook in $XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "relook"


def key(*parts: Any, modules: tuple[str, ...] = ("",)) -> str:
    """Hexadecimal SHA-256 of the code and of parts: tensors by shape, type and bytes; everything else as JSON.

    modules: files and folders of the package that the result depends on; all of it by default.
    """
    digest = hashlib.sha256(code_revision(modules).encode())
    for part in parts:
        digest.update(
            b"\0" + (_tensor_bytes(part) if hasattr(part, "detach") else json.dumps(part, sort_keys=True).encode())
        )
    return digest.hexdigest()


@lru_cache
def code_revision(modules: tuple[str, ...] = ("",)) -> str:
    """SHA-256 of the package's Python files, or of some modules: results of other code are never taken for this one's."""
    digest, package = hashlib.sha256(), Path(__file__).parent
    for place in (package / module for module in modules):
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def recall(path: Path, key: str) -> Any | None:
    """What `remember` stored at `path` under this key, or None."""
    try:
        stored = read_json(path)
    except InputError:
        return None
    return stored["value"] if isinstance(stored, dict) and stored.get("key") == key else None


def remember(path: Path, key: str, value: Any) -> None:
    """Store a JSON value at `path`, whole or not at all."""
    write_json(path, {"key": key, "value": value})


def _tensor_bytes(tensor: Any) -> bytes:
    array = tensor.detach().cpu().contiguous().numpy()
    return f"{array.shape}{array.dtype}".encode() + array.tobytes()
