"""One case of a photo suite: a structure and a style picture, and the exact answer where somebody knows it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from relook.correspond.semantic import Correspondence, match_segments
from relook.errors import SegmentsError
from relook.session import Session
from relook.types import View


@dataclass(frozen=True)
class Pair:
    """A structure and a style, both with segments and, where it is known, depth."""

    name: str
    """Of the case, unique in its source; may be a file's name."""
    structure: View
    style: View
    prompt: str = ""
    """Names the room, never its look."""
    exact: Float[Tensor, "3 H W"] | None = None
    """The answer: the structure in the style's look. None for pictures of the real world."""
    scored: Int[Tensor, "H W"] | None = None
    """Per pixel of the structure 1 + index into `names`, 0 where nobody can know the answer. None: every pixel counts, as one class."""
    names: tuple[str, ...] = ()
    """Names of the classes of `scored`."""
    patterned: Int[Tensor, "H W"] | None = None
    """The same, only for classes whose pattern differs between the structure and the answer."""

    def correspondence(self) -> Correspondence:
        """Regions of equal names. Raises SegmentsError where a picture has no segments."""
        structure, style = self.structure.segments, self.style.segments
        if structure is None or style is None:
            raise SegmentsError(f"Expected segments of both pictures of {self.name}, got none; perceive them first.")
        return match_segments(structure, style)


@runtime_checkable
class Source(Hashable, Protocol):
    """Where pairs come from. A frozen dataclass of plain values: it is sent to other processes, which draw or read the pairs there."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the pairs, in order."""
        ...

    @property
    def revision(self) -> str:
        """Changes with the content of any pair."""
        ...

    def revision_of(self, name: str) -> str:
        """Changes with the content of this pair: a hash of its files, or what it is drawn from."""
        ...

    @property
    def answered(self) -> bool:
        """Whether every pair has an exact answer."""
        ...

    def pair(self, name: str, session: Session) -> Pair:
        """A pair by its name; the same name gives the same pair. What is perceived is perceived in the session."""
        ...
