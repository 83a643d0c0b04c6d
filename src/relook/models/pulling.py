"""Models come, are verified, and go: pull, verify, remove.

Each is fetched into a staging folder and moved to its place whole. A pull ends with a lock, .relook/NAME.json: revision and SHA-256 of every
file. So what Relook put somewhere is what it may verify and remove.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from relook.errors import InputError, MissingModelError
from relook.files import read_json, reason, write_json
from relook.models import catalogue, fetch
from relook.models.catalogue import Checkpoint, entry, readable
from relook.models.store import FOLDER_VARIABLE, digest, located, root, roots
from relook.progress import SILENT, Progress

State = Literal["right", "wrong", "missing", "unknown"]
LOCKS, STAGING, SPARE = ".relook", ".relook/pulling", 1.02
"""Folders of locks and of what is under way; so many times its size must be free on the disk before something is fetched."""
CONFIGURATIONS = ("config.json", "model_index.json")
"""Files by which a folder is known for a model."""


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

    def paths(self, folder: Path) -> dict[Path, str]:
        """Path -> SHA-256 of its files in a folder of models."""
        base = folder / self.place
        return {(base if self.place == name else base / name): found for name, found in self.files.items()}


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
    progress: Progress = SILENT,
) -> list[Pulled]:
    """Fetch the models of these names and bundles and what goes along with them (not if `alone`), each whole or not at all.

    half: weights in fp16 where the repository has them. revision: another commit, branch or refs/pr/N than the pinned one, of one model.
    Raises InputError for an unknown name, a licence that was not accepted, or a place that holds something else; MissingModelError where it
    cannot be fetched (no network, no URL, a gate, a full disk, another hash). What was pulled before an error stays.
    """
    wanted = catalogue.entries(names, alone=alone)
    if not wanted:
        raise InputError("Expected the name of a model to pull, got none; see relook models list.")
    if revision is not None and (len(wanted) != 1 or wanted[0].file):
        raise InputError("Expected one model of the hub with --revision, got others; name one and add --alone.")
    if not accept_licence:
        _check_licences(wanted)
    return [_pull(one, half and bool(one.half), revision, progress) for one in wanted]


def verify(names: Sequence[str] = ()) -> list[Check]:
    """Compare every file of the models of these names (of all that are here, if none is named) with its known hash."""
    checks = [_verify(one) for one in (catalogue.entries(names, alone=True) or catalogue.CATALOGUE.values())]
    return [check for check in checks if names or check.state != "missing"]


def remove(name: str) -> list[Path]:
    """Delete what a pull put there, and the folders that are empty then; files that another pulled model needs stay.

    Raises InputError for what no pull put there, or what was changed since.
    """
    one = entry(name)
    pulled, path = lock_of(one), located(one)
    if pulled is None:
        there = (
            f"a copy at {path} that Relook did not put there; delete it yourself" if path else "none; leave it at that"
        )
        raise InputError(f"Expected {one.name} as Relook pulled it, got {there}.")
    folder, lock = pulled
    paths = {path: known for path, known in lock.paths(folder).items() if path.is_file()}
    if changed := [path for path, known in paths.items() if digest(path) != known]:
        raise InputError(
            f"Expected {changed[0]} as it was pulled, got another content; move it away, or delete it yourself."
        )
    shared = _pulled_paths(but=one.name)
    gone = [path for path in paths if path not in shared]
    for path in (*gone, _lock_file(folder, one)):
        path.unlink()
        _drop_empty(path.parent, folder)
    return gone


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


def _pull(one: Checkpoint, half: bool, revision: str | None, progress: Progress) -> Pulled:
    """Fetch one model unless it is here: into a staging folder, and whole from there to its place."""
    if revision is None and (path := located(one)) is not None:
        return Pulled(one, path, False)
    folder = root()
    if one.file and not one.url:
        raise MissingModelError(
            f"Expected a file to fetch for {one.name}, got a source without one ({one.source}): {one.obtain}, and put it as {one.file} in "
            f"{folder}."
        )
    staging, size = folder / STAGING / one.name, one.half if half else one.size
    try:
        _check_space(folder, staging, size)
        with progress.stage(f"fetching {one.name}", size) as tick:
            fetched = (
                fetch.file(one, staging, tick) if one.file else fetch.repository(one, staging, half, revision, tick)
            )
            tick(size)
        lock = Lock(one.name, one.url or one.repository, fetched[0], one.place, half, fetched[1])
        _install(one, staging, folder, lock)
        write_json(_lock_file(folder, one), asdict(lock))
        shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise MissingModelError(
            f"Expected to put {one.name} in {folder}, got an error ({reason(error)}); free space or set {FOLDER_VARIABLE} to another folder."
        ) from error
    finally:
        _drop_empty(staging, folder)
    return Pulled(one, folder / one.place, True)


def _install(one: Checkpoint, staging: Path, folder: Path, lock: Lock) -> None:
    """Move what was fetched to its place; what makes a folder count as a model comes last.

    InputError where a file with another content, which no pull put there, is in the way.
    """
    wanted, own = lock.paths(folder), _pulled_paths()
    for path, known in wanted.items():
        if path not in own and path.exists() and (not path.is_file() or digest(path) != known):
            raise InputError(
                f"Expected {path} free for {one.name}, got a file that Relook did not put there; move it away."
            )
    for path, name in sorted(zip(wanted, lock.files, strict=True), key=lambda pair: pair[0].name in CONFIGURATIONS):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, path)


def _verify(one: Checkpoint) -> Check:
    """Whether a model's files have the hashes of its lock, or else of the catalogue."""
    pulled, path = lock_of(one), located(one)
    if pulled is not None:
        folder, expected = pulled[0], pulled[1].paths(pulled[0])
    elif one.file:
        folder = next((folder for folder in roots() if (folder / one.file).is_file()), root())
        expected = {folder / one.file: one.sha256} if (folder / one.file).is_file() else {}
    else:
        folder = path or root()
        expected = {folder / name: known for name, known in one.hashes.items() if (folder / name).is_file()}
    if not expected and path is None:
        return Check(one, "missing", f"get it with `relook models pull {one.name}`")
    if not expected:
        return Check(one, "unknown", f"at {path}; neither the catalogue nor a lock knows its hashes")
    for file, known in expected.items():
        if not file.is_file():
            return Check(one, "wrong", f"{file} is not there")
        if digest(file) != known:
            return Check(one, "wrong", f"{file} has another content than was published or pulled")
    return Check(one, "right", f"{len(expected)} file{'s' * (len(expected) > 1)} in {folder}")


def _check_licences(wanted: Iterable[Checkpoint]) -> None:
    """InputError for licences against commercial use, of what is not here yet."""
    closed = [one for one in wanted if not one.commercial and located(one) is None]
    if closed:
        names = ", ".join(f"{one.name} ({one.licence}, {one.licence_url})" for one in closed)
        raise InputError(
            f"Expected --accept-licence for {names}, which is not for commercial use, got none; read the licence and add it."
        )


def _check_space(folder: Path, staging: Path, size: int) -> None:
    """Make the staging folder; MissingModelError if the disk has too little space for what is still to come."""
    staging.mkdir(parents=True, exist_ok=True)
    done = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    free, needed = shutil.disk_usage(folder).free, size * SPARE - done
    if free < needed:
        raise MissingModelError(
            f"Expected {readable(needed)} of free space in {folder}, got {readable(free)}; free some, or set {FOLDER_VARIABLE} to "
            f"another folder."
        )


def _pulled_paths(but: str = "") -> set[Path]:
    """Files that pulls put there, of all models but one."""
    locks = [lock_of(one) for one in catalogue.CATALOGUE.values() if one.name != but]
    return {path for found in locks if found is not None for path in found[1].paths(found[0])}


def _lock_file(folder: Path, one: Checkpoint) -> Path:
    return folder / LOCKS / f"{one.name}.json"


def _drop_empty(place: Path, folder: Path) -> None:
    """Delete a folder, if it is there, and those above it up to the folder of models, while they are empty."""
    while place != folder and not any(place.glob("*")):
        if place.is_dir():
            place.rmdir()
        place = place.parent
