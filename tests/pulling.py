"""What the tests of pulling share: entries of a registry, and a hub of files."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import errors

from relook.models.registry import Checkpoint

WEIGHTS = bytes(range(256)) * 3000
PIN = "0123456789abcdef0123456789abcdef01234567"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file_entry(url: str, name: str = "tiny", **more: Any) -> Checkpoint:
    facts = {
        "task": "depth",
        "purpose": "tests",
        "licence": "MIT",
        "size": len(WEIGHTS),
        "vram": 0.1,
        "numbers": "made here",
    }
    return Checkpoint(
        **{
            "name": name,
            "file": f"{name}.onnx",
            "sha256": sha(WEIGHTS),
            "url": url,
            "source": "https://a.page",
            **facts,
            **more,
        }
    )


def hub_entry(name: str = "seer", **more: Any) -> Checkpoint:
    facts = {"task": "depth", "purpose": "tests", "licence": "MIT", "size": 4000, "vram": 0.1, "numbers": "made here"}
    return Checkpoint(
        **{"name": name, "repository": f"someone/{name}", "revision": PIN, "role": "depth", **facts, **more}
    )


class FakeHub:
    """Stands in for huggingface_hub.snapshot_download: writes the wanted files of a repository."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.broken: dict[str, BaseException] = {}

    def __call__(
        self,
        repository: str,
        *,
        revision: str = "main",
        allow_patterns: list[str],
        local_dir: str | None = None,
        local_files_only: bool = False,
        tqdm_class: Any = None,
    ) -> str:
        if local_files_only or local_dir is None:
            raise errors.LocalEntryNotFoundError("not in the cache")
        self.asked.append((repository, revision))
        files = {
            name: content
            for name, content in self.repositories[repository].items()
            if any(fnmatch(name, one) for one in allow_patterns)
        }
        bar = tqdm_class(total=sum(map(len, files.values())), unit="B", desc="Downloading bytes")
        for name, content in files.items():
            if name in self.broken:
                raise self.broken[name]
            place = Path(local_dir) / name
            if not place.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            bar.update(len(content))
        (Path(local_dir) / ".cache/huggingface").mkdir(parents=True, exist_ok=True)
        (Path(local_dir) / ".cache/huggingface/notes.json").write_text("{}")
        return local_dir


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def hub_with_seer() -> FakeHub:
    """A hub of one repository, in which a pickle and code lie beside the weights."""
    found = FakeHub()
    found.repositories["someone/seer"] = {
        "config.json": b"{}",
        "model.safetensors": WEIGHTS,
        "pytorch_model.bin": b"pickle",
        "a.py": b"code",
    }
    return found
