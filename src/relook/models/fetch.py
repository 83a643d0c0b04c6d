"""Downloads into a staging folder: repositories by the hub's own client, single files by pooch, errors as one sentence."""

from __future__ import annotations

import io
import logging
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relook.errors import InputError, MissingModelError
from relook.files import reason
from relook.models import hub
from relook.models.registry import Checkpoint, digest

Progress = Callable[[str, int, int], None]
COMMIT = re.compile(r"[0-9a-f]{40}")
PATIENCE = 30
"""Seconds without an answer until a server counts as gone."""


def repository(
    one: Checkpoint, staging: Path, half: bool, revision: str | None, progress: Progress
) -> tuple[str, Mapping[str, str]]:
    """Fetch the files of a hub repository; (commit, path -> SHA-256 of every file that counts).

    What an earlier, interrupted call left in the staging folder is taken up again. Only safetensors, JSON and text count, never a pickle.
    Raises MissingModelError when the hub does not give them, when one has another hash than is known, or when there are no safetensors.
    """
    patterns = [variant(pattern) if half else pattern for pattern in one.patterns]
    with _hub_errors(one):
        commit = commit_of(one, revision)
        import huggingface_hub

        huggingface_hub.snapshot_download(
            one.repository,
            revision=commit,
            local_dir=str(staging),
            allow_patterns=patterns,
            tqdm_class=_bars(one.name, progress),
        )
    names = sorted(path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file())
    files = {
        name: digest(staging / name)
        for name in names
        if hub.is_wanted(name, patterns) and not name.startswith(".cache/")
    }
    pinned = one.hashes if commit == one.revision else {}
    for name in files:
        if pinned.get(name, files[name]) != files[name]:
            (staging / name).unlink()
            raise MissingModelError(
                f"Expected {name} of {one.repository} with the SHA-256 {pinned[name][:12]}..., got {files[name][:12]}...; pull it again."
            )
    absent = [need for need in one.needs if not any(staging.glob(need))]
    if absent:
        raise MissingModelError(
            f"Expected {absent[0]} in {one.repository} at {commit[:12]}, got none (Relook reads no pickles); ask "
            f"https://huggingface.co/spaces/safetensors/convert for it and pull {one.name} with --alone --revision refs/pr/N."
        )
    return commit, files


def variant(pattern: str) -> str:
    """The pattern of the weights in half precision: *model.safetensors -> *model.fp16.safetensors."""
    for whole, half in (
        ("model.safetensors", "model.fp16.safetensors"),
        ("model-0", "model.fp16-0"),
        ("index.json", "index.fp16.json"),
    ):
        if pattern.endswith(whole) or (whole == "model-0" and "model-0" in pattern):
            return pattern.replace(whole, half)
    return pattern


def commit_of(one: Checkpoint, revision: str | None) -> str:
    """The commit to fetch: the pinned one, or what the hub says that a branch, tag or refs/pr/N is now."""
    wanted = revision or one.revision or "main"
    if COMMIT.fullmatch(wanted):
        return wanted
    from huggingface_hub import HfApi

    commit = HfApi().model_info(one.repository, revision=wanted, timeout=PATIENCE).sha
    if commit is None:
        raise MissingModelError(
            f"Expected a commit of {one.repository} for {wanted}, got none; name one with --revision."
        )
    return str(commit)


def single(one: Checkpoint, staging: Path, progress: Progress) -> Path:
    """Fetch a single file, out of its archive if it is in one; its path in the staging folder. pooch starts anew after an interruption.

    Raises MissingModelError when the server does not give it or it has another hash; nothing of it is left then.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    downloader = pooch.HTTPDownloader(progressbar=_Counter(one, progress), chunk_size=1 << 16, timeout=PATIENCE)
    options: dict[str, Any] = {"url": one.url, "path": staging, "downloader": downloader}
    try:
        if not one.member:
            return Path(pooch.retrieve(known_hash=f"sha256:{one.sha256}", fname=one.file, **options))
        archive = staging / "archive"
        (member,) = pooch.retrieve(
            known_hash=None,
            fname=archive.name,
            processor=pooch.Untar(members=[one.member], extract_dir="members"),
            **options,
        )
        archive.unlink()
    except requests.RequestException as error:
        raise MissingModelError(
            f"Expected {one.url}, got {_network(error)}; check the connection and pull {one.name} again."
        ) from error
    except (ValueError, KeyError, EOFError, tarfile.TarError) as error:
        (staging / "archive").unlink(missing_ok=True)
        raise MissingModelError(
            f"Expected {one.file} with the SHA-256 {one.sha256[:12]}... at {one.url}, got another content ({_kind(error)}); get it from {one.source}."
        ) from error
    path = Path(member)
    if digest(path) != one.sha256:
        path.unlink()
        raise MissingModelError(
            f"Expected {one.file} with the SHA-256 {one.sha256[:12]}... in {one.url}, got another content; get it from {one.source}."
        )
    os.replace(path, staging / one.file)
    return staging / one.file


@contextmanager
def _hub_errors(one: Checkpoint) -> Iterator[None]:
    """One sentence for whatever the hub's client raises, in place of its own reports; a full disk and Ctrl-C pass."""
    from huggingface_hub import errors
    from huggingface_hub.utils import logging as reports

    level = reports.get_verbosity()
    reports.set_verbosity(logging.CRITICAL)
    page = f"https://huggingface.co/{one.repository}"
    again = f"pull {one.name} again: what has come so far is kept"
    try:
        yield
    except (MissingModelError, InputError):
        raise
    except errors.GatedRepoError as error:
        raise MissingModelError(
            f"Expected access to {one.repository}, got a gate; accept its terms at {page}, run `hf auth login` and {again}."
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise MissingModelError(
            f"Expected {one.repository} at {one.revision or 'main'} on the hub, got no such thing; see {page} and name another with --revision."
        ) from error
    except Exception as error:
        if (
            isinstance(error, OSError)
            and error.errno is not None
            and not isinstance(error, ConnectionError | TimeoutError)
        ):
            raise  # the disk's, not the network's
        raise MissingModelError(
            f"Expected {one.repository} from the hub, got {_network(error)}; check the connection and {again}."
        ) from error
    finally:
        reports.set_verbosity(level)


def _network(error: BaseException) -> str:
    """What went wrong on the way, in a few words."""
    response = getattr(error, "response", None)
    code = getattr(response, "status_code", None)
    return f"status {code}" if code else f"no whole answer ({_kind(error)})"


def _kind(error: BaseException) -> str:
    return type(error).__name__ if isinstance(error, OSError) else reason(error)


class _Counter:
    """What pooch takes for a progress bar."""

    def __init__(self, one: Checkpoint, progress: Progress) -> None:
        self.name, self.progress, self.total, self.done = one.name, progress, one.size, 0

    def update(self, amount: int) -> None:
        """So many bytes more; the last chunk counts as far as it went."""
        self.done = min(self.done + amount, self.total) if self.total else self.done + amount
        self.progress(self.name, self.done, self.total)

    def reset(self) -> None:
        """Begin at nothing."""
        self.done = 0

    def close(self) -> None:
        """Nothing is left to do."""


def _bars(name: str, progress: Progress) -> type:
    """A class of silent bars for the hub's client; of those that count bytes (received, written) the farthest is reported."""
    from tqdm.auto import tqdm

    most = {"done": 0, "total": 0}

    class Bar(tqdm):  # type: ignore[type-arg]
        """Counts without drawing."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            self.counts = options.get("unit") == "B"
            super().__init__(*arguments, **options | {"file": io.StringIO()})

        def update(self, n: int | float | None = 1) -> bool | None:
            """So many bytes more."""
            drawn = super().update(n)
            if self.counts:
                for key, value in (("done", self.n), ("total", self.total)):
                    most[key] = max(most[key], int(value or 0))
                progress(name, most["done"], most["total"])
            return drawn

    return Bar
