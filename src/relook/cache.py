"""Results on disk, by a key that hashes the content, the configuration, the weights' revision and Relook's own code."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from relook.errors import InputError
from relook.files import read_json, write_json


def key(*parts: Any) -> str:
    """Hexadecimal SHA-256 of the code and of parts: tensors by shape, type and bytes; everything else as JSON."""
    digest = hashlib.sha256(code_revision().encode())
    for part in parts:
        digest.update(
            b"\0" + (_tensor_bytes(part) if hasattr(part, "detach") else json.dumps(part, sort_keys=True).encode())
        )
    return digest.hexdigest()


@lru_cache(1)
def code_revision() -> str:
    """SHA-256 of the package's Python files: results of other code are never taken for this one's."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
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
