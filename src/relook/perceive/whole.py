"""Small pictures that stand for larger ones, in previews: what does not depend on the size is found once, in the larger one."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from relook.session import Session, content_key

KIND = "larger picture"


def stands_for(small: Float[Tensor, "3 h w"], whole: Float[Tensor, "3 H W"], session: Session) -> None:
    """Say that a small picture shows what a larger one shows, which will be looked at too."""
    if small.shape != whole.shape:
        session.remembered(KIND, content_key(small), lambda: whole)


def whole_of(image: Float[Tensor, "3 h w"], session: Session) -> Float[Tensor, "3 H W"]:
    """The larger picture that a small one stands for, or the picture itself."""
    return session.recalled(KIND, content_key(image), image)
