"""`relook photo`: one picture, a folder or several in one look, pairs from a table, or a record again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from relook.config import FILES, File, PhotoConfig
from relook.errors import InputError
from relook.files import FORMATS, check_there, check_writable, picture_format
from relook.options import EXISTING, POSITIONAL, REPEATED, Group
from relook.perceive.ahead import asks_small_networks_alone, begun
from relook.present.arguments import parse
from relook.present.loading import loading
from relook.present.terminal import OUT, drawn

EXAMPLE = """examples: relook photo room.jpg look.jpg --out new.png --keep window,door --match sofa=armchair
  relook photo room.jpg --style look.jpg --style more.jpg --reference sofa=velvet.jpg --strength .9 --strength rug=.5 --out new.png
  relook photo rooms/ look.jpg --out restyled/"""
BATCH = Group("many pictures")


@dataclass(frozen=True)
class Photo:
    """Restyle pictures: writes each picture, and a record from which it can be repeated."""

    structure: Annotated[tuple[Path, ...], POSITIONAL, FILES] = ()
    """The picture that keeps its structure; several, or a folder of them, get one look. Without --style the last one gives the look."""
    style: Annotated[tuple[Path, ...], EXISTING, REPEATED, FILES] = ()
    """The picture that gives the look. Name more: what the first has no counterpart for takes from the next."""
    out: Annotated[Path | None, FILES] = None
    """Where to write (png, tif, jpg, webp, avif or heic); the record comes beside it. Only png, tif and webp hold kept pixels exactly. For
    several pictures: a folder."""
    from_record: Annotated[File, FILES] = None
    """Repeat a recorded result exactly: the JSON beside it. Needs no other option."""
    pairs: Annotated[File, BATCH] = None
    """A table (CSV) with the columns structure, style, out in place of STRUCTURE and --style; style and out may be left out."""
    workers: Annotated[int | None, Ge(1), BATCH] = None
    """Processes for several pictures. Default: one per core on the CPU, one on a GPU."""
    engine: Annotated[Literal["pool", "ray"], BATCH] = "pool"
    """Who works on several pictures: `pool`, this machine; `ray`, the cluster of RAY_ADDRESS (pip install "relook[ray]")."""
    config: PhotoConfig = field(default_factory=PhotoConfig)


def photo(words: Sequence[str]) -> int:
    """relook photo."""
    options = parse(Photo, "relook photo", words, EXAMPLE)
    if not options.style and options.pairs is None and len(options.structure) > 1:
        *structures, look = options.structure
        options = replace(options, structure=tuple(structures), style=(look,))
    if options.from_record is not None:
        return _repeated(options)
    for path in (*options.structure, *options.style):
        check_there(path)
    if options.pairs is not None or len(options.structure) > 1 or any(path.is_dir() for path in options.structure):
        return _many(options)
    return _one(options)


def _one(options: Photo) -> int:
    """One picture."""
    if not options.structure or not options.style or options.out is None:
        raise InputError("Expected STRUCTURE, --style and --out (or --from-record), got less; see relook photo --help.")
    picture_format(options.out)
    check_writable(options.out)
    structure, styles, config = options.structure[0], options.style, options.config
    with begun((structure, *styles), config) as ahead, drawn() as progress:
        with loading(values_only=asks_small_networks_alone(config)):
            from relook.session import Session
            from relook.transfer.photo import restyle_photo
        with Session(config.device, config.precision, low_vram=config.low_vram) as session:
            ahead.give(session)
            result = restyle_photo(structure, styles, config, out=options.out, session=session, progress=progress)
    return _said(result.record)


def _repeated(options: Photo) -> int:
    """A record again."""
    if options.structure or options.style or options.pairs:
        raise InputError("Expected only --from-record (and --out), got pictures as well; leave them out.")
    if options.out is not None:
        picture_format(options.out)
    with loading():
        from relook.transfer.photo import repeat_photo
    with drawn() as progress:
        result = repeat_photo(options.from_record or "", out=options.out, progress=progress)
    return _said(result.record)


def _many(options: Photo) -> int:
    """Several pictures, and contact sheets of them."""
    if options.out is None or options.out.is_file() or options.out.suffix.lower() in FORMATS:
        many = " ".join(str(path) for path in (*options.structure, *filter(None, [options.pairs])))
        raise InputError(f"Expected a folder after --out for what {many} names, got {options.out}; name one.")
    if options.pairs is not None and options.structure:
        raise InputError("Expected STRUCTURE or --pairs, got both; leave one out.")
    with loading():
        from relook.engine import Engine
        from relook.transfer.batch import jobs_in, jobs_of, restyle_photos
    if options.pairs is not None:
        jobs = jobs_in(options.pairs, options.style, options.out)
    else:
        jobs = jobs_of(options.structure, options.style, options.out)
    engine = Engine(options.engine, options.workers)
    with drawn() as progress:
        sheets = restyle_photos(jobs, options.config, sheets=options.out, engine=engine, progress=progress)
    OUT.print(f"{len(jobs)} pictures in {options.out}; {', '.join(map(str, sheets))}", markup=False)
    return 0


def _said(record: Mapping[str, Any]) -> int:
    """Say where a picture is and how long it took."""
    OUT.print(f"{record['output']['path']} in {sum(record['timings'].values()):.1f} s", markup=False)
    return 0
