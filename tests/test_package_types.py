"""Annotations are checked while tests run, though they are read when a function is first called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from beartype.roar import BeartypeCallHintParamViolation
from jaxtyping import TypeCheckError

from checking import checked
from relook.ops.resize import at_most
from relook.ops.srgb import luminance
from relook.session import content_key


def test_wrong_types_and_shapes_are_refused() -> None:
    with pytest.raises(TypeCheckError):
        at_most((3, 4), "5")  # type: ignore[arg-type]
    with pytest.raises(TypeCheckError):
        content_key("no tensor")  # type: ignore[arg-type]
    with pytest.raises(TypeCheckError):
        luminance(torch.zeros(4, 5))
    assert at_most((30, 40), 20) == (15, 20)


def test_functions_made_anew_share_their_checks() -> None:
    def made(kind: type) -> Callable[..., Any]:
        def inner(value: Any) -> Any:
            return value

        inner.__annotations__["value"] = kind
        return checked(inner)

    first, other = made(int), made(str)
    assert made(int) is first
    assert made(str) is other
    assert first(3) == 3
    assert other("a") == "a"
    for one, wrong in ((first, "a"), (other, 3)):
        with pytest.raises(BeartypeCallHintParamViolation):
            one(wrong)
