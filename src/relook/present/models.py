"""`relook models list | pull | verify | where | remove`: the catalogue of checkpoints on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from rich.console import Console
from rich.table import Table

from relook.models import pulling, store
from relook.models.catalogue import CATALOGUE, Checkpoint, entries, readable
from relook.options import POSITIONAL
from relook.present.arguments import one_of, parse
from relook.present.terminal import OUT, drawn

WIDTH = 140
"""Characters that the list needs, however narrow the terminal or the pipe is."""
WRONG = 1

SHORT = """usage: relook models list | pull NAME... | verify [NAME...] | where NAME | remove NAME

  list      everything that can be had: task, licence, size, memory, and whether it is here
  pull      get models, and what goes along with them (photo: the good networks for photographs; sd15, sdxl: all that
            relook photo --family needs)
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
    """Names out of relook models list, or photo: the good networks for photographs."""
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
    """Names out of relook models list; all that are here, if none is named."""


@dataclass(frozen=True)
class One:
    """One model."""

    name: Annotated[str, POSITIONAL]
    """A name out of relook models list."""


def main(words: Sequence[str]) -> int:
    """Run one command of `relook models`; 1 if verify finds something wrong. Raises RelookError for the user to mend."""
    if not words or words[0] in ("-h", "--help"):
        OUT.print(SHORT, markup=False)
        return 0
    options, run = COMMANDS[one_of(COMMANDS, words[0], "command of relook models")]
    return run(parse(options, f"relook models {words[0]}", words[1:]))


def listing(options: List) -> int:
    """relook models list."""
    if options.names:
        for one in entries(options.names, alone=True):
            _describe(one)
        return 0
    found = [(one, store.is_here(one.name)) for one in CATALOGUE.values()]
    wide = Console(highlight=False, width=max(OUT.width, WIDTH))
    wide.print(table([pair for pair in found if pair[1] or not options.here]))
    OUT.print(f"Models are pulled into {store.root()}. * not for commercial use: pull asks for --accept-licence. "
              "Memory: gigabytes in half precision, estimated.", markup=False)  # fmt: skip
    return 0


def table(found: Sequence[tuple[Checkpoint, bool]]) -> Table:
    """Models, and whether each is here, as a table."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "task", "for", "licence", "size", "GB", "here"):
        side: Any = "right" if title in ("size", "GB") else "left"
        result.add_column(title, justify=side, overflow="fold", no_wrap=title in ("name", "size"))
    for one, here in found:
        licence, size = one.licence + ("" if one.commercial else " *"), readable(one.size)
        result.add_row(one.name, one.task, one.purpose, licence, size, f"{one.vram:.1f}", "here" if here else "-")
    return result


def pull(options: Pull) -> int:
    """relook models pull."""
    with drawn() as progress:
        pulled = pulling.pull(**vars(options), progress=progress)
    for one in pulled:
        before = "" if one.fetched else " (was here)"
        OUT.print(f"{one.entry.name}: {one.path}{before}; {one.entry.licence}", markup=False)
    return 0


def verify(options: Verify) -> int:
    """relook models verify."""
    checks = pulling.verify(options.names)
    for check in checks:
        OUT.print(f"{check.entry.name}: {check.state}, {check.detail}", markup=False)
    if not checks:
        OUT.print("no model is here; see relook models list", markup=False)
    return WRONG if any(check.state in ("wrong", "missing") for check in checks) else 0


def where(options: One) -> int:
    """relook models where."""
    OUT.print(str(store.locate(options.name)), markup=False)
    return 0


def remove(options: One) -> int:
    """relook models remove."""
    gone = pulling.remove(options.name)
    OUT.print(f"{options.name}: {len(gone)} file{'s' * (len(gone) != 1)} deleted", markup=False)
    return 0


COMMANDS: Mapping[str, tuple[type, Callable[[Any], int]]] = {
    "list": (List, listing), "pull": (Pull, pull), "verify": (Verify, verify), "where": (One, where), "remove": (One, remove),
}  # fmt: skip
"""Options and function of each command."""


def _describe(one: Checkpoint) -> None:
    """Everything that is known of a model."""
    path = store.located(one)
    facts = {
        "for": f"{one.task}: {one.purpose}",
        "from": one.repository or one.url or f"{one.source} ({one.obtain})",
        "revision": one.revision or one.unpinned,
        "sha256": one.sha256,
        "licence": ", ".join(filter(None, (one.licence, one.licence_url)))
        + ("" if one.commercial else " (not for commercial use)"),
        "size": readable(one.size) + (f" ({readable(one.half)} with --half)" if one.half else ""),
        "memory": f"{one.vram:.1f} GB in half precision, estimated",
        "along": ", ".join(one.along),
        "note": one.warning,
        "numbers": one.numbers,
        "here": str(path) if path else "no",
    }
    OUT.print(one.name, markup=False)
    for title, text in facts.items():
        if text:
            OUT.print(f"  {title}: {text}", markup=False)
