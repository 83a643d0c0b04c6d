"""Frames of a walk, several at a time and in their order: what is done to each by itself keeps every core busy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
S = TypeVar("S")


def ahead(work: Callable[[S], T], values: Iterable[S], threads: int | None = None) -> Iterator[T]:
    """`work` of every value, in their order, as many at a time as there are threads (None: torch's), while the caller uses what is done.

    Values are taken by the caller's thread, one more than there are threads at most before the first is used: memory does not grow with their
    number. An error of `work` is raised where its value would be given; what has not begun by then never does.
    """
    threads = torch.get_num_threads() if threads is None else threads
    if threads <= 1:
        yield from map(work, values)
        return
    waiting = deque[Future[T]]()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for value in values:
                waiting.append(pool.submit(work, value))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
