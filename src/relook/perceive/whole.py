"""Small pictures that stand for larger ones, in previews: what does not depend on the size is found once, in the larger one."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from relook.session import Session, content_key

KIND = "larger picture"


class Whole(NamedTuple):
    """A picture in which something is found."""

    image: Float[Tensor, "3 H W"]
    key: tuple[object, ...]
    """Of its content."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.image.shape[1], self.image.shape[2]


def stands_for(small: Float[Tensor, "3 h w"], whole: Float[Tensor, "3 H W"], session: Session) -> None:
    """Say that a small picture shows what a larger one shows, which will be looked at too."""
    if small.shape != whole.shape:
        session.remembered(KIND, content_key(small), lambda: Whole(whole, content_key(whole)))


def whole_of(image: Float[Tensor, "3 h w"], session: Session) -> Whole:
    """The larger picture that a small one stands for, or the picture itself."""
    key = content_key(image)
    return session.recalled(KIND, key, Whole(image, key))
