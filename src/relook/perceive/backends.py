"""What the interfaces of perception share: which back end is on this machine, and what of it a record must name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from relook.models import store
from relook.models.catalogue import known


def first_here(order: Sequence[str]) -> str:
    """The first back end whose weights are on this machine; the last one if none is."""
    return next((name for name in order if is_here(name)), order[-1])


def revisions(
    name: str, task: str, *, plain: Collection[str], files: Collection[str], folder_of: Callable[[str], Path]
) -> Mapping[str, str]:
    """Name and revision of what is learned in the back end `name`; empty if nothing is.

    task: what a transformers model is here. plain: names of back ends that learned nothing; files: endings of files that are read
    instead; folder_of: where a transformers model lies. Raises MissingModelError when a checkpoint is neither here nor can be fetched.
    """
    one = known(name)
    if one is not None and one.file:
        return {name: one.sha256}
    if name == "embedded":
        from relook.models.perceiver import revision_here

        return revision_here()
    if name in plain or Path(name).suffix.lower() in files:
        return {}
    from relook.models.load import revision

    return {f"{task} {name}": revision(folder_of(name))}


def is_here(name: str) -> bool:
    """Whether a back end needs no weights, or has them on this machine."""
    if name == "embedded":
        from relook.models.perceiver import is_here

        return is_here()
    return known(name) is None or store.is_here(name)
