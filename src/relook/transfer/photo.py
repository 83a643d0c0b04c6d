"""One picture: read, resolve, perceive, match, restyle, composite, record."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Bool, Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.correspond.semantic import Correspondence
from relook.errors import SegmentsError
from relook.io import check_format, read_depth, read_picture, read_segments, write_image
from relook.ops.fill import whole_depth
from relook.perceive.exif import focal_of
from relook.progress import SILENT, Progress
from relook.record import Clock, check_weights, make_record, read_record
from relook.session import Session, opened
from relook.transfer.composite import composite
from relook.transfer.draft import PREVIEW, drafted
from relook.transfer.label import labelled
from relook.transfer.references import Styles, joined, listed
from relook.transfer.resolve import Run, resolve
from relook.transfer.saving import Picture, check_place, preview_of, write_result
from relook.transfer.settings import Preset
from relook.transfer.strength import weakened
from relook.transfer.working import carried, shrunk, working_side
from relook.types import Metadata, Result, Segments, View

if TYPE_CHECKING:
    from relook.models.families import Family

PACE = {"perceiving": (1.5, 1.0), "matching": (0.0, 0.1), "restyling": (0.2, 0.6), "materials": (0.6, 0.4)}
"""Seconds of a stage on two cores, and those of every megapixel, about: what a user reads of the time left."""
log = logging.getLogger("relook")


def restyle_photo(
    structure: Picture,
    style: Styles,
    config: PhotoConfig | None = None,
    *,
    out: str | Path | None = None,
    session: Session | None = None,
    progress: Progress = SILENT,
    preset: Preset | None = None,
) -> Result:
    """Give the structure picture the look of the style picture, or of several, at the structure's own size.

    With `out`, writes the picture there and its record beside it (see `relook.transfer.saving`).
    session: what is loaded stays in it for the next picture; None: nothing stays. preset: in place of the configuration's.
    Raises an error of relook.errors, one sentence, for inputs or options that cannot be used; nothing is written then.
    """
    return _restyled((structure, *listed(style)), config or PhotoConfig(), out, session, progress, {}, preset)


def understood(
    structure: View, style: Styles, config: PhotoConfig, session: Session, progress: Progress = SILENT
) -> tuple[Run, View, View]:
    """What a run of the configuration uses, and both pictures with what is seen of them: for looks that more than one picture takes.

    A structure with segments keeps them: what the user named is only looked for in the style.
    """
    read = read_pictures((structure, *listed(style)), config)
    run = resolve(config, session, [view for view, _ in read], progress)
    return run, *_perceived(run, read, progress, known=() if structure.segments is None else structure.segments.names)


def repeat_photo(
    record: str | Path,
    *,
    out: str | Path | None = None,
    session: Session | None = None,
    progress: Progress = SILENT,
) -> Result:
    """Make a recorded picture again, exactly; written to `out`, or where it was.

    Raises RecordError if an input or a weight is not what it was.
    """
    recorded = read_record(record)
    pictures, config, preset = _recorded(recorded)
    return _restyled(pictures, config, out or recorded["output"]["path"], session, progress, recorded, preset)


def see_again(record: Mapping[str, Any], session: Session | None = None) -> tuple[Segments | None, Bool[Tensor, "H W"]]:
    """What a recorded run saw in the structure picture: its regions, and which pixels were to be kept.

    Raises RecordError where a weight is not what it was, MissingModelError where it is gone.
    """
    pictures, config, preset = _recorded(record)
    with opened(session, config.device, config.precision, low_vram=config.low_vram) as session:
        read = read_pictures(pictures, config)
        run = resolve(config, session, [view for view, _ in read], SILENT, preset)
        check_weights(record, run.weights)
        structure, style = _perceived(run, read, SILENT)
        return structure.segments, run.correspondence(structure, style).kept


def _recorded(record: Mapping[str, Any]) -> tuple[list[Picture], PhotoConfig, Preset | None]:
    """The structure and the styles of a record, its configuration and its preset."""
    pictures = [entry["path"] for name, entry in record["inputs"].items() if name.split()[0] in ("structure", "style")]
    preset = None if record.get("preset") is None else Preset.from_json(record["preset"])
    return pictures, PhotoConfig.from_json(record["configuration"]), preset


def _restyled(
    pictures: Sequence[Picture],
    config: PhotoConfig,
    out: str | Path | None,
    session: Session | None,
    progress: Progress,
    recorded: Mapping[str, Any],
    preset: Preset | None,
) -> Result:
    """The straight path. pictures: the structure, then the styles; recorded: the record that is repeated, or nothing."""
    config.check()
    config = config.of_picture(pictures[0])
    check_place(out, pictures, config)
    clock = Clock()
    with opened(session, config.device, config.precision, low_vram=config.low_vram) as session:
        with clock.part("read"):
            read = read_pictures(pictures, config)
            metadata = read[0][1]
            if out is not None:
                check_format(out, metadata, config.quality)
        with clock.part("load"):
            run = resolve(config, session, [view for view, _ in read], progress, preset)
            check_weights(recorded, run.weights)
        if config.preview and out is not None:
            with clock.part("preview"):
                _write_draft(out, run, read, progress)
        image, structure, style = _with_look(run, read, progress, clock)
    record = make_record(_named(pictures), run.config, weights=run.weights, timings=clock.seconds, preset=preset)
    result = Result(image, record, structure, style, metadata)
    result = labelled(result) if config.label_edited else result
    return result if out is None else write_result(out, result, config)


def _with_look(
    run: Run, read: Sequence[tuple[View, Metadata]], progress: Progress, clock: Clock
) -> tuple[Float[Tensor, "3 H W"], View, View]:
    """The structure picture restyled, and both pictures with what was seen of them."""
    with clock.part("perceive"):
        structure, style = _perceived(run, read, progress)
    with clock.part("match"), progress.stage("matching", expected=_expected("matching", structure)):
        correspondence = run.correspondence(structure, style)
    with clock.part("restyle"):
        return looked(run, structure, style, correspondence, progress), structure, style


def looked(
    run: Run, structure: View, style: View, correspondence: Correspondence, progress: Progress = SILENT
) -> Float[Tensor, "3 H W"]:
    """A picture restyled by a run, its things at their strengths and what is kept put back; both pictures with what is seen of them."""
    by = 1.0 if run.family is None else run.config.strongest
    new = weakened(_painted(run, structure, style, correspondence, progress).cpu(), structure, run.config, by)
    return composite(structure.image, new, correspondence.kept)


def _write_draft(out: str | Path, run: Run, read: Sequence[tuple[View, Metadata]], progress: Progress) -> None:
    """Write a draft beside `out`, and say so; none where the user names what a glance does not see."""
    try:
        _, new = drafted(run, read, progress)
    except SegmentsError as error:
        log.info("there is no preview (%s)", str(error).split(";")[0])
        return
    write_image(path := preview_of(out), new.image)
    log.info("%s is a preview of %s pixels; the full picture follows", path, PREVIEW)


def _named(pictures: Sequence[Picture]) -> dict[str, Picture]:
    """The structure and the styles as a record names them."""
    styles = ("style" if number == 1 else f"style {number}" for number in range(1, len(pictures)))
    return dict(zip(("structure", *styles), pictures, strict=True))


def read_pictures(pictures: Sequence[Picture], config: PhotoConfig) -> list[tuple[View, Metadata]]:
    """The pictures, and those that single things take from, with the segments and depth that the user names of the first two, and what else
    their files hold (see `read_picture`).

    A sensor's depth has its holes filled; style pictures come in the colours of the structure picture's profile. A style that is put
    together already (`joined`) has what single things take from.
    """
    found: list[tuple[View, Metadata]] = []
    whole = isinstance(pictures[1], View) and pictures[1].pictures
    pictures = (*pictures, *(() if whole else config.reference_files))
    maps = chain(((config.segments, config.depth), (config.style_segments, config.style_depth)), repeat((None, None)))
    for picture, (segments, depth) in zip(pictures, maps, strict=False):
        if isinstance(picture, View):
            view, metadata = picture, Metadata()
        else:
            image, metadata = read_picture(picture, like=found[0][1] if found else None)
            view = View(image)
        if view.depth is not None:
            view = replace(view, depth=whole_depth(view.depth))
        if segments is not None:
            view = replace(view, segments=read_segments(segments, view.size))
        found.append((view if depth is None else replace(view, depth=read_depth(depth, view.size)), metadata))
    return found


def _expected(stage: str, *views: View) -> float:
    """About how many seconds a stage takes that works on these views at the same time."""
    once, megapixel = PACE[stage]
    return once + megapixel * max(view.size[0] * view.size[1] for view in views) / 1e6


def _perceived(
    run: Run, pictures: Sequence[tuple[View, Metadata]], progress: Progress, known: Sequence[str] = ()
) -> tuple[View, View]:
    """The structure and the style, of one picture or several, with segments, with layout and depth where the run reads them, and with what
    the user named over the segments. known: names of the structure's regions, which stay as they are; none: it is looked at.

    On the CPU two are seen at a time: much of it runs on one core.
    """
    at_once = 2 if run.config.device == "cpu" and not run.config.low_vram else 1
    layouts = chain((run.config.layout, run.config.style_layout), repeat("auto"))
    views: list[View] = []
    expected = _expected("perceiving", *(view for view, _ in pictures)) * -(-len(pictures) // at_once)
    with progress.stage("perceiving", len(pictures), expected=expected) as tick, ThreadPoolExecutor(at_once) as threads:
        for view in threads.map(partial(seen, run), pictures, islice(layouts, len(pictures))):
            views.append(view)
            tick(len(views))
    if run.labels is not None:
        with progress.stage("labelling"):
            views = [*views[:1], *run.labels(views[1:], known)] if known else run.labels(views, ())
    return views[0], joined(views[1:])


def seen(run: Run, picture: tuple[View, Metadata], layout: str) -> View:
    """One picture with segments, and with layout and depth where the run reads them."""
    view, metadata = picture
    if view.pictures:
        return view
    layout = layout if run.reads_layout(view) else "none"
    return run.perception.seen(view, layout, focal_of(metadata, view.size))


def _painted(
    run: Run, structure: View, style: View, correspondence: Correspondence, progress: Progress
) -> Float[Tensor, "3 H W"]:
    """The structure picture restyled: by colours and materials, or by the family's denoiser."""
    if run.family is None:
        return _by_surfaces(run, structure, style, correspondence, progress)
    return _by_denoising(run, run.family, structure, style, correspondence, progress)


def _by_surfaces(
    run: Run, structure: View, style: View, correspondence: Correspondence, progress: Progress
) -> Float[Tensor, "3 H W"]:
    """The palette's colours, then the style's materials, then what the user covers things with, at full strength."""
    from relook.transfer.materials import rugs_met, with_covers, with_materials
    from relook.transfer.palette import palette

    stated, session = run.config.covers, run.perception.session
    beside = (partial(rugs_met, structure, style, correspondence, session),) if run.materials else ()
    with progress.stage("restyling", expected=_expected("restyling", structure)), session.meanwhile(*beside):
        image = palette(structure, style, correspondence)
    with progress.stage("materials", expected=_expected("materials", structure)):
        if run.materials:
            image = with_materials(image, structure, style, correspondence, stated, session=session)
        return with_covers(image, structure, stated, session=session)


def _by_denoising(
    run: Run, family: Family, structure: View, style: View, correspondence: Correspondence, progress: Progress
) -> Float[Tensor, "3 H W"]:
    """Denoised at the family's working size, refined where that is wanted, and the change carried to the picture's own size."""
    from relook.transfer.memory import StyleMemory
    from relook.transfer.refine import enlarged, refined
    from relook.transfer.restyle import restyle
    from relook.transfer.scene import Options

    longest = run.config.size or working_side(family.size)
    small, small_style = shrunk(structure, longest), shrunk(style, longest)
    if small is not structure or small_style is not style:
        correspondence = run.correspondence(small, small_style)
    memory = None if run.config.style_memory is None else StyleMemory(run.config.style_memory)
    options = Options(
        run.config.steps, run.config.seed, run.config.strongest, run.config.prompt, run.adapter, run.descriptor, memory,
        run.textures if small is structure else None,
    )  # fmt: skip
    new = restyle(family, small, small_style, correspondence, run.preset, options, progress).cpu()
    seen = small.image
    if run.refiner is not None:
        new = refined(new, small, run.refiner, prompt=run.config.prompt, seed=run.config.seed, progress=progress)
        seen = enlarged(seen, (new.shape[-2], new.shape[-1]))
    return carried(structure.image, seen, new)
