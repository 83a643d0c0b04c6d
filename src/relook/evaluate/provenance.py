"""What a result was measured with: versions, the code, hashes of the weights, the machine, the seed and every setting; run.json."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import relook
from relook import cache
from relook.engine import cores
from relook.errors import InputError
from relook.evaluate.records import RUN
from relook.files import read_json, write_json

PACKAGES = ("numpy", "torch", "diffusers", "transformers")
"""Packages whose versions are kept: numbers can depend on them."""
PATIENCE = 5
"""Seconds that git may take."""


@dataclass(frozen=True)
class Provenance:
    """What a result was measured with."""

    suite: str
    """Name of the suite."""
    relook: str
    """Version of Relook."""
    code: str
    """SHA-256 of Relook's Python files."""
    commit: str | None
    """Git commit of a checkout, with `+` behind it where files of the package were changed since; None for an installed package."""
    python: str
    packages: Mapping[str, str]
    """Versions by name."""
    machine: str
    """Operating system and processor."""
    cores: int
    """Processor cores that the process could use."""
    device: str
    """`cpu`, or the name of the accelerator."""
    date: str
    """When the report was made, UTC, ISO 8601."""
    seed: int | None
    """Seed of the cases."""
    cases: str | None
    """Revision of the cases' content: cases of the same name are the same only where this is. None: not known."""
    settings: Mapping[str, Any]
    """Every option of the suite."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every file of weights, or the revision of a repository, by name."""


def provenance(
    suite: str,
    settings: Any,
    *,
    cases: str | None = None,
    weights: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> Provenance:
    """What is known here and now. settings: a dataclass or a mapping; paths become words."""
    options = json.loads(json.dumps(asdict(settings) if is_dataclass(settings) else settings, default=str))  # type: ignore[arg-type]
    return Provenance(
        suite=suite, relook=relook.__version__, code=cache.code_revision(), commit=_commit(), python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES}, machine=f"{platform.system()} {platform.machine()}, {_processor()}",
        cores=cores(),
        device=_accelerator(device), date=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=options.get("seed"), cases=cases, settings=options, weights=dict(weights or {}),
    )  # fmt: skip


def write_provenance(folder: Path, run: Provenance) -> None:
    """`folder`/run.json."""
    write_json(folder / RUN, asdict(run))


def read_provenance(folder: Path) -> Provenance:
    """What `write_provenance` wrote. Raises InputError for a missing or broken file, or one that says less."""
    path = folder / RUN
    found = read_json(path)
    wanted = {entry.name for entry in fields(Provenance)}
    mappings = ("packages", "settings", "weights")
    if (
        not isinstance(found, dict)
        or not wanted <= set(found)
        or not all(isinstance(found[name], dict) for name in mappings)
    ):
        raise InputError(f"Expected {', '.join(sorted(wanted))} in {path}, got less; run the suite again.")
    return Provenance(**{name: found[name] for name in wanted})


def described(run: Provenance) -> list[tuple[str, str]]:
    """Lines for readers: what it is, and its value."""
    lines = [
        ("relook", run.relook + (f", commit {run.commit[:12]}{'+' * run.commit.endswith('+')}" if run.commit else "")),
        ("code", run.code), ("python", ", ".join([run.python, *(f"{name} {found}" for name, found in run.packages.items())])),
        ("machine", f"{run.machine}; {run.cores} cores; {run.device}"), ("date", run.date),
        ("seed", "-" if run.seed is None else str(run.seed)), ("cases", run.cases or "-"),
    ]  # fmt: skip
    lines += [(f"weights of {name}", found) for name, found in run.weights.items()]
    return [*lines, ("settings", json.dumps(run.settings, ensure_ascii=False))]


def _accelerator(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") and torch.cuda.is_available() else device


def _processor() -> str:
    """The processor's name as Linux names it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def _commit() -> str | None:
    """The commit of the checkout that the package is tracked in; None without git, or for a package that is not tracked."""
    package = Path(relook.__file__).parent
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit, changed = _git(package, "rev-parse", "HEAD"), _git(package, "status", "--porcelain", "--", ".")
    return commit and commit + ("+" if changed else "")


def _git(folder: Path, *words: str) -> str | None:
    """What git says, or None if it says nothing good."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
