"""Pictures are seen before their run, while their user still chooses the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path

from relook.config import PhotoConfig
from relook.io import read_picture
from relook.progress import SILENT, Progress
from relook.session import Session
from relook.transfer.materials import rugs_foreseen
from relook.transfer.photo import seen, small_of
from relook.transfer.resolve import resolve
from relook.types import Metadata, View


def foresee(
    structure: str | Path | None,
    styles: Sequence[str | Path],
    config: PhotoConfig,
    session: Session,
    progress: Progress = SILENT,
) -> None:
    """See pictures and their rugs before their run: small, then whole; a run of this configuration finds in the session what was seen of them.

    structure: None where it is not chosen yet. Stops between two steps of a picture (`Progress`).
    """
    found: list[tuple[View, Metadata]] = []
    for picture in styles if structure is None else (structure, *styles):
        image, metadata = read_picture(picture, like=found[0][1] if structure is not None and found else None)
        found.append((View(image), metadata))
    run = resolve(config, session, [view for view, _ in found], progress)
    layouts = chain(() if structure is None else (config.layout,), (config.style_layout,), repeat("auto"))
    steps = [*zip(found, layouts, strict=False)]
    small = [((small_of(view, run.perception.session), metadata), layout) for (view, metadata), layout in steps]
    steps = small + steps
    with progress.stage("perceiving", len(steps)) as tick:
        for number, (one, layout) in enumerate(steps, start=1):
            view = seen(run, one, layout)
            if run.family is None and run.materials:
                rugs_foreseen(view, run.perception.session)
            tick(number)
