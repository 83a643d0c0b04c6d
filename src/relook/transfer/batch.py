"""Many pictures on every core: a flat in one look, or pairs from a table; a stopped run goes on, and one failure stops nothing."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

import relook
from relook.config import PhotoConfig
from relook.engine import Engine
from relook.errors import CancelledError, InputError, RelookError
from relook.files import check_writable, label_maps, picture_format, reason, replacing, sha256
from relook.io import ENDINGS
from relook.io.sheet import Picture, contact_sheet
from relook.progress import SILENT, Progress
from relook.record import read_record
from relook.session import Session, opened
from relook.transfer.photo import restyle_photo
from relook.transfer.resolve import absolute_config, resolve
from relook.types import View

COLUMNS = ("structure", "style", "out")
"""Of a table of pairs; `style` and `out` may be left out."""
LINES = 24
"""Pictures on one contact sheet."""
log = logging.getLogger("relook")


@dataclass(frozen=True)
class Job:
    """One picture to make."""

    structure: Path
    styles: tuple[Path, ...]
    out: Path
    """The picture; its record comes beside it."""


def restyle_photos(
    jobs: Sequence[Job],
    config: PhotoConfig | None = None,
    *,
    sheets: str | Path | None = None,
    engine: Engine = Engine(),  # noqa: B008  frozen
    progress: Progress = SILENT,
) -> list[Path]:
    """Make every picture that is not there yet, each as `restyle_photo` makes it, then contact sheets of all in the folder `sheets`.

    A picture is there if its record names these inputs, options and this version, and neither they nor it have changed since. Returns the
    contact sheets. Raises InputError, before any work, for options that no run can use, and, after everything else is made, where one failed.
    """
    config = config or PhotoConfig()
    config.check()
    _check(jobs, config)
    with opened(None, config.device, config.precision, low_vram=config.low_vram) as session:
        asked = (
            replace(config, segmenter=str(label_maps(config.segments)[0]))
            if config.segments and config.has_maps
            else config
        )
        resolve(asked, session, [View(torch.zeros(3, 8, 8))] * 2, progress)  # raises for what no picture can use
        failed = _failures(jobs, config, engine, session, progress)
    made = [job for job in jobs if job not in failed]
    written = [] if sheets is None else _sheets(made, Path(sheets))
    if failed:
        job, why = next(iter(failed.items()))
        raise InputError(
            f"Expected all {len(jobs)} pictures, got {len(failed)} failures ({job.structure.name}: {why}); the others are made."
        )
    return written


def jobs_of(structures: Sequence[str | Path], styles: Sequence[str | Path], out: str | Path) -> list[Job]:
    """A job for every picture, those of a folder (not of folders inside it), in one look: OUT/NAME.png.

    Raises InputError for a folder without pictures and for two pictures of one name.
    """
    pictures = [
        picture for place in map(Path, structures) for picture in (_pictures(place) if place.is_dir() else [place])
    ]
    looks = tuple(map(Path, styles))
    return [Job(picture, looks, Path(out) / f"{picture.stem}.png") for picture in pictures]


def jobs_in(pairs: str | Path, styles: Sequence[str | Path], out: str | Path) -> list[Job]:
    """A job for every line of a table (CSV with the columns structure, style, out): paths are from the table's folder, those of `out` from OUT.

    Where a line names no style, it is `styles`; several are separated by `;`. Raises InputError for a table without these columns.
    """
    pairs = Path(pairs)
    jobs = []
    for line in _lines(pairs):
        named = [pairs.parent / word.strip() for word in (line.get("style") or "").split(";") if word.strip()]
        structure = pairs.parent / line["structure"].strip()
        name = (line.get("out") or "").strip() or f"{structure.stem}.png"
        jobs.append(Job(structure, tuple(named or map(Path, styles)), Path(out) / name))
    return jobs


def _lines(pairs: Path) -> Iterator[dict[str, str]]:
    try:
        with pairs.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            columns = {(name or "").strip() for name in table.fieldnames or ()}
            if "structure" not in columns or not columns <= set(COLUMNS):
                raise InputError(
                    f"Expected the columns {', '.join(COLUMNS)} in {pairs}, got {', '.join(sorted(columns)) or 'none'}; name them so."
                )
            yield from ({(name or "").strip(): value or "" for name, value in line.items()} for line in table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Expected a table (CSV) at {pairs}, got none ({reason(error)}); check the file.") from error


def _pictures(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    if not found:
        raise InputError(f"Expected pictures in {folder}, got none; name another folder.")
    return found


def _check(jobs: Sequence[Job], config: PhotoConfig) -> None:
    """Raise InputError before any work for jobs that cannot all be written or have no style, and for a map that fits one picture only."""
    if not jobs:
        raise InputError("Expected at least one picture to restyle, got none; name some.")
    if len(jobs) > 1 and (
        (config.segments and not config.has_maps) or config.depth or config.layout not in ("auto", "none")
    ):
        raise InputError(
            "Expected no map of one picture (a label map, depth, layout) for several, got one; leave it out."
        )
    for job in jobs:
        if not job.styles:
            raise InputError(f"Expected a style for {job.structure}, got none; name one.")
        picture_format(job.out)
        check_writable(job.out)
    places = [job.out.resolve() for job in jobs]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise InputError(
            f"Expected a place of its own for every picture, got {twice} twice; name them in a table (--pairs)."
        )


def _failures(
    jobs: Sequence[Job], config: PhotoConfig, engine: Engine, session: Session, progress: Progress
) -> dict[Job, str]:
    """Why there is no picture, of all jobs that failed, in their order; each is said on the log as it fails."""
    failed = {}
    with progress.stage("restyling pictures", len(jobs)) as tick:
        for number, (job, why) in enumerate(engine.results(partial(_made, config), jobs, session), start=1):
            if why:
                failed[job] = why
                log.warning("%s failed: %s", job.structure, why)
            tick(number)
    return {job: failed[job] for job in jobs if job in failed}


def _made(config: PhotoConfig, job: Job, session: Session) -> str:
    """Make one picture unless it is there; empty, or why it could not be made."""
    if _is_there(job, config, session):
        return ""
    try:
        restyle_photo(job.structure, job.styles, config, out=job.out, session=session)
    except CancelledError:
        raise
    except RelookError as error:
        return str(error)
    except Exception as error:  # one picture among many must not stop the others
        return f"{type(error).__name__}: {reason(error)}"
    return ""


def _is_there(job: Job, config: PhotoConfig, session: Session) -> bool:
    """Whether the picture lies there as its record says, made of the same inputs with the same options by this version."""
    try:
        record = read_record(job.out.with_suffix(".json"))
        same = record["output"]["sha256"] == sha256(job.out)
        wanted = absolute_config(config.of_picture(job.structure), session).as_json()
    except (RelookError, KeyError):
        return False
    inputs = [entry["path"] for name, entry in record["inputs"].items() if name.split()[0] in ("structure", "style")]
    asked = [str(path.resolve()) for path in (job.structure, *job.styles)]
    return same and inputs == asked and record["configuration"] == wanted and record["relook"] == relook.__version__


def _sheets(jobs: Sequence[Job], folder: Path) -> list[Path]:
    """Contact sheets of structure, style (or several) and output."""
    written = []
    for first in range(0, len(jobs), LINES):
        some = jobs[first : first + LINES]
        most = max(len(job.styles) for job in some)
        names = ["structure", *(f"style {number + 1}" if number else "style" for number in range(most)), "output"]
        lines: list[list[Picture | None]] = [
            [job.structure, *job.styles, *[None] * (most - len(job.styles)), job.out] for job in some
        ]
        path = folder / ("contact-sheet.jpg" if len(jobs) <= LINES else f"contact-sheet-{first // LINES + 1}.jpg")
        with replacing(path) as temporary:
            contact_sheet(lines, names).save(temporary, quality=92)
        written.append(path)
    return written
