"""Pull, verify, find and remove the checkpoints of the registry.

Whatever is pulled lies in plain files in one folder ($RELOOK_MODELS, else the user's cache), repositories at owner/name: so a folder can be
carried to a machine without network, and what Relook put somewhere is what it may verify and remove. A repository that the hub's own cache
already holds is used from there and not fetched again. Each pull ends with a lock, .relook/NAME.json: revision and SHA-256 of every file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from relook.errors import InputError, MissingModelError
from relook.files import read_json, reason, write_json
from relook.models import fetch, hub, registry
from relook.models.registry import Checkpoint, digest, entry, readable, roots, with_companions

Progress = Callable[[str, int, int], None]
"""(name, bytes done, bytes in all) while something is fetched."""
State = Literal["right", "wrong", "missing", "unknown"]
LOCKS, STAGING, SPARE = ".relook", ".relook/pulling", 1.02
"""Folders of locks and of what is under way; so many times its size must be free on the disk before something is fetched."""


@dataclass(frozen=True)
class Lock:
    """What a pull put there."""

    name: str
    source: str
    """Hub id or URL."""
    revision: str
    """Commit of the repository; empty for a single file."""
    place: str
    """File or folder, relative to the folder of models."""
    half: bool
    """Whether it is the variant in half precision."""
    files: Mapping[str, str]
    """Files below `place` (a single file: its own name) and their SHA-256."""


@dataclass(frozen=True)
class Pulled:
    """The outcome of a pull; `fetched` is False for what was here already."""

    entry: Checkpoint
    path: Path
    fetched: bool


@dataclass(frozen=True)
class Check:
    """The outcome of a check."""

    entry: Checkpoint
    state: State
    """right: every known hash fits; unknown: it is here, but nothing is known to check it against."""
    detail: str


def pull(
    names: Sequence[str],
    *,
    accept_licence: bool = False,
    half: bool = False,
    alone: bool = False,
    revision: str | None = None,
    progress: Progress | None = None,
) -> list[Pulled]:
    """Fetch the models of these names and what goes along with them (not if `alone`), each whole or not at all.

    half: weights in fp16 where the repository has them. revision: another commit, branch or refs/pr/N than the pinned one, of one model.
    Raises InputError for an unknown name, a licence that was not accepted, or a place that holds something else; MissingModelError where it
    cannot be fetched (no network, no URL, a gate, a full disk, another hash). What was pulled before an error stays.
    """
    entries = [entry(name) for name in dict.fromkeys(names)] if alone else with_companions(list(names))
    if not entries:
        raise InputError("Expected the name of a model to pull, got none; see relook models list.")
    if revision is not None and (len(entries) != 1 or entries[0].file):
        raise InputError("Expected one model of the hub with --revision, got others; name one and add --alone.")
    _check_licences(entries, accept_licence)
    return [
        _pull(one, half and bool(one.half), revision, progress or (lambda name, done, total: None)) for one in entries
    ]


def verify(names: Sequence[str] = ()) -> list[Check]:
    """Compare every file of the models of these names (of all that are here, if none is given) with its known hash."""
    entries = [entry(name) for name in dict.fromkeys(names)] or [
        one for one in registry.REGISTRY.values() if _is_somewhere(one)
    ]
    return [_verify(one) for one in entries]


def where(name: str) -> list[Path]:
    """Paths at which a model lies: its file, or its folder (in a folder of models, or the hub's cache). Raises MissingModelError."""
    one = entry(name)
    if one.file:
        return [registry.locate(one.name)]
    place = hub.found(one)
    if place is None:
        raise MissingModelError(
            f"Expected {one.name} ({one.repository}) on this machine, got none; get it with `relook models pull {one.name}`."
        )
    return [place]


def is_here(one: Checkpoint) -> bool:
    """Whether a model of the registry is on this machine and whole."""
    return registry.available(one.name) if one.file else hub.found(one) is not None


def lock_of(one: Checkpoint) -> tuple[Path, Lock] | None:
    """(folder of models, lock) of a model that was pulled; None for one that was not."""
    for folder in roots():
        file = _lock_file(folder, one)
        if file.is_file():
            try:
                return folder, Lock(**read_json(file))
            except TypeError as error:
                raise InputError(
                    f"Expected a lock in {file}, got something else; remove it and pull {one.name} again."
                ) from error
    return None


def remove(name: str) -> list[Path]:
    """Delete what a pull put there, and the folders that are empty then; files that another pulled model needs stay.

    Raises InputError for what no pull put there, or what was changed since.
    """
    one = entry(name)
    pulled = lock_of(one)
    if pulled is None:
        there = (
            f"a copy at {where(one.name)[0]} that Relook did not put there; delete it yourself"
            if is_here(one)
            else "none; there is nothing to do"
        )
        raise InputError(f"Expected {one.name} as Relook pulled it, got {there}.")
    folder, lock = pulled
    paths = _paths(folder, lock)
    changed = [path for path, sha256 in paths.items() if path.is_file() and digest(path) != sha256]
    if changed:
        raise InputError(
            f"Expected {changed[0]} as it was pulled, got another content; move it away, or delete it yourself."
        )
    shared = {path for other in registry.REGISTRY.values() if other.name != one.name for path in _locked(other)}
    gone = [path for path in paths if path.is_file() and path not in shared]
    for path in gone:
        path.unlink()
    _lock_file(folder, one).unlink()
    for path in gone:
        _drop_empty(path.parent, folder)
    return gone


def _pull(one: Checkpoint, half: bool, revision: str | None, progress: Progress) -> Pulled:
    """Fetch one model unless it is here."""
    if revision is None and is_here(one):
        return Pulled(one, where(one.name)[0], False)
    if one.file and not one.url:
        raise MissingModelError(
            f"Expected a file to fetch for {one.name}, got a source without one ({one.source}): {one.obtain}, and put it as {one.file} in "
            f"{registry.root()}."
        )
    folder = registry.root()
    staging = folder / STAGING / one.name
    try:
        _make_room(folder, staging, one.half if half else one.size)
        if one.file:
            os.replace(fetch.single(one, staging, progress), staging / one.file)
            got: tuple[str, Mapping[str, str]] = "", {one.file: one.sha256}
        else:
            got = fetch.repository(one, staging, half, revision, progress)
        lock = Lock(one.name, one.url or one.repository, got[0], one.place, half, got[1])
        _install(one, folder, staging, lock)
        write_json(_lock_file(folder, one), asdict(lock))
        shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise MissingModelError(
            f"Expected to put {one.name} in {folder}, got an error ({reason(error)}); free space or set {registry.FOLDER_VARIABLE} to another folder."
        ) from error
    finally:
        _drop_empty(staging, folder)
    return Pulled(one, folder / one.place, True)


def _install(one: Checkpoint, folder: Path, staging: Path, lock: Lock) -> None:
    """Move what was fetched to its place, weights first: what makes a folder count as a model comes last."""
    paths = _paths(folder, lock)
    _refuse_foreign(one, paths)
    last = ("config.json", "model_index.json")
    order = sorted(paths, key=lambda path: (path.suffix != ".safetensors", path.name in last, path))
    names = dict(zip(paths, lock.files, strict=True))
    for path in order:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / names[path], path)


def _refuse_foreign(one: Checkpoint, wanted: Mapping[Path, str]) -> None:
    """InputError where a file with another content, which no pull put there, is in the way."""
    own = {path for other in registry.REGISTRY.values() for path in _locked(other)}
    for path, sha256 in wanted.items():
        if path not in own and path.exists() and (not path.is_file() or digest(path) != sha256):
            raise InputError(
                f"Expected room for {one.name} at {path}, got a file that Relook did not put there; move it away."
            )


def _verify(one: Checkpoint) -> Check:
    """Whether a model's files have the hashes of its lock and of the registry."""
    pulled = lock_of(one)
    if pulled is not None:
        folder, lock = pulled
        expected = _paths(folder, lock)
    else:
        folder, expected = _unlocked(one)
    if not expected:
        if is_here(one):
            return Check(one, "unknown", f"at {where(one.name)[0]}; neither the registry nor a lock knows its hashes")
        return Check(one, "missing", f"get it with `relook models pull {one.name}`")
    for path, sha256 in expected.items():
        if not path.is_file():
            return Check(one, "missing" if pulled is None else "wrong", f"{path} is not there")
        if digest(path) != sha256:
            return Check(one, "wrong", f"{path} has another content than was published or pulled")
    return Check(one, "right", f"{len(expected)} file{'s' * (len(expected) > 1)} in {folder}")


def _unlocked(one: Checkpoint) -> tuple[Path, dict[Path, str]]:
    """(folder, path -> hash) of what the registry knows of a model that no pull put there."""
    if one.file:
        there = [folder for folder in roots() if (folder / one.file).is_file()]
        return (there[0], {there[0] / one.file: one.sha256}) if there else (registry.root(), {})
    place = hub.found(one)
    if place is None:
        return registry.root(), {}
    return place, {place / name: sha256 for name, sha256 in one.hashes.items() if (place / name).is_file()}


def _is_somewhere(one: Checkpoint) -> bool:
    """Whether there is something to verify: pulled once, or a file of that name, or a repository on this machine."""
    return lock_of(one) is not None or bool(one.file and _unlocked(one)[1]) or is_here(one)


def _paths(folder: Path, lock: Lock) -> dict[Path, str]:
    """Path -> SHA-256 of the files of a lock."""
    base = folder / lock.place
    return {(base if lock.place == name else base / name): sha256 for name, sha256 in lock.files.items()}


def _locked(one: Checkpoint) -> list[Path]:
    """Files that a pull put there for a model."""
    pulled = lock_of(one)
    return [] if pulled is None else list(_paths(*pulled))


def _lock_file(folder: Path, one: Checkpoint) -> Path:
    return folder / LOCKS / f"{one.name}.json"


def _check_licences(entries: Sequence[Checkpoint], accepted: bool) -> None:
    """InputError for the first licence against commercial use, unless such were accepted."""
    closed = [] if accepted else [one for one in entries if not one.commercial and not is_here(one)]
    if closed:
        names = ", ".join(f"{one.name} ({one.licence}, {one.licence_url})" for one in closed)
        raise InputError(
            f"Expected --accept-licence for {names}, which is not for commercial use, got none; read the licence and add it."
        )


def _make_room(folder: Path, staging: Path, size: int) -> None:
    """The staging folder; MissingModelError if the disk has too little room for what is still to come."""
    staging.mkdir(parents=True, exist_ok=True)
    done = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    free, needed = shutil.disk_usage(folder).free, size * SPARE - done
    if free < needed:
        raise MissingModelError(
            f"Expected {readable(needed)} of free space in {folder}, got {readable(free)}; free some, or set {registry.FOLDER_VARIABLE} to "
            f"another folder."
        )


def _drop_empty(place: Path, folder: Path) -> None:
    """Delete a folder, if it is there, and those above it up to the folder of models, while they are empty."""
    while place != folder and not any(place.glob("*")):
        if place.is_dir():
            place.rmdir()
        place = place.parent
