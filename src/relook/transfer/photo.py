"""One picture: read, perceive, match, restyle, composite, record."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.correspond.semantic import Correspondence, match_segments
from relook.errors import InputError
from relook.files import sha256, together, write_json
from relook.io import FORMATS, check_format, read_depth, read_picture, read_segments, write_image, write_segments
from relook.models.load import anchored
from relook.perceive import depth
from relook.perceive.first_use import first_use
from relook.perceive.segment import NAMES, revisions, segmenter
from relook.record import Clock, check_weights, make_record, read_record
from relook.transfer.composite import composite
from relook.types import Metadata, Result, View

if TYPE_CHECKING:
    from relook.models.families import Family
    from relook.session import Placement

Picture = str | Path | View
"""A picture's file, or a view with what is known of it."""
Progress = Callable[[int, int], None]
"""(steps done, steps in all)."""
GENTLY = 0.5
"""Strength of the palette where no network sees regions, as for a region without a counterpart."""


def restyle_photo(
    structure: Picture,
    style: Picture,
    config: PhotoConfig | None = None,
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Give the structure picture the look of the style picture, at the structure's own size.

    With `out`, writes the picture there, its record and the segments of both pictures beside it (see `write_result`).
    Raises an error of relook.errors, one sentence, for inputs or options that cannot be used; nothing is written then.
    """
    return _run(structure, style, config or PhotoConfig(), out, progress)


def repeat_photo(record: str | Path, *, out: str | Path | None = None, progress: Progress | None = None) -> Result:
    """Make a recorded picture again, exactly; written to `out`, or where it was.

    Raises RecordError if an input or a weight is not what it was.
    """
    recorded = read_record(record)
    config = PhotoConfig.from_json(recorded["configuration"])
    structure, style = (recorded["inputs"][name]["path"] for name in ("structure", "style"))
    return _run(structure, style, config, out or recorded["output"]["path"], progress, recorded)


def _run(
    structure: Picture,
    style: Picture,
    config: PhotoConfig,
    out: str | Path | None,
    progress: Progress | None,
    recorded: Mapping[str, Any] | None = None,
) -> Result:
    """The straight path; `recorded` is the record that is repeated."""
    config = _anchored(config)
    config.check()
    clock = Clock()
    with clock.part("read"):
        _check_place(out, structure, style, config)
        ours, metadata = _read(structure, config.segments, config.depth)
        theirs, _ = _read(style, config.style_segments, config.style_depth, like=metadata)
        if out is not None:
            check_format(out, metadata)
    with clock.part("load"):
        family = None if config.chosen_method == "palette" else family_of(config)
        seen = first_use(config, ours, theirs, reads_depth=_reads_depth(config, family))
        weights = _weights(seen, family, ours, theirs)
        if recorded is not None:
            check_weights(recorded, weights)
    with clock.part("perceive"):
        ours, theirs = _labelled([_perceive(view, seen, family) for view in (ours, theirs)], config)
    with clock.part("match"):
        correspondence = _match(ours, theirs, config)
    with clock.part("restyle"):
        if family is None:
            from relook.transfer.palette import palette

            gently = GENTLY if seen.segmenter != config.segmenter else 1.0
            new = palette(ours, theirs, correspondence, gently * config.strength)
        else:
            new = _denoised(family, ours, theirs, config, progress)
    image = composite(ours.image, new.cpu(), correspondence.kept)
    record = make_record(structure, style, config, weights=weights, timings=clock.seconds)
    result = Result(image, record, ours, theirs, metadata)
    return result if out is None else write_result(out, result)


def _match(structure: View, style: View, config: PhotoConfig) -> Correspondence:
    """Which regions correspond, as the user and the preset want it."""
    assert structure.segments is not None
    assert style.segments is not None
    return match_segments(
        structure.segments, style.segments, matches=config.matches, keep=config.keep, unmatched=config.unmatched,
        instances=config.instances,
        minimum_area=_minimum_area(config),
    )  # fmt: skip


def _minimum_area(config: PhotoConfig) -> float:
    """What the preset says of small classes; palette has none."""
    from relook.transfer.presets import preset_of

    return 0.0 if config.chosen_method == "palette" else preset_of(config.chosen_method, config.preset).minimum_area


def _denoised(
    family: Family, structure: View, style: View, config: PhotoConfig, progress: Progress | None
) -> Float[Tensor, "3 H W"]:
    """Restyled by diffusion at the working size, refined if that is wanted, carried to the structure's own size."""
    from relook.transfer.memory import StyleMemory
    from relook.transfer.presets import preset_of
    from relook.transfer.refine import enlarged, refined
    from relook.transfer.restyle import restyle
    from relook.transfer.working import carried, shrunk, working_side

    ours, theirs = (shrunk(view, config.size or working_side(family.size)) for view in (structure, style))
    new = restyle(
        family, ours, theirs, _match(ours, theirs, config), preset_of(config.chosen_method, config.preset),
        steps=config.steps, seed=config.seed, strength=config.strength, prompt=config.prompt, progress=progress,
        memory=None if config.style_memory is None else StyleMemory(config.style_memory),
        image_prompt=config.image_prompt,
    )  # fmt: skip
    small = ours.image
    if config.refine != "none":
        new = refined(new.cpu(), ours, _refiner(config, family), prompt=config.prompt, seed=config.seed)
        small = enlarged(small, (new.shape[-2], new.shape[-1]))
    return carried(structure.image, small, new.cpu())


def write_result(out: str | Path, result: Result) -> Result:
    """Write OUT, OUT.json (its record), OUT.structure.png and OUT.style.png (segments, each with a JSON of names).

    All of them or none; the picture comes last but one, its record last.
    """
    out = Path(out)
    with together(out.parent) as folder:
        for name, view in (("structure", result.structure), ("style", result.style)):
            if view.segments is not None:
                write_segments(folder / f"{out.stem}.{name}.png", view.segments)
        write_image(folder / out.name, result.image, result.metadata)
        record = result.record | {"output": {"path": str(out.resolve()), "sha256": sha256(folder / out.name)}}
        write_json(folder / f"{out.stem}.json", record)
    return replace(result, record=record)


def _check_place(out: str | Path | None, structure: Picture, style: Picture, config: PhotoConfig) -> None:
    """Raise before any work if the result could not be written, or would write over an input."""
    if out is None:
        return
    out = Path(out)
    if out.suffix.lower() not in FORMATS:
        raise InputError(f"Expected an output name ending in {', '.join(FORMATS)}, got {out.name!r}; rename it.")
    inputs = [structure, style, config.segments, config.style_segments, config.depth, config.style_depth]
    files = {Path(value).resolve() for value in inputs if isinstance(value, str | Path)}
    if written := files & {
        path.resolve() for path in (out, *(out.with_name(f"{out.stem}.{n}.png") for n in ("structure", "style")))
    }:
        raise InputError(f"Expected an output that is no input, got {written.pop()} as both; choose another name.")
    place = next(parent for parent in (out, *out.absolute().parents) if parent.exists())
    if out.is_dir() or (place != out and not place.is_dir()) or not os.access(place, os.W_OK):
        raise InputError(f"Expected a place to write {out}, got none ({place} is no writable folder); choose another.")


def _read(
    picture: Picture, segments: Path | None, depth: Path | None, *, like: Metadata | None = None
) -> tuple[View, Metadata]:
    """A view of a picture, with the segments and depth that the user has, and what else its file holds; see `read_picture`."""
    if isinstance(picture, View):
        view, metadata = picture, Metadata()
    else:
        image, metadata = read_picture(picture, like=like)
        view = View(image)
    if segments is not None:
        view = replace(view, segments=read_segments(segments, view.size))
    return view if depth is None else replace(view, depth=read_depth(depth, view.size)), metadata


def _perceive(view: View, config: PhotoConfig, family: Family | None) -> View:
    """The view with segments, and with depth where the family and the preset read depth and some model estimates it."""
    view = replace(view, segments=segmenter("exact" if view.segments is not None else config.segmenter)(view))
    if not _reads_depth(config, family) or view.depth is not None:
        return view
    if config.depth_estimator == "none":
        return view
    return replace(view, depth=depth.estimator(config.depth_estimator)(view))


def _labelled(views: list[View], config: PhotoConfig) -> list[View]:
    """The views with what the user named found and painted over their segments."""
    if not config.label:
        return views
    from relook.perceive.segment.open_vocabulary import label_views

    return label_views(views, config.label, config.labeller)


def _anchored(config: PhotoConfig) -> PhotoConfig:
    """The configuration with the paths of models made absolute and the device named, so that its record repeats from any folder."""
    config = replace(
        config,
        segmenter=anchored(config.segmenter, NAMES),
        depth_estimator=anchored(config.depth_estimator, ("none", *depth.NAMES)),
        image_prompt=anchored(config.image_prompt, ("auto",)),
        refine=anchored(config.refine, ("none", "same")),
    )
    if config.chosen_method != "palette":
        from relook.session import placement

        place = placement(config.device, config.precision, low_vram=config.low_vram)
        config = replace(config, device=str(place.device), precision=place.precision)
    if not config.label:
        return config
    from relook.perceive.segment import open_vocabulary

    return replace(config, labeller=open_vocabulary.absolute(config.labeller))


def _reads_depth(config: PhotoConfig, family: Family | None) -> bool:
    """Whether the run has a use for depth. Without a family nothing of diffusers is imported: it takes two seconds."""
    if family is None or family.control is None:
        return False
    from relook.transfer.presets import preset_of

    return preset_of(config.chosen_method, config.preset).denoising.depth


def family_of(config: PhotoConfig) -> Family:
    """The family that the configuration names, where and how it says; the last two used stay loaded."""
    from relook.session import placement

    place = placement(config.device, config.precision, low_vram=config.low_vram)
    return _loaded(config.family or "dollhouse", place, config.preview)


def _refiner(config: PhotoConfig, family: Family) -> Family:
    """The family that refines: the same, or the one that the configuration names."""
    return family if config.refine == "same" else family_of(replace(config, family=config.refine))


@lru_cache(2)
def _loaded(name: str, place: Placement, preview: bool) -> Family:
    from relook.models.families import load_family

    return load_family(name, place, preview=preview)


def _weights(config: PhotoConfig, family: Family | None, *views: View) -> dict[str, str]:
    """Revision of everything learned that the run uses."""
    used = {} if family is None else {f"family {family.name}": family.revision}
    if family is not None:
        used |= _image_prompt(config, family)
        if config.refine not in ("none", "same"):
            used["family that refines"] = _refiner(config, family).revision
    if any(view.segments is None for view in views):
        used |= revisions(config.segmenter)
    if config.label:
        from relook.perceive.segment import open_vocabulary

        used |= open_vocabulary.revisions(config.labeller)
    if config.depth_estimator != "none" and _reads_depth(config, family) and any(view.depth is None for view in views):
        used |= depth.revisions(config.depth_estimator)
    return used


def _image_prompt(config: PhotoConfig, family: Family) -> dict[str, str]:
    """The adapter's revision, where the style picture is a prompt."""
    from relook.models.image_prompt import find
    from relook.transfer.presets import preset_of

    if preset_of(config.chosen_method, config.preset).denoising.image_scale == 0:
        return {}
    return {"image prompt": find(config.image_prompt, family).revision}
