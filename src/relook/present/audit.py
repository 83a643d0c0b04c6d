"""relook audit: what became of a picture, as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Group
from rich.table import Table

from relook.config import FILES
from relook.options import EXISTING, POSITIONAL
from relook.present.arguments import parse
from relook.present.terminal import OUT

if TYPE_CHECKING:
    from relook.transfer.audit import Audit


CHANGED = 1
"""What relook audit returns for a picture that is not what it should be."""


@dataclass(frozen=True)
class Audited:
    """Say what was changed in a restyled picture, by thing, and that what was to be kept is identical: from its record and its pixels."""

    picture: Annotated[Path, EXISTING, POSITIONAL, FILES]
    """The picture, with its record (the JSON of its name) beside it."""


def audit(words: Sequence[str]) -> int:
    """relook audit: 0 where the file is as it was written and all that was to be kept is identical, else CHANGED."""
    options = parse(Audited, "relook audit", words)
    from relook.transfer.audit import audit_photo

    found = audit_photo(options.picture)
    OUT.print(shown(found))
    return 0 if found.unchanged and not found.kept_differ else CHANGED


def shown(audit: Audit) -> Group:
    """Where the file stands, a line per thing, and what could not be said."""
    table = Table("thing", "share of picture %", "changed %", "mean change (of 255)", "to be kept %")
    for one in (*audit.things, audit.whole):
        numbers = (100 * one.share, 100 * one.changed, one.difference, 100 * one.kept)
        table.add_row(one.name, *(f"{value:.1f}" for value in numbers))
    file = "The file is the one that was written." if audit.unchanged else "The file was changed since it was written."
    kept = "All pixels that were to be kept are identical."
    if audit.kept_differ:
        kept = f"{audit.kept_differ} pixels that were to be kept are not identical."
    elif not audit.whole.kept:
        kept = "No pixels were to be kept." if audit.things else "What was to be kept is not known."
    return Group(file, _origin(audit), table, kept, *audit.notes)


def _origin(audit: Audit) -> str:
    """What the file says of itself."""
    if audit.credentials is not None:
        one = audit.credentials
        words = {"Trusted": "known to an authority", "Valid": "of an unknown authority"}
        return f"Content credentials: signed by {one.signer}, {words.get(one.state, 'but changed since')}."
    return "The file carries its record (XMP), not signed." if audit.embedded else "The file carries no record."
