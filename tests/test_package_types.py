"""Annotations are checked while tests run: what jaxtyping's own decorator refuses and takes, ours does, though it reads them when a function is first called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import pytest
import torch
from beartype import beartype
from jaxtyping import Float, Int, TypeCheckError
from torch import Tensor

import checking
from checking import SLOW, checked
from relook.ops.resize import at_most
from relook.ops.srgb import luminance
from relook.session import content_key


class Size(NamedTuple):
    """A size."""

    height: int
    width: int


class Many(Sequence[int]):
    """A class that says what it holds."""

    def __init__(self, *held: Any) -> None:
        self.held = held

    def __getitem__(self, index: Any) -> Any:
        return self.held[index]

    def __len__(self) -> int:
        return len(self.held)


def product(a: Float[Tensor, "H W"], b: Float[Tensor, "W D"] | None, answer: Any) -> Float[Tensor, "H D"]:
    return answer


def all_kinds(first: int, /, second: float, *more: Size, how: Literal["a", "b"] = "a", **others: Path | None) -> None:
    return others.get("answer")  # type: ignore[return-value]


def halved(image: Float[Tensor, "3 H W"], side: int) -> Int[Tensor, "H//2 {side}"]:
    return torch.zeros(image.shape[1] // 2, 4, dtype=torch.int64)


def held(several: Sequence[Float[Tensor, " N"]], named: Mapping[str, tuple[int, ...]], call: Callable[[], int]) -> None:
    del several, named, call


def told(many: Many, unknown: NotThere) -> Iterator[int]:  # noqa: F821
    yield from many


C = TypeVar("C", bound="Later")


def made_of(kind: type[C], called: Literal["Later"] = "Later") -> C:
    return kind() if called == "Later" else 3  # type: ignore[return-value]


class Later:
    """A class that its function names before it is there."""


@dataclass
class View:
    """A dataclass."""

    image: Float[Tensor, "3 H W"]
    depth: Float[Tensor, "H W"] | None = None


def views() -> type[View]:
    """A class of its own, to be checked."""
    return dataclass(
        type("View", (), {"__annotations__": dict(View.__annotations__), "__module__": __name__, "depth": None})
    )


T = torch.zeros
CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], bool]] = [
    (product, (T(2, 3), T(3, 4), T(2, 4)), {}, True),
    (product, (T(2, 3), None, T(2, 9)), {}, True),
    (product, (T(2, 3), T(4, 4), T(2, 4)), {}, False),  # W is two numbers
    (product, (T(2, 3), T(3, 4), T(4, 4)), {}, False),  # in the answer
    (product, (T(2, 3), T(3, 4), T(2, 4).long()), {}, False),
    (product, (), {"b": T(3, 4), "a": T(2, 3), "answer": T(2, 4)}, True),
    (product, (T(2, 3),), {"b": T(4, 4), "answer": T(2, 4)}, False),
    (product, ([[1.0]], None, T(2, 4)), {}, False),
    (all_kinds, (1, 2.0, Size(1, 2)), {"how": "b", "where": Path("a")}, True),
    (all_kinds, (1, 2), {}, False),  # an int is no float
    (all_kinds, (1,), {"second": 2}, False),
    (all_kinds, ("1", 2.0), {}, False),
    (all_kinds, (1, 2.0, Size(1, 2), (1, 2)), {}, False),
    (all_kinds, (1, 2.0), {"how": "c"}, False),
    (all_kinds, (1, 2.0), {"where": "a"}, False),
    (all_kinds, (1, 2.0), {"answer": Path("a")}, False),
    (halved, (T(3, 4, 8), 4), {}, True),
    (halved, (T(3, 4, 8), 5), {}, False),
    (halved, (T(2, 4, 8), 4), {}, False),
    (held, ([T(3), T(3)], {"a": (1, 2)}, len), {}, True),
    (held, ([T(3), T(3)], {"a": (1.0,)}, len), {}, False),
    (held, ([T(3, 1)], {}, len), {}, False),
    (held, ([T(3)], {}, 3), {}, False),
    (told, (Many(1, 2), "whatever"), {}, True),
    (told, (Many("a"), "whatever"), {}, False),
    (told, ([1, 2], "whatever"), {}, False),
    (made_of, (Later,), {}, True),
    (made_of, (int,), {}, False),
    (made_of, (Later(),), {}, False),
    (views, (T(3, 2, 4), T(2, 4)), {}, True),
    (views, (T(3, 2, 4),), {"depth": T(4, 4)}, False),
    (views, (T(2, 4),), {}, False),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_the_same_is_refused_as_by_jaxtyping_itself(number: int) -> None:
    function, arguments, named, fine = CALLS[number]
    for one in (SLOW(typechecker=beartype), checked):
        called = one(function()) if function is views else one(function)
        if fine:
            called(*arguments, **named)
            continue
        with pytest.raises(
            TypeCheckError, match=function.__name__.removesuffix("s") if function is not views else "__init__"
        ):
            called(*arguments, **named)


def test_wrong_types_and_shapes_are_refused() -> None:
    """Of Relook: its functions are checked ones."""
    with pytest.raises(TypeCheckError, match=r"longest of relook\.ops\.resize\.at_most"):
        at_most((3, 4), "5")  # type: ignore[arg-type]
    with pytest.raises(TypeCheckError):
        content_key("no tensor")  # type: ignore[arg-type]
    with pytest.raises(TypeCheckError):
        luminance(torch.zeros(4, 5))
    assert at_most((30, 40), 20) == (15, 20)


def test_arguments_that_do_not_fit_are_pythons_own_error() -> None:
    for call in (lambda: at_most(), lambda: at_most((3, 4), 5, 6), lambda: at_most((3, 4), other=5)):  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="at_most"):
            call()


def test_functions_made_anew_share_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    real = checking._test
    monkeypatch.setattr(
        checking, "_test", lambda annotation, function: read.append(annotation) or real(annotation, function)
    )

    def made(kind: type) -> Callable[..., Any]:
        def inner(value: Any) -> Any:
            return value

        inner.__annotations__["value"] = kind
        return checked(inner)

    for _ in range(3):
        assert made(int)(3) == 3
        assert made(str)("a") == "a"
        for one, wrong in ((made(int), "a"), (made(str), 3)):
            with pytest.raises(TypeCheckError):
                one(wrong)
    assert [one for one in read if one in (int, str)] == [int, str]
