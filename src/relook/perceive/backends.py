"""One table of back ends per question (segments, depth, matches, ...): what each is called, what it needs and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, Literal, TypeVar

from relook.errors import InputError
from relook.models import store
from relook.models.catalogue import known
from relook.models.load import revision
from relook.session import Session

Answering = TypeVar("Answering")
"""What answers a question, such as View -> Segments."""


@dataclass(frozen=True)
class BackEnd(Generic[Answering]):
    """One way to answer a question."""

    name: str
    load: Callable[[Session], Answering]
    """Makes what answers; the session loads networks when they are first asked."""
    note: str
    """What it is, in a few words."""
    weights: tuple[str, ...] = ()
    """Names or hub ids in the catalogue, all of which it needs."""
    shipped: Mapping[str, Path] = field(default_factory=dict)
    """Weights that come with Relook: name in records -> folder."""
    package: str = ""
    """A Python package that it needs."""
    device: Literal["session", "cpu"] = "cpu"
    """Where it runs: on the session's device, or on the CPU wherever the session is."""

    @property
    def licence(self) -> str:
        """SPDX identifiers of its weights; empty if nothing is learned, or Relook's own."""
        return ", ".join(dict.fromkeys(entry.licence for name in self.weights if (entry := known(name)) is not None))

    def is_here(self) -> bool:
        """Whether it can be asked without the network."""
        return (
            all(store.is_here(name) for name in self.weights)
            and all(any(folder.glob("*.safetensors")) for folder in self.shipped.values())
            and (not self.package or find_spec(self.package) is not None)
        )


@dataclass(frozen=True)
class Table(Generic[Answering]):
    """The back ends for one question."""

    question: str
    """How records call it, e.g. `depth`."""
    what: str
    """What each of them is, for messages, e.g. `a depth estimator`."""
    entries: tuple[BackEnd[Answering], ...]
    order: tuple[str, ...] = ()
    """What `auto` may be, best first: the first that is here, else the last. Entries, or models of the catalogue."""
    files: tuple[str, ...] = ()
    """Endings of files that are read instead of asking a network."""
    read: Callable[[Path], Answering] | None = None
    """Makes what reads such a file."""
    is_model: Callable[[str], bool] = lambda name: False
    """Whether a name that is no entry is a model that can be tried: a name of the catalogue, a hub id or a folder."""
    load_model: Callable[[str, Session], Answering] | None = None
    """Makes what asks such a model."""
    besides: str = ""
    """Which other names there are, for messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """Back ends by name."""
        return tuple(entry.name for entry in self.entries)

    def entry(self, name: str) -> BackEnd[Answering] | None:
        """The back end called `name`; None for a file or a model. Raises InputError, one sentence, for anything else."""
        found = next((entry for entry in self.entries if entry.name == name), None)
        if found is None and not self._is_file(name) and not self.is_model(name):
            raise InputError(
                f"Expected {self.what} out of {', '.join(self.names)}{self.besides}, got {name!r}; choose one."
            )
        return found

    def find(self, name: str, session: Session) -> Answering:
        """What answers under this name. Raises InputError for an unknown one; weights are looked for when it is first asked."""
        if (found := self.entry(name)) is not None:
            return found.load(session)
        if self.read is not None and self._is_file(name):
            return self.read(Path(name))
        if self.load_model is None:
            raise InputError(f"Expected {self.what} out of {', '.join(self.names)}, got {name!r}; choose one.")
        return self.load_model(name, session)

    def chosen(self, name: str) -> str:
        """The name with `auto` resolved: what is asked where the view does not bring the answer itself."""
        if name != "auto" or not self.order:
            return name
        return next((other for other in self.order if self.is_here(other)), self.order[-1])

    def is_here(self, name: str) -> bool:
        """Whether a back end (`auto`: the chosen one) can be asked without the network. Raises InputError for an unknown name."""
        name = self.chosen(name)
        found = self.entry(name)
        if found is not None:
            return found.is_here()
        return self._is_file(name) or all(store.is_here(part) for part in parts(name))

    def revisions(self, name: str) -> dict[str, str]:
        """Name and revision of what is learned in a back end (`auto`: the chosen one), for records; empty if nothing is.

        Raises InputError for an unknown name, MissingModelError when a checkpoint is neither here nor can be fetched.
        """
        name = self.chosen(name)
        found = self.entry(name)
        if found is None:
            return {} if self._is_file(name) else self._hashed(parts(name))
        return self._hashed(found.weights) | {known: revision(folder) for known, folder in found.shipped.items()}

    def _is_file(self, name: str) -> bool:
        return Path(name).suffix.lower() in self.files

    def _hashed(self, weights: tuple[str, ...]) -> dict[str, str]:
        """Revisions of single files and of models, by their names in records."""
        files = {name: one.sha256 for name in weights if (one := known(name)) is not None and one.file}
        models = [name for name in weights if name not in files]
        where = {name: store.find(name, f"the {self.question}") for name in models}
        return files | {f"{self.question} {name}": revision(folder) for name, folder in where.items()}


def parts(name: str) -> tuple[str, ...]:
    """The models of a name: one, or several joined by + (DETECTOR+SAM)."""
    return (name,) if Path(name).is_dir() else tuple(part.strip() for part in name.split("+"))
