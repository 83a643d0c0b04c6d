"""What is there before a run: pictures are seen while their user still chooses the others, and a draft stands for a picture that nobody has made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path

from relook.config import PhotoConfig
from relook.io import read_picture
from relook.progress import SILENT, Progress
from relook.session import Session
from relook.transfer.draft import drafted, glanced
from relook.transfer.materials import rugs_foreseen
from relook.transfer.photo import read_pictures, seen
from relook.transfer.references import Styles, listed
from relook.transfer.resolve import resolve
from relook.transfer.saving import Picture
from relook.types import Metadata, View


def foresee(
    structure: str | Path | None,
    styles: Sequence[str | Path],
    config: PhotoConfig,
    session: Session,
    progress: Progress = SILENT,
) -> None:
    """See pictures and their rugs before their run: at a glance, then whole; a run of this configuration finds in the session what was seen of them.

    structure: None where it is not chosen yet. Stops between two steps of a picture (`Progress`).
    """
    found: list[tuple[View, Metadata]] = []
    for picture in styles if structure is None else (structure, *styles):
        image, metadata = read_picture(picture, like=found[0][1] if structure is not None and found else None)
        found.append((View(image), metadata))
    run = resolve(config, session, [view for view, _ in found], progress)
    layouts = chain(() if structure is None else (config.layout,), (config.style_layout,), repeat("auto"))
    with progress.stage("perceiving", 2 * len(found)) as tick:
        for number, one in enumerate(found, start=1):
            glanced(run, one)
            tick(number)
        for number, (one, layout) in enumerate(zip(found, layouts, strict=False), start=1 + len(found)):
            view = seen(run, one, layout)
            if run.family is None and run.materials:
                rugs_foreseen(view, run.perception.session)
            tick(number)


def draft_photo(
    structure: Picture, style: Styles, config: PhotoConfig, *, session: Session, progress: Progress = SILENT
) -> tuple[View, View]:
    """The structure picture as it was glanced at, and its draft (see `drafted`), both at PREVIEW pixels. Raises as `restyle_photo`."""
    read = read_pictures((structure, *listed(style)), config)
    return drafted(resolve(config, session, [view for view, _ in read], progress), read, progress)
