"""The record beside every result: what went in, how it was made, and with which weights; enough to make it again.

{"relook": version, "inputs": {"structure": {"path", "sha256"}, ...}, "configuration": {...}, "weights": {"family": revision, ...},
 "timings": {"read": seconds, ...}, "machine": {"python", "torch", "device"}, "output": {"path", "sha256"}}
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import relook
from relook.config import PhotoConfig
from relook.errors import InputError, RecordError
from relook.files import read_json, sha256


@dataclass
class Clock:
    """Seconds spent per named part of a run."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block's time under `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 4)


def make_record(
    pictures: Mapping[str, Any],
    config: PhotoConfig,
    *,
    weights: Mapping[str, str],
    timings: Mapping[str, float],
    preset: Any = None,
) -> dict[str, Any]:
    """The record of a run. pictures: by name (`structure`, `style`, `style 2`, ...) paths, or pictures in memory (recorded by content only).

    preset: a dataclass that stood in place of the configuration's; recorded whole, so that it can be repeated.
    """
    import torch

    named = dict(pictures) | config.files()
    return {
        "relook": relook.__version__,
        "inputs": {name: _input(value) for name, value in named.items()},
        "configuration": config.as_json(),
        **({} if preset is None else {"preset": asdict(preset)}),
        "weights": dict(weights),
        "timings": dict(timings),
        "machine": {"python": platform.python_version(), "torch": torch.__version__, "device": config.device},
    }


def read_record(path: str | Path) -> dict[str, Any]:
    """Read a record; RecordError if it is not one, or if an input is gone or has changed since."""
    record = read_json(path)
    if not isinstance(record, dict) or not {"relook", "inputs", "configuration", "weights"} <= set(record):
        raise RecordError(
            f"Expected a record written by relook photo at {path}, got something else; name the JSON beside a result."
        )
    for name, entry in record["inputs"].items():
        if entry.get("path") is None:
            raise RecordError(f"Expected files as inputs, got a {name} that was in memory; repeat it from Python.")
        try:
            same = sha256(entry["path"]) == entry["sha256"]
        except InputError as error:
            raise RecordError(f"Expected the {name} at {entry['path']}, got no file; put it back.") from error
        if not same:
            raise RecordError(
                f"Expected the {name} {entry['path']} as it was, got other content; put the recorded file back."
            )
    return record


def check_weights(record: Mapping[str, Any], weights: Mapping[str, str]) -> None:
    """RecordError unless the weights at hand are those of the record; an empty record asks for nothing."""
    if not record:
        return
    for name in sorted(set(record["weights"]) | set(weights)):
        before, now = record["weights"].get(name), weights.get(name)
        if before != now:
            raise RecordError(
                f"Expected {name} weights of revision {before or 'none'}, got {now or 'none'}; install the recorded ones."
            )


def _input(value: Any) -> dict[str, str | None]:
    """Where an input was and what it held."""
    if isinstance(value, str | Path):
        return {"path": str(Path(value).resolve()), "sha256": sha256(value)}
    return {
        "path": None,
        "sha256": hashlib.sha256(value.image.detach().cpu().contiguous().numpy().tobytes()).hexdigest(),
    }
