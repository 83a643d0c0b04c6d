"""Finding models by name, hub id or path: a folder, the folders of models, the hub's cache, or the hub, in that order.

Names and pinned revisions are the registry's; loading is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from relook.errors import InputError, MissingModelError
from relook.models import registry
from relook.models.registry import Checkpoint

PATTERNS = registry.TRANSFORMERS


def is_hub_id(name: str) -> bool:
    """Whether a name looks like `owner/name` of the hub, rather than a path."""
    owner, slash, model = name.partition("/")
    return bool(owner and slash and model) and "/" not in model and not name.startswith((".", "/", "~"))


def is_checkpoint(name: str, role: str = "") -> bool:
    """Whether a name is an existing folder, looks like a hub id `owner/name`, or is the registry's name of a model with that role."""
    entry = registry.REGISTRY.get(name) if role else None
    return (
        Path(name).expanduser().is_dir()
        or is_hub_id(name)
        or (entry is not None and entry.role == role and not entry.file)
    )


def is_here(name: str) -> bool:
    """Whether a checkpoint can be loaded without the network."""
    entry = registry.known(name)
    if entry is not None and not entry.file:
        return found(entry) is not None
    if _on_disk(name) is not None:
        return True
    cached = _cached(name, PATTERNS) if is_hub_id(name) else None
    return cached is not None and (cached / "config.json").is_file()


def found(entry: Checkpoint) -> Path | None:
    """Folder of a repository of the registry on this machine: in a folder of models or the hub's cache; None if it is in neither."""
    place = under_models(entry.repository)
    if place is not None and fits(place, entry.needs):
        return place
    cached = _cached(entry.repository, entry.patterns, entry.revision)
    return cached if cached is not None and fits(cached, entry.needs) else None


def fits(folder: Path, needs: Iterable[str]) -> bool:
    """Whether every pattern fits a file of a folder."""
    return all(any(path.is_file() for path in folder.glob(pattern)) for pattern in needs)


def checkpoint(name: str, what: str, note: str = "") -> Path:
    """Folder of a checkpoint: that path, its repository in a folder of models, the hub's cache, or else the hub.

    name: a path, a name of the registry, or a hub id. what: the kind of model, and note: size and licence where the registry has none, for
    the sentence of the errors: MissingModelError when it is nowhere to be found, InputError when the name is no folder with config.json,
    registered name or hub id.
    """
    entry = registry.known(name)
    repository = entry.repository if entry is not None and entry.repository else name
    place = _on_disk(name) or _on_disk(repository)
    if place is not None:
        return place
    if Path(name).expanduser().is_dir() or not is_hub_id(repository):
        raise InputError(
            f"Expected {what} as a hub id owner/name or a folder with config.json, got {name!r}; name such a model."
        )
    revision = entry.revision if entry is not None else None
    cached = _cached(repository, PATTERNS, revision)
    if cached is not None and (cached / "config.json").is_file():
        return cached
    return _fetched(repository, PATTERNS, what, note)


def snapshot(repository: str, patterns: Sequence[str], what: str = "", note: str = "") -> Path:
    """The files of a hub repository that fit the patterns: from a folder of models, the hub's cache, or else fetched.

    repository: a hub id, or a name of the registry. Raises MissingModelError.
    """
    entry = registry.known(repository)
    if entry is not None and entry.repository:
        repository = entry.repository
        if not entry.half:
            patterns = [pattern.replace(".fp16", "") for pattern in patterns]
        place = under_models(repository)
        if place is not None and fits(place, entry.needs):
            return place
    cached = _cached(repository, patterns, entry.revision if entry is not None else None)
    return cached or _fetched(repository, patterns, what, note)


def under_models(name: str) -> Path | None:
    """The folder of that name in a folder of models ($RELOOK_MODELS, the user's cache), if there is one."""
    return next((place for folder in registry.roots() if name and (place := folder / name).is_dir()), None)


def is_wanted(path: str, patterns: Iterable[str]) -> bool:
    """Whether a file of a repository fits one of the patterns and is no pickle."""
    return path.endswith((".safetensors", ".json", ".txt", ".model")) and any(fnmatch(path, one) for one in patterns)


def _on_disk(name: str) -> Path | None:
    """A folder with config.json at the path `name`, or (where that is no folder) in a folder of models."""
    place: Path | None = Path(name).expanduser()
    if place is not None and not place.is_dir():
        place = under_models(name)
    return place if place is not None and (place / "config.json").is_file() else None


def _cached(repository: str, patterns: Sequence[str], revision: str | None = None) -> Path | None:
    """The snapshot of a repository in the hub's cache, the pinned one first; None if there is none, or no such id could be."""
    from huggingface_hub import snapshot_download

    for pinned in dict.fromkeys((revision, None)):
        options: dict[str, Any] = {} if pinned is None else {"revision": pinned}
        try:
            return Path(snapshot_download(repository, allow_patterns=list(patterns), local_files_only=True, **options))
        except (OSError, ValueError):
            continue
    return None


def _fetched(repository: str, patterns: Sequence[str], what: str, note: str) -> Path:
    """The snapshot of a repository, fetched from the hub at its pinned revision; a licence against commercial use is asked for by `pull`."""
    from huggingface_hub import snapshot_download

    entry = registry.known(repository)
    known = f" ({entry.facts if entry is not None else note})" if entry is not None or note else ""
    wanted = f"{what + ' ' if what else ''}{repository}{known}"
    advice = f"relook models pull {entry.name}" if entry is not None else f"hf download {repository}"
    if entry is not None and not entry.commercial:
        raise MissingModelError(
            f"Expected {wanted} in the hub's cache or a folder of models, got neither; read its licence ({entry.licence_url}) and get it "
            f"with `{advice} --accept-licence`, or name a local folder."
        )
    options: dict[str, Any] = {} if entry is None or entry.revision is None else {"revision": entry.revision}
    try:
        return Path(snapshot_download(repository, allow_patterns=list(patterns), **options))
    except Exception as error:  # no network, no such id, a gate, a full disk: whatever the hub's client raises
        raise MissingModelError(
            f"Expected {wanted} in the hub's cache or on the hub, got {_said(error)}; "
            f"get it with `{advice}` or name a local folder."
        ) from error


def _said(error: Exception) -> str:
    """What the hub's client could not do, in words."""
    silent = ("LocalEntryNotFoundError", "ConnectionError", "ConnectError", "OfflineModeIsEnabled")
    return "no answer from the hub" if type(error).__name__ in silent else type(error).__name__
