"""Frames of a walk several at a time: in order, no more in memory than threads ask for, errors where they belong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from relook.lift.ahead import ahead


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_order_and_few_values_are_taken_ahead(threads: int) -> None:
    taken = list[int]()

    def values() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    for place, result in enumerate(ahead(lambda number: number * number, values(), threads)):
        assert result == place * place
        assert len(taken) <= place + 1 + (threads if threads > 1 else 0)
    assert len(taken) == 20


def test_as_many_work_at_a_time_as_there_are_threads() -> None:
    both = threading.Barrier(2, timeout=60)
    assert list(ahead(lambda _: both.wait() >= 0, range(4), 2)) == [True] * 4


def test_an_error_is_raised_at_its_place_and_nothing_is_begun_after_it() -> None:
    done = list[int]()

    def work(number: int) -> int:
        if number == 2:
            raise ValueError(number)
        done.append(number)
        return number

    found = ahead(work, range(50), 2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="2"):
        next(found)
    assert len(done) <= 5


def test_without_a_number_torch_says_how_many() -> None:
    threads = {threading.get_ident()}
    assert torch.get_num_threads() == 1
    assert set(ahead(lambda _: threading.get_ident(), range(3))) == threads
