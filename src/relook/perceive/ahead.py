"""What a run of the command line begins before torch is there, whose import takes longer: its pictures are decoded and the small network looks at them.

Nothing here imports torch. What is begun for nothing, because the run sees otherwise, is never asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from relook.config import PhotoConfig
from relook.heif import know_heif
from relook.models.catalogue import SEGMENTER_ORDER
from relook.models.store import is_here, locate

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

    from relook.models.ade20k import Network
    from relook.session import Session

NAME = "ade20k"
"""Of the network, and of what a session loads under it."""


class Begun:
    """A network that has begun to look, for the session that goes on with it."""

    def __init__(self) -> None:
        self._network: Network | None = None

    def begin(self, pictures: Sequence[Path], threads: ThreadPoolExecutor, *, glance: bool) -> None:
        """Decode pictures and ask the network about them; what cannot be read is left to the run, which says so. glance: for a draft, which nothing else shall delay."""
        from relook.models.ade20k import Network, glances, looks

        self._network, wanted = Network(locate(NAME), _cores()), glances if glance else looks
        for path in pictures:
            with suppress(OSError, ValueError, SyntaxError):
                self._network.foresee([look.square for look in wanted(_pixels(path))], threads)

    def give(self, session: Session) -> None:
        """Let a session have the network."""
        if self._network is not None:
            session.loaded(NAME, lambda: self._network)


@contextmanager
def begun(pictures: Sequence[Path], config: PhotoConfig) -> Iterator[Begun]:
    """What is begun for a run of these pictures, in threads beside it that end with the block; nothing where one core is all there is."""
    found, number = Begun(), _cores() - 1
    if number < 1 or not _asks_the_small_network(config):
        yield found
        return
    threads = ThreadPoolExecutor(number)
    threads.submit(found.begin, pictures, threads, glance=config.preview)
    try:
        yield found
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def asks_small_networks_alone(config: PhotoConfig) -> bool:
    """Whether a run of a configuration will load nothing of transformers or diffusers: small networks see, or none, and nothing is denoised."""
    return config.chosen_method == "palette" and not config.label and _sees_little(config)


def _sees_little(config: PhotoConfig) -> bool:
    """Whether regions are those of the small network or, where there is none, of the room."""
    better = SEGMENTER_ORDER[: SEGMENTER_ORDER.index(NAME)]
    return config.segmenter == NAME or (config.segmenter == "auto" and not any(is_here(name) for name in better))


def _asks_the_small_network(config: PhotoConfig) -> bool:
    """Whether a run of a configuration will look at its pictures with the small network."""
    return is_here(NAME) and _sees_little(config)


def _pixels(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """What `relook.io.read_image` reads of plain pictures of 8 bits; of others (16 bits, transparent, other profiles) it may differ."""
    import numpy
    from PIL import Image, ImageOps

    know_heif()
    with Image.open(path) as picture:
        return numpy.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def _cores() -> int:
    """As many threads as torch will have."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdigit():
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
