"""Materials on planes: floors and ceilings take the style's own material, in its true size, lit as the structure is; and what a user states.

style:      region on its plane -> sample: seen straight on, light taken out
structure:  region on its plane -> the sample grown over what is seen of it -> fetched for every pixel -> its own light on it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.covers import Cover
from relook.errors import InputError, SegmentsError
from relook.ops.srgb import to_linear
from relook.perceive.layout.planes import CEILING, seen_planes
from relook.perceive.perception import content_of
from relook.perceive.segment.regions import ids_named
from relook.perceive.segment.vocabulary import canonical
from relook.session import Session
from relook.transfer.materials.cover import MAIN, covered, painted
from relook.transfer.materials.cut import cut_out
from relook.transfer.materials.lattice import repeated
from relook.transfer.materials.rug import Rug, rug_of, with_rug
from relook.transfer.materials.sample import ANY, DIRECTED, EXACT, SEEN, Material, plain, sampled, turned
from relook.transfer.materials.surface import PLANES, Surface, surfaces_of
from relook.transfer.materials.swatch import swatch
from relook.types import Segments, View

SHOWN: Mapping[str, tuple[str, ...]] = {"floor": ("floor", "rug"), "ceiling": ("ceiling",)}
"""Things that take the style's material -> things that show one, on the same plane."""
STRONG = 0.1
"""Deviation of a pattern that counts on a ceiling: most are plain, and their steps and lamps are no pattern."""
CERTAIN = 1.0
"""Confidence of regions that are known. A structure's wall below it keeps its own pattern: networks take lamps and pictures for wall, and they
would be papered. A style's floor below it must show more of its material."""
SAME = 0.9
"""Share of a perceived ceiling and the room's, of all that is either, that they have in common."""
RUGS = 8
"""Rugs that are remembered: those of both pictures, small and whole."""
COARSELY = 0.01
"""Metres of a cell, in which the structure's own pattern is looked at."""


def with_materials(
    image: Float[Tensor, "3 H W"],
    structure: View,
    style: View,
    correspondence: Correspondence,
    stated: Sequence[Cover] = (),
    strength: float = 1.0,
    session: Session | None = None,
) -> Float[Tensor, "3 H W"]:
    """A recoloured structure picture with the style's materials on its floor and ceiling, turned to the direction of its own.

    A surface stays as it is where its plane is unknown in either picture, where the style's shows too little of its material (`sampled`),
    and where something else is stated (see `with_covers`). strength: 0 leaves the picture as it is, 1 is the full change. session: remembers
    what is seen of rugs, and patterns that were grown.
    """
    taken = {canonical(cover.thing) for cover in stated}
    for name in (name for name in SHOWN if name not in taken):
        here = _on_plane(structure, name, ids_named(correspondence.structure, name))
        material = None if here is None else style_material(name, style, correspondence)
        if here is None or material is None:
            continue
        own = own_material(structure, here)
        if own is not None and own.lines * material.lines < -(DIRECTED**2):
            material = turned(material)
        if name == "ceiling":
            if not _is_rooms(structure, here):
                continue
            if not _planked(material):
                if own is None or not _planked(own):
                    continue
                material = plain(material)
        image = covered(image, structure.image, [here], material, strength, session=session)
    if "wall" not in taken:
        image = _with_walls(image, structure, style, correspondence, strength)
    return image if "rug" in taken else _with_rugs(image, structure, style, correspondence, strength, session)


def with_covers(
    image: Float[Tensor, "3 H W"],
    structure: View,
    stated: Sequence[Cover],
    strength: float = 1.0,
    session: Session | None = None,
) -> Float[Tensor, "3 H W"]:
    """A picture with stated materials and colours on things of the structure.

    Raises SegmentsError for a thing that the structure does not show, or that no known plane of its room carries; InputError for a file
    that is no picture. session: remembers patterns that were grown.
    """
    for cover in stated:
        mask = shown(structure, cover.thing)
        if cover.colour is not None:
            image = painted(image, structure.image, mask, to_linear(torch.tensor(cover.colour)), strength)
            continue
        surfaces = surfaces_of(structure, canonical(cover.thing), mask)
        if not surfaces:
            raise SegmentsError(
                f"Expected a known plane under {cover.thing} for a material, got none; mend the layout that relook perceive writes."
            )
        image = covered(image, structure.image, surfaces, swatch(cover), strength, MAIN, session)
    return image


def _with_walls(
    image: Float[Tensor, "3 H W"], structure: View, style: View, found: Correspondence, strength: float
) -> Float[Tensor, "3 H W"]:
    """A picture whose walls have the pattern of the style's, where that repeats clearly: in its size, from the floor up, around corners."""
    ids = [id for id in ids_named(found.structure, "wall") if found.structure.regions[id].confidence >= CERTAIN]
    counterparts = sorted({one for id in ids for one in found.allowed[id] if _is_wall(found.style, one)})
    if not counterparts:
        return image
    view = style.showing(counterparts[0])
    shown = () if view.segments is None else surfaces_of(view, "wall", view.segments.among(counterparts))
    samples = [one for one in (sampled(view.image, surface, everything=True) for surface in shown) if one is not None]
    patterns = (
        repeated(one) for one in sorted(samples, key=lambda one: -float(one.detail.known.sum()) * one.detail.cell**2)
    )
    pattern = next((one for one in patterns if one is not None), None)
    if pattern is None:
        return image
    walls = found.structure.among(ids)
    surfaces = surfaces_of(structure, "wall", cut_out(structure.image, walls, torch.zeros_like(walls)))
    return covered(image, structure.image, surfaces, pattern, strength) if surfaces else image


def _is_rooms(structure: View, here: Surface) -> bool:
    """Whether a ceiling's region is certain, or that of the room by its lines: planks on a network's error would be seen by everybody."""
    layout, segments = structure.layout, structure.segments
    if layout is None or segments is None:
        return False
    if all(segments.regions[id].confidence >= CERTAIN for id in ids_named(segments, "ceiling")):
        return True
    planes = seen_planes(layout).ids == CEILING
    return float((here.mask & planes).sum()) >= SAME * float((here.mask | planes).sum())


def _is_wall(segments: Segments, id: int) -> bool:
    return canonical(segments.regions[id].name) == "wall"


def _with_rugs(
    image: Float[Tensor, "3 H W"],
    structure: View,
    style: View,
    found: Correspondence,
    strength: float,
    session: Session | None,
) -> Float[Tensor, "3 H W"]:
    """A picture whose rugs are the style's, each as a whole; as it is where a rug of either is not seen well enough (`Rug`)."""
    for here, whole in rugs_met(structure, style, found, session):
        if here.placed and here.outline.round == whole.outline.round:
            image = with_rug(image, structure.image, here, whole.design.whole, strength)
    return image


def rugs_met(structure: View, style: View, found: Correspondence, session: Session | None) -> list[tuple[Rug, Rug]]:
    """The structure's rugs, each with the largest of its counterparts that is seen as a whole; without those that have none. session: remembers them."""
    pairs = []
    for id in ids_named(found.structure, "rug"):
        counterparts = [one for one in found.allowed[id] if canonical(found.style.regions[one].name) == "rug"]
        rugs = (_rug(style.showing(one), one, session) for one in sorted(counterparts))
        whole = max((rug for rug in rugs if rug is not None and rug.whole), key=_area, default=None)
        here = None if whole is None else _rug(structure, id, session)
        if whole is not None and here is not None:
            pairs.append((here, whole))
    return pairs


def rugs_foreseen(view: View, session: Session) -> None:
    """See the rugs of a view before anybody asks for them."""
    for id in () if view.segments is None else ids_named(view.segments, "rug"):
        _rug(view, id, session)


def _area(rug: Rug) -> float:
    return rug.outline.half[0] * rug.outline.half[1]


def _rug(view: View, id: int, session: Session | None) -> Rug | None:
    """The rug that a region of a view shows."""
    segments = view.segments
    if segments is None:
        return None
    see = partial(rug_of, view, segments.among([id]), segments.among(ids_named(segments, "floor")), session)
    return see() if session is None else session.remembered("rug", (content_of(view), id), see, RUGS)


def own_material(structure: View, surface: Surface) -> Material | None:
    """What a surface of the structure is made of, as far as it tells in which direction its lines run."""
    return sampled(structure.image, surface, needs=ANY, finest=COARSELY)


def style_material(name: str, style: View, correspondence: Correspondence) -> Material | None:
    """What the style's counterpart of a thing is made of, if it lies on the same plane and shows enough."""
    allowed = {other for id in ids_named(correspondence.structure, name) for other in correspondence.allowed[id]}
    regions = correspondence.style.regions
    ids = [id for id in sorted(allowed) if canonical(regions[id].name) in SHOWN[name]]
    ids = [id for id in ids if canonical(regions[id].name) == name] or ids
    if not ids:
        return None
    view = style.showing(ids[0])
    surface = _on_plane(view, name, ids)
    known = all(regions[id].confidence >= CERTAIN for id in ids)
    return None if surface is None else sampled(view.image, surface, needs=EXACT if known else SEEN)


def _on_plane(view: View, thing: str, ids: list[int]) -> Surface | None:
    """Regions of a view on its floor or ceiling."""
    if view.segments is None or not ids:
        return None
    return next(iter(surfaces_of(view, thing, view.segments.among(ids))), None)


def check_covers(stated: Sequence[Cover]) -> None:
    """Raise InputError for a material on what does not lie on a plane of its room."""
    for cover in stated:
        if cover.picture is not None and canonical(cover.thing) not in PLANES:
            raise InputError(
                f"Expected a material for {', '.join(PLANES)}, got one for {cover.thing}; name a colour, or a picture that shows such a thing."
            )


def shown(view: View, thing: str) -> Bool[Tensor, "H W"]:
    """Where a view shows a thing. Raises SegmentsError where it does not."""
    segments = view.segments
    ids = [] if segments is None else ids_named(segments, canonical(thing))
    if segments is None or not bool(segments.among(ids).any()):
        there = "nothing" if segments is None else ", ".join(segments.names)
        raise SegmentsError(f"Expected a thing of the structure picture to cover, got {thing!r}; it has: {there}.")
    return segments.among(ids)


def _planked(material: Material) -> bool:
    """Whether a pattern is strong and has a direction."""
    return material.contrast > STRONG and abs(material.lines) > DIRECTED
