"""The configuration of a run, resolved once into what the run uses; below here nobody looks anything up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from relook.config import PhotoConfig
from relook.correspond.alike import with_alike
from relook.correspond.features import Descriptor, descriptor
from relook.correspond.kin import with_kin
from relook.correspond.semantic import Correspondence, Source, match_segments
from relook.correspond.stays import stays
from relook.errors import SegmentsError
from relook.models.load import absolute
from relook.perceive.depth import ESTIMATORS
from relook.perceive.first_use import first_use
from relook.perceive.perception import Perception
from relook.perceive.segment import SEGMENTERS
from relook.perceive.segment.names import check_names
from relook.perceive.segment.open_vocabulary import LABELLERS, absolute_labeller, label_views
from relook.progress import Progress
from relook.session import Session
from relook.transfer.materials import check_covers
from relook.transfer.presets import preset_of
from relook.transfer.settings import Preset
from relook.transfer.texture import Textures
from relook.types import View

if TYPE_CHECKING:
    from relook.models.families import Family
    from relook.models.image_prompt import Adapter

PALETTE = Preset()
"""The weight-free method has no denoising."""
DRAWN = "dollhouse"
"""The embedded family."""
log = logging.getLogger("relook")


@dataclass(frozen=True)
class Run:
    """What one run uses."""

    config: PhotoConfig
    """As it is recorded: paths absolute, device and precision named."""
    preset: Preset
    """The method's numbers."""
    family: Family | None
    """None for the weight-free method."""
    adapter: Adapter | None
    """Makes the style picture a prompt."""
    refiner: Family | None
    """Paints finer detail."""
    descriptor: Descriptor | None
    """Says which style token belongs where, for presets that ask one about the clean pictures."""
    perception: Perception
    """Who is asked for what a view does not bring: segments, depth where the run reads it."""
    labels: Callable[[Sequence[View], Sequence[str]], list[View]] | None
    """Finds what the user named, over the segments; names of what is found already are enough."""
    weights: dict[str, str]
    """Revision of everything learned that the run uses, by its name in the record."""
    materials: bool
    """Whether surfaces take the style's materials: not where regions are no more than the room's planes."""
    textures: Textures | None = None
    """The style's patterns on the one view that it restyles, where they were decided for several together."""

    def reads_layout(self, view: View) -> bool:
        """Whether the run has a use for a view's layout: the weight-free method, where nothing else gives regions, and for estimated depth
        that patterns are to lie on."""
        return self.family is None or self.perception.by_layout or (self.preset.finish.textures and view.depth is None)

    def correspondence(self, structure: View, style: View) -> Correspondence:
        """Which regions correspond, as the user and the preset want it. Raises SegmentsError for a view without segments."""
        pictures = [view.segments for view in style.pictures or (style,) if view.segments is not None]
        if structure.segments is None or style.segments is None:
            raise SegmentsError("Expected segments of both pictures, got none; perceive them first.")
        config = self.config
        found = match_segments(
            structure.segments, pictures, matches={**config.matches, **self._sources(len(pictures))}, keep=config.keep,
            unmatched=config.unmatched, instances=config.instances, minimum_area=self.preset.minimum_area,
        )  # fmt: skip
        named = (*config.restyle, *config.matches, *config.references)
        if self.family is not None:
            return replace(found, style=style.segments)
        found = replace(with_kin(found), style=style.segments, still=stays(structure.segments, named))
        return with_alike(found, style.image)

    def _sources(self, pictures: int) -> dict[str, Source]:
        """What single things take from; the files that they name are the last of the style's pictures."""
        files = self.config.reference_files
        numbers = {path: pictures - len(files) + place for place, path in enumerate(files)}
        return {name: Source(one.region, numbers[one.path]) for name, one in self.config.references.items()}


def resolve(
    config: PhotoConfig, session: Session, views: Sequence[View], progress: Progress, preset: Preset | None = None
) -> Run:
    """What a run of this configuration on these views uses; networks that see are loaded when they are first asked.

    preset: in place of the configuration's. Raises an error of relook.errors for what is not here or cannot be used.
    """
    config = absolute_config(config, session)
    check_covers(config.covers)
    denoises = config.chosen_method != "palette"
    family = refiner = adapter = described = None
    weights: dict[str, str] = {}
    if denoises:
        with progress.stage("loading"):
            family = family_of(config, session)
        weights[f"family {family.name}"] = family.revision
        preset = preset or preset_of(config.chosen_method, config.preset, tuned=family.tuned)
        if preset.denoising.image_scale > 0:
            adapter, weights["image prompt"] = _adapter(config, family, session)
        if preset.denoising.described:
            described = descriptor(preset.denoising.matcher, session, family)
        if config.refine == "same":
            refiner = family
        elif config.refine != "none":
            refiner = family_of(replace(config, family=config.refine), session)
            weights["family that refines"] = refiner.revision
    preset = preset or PALETTE
    reads_depth = family is not None and family.control is not None and preset.denoising.depth
    seen = first_use(config, session, *views, reads_depth=reads_depth, progress=progress)
    check_names(seen, *views)
    if denoises and (config.family or DRAWN) == DRAWN and any(view.segments is None for view in views):
        _warn_of_photographs(seen.segmenter)
    perception = Perception(
        session.ended_by(progress.check), seen.segmenter, seen.depth_estimator if reads_depth else "none"
    )
    planes_only = perception.by_layout and any(view.segments is None for view in views)
    return Run(
        config, preset, family, adapter, refiner, described, perception, labels=_labeller(config, session),
        weights=weights | _revisions(seen, views, reads_depth), materials=config.materials and not planes_only,
    )  # fmt: skip


def _warn_of_photographs(segmenter: str) -> None:
    """Say in one sentence that the embedded family does not know what is asked of it: pictures whose regions are looked for as a photograph's."""
    if SEGMENTERS.chosen(segmenter) not in ("embedded", "whole"):
        log.warning("the family %s has seen drawn rooms only and smears photographs: leave --family out, name one that knows photographs, "
                    "or say --segmenter embedded if these are drawn rooms.", DRAWN)  # fmt: skip


def family_of(config: PhotoConfig, session: Session) -> Family:
    """The family that the configuration names, loaded once in a session."""
    from relook.models.families import load_family

    name = config.family or DRAWN
    load = partial(load_family, name, session.place, tiny_decoder=config.tiny_decoder)
    return session.loaded(("family", name, config.tiny_decoder), load)


def _adapter(config: PhotoConfig, family: Family, session: Session) -> tuple[Adapter, str]:
    """The image prompt's adapter for a family, and its revision."""
    from relook.models.image_prompt import adapter, find

    key = ("image prompt", config.image_prompt, config.family, config.tiny_decoder)
    return session.loaded(key, lambda: adapter(config.image_prompt, family)), find(config.image_prompt, family).revision


def _labeller(config: PhotoConfig, session: Session) -> Callable[[Sequence[View], Sequence[str]], list[View]] | None:
    """What finds the things that the user names, if there are any."""
    if not config.label:
        return None
    return lambda views, found: label_views(views, config.label, config.labeller, session, found)


def _revisions(config: PhotoConfig, views: Sequence[View], reads_depth: bool) -> dict[str, str]:
    """Of every network that will be asked about these views."""
    used: dict[str, str] = {}
    if any(view.segments is None for view in views):
        used |= SEGMENTERS.revisions(config.segmenter)
    if config.label:
        used |= LABELLERS.revisions(config.labeller)
    if reads_depth and config.depth_estimator != "none" and any(view.depth is None for view in views):
        used |= ESTIMATORS.revisions(config.depth_estimator)
    return used


def absolute_config(config: PhotoConfig, session: Session) -> PhotoConfig:
    """The configuration with the paths of models made absolute and the device named, so that its record repeats from any folder."""
    config = replace(
        config,
        segmenter=absolute(config.segmenter, SEGMENTERS.names),
        depth_estimator=absolute(config.depth_estimator, ("none", *ESTIMATORS.names)),
        layout=absolute(config.layout, ("auto", "none")),
        style_layout=absolute(config.style_layout, ("auto", "none")),
        image_prompt=absolute(config.image_prompt, ("auto",)),
        refine=absolute(config.refine, ("none", "same")),
        reference=tuple(f"{name}={replace(one, path=one.path.resolve())}" for name, one in config.references.items()),
        material=tuple(f"{one.thing}={one.picture.resolve()}" for one in config.covers if one.picture is not None),
        device=str(session.device),
        precision=session.place.precision,
    )
    if not config.label:
        return config
    return replace(config, labeller=absolute_labeller(config.labeller))
