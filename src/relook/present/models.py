"""`relook models list | pull | verify | where | remove`: the registry of checkpoints on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from relook.errors import InputError
from relook.models import store
from relook.models.registry import REGISTRY, Checkpoint, entry, readable, root
from relook.options import POSITIONAL
from relook.present.arguments import parse
from relook.present.terminal import ERR, OUT

WIDTH = 140
"""Characters that the list needs, however narrow the terminal or the pipe is."""
WRONG = 1

SHORT = """usage: relook models list | pull NAME... | verify [NAME...] | where NAME | remove NAME

  list      everything that can be had: task, licence, size, memory, and whether it is here
  pull      get models, and what goes along with them (sd15, sdxl: all that relook photo --family needs)
  verify    compare files with their known hashes; exit code 1 if one is wrong
  where     the path of a model
  remove    delete what pull put there

relook models COMMAND --help lists a command's options."""


@dataclass(frozen=True)
class List:
    """What can be had."""

    names: Annotated[tuple[str, ...], POSITIONAL] = ()
    """Only these models, with everything that is known of them."""
    here: bool = False
    """Only what is on this machine."""


@dataclass(frozen=True)
class Pull:
    """Get models into the folder of models ($RELOOK_MODELS, else the user's cache)."""

    names: Annotated[tuple[str, ...], POSITIONAL] = ()
    """Names out of relook models list."""
    accept_licence: bool = False
    """You have read the licences that do not allow commercial use, and keep to them."""
    half: bool = False
    """Weights in half precision, where they are published: half the download, for a GPU."""
    alone: bool = False
    """Only these models, without what goes along with them."""
    revision: str | None = None
    """Another commit, branch or refs/pr/N than the pinned one."""


@dataclass(frozen=True)
class Verify:
    """Compare the files of models with their known hashes."""

    names: Annotated[tuple[str, ...], POSITIONAL] = ()
    """Names out of relook models list; all that are here, if none is given."""


@dataclass(frozen=True)
class One:
    """One model."""

    name: Annotated[str, POSITIONAL]
    """A name out of relook models list."""


def listing(words: Sequence[str]) -> int:
    """relook models list."""
    options = _parse(List, "list", words)
    if options.names:
        for name in options.names:
            _describe(entry(name))
        return 0
    entries = [(one, store.is_here(one)) for one in REGISTRY.values()]
    wide = Console(highlight=False, width=max(OUT.width, WIDTH))
    wide.print(table([pair for pair in entries if pair[1] or not options.here]))
    OUT.print(f"Models are pulled into {root()}. * not for commercial use: pull asks for --accept-licence. "
              "Memory: gigabytes in half precision, estimated.", markup=False)  # fmt: skip
    return 0


def table(entries: Sequence[tuple[Checkpoint, bool]]) -> Table:
    """Models, and whether each is here, as a table."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for title, side in (
        ("name", "left"),
        ("task", "left"),
        ("for", "left"),
        ("licence", "left"),
        ("size", "right"),
        ("GB", "right"),
        ("here", "left"),
    ):
        result.add_column(title, justify=side, overflow="fold", no_wrap=title in ("name", "size"))  # type: ignore[arg-type]
    for one, here in entries:
        licence = one.licence + ("" if one.commercial else " *")
        result.add_row(
            one.name, one.task, one.purpose, licence, one.megabytes, f"{one.vram:.1f}", "here" if here else "-"
        )
    return result


def pull(words: Sequence[str]) -> int:
    """relook models pull."""
    options = _parse(Pull, "pull", words)
    with _progress() as report:
        pulled = store.pull(
            options.names,
            accept_licence=options.accept_licence,
            half=options.half,
            alone=options.alone,
            revision=options.revision,
            progress=report,
        )
    for one in pulled:
        OUT.print(
            f"{one.entry.name}: {one.path}{'' if one.fetched else ' (was here)'}; {one.entry.licence}", markup=False
        )
    return 0


def verify(words: Sequence[str]) -> int:
    """relook models verify."""
    checks = store.verify(_parse(Verify, "verify", words).names)
    for check in checks:
        OUT.print(f"{check.entry.name}: {check.state}, {check.detail}", markup=False)
    if not checks:
        OUT.print("no model is here; see relook models list", markup=False)
    return WRONG if any(check.state in ("wrong", "missing") for check in checks) else 0


def where(words: Sequence[str]) -> int:
    """relook models where."""
    for path in store.where(_parse(One, "where", words).name):
        OUT.print(str(path), markup=False)
    return 0


def remove(words: Sequence[str]) -> int:
    """relook models remove."""
    name = _parse(One, "remove", words).name
    gone = store.remove(name)
    OUT.print(f"{name}: {len(gone)} file{'s' * (len(gone) != 1)} deleted", markup=False)
    return 0


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "list": listing,
    "pull": pull,
    "verify": verify,
    "where": where,
    "remove": remove,
}


def main(words: Sequence[str]) -> int:
    """Run one command of `relook models`; 1 if verify finds something wrong. Raises RelookError for the user to mend."""
    if not words or words[0] in ("-h", "--help"):
        OUT.print(SHORT, markup=False)
        return 0
    if words[0] not in COMMANDS:
        raise InputError(f"Expected list, pull, verify, where or remove, got {words[0]!r}; see relook models --help.")
    return COMMANDS[words[0]](words[1:])


def _describe(one: Checkpoint) -> None:
    """Everything that is known of a model."""
    size = one.megabytes + (f" ({readable(one.half)} with --half)" if one.half else "")
    facts = {
        "for": f"{one.task}: {one.purpose}",
        "from": one.repository or one.url or f"{one.source} ({one.obtain})",
        "revision": one.revision or one.unpinned,
        "sha256": one.sha256,
        "licence": f"{one.licence}{f', {one.licence_url}' if one.licence_url else ''}{'' if one.commercial else ' (not for commercial use)'}",
        "size": size,
        "memory": f"{one.vram:.1f} GB in half precision, estimated",
        "along": ", ".join(one.along),
        "note": one.warning,
        "numbers": one.numbers,
        "here": str(store.where(one.name)[0]) if store.is_here(one) else "no",
    }
    OUT.print(one.name, markup=False)
    for title, text in facts.items():
        if text:
            OUT.print(f"  {title}: {text}", markup=False)


def _parse(kind: type, command: str, words: Sequence[str]) -> Any:
    """Options of a command from its words."""
    return parse(kind, f"relook models {command}", words)


@contextmanager
def _progress() -> Iterator[store.Progress]:
    """A `report(name, done, total)` in bytes that draws one bar per model on stderr while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total or None)
            bars.update(tasks[name], completed=done, total=total or None)

        yield report
