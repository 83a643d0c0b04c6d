"""A session owns everything that a run loads: one device, one precision, one lock; `release()` gives it all back.

Nothing that is loaded hides in a module's cache: whoever loads weights asks `Session.loaded`, whoever keeps what a network said of a picture
asks `Session.remembered`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from threading import RLock
from types import TracebackType
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from relook.config import Precision
from relook.errors import InputError

TYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Precisions by name."""
REMEMBERED = 4
"""Answers that are remembered at a time, per kind of answer."""
T = TypeVar("T")


def _nothing() -> None:
    """Goes on."""


def content_key(values: Tensor) -> tuple[object, ...]:
    """A key for `Session.remembered` that tensors share if they hold the same."""
    return tuple(values.shape), sha256(values.contiguous().cpu().numpy().data).digest()


class _Answer(Generic[T]):
    """What is asked once, by whichever thread comes first; others wait for that thread alone."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.found: list[T] = []

    def value(self, make: Callable[[], T]) -> T:
        with self.lock:
            if not self.found:
                self.found.append(make())
            return self.found[0]


@dataclass(frozen=True)
class Placement:
    """A device with a precision."""

    device: torch.device
    dtype: torch.dtype
    low_vram: bool = False
    """Weights stay in main memory and visit the device layer by layer; the autoencoder works in tiles."""

    @property
    def precision(self) -> Precision:
        """The type by its name."""
        return next(name for name, dtype in TYPES.items() if dtype == self.dtype)

    def placed(self, model: Any) -> Any:
        """The model ready for inference there."""
        model = model.eval().requires_grad_(False)
        return offloaded(model, self.device) if self.low_vram and self.device.type != "cpu" else model.to(self.device)


CPU = Placement(torch.device("cpu"), torch.float32)
"""Where things run unless somebody says otherwise."""


class Session:
    """What is loaded, where it runs, and the lock that keeps two threads from loading it twice.

    Use it as a context, so that everything is given back at its end; several runs may share one.
    """

    def __init__(self, device: str = "auto", precision: Precision = "auto", *, low_vram: bool = False) -> None:
        """device, precision, low_vram: see `placement`. Raises InputError for a device that this machine does not have."""
        self.place = placement(device, precision, low_vram=low_vram)
        self.lock = RLock()
        """Held while something is loaded; networks that cannot serve two threads at once hold it while they answer."""
        self.check: Callable[[], None] = _nothing
        """Asked between two steps of what takes long; what it raises ends them."""
        self._loaded: dict[Hashable, Any] = {}
        self._remembered: dict[str, OrderedDict[Hashable, _Answer[Any]]] = {}

    @property
    def device(self) -> torch.device:
        """Where everything of this session runs."""
        return self.place.device

    def ended_by(self, check: Callable[[], None]) -> Session:
        """The same session, with all that is in it, for work that `check` ends between two steps by raising an error."""
        same = copy(self)
        same.check = check
        return same

    def loaded(self, key: Hashable, load: Callable[[], T]) -> T:
        """What `load` makes, made once for this key; it stays until it is released. An error of `load` leaves nothing behind."""
        with self.lock:
            if key not in self._loaded:
                self._loaded[key] = load()
            return self._loaded[key]

    def remembered(self, kind: str, key: Hashable, make: Callable[[], T], most: int = REMEMBERED) -> T:
        """What `make` says for this key, asked once as long as it is among the last `most` of its kind; other keys are not held up."""
        with self.lock:
            answers = self._remembered.setdefault(kind, OrderedDict())
            answer: _Answer[T] = answers.setdefault(key, _Answer())
            answers.move_to_end(key)
            while len(answers) > most:
                answers.popitem(last=False)
        return answer.value(make)

    def recalled(self, kind: str, key: Hashable, other: T) -> T:
        """What is remembered for this key; `other` where nobody asked for it, or its answer is not there yet."""
        with self.lock:
            answer: _Answer[T] | None = self._remembered.get(kind, OrderedDict()).get(key)
        return answer.found[0] if answer is not None and answer.found else other

    @contextmanager
    def meanwhile(self, *work: Callable[[], object]) -> Iterator[None]:
        """While the block runs, do in a thread beside it what somebody will ask `remembered` for, one after the other; not where torch has but one.

        Errors of that work are for whoever asks for it. Ends when both have.
        """
        if torch.get_num_threads() == 1 or not work:
            yield
            return
        with ThreadPoolExecutor(1) as beside:
            for one in work:
                beside.submit(one)
            try:
                yield
            except BaseException:
                beside.shutdown(wait=False, cancel_futures=True)
                raise

    def release(self, *keys: Hashable) -> None:
        """Give back what was loaded under these keys, or everything, and the memory that the device held for it."""
        with self.lock:
            for key in keys or tuple(self._loaded):
                self._loaded.pop(key, None)
            self._remembered.clear()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            elif self.device.type == "mps":
                torch.mps.empty_cache()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@contextmanager
def opened(
    session: Session | None, device: str = "auto", precision: Precision = "auto", *, low_vram: bool = False
) -> Iterator[Session]:
    """The session, or one for this block alone if there is none yet (see `placement`)."""
    if session is not None:
        yield session
        return
    with Session(device, precision, low_vram=low_vram) as own:
        yield own


def placement(device: str = "auto", precision: Precision = "auto", *, low_vram: bool = False) -> Placement:
    """A placement from a user's words.

    device: auto (cuda, else mps, else cpu) or a device of torch. precision: auto is fp32 on the CPU and fp16 elsewhere.
    Raises InputError for a device that this machine does not have, and for fp16 on the CPU.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"Expected a device that torch has here (auto, cpu, cuda, mps), got {device!r}; use cpu."
        ) from error
    if precision == "auto":
        precision = "fp32" if place.type == "cpu" else "fp16"
    if precision == "fp16" and place.type == "cpu":
        raise InputError("Expected fp32 or bf16 on the CPU, got fp16; choose one of them.")
    return Placement(place, TYPES[precision], low_vram)


def offloaded(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with its weights in main memory; every layer fetches its own to `device` while it runs (accelerate)."""
    from accelerate import cpu_offload

    cpu_offload(model, execution_device=device, offload_buffers=True)
    return model
