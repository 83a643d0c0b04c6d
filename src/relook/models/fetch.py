"""Downloads: repositories by the hub's own client, single files by pooch; whatever goes wrong is one sentence."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from relook.errors import MissingModelError, RelookError
from relook.files import reason, sha256
from relook.models.catalogue import Checkpoint, known

Tick = Callable[[int], None]
"""Takes how many bytes have come."""
COMMIT = re.compile(r"[0-9a-f]{40}")
OFFLINE = "RELOOK_OFFLINE"
"""Environment variable by which nothing is ever fetched, if it is 1 (`--offline` sets it)."""
PATIENCE = 30
"""Seconds without an answer until a server counts as gone."""
SILENT = ("ConnectionError", "ConnectError", "LocalEntryNotFoundError", "OfflineModeIsEnabled")
"""Errors of both clients, by their classes' names, for a server that does not answer."""


def offline() -> bool:
    """Whether the user wants no network."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


def _check_online(wanted: str) -> None:
    if offline():
        raise MissingModelError(
            f"Expected {wanted} on this machine, got none, and nothing is fetched offline; leave out --offline and {OFFLINE}."
        )


def file(one: Checkpoint, folder: Path, tick: Tick) -> tuple[str, Mapping[str, str]]:
    """Fetch a single file into a folder; (no commit, name -> SHA-256). An interrupted download starts anew.

    Raises MissingModelError when the server does not give it or it has another hash; nothing of it is left then.
    """
    import pooch
    import requests

    _check_online(one.name)
    pooch.get_logger().setLevel(logging.ERROR)
    download = pooch.HTTPDownloader(
        progressbar=_bar(tick, one.size)(total=one.size, unit="B"), chunk_size=1 << 16, timeout=PATIENCE
    )
    try:
        pooch.retrieve(one.url, f"sha256:{one.sha256}", fname=one.file, path=folder, downloader=download)
    except requests.RequestException as error:
        raise MissingModelError(
            f"Expected {one.url}, got {_network(error)}; check the connection and pull {one.name} again."
        ) from error
    except ValueError as error:
        if isinstance(error, RelookError):
            raise
        raise MissingModelError(
            f"Expected {one.file} with the SHA-256 {one.sha256[:12]}... at {one.url}, got another content; get it from {one.source}."
        ) from error
    return "", {one.file: one.sha256}


def repository(
    one: Checkpoint, folder: Path, half: bool, revision: str | None, tick: Tick
) -> tuple[str, Mapping[str, str]]:
    """Fetch the files of a hub repository into a folder; (commit, path -> SHA-256 of every file that counts).

    What an earlier, interrupted call left in the folder is taken up again. Only safetensors, JSON and text count, never a pickle.
    Raises MissingModelError when the hub does not give them, when one has another hash than is known, or when there are no safetensors.
    """
    import huggingface_hub

    _check_online(one.name)
    patterns = [variant(pattern) if half else pattern for pattern in one.patterns]
    with _hub_errors(one):
        commit = _commit(one, revision)
        huggingface_hub.snapshot_download(
            one.repository,
            revision=commit,
            local_dir=str(folder),
            allow_patterns=patterns,
            tqdm_class=_bar(tick, one.half if half else one.size),
        )
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    files = {name: sha256(folder / name) for name in names if _is_wanted(name, patterns)}
    pinned = one.hashes if commit == one.revision else {}
    for name, found in files.items():
        if pinned.get(name, found) != found:
            (folder / name).unlink()
            raise MissingModelError(
                f"Expected {name} of {one.repository} with the SHA-256 {pinned[name][:12]}..., got {found[:12]}...; pull it again."
            )
    absent = [need for need in one.needs if not any(folder.glob(need))]
    if absent:
        raise MissingModelError(
            f"Expected {absent[0]} in {one.repository} at {commit[:12]}, got none (Relook reads no pickles); ask "
            f"https://huggingface.co/spaces/safetensors/convert for it and pull {one.name} with --alone --revision refs/pr/N."
        )
    return commit, files


def into_hub_cache(one: Checkpoint, what: str) -> Path:
    """The snapshot of a repository at its pinned revision, fetched into the hub's cache; `what` it is, for the message.

    Raises MissingModelError when the hub does not give it, and for a licence against commercial use, which only a pull asks for.
    """
    from huggingface_hub import snapshot_download

    if not one.commercial:
        raise MissingModelError(
            f"Expected {one.repository} ({one.facts}) on this machine, got none; read its licence ({one.licence_url}) and get it with "
            f"`relook models pull {one.name} --accept-licence`, or name a local folder."
        )
    _check_online(f"{what or 'the model'} {one.repository}")
    try:
        with _hub_errors(one, what):
            return Path(snapshot_download(one.repository, revision=one.revision, allow_patterns=list(one.patterns)))
    except OSError as error:
        raise MissingModelError(
            f"Expected to put {one.repository} into the hub's cache, got an error ({reason(error)}); free space or set HF_HOME to another folder."
        ) from error


def variant(pattern: str) -> str:
    """The pattern of the weights in half precision: *model.safetensors -> *model.fp16.safetensors."""
    if pattern.endswith("index.json") and not pattern.endswith("model_index.json"):
        return pattern.replace("index.json", "index.fp16.json")
    return re.sub(r"model(?=(-0.*)?\.safetensors$)", "model.fp16", pattern)


def _is_wanted(path: str, patterns: list[str]) -> bool:
    """Whether a file of a repository fits one of the patterns, is no pickle, and is not the hub client's own."""
    ending = path.endswith((".safetensors", ".json", ".txt", ".model"))
    return ending and not path.startswith(".cache/") and any(fnmatch(path, one) for one in patterns)


def _commit(one: Checkpoint, revision: str | None) -> str:
    """The commit to fetch: the pinned one, or what the hub says that a branch, tag or refs/pr/N is now."""
    from huggingface_hub import HfApi

    wanted = revision or one.revision or "main"
    commit = (
        wanted
        if COMMIT.fullmatch(wanted)
        else HfApi().model_info(one.repository, revision=wanted, timeout=PATIENCE).sha
    )
    if commit is None:
        raise MissingModelError(
            f"Expected a commit of {one.repository} for {wanted}, got none; name one with --revision."
        )
    return commit


@contextmanager
def _hub_errors(one: Checkpoint, what: str = "") -> Iterator[None]:
    """One sentence for whatever the hub's client raises, in place of its own reports; a full disk and Ctrl-C pass."""
    from huggingface_hub import errors
    from huggingface_hub.utils import logging as reports

    page, listed = f"https://huggingface.co/{one.repository}", known(one.name) is not None
    facts = one.facts if listed else f"size and licence: {page}"
    wanted = f"{what or 'the model'} {one.repository} ({facts})"
    again = f"`relook models pull {one.name}`" if listed else f"`hf download {one.repository}`"
    level = reports.get_verbosity()
    reports.set_verbosity(logging.CRITICAL)
    try:
        yield
    except RelookError:
        raise
    except errors.GatedRepoError as error:
        raise MissingModelError(
            f"Expected access to {wanted}, got a gate; accept its terms at {page}, run `hf auth login` and {again}."
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise MissingModelError(
            f"Expected {wanted} at {one.revision or 'main'} on the hub, got no such thing; see {page} and name another model or revision."
        ) from error
    except Exception as error:
        network = isinstance(error, ConnectionError | TimeoutError)
        if isinstance(error, OSError) and error.errno is not None and not network:
            raise  # the disk's, not the network's
        raise MissingModelError(
            f"Expected {wanted} from the hub, got {_network(error)}; check the connection and get it with {again} (what has come is kept), "
            f"or name a local folder."
        ) from error
    finally:
        reports.set_verbosity(level)


def _network(error: BaseException) -> str:
    """What went wrong on the way, in a few words."""
    code = getattr(getattr(error, "response", None), "status_code", None)
    if code:
        return f"status {code}"
    if type(error).__name__ in SILENT:
        return "no answer"
    return f"no whole answer ({type(error).__name__ if isinstance(error, OSError) else reason(error)})"


def _bar(tick: Tick, total: int) -> type:
    """A class of silent progress bars for both clients; of those that count bytes (received, written) the farthest is reported."""
    from tqdm.auto import tqdm

    farthest = [0]

    class Bar(tqdm):  # type: ignore[type-arg]
        """Counts without drawing."""

        monitor_interval = 0  # no thread that watches over the drawing

        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*arguments, **options | {"file": io.StringIO()})

        def update(self, n: int | float | None = 1) -> bool | None:
            """So many bytes more."""
            drawn = super().update(n)
            if self.unit == "B":
                farthest[0] = max(farthest[0], min(int(self.n), total))
                tick(farthest[0])
            return drawn

    return Bar
