"""The weight-free method: every object takes the colours and light of its counterpart by optimal transport; its shading stays.

For each pair of classes the colours follow the entropic map between both regions in OKLab (`relook.transfer.colours`): what it gives lies
between colours of the style, so none is made that the style does not contain; what its blur takes from the structure's shading is put
back. Fine detail is carried over with a bounded gain. Soft region borders follow the edges of the picture, so there are no halos. The less
sure a region or its counterpart is, the less changes; what lights a room, hangs on its walls or is seen through its windows stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.errors import ShapeError
from relook.ops.guided import guided_filter
from relook.ops.oklab import oklab_to_displayable, rgb_to_oklab
from relook.ops.resize import at_most, resized
from relook.ops.smoother import fast_global_smoother
from relook.ops.soft import WORKING_SIDE, flowing_weights
from relook.perceive.segment.vocabulary import canonical
from relook.transfer.belief import beliefs, beliefs_within, only_planes
from relook.transfer.colours import (
    ColourChange,
    Colours,
    as_light,
    as_main,
    as_paint,
    as_plain,
    colour_change,
    colours_of,
    in_light,
    mixed,
)
from relook.transfer.pairs import STILL, UNMATCHED, WHOLE, Pair, and_whole, classes_of, pairs_of, sampled, surely
from relook.types import Segments, View

FAINT = 0.004
"""Weight up to which a region has no part in a pixel."""
REACH = 0.004
"""Sides of the picture over which what one part of a class is believed goes over into what another is."""
PIECES = (0.15, 0.01)
"""Reach and step of what flows between the pixels of a thing that takes from its kin: a headboard takes it or does not."""
DOUBTED = 0.2
"""How much what has other colours in a perceived surface is doubted at least: networks are sure of ceilings that lamps hang before."""
RAISED, POLISHED, SURFACE = 1.6, 1.25, 2.5
"""Factor by which the mean lightness of a perceived thing rises at most (in OKLab: four times the light), that of one of polished wood,
glass or lacquer (POLISH), whose reflections would become haze, and that of a surface, whose noise and dark corners would become fog."""
EXPOSED, BRIGHT = 0.8, 0.95
"""Lightness of the brightest parts of a picture (this quantile) from which on it is lit as usual: a dim room stays as dim beside it. Dark things
alone, which no wall or floor shows to be lit dimly, do not."""
LOWERED, FAR = 0.6, 0.45
"""Factor to which it falls at least where a thing takes from its kin: a sofa does not become as black as the only chair's thin frame, and one that
would fall farther, to FAR or less, stays as it is: dark wood made as light as that is pink."""
LIT = {"curtain": 0.85}
"""Factor to which it falls at least where the light behind shines through, which then is scaled as well: a white net becomes no black damask."""
PATTERNED, DARK = "floor", 0.35
"""The surface whose light and dark is more than the light on it, unless its mean lightness is below that: that of others is scaled as of what is
polished, not matched to the style's."""
POLISH = frozenset({"table", "desk", "cabinet", "shelf", "door"})
PAINTS = {"wall": (0.055, 0.6), "ceiling": (0.028, 0.75), "floor": (0.105, 0.3)}
"""Most tint (chroma by lightness) and least lightness that a surface takes if it was only perceived, and is paler and lighter: a white wall becomes
no wood, tiles no oak."""


ColourMaps = Mapping[int, ColourChange]
"""What happens to the colours of each class, by its common id; WHOLE: to those of what has no counterpart."""


@dataclass(frozen=True)
class _Parted:
    """A structure picture parted into what changes alike."""

    lab: Float[Tensor, "3 H W"]
    """The picture in OKLab."""
    smooth: Mapping[tuple[float, float], Float[Tensor, "3 H W"]]
    """The same without fine detail, for every kind of it."""
    pairs: Sequence[Pair]
    weights: Float[Tensor, "K H W"]
    """Of the pairs in every pixel."""
    beliefs: Float[Tensor, "H W"] | None = None
    """How much of its pair's change each pixel takes; None: all of it."""
    image: Float[Tensor, "3 H W"] | None = None
    """The picture; None: points that have no place in one."""
    reach: int = 0
    """Pixels over which beliefs within a pair's region go over into each other, and beyond its border."""

    def share(self, pair: Pair, here: Int[Tensor, " N"], share: float) -> Float[Tensor, " N"] | float:
        """How much of a pair's change some pixels take."""
        if self.beliefs is None:
            return share
        found = beliefs_within(self.beliefs, pair.region, self.reach) if self.reach else self.beliefs
        return share * found.flatten()[here]

    def within(self, pair: Pair, weight: Float[Tensor, "H W"]) -> tuple[Int[Tensor, " N"], Float[Tensor, "3 N"]]:
        """The pixels that a pair has a part in, and their smooth colours."""
        here = (weight.flatten() > FAINT).nonzero()[:, 0]
        return here, self.smooth[pair.smooth].flatten(1)[:, here]


def palette(
    structure: View, style: View, correspondence: Correspondence, strength: float = 1.0, maps: ColourMaps | None = None
) -> Float[Tensor, "3 H W"]:
    """The structure picture with the colours and light of the style's counterparts.

    strength: 0 leaves the picture as it is, 1 is the full change. maps: those of `colour_maps`, which were solved for a whole walk, say; None:
    solved for this picture. Unmatched regions follow the change of the whole picture part of the way (`everything`, `colour`) or stay as they
    are (`keep`); locked pixels come back bit-identical, and so does the inside of what is `still`. Raises ShapeError if the correspondence
    belongs to pictures of other sizes.
    """
    image, kept = structure.image, correspondence.kept
    _check(structure, correspondence.structure)
    _check(style, correspondence.style)
    if strength == 0 or bool(kept.all()):
        return image.clone()
    parted = _parted(image, correspondence)
    change = strength * _change(parted, _solved(parted, image, style.image, correspondence) if maps is None else maps)
    return torch.where(kept | (change == 0).all(0), image, oklab_to_displayable(parted.lab + change))


def colour_maps(structure: View, style: View, correspondence: Correspondence) -> ColourMaps:
    """What `palette` does to the colours of each class, for this and other pictures of the same room. Raises ShapeError as `palette`."""
    _check(structure, correspondence.structure)
    _check(style, correspondence.style)
    parted = _parted(structure.image, correspondence)
    if all(pair.id != WHOLE for pair in parted.pairs):
        whole = Pair(WHOLE, torch.ones_like(correspondence.kept), "", correspondence.overall, UNMATCHED)
        weights = torch.cat([parted.weights, whole.region[None]])
        parted = replace(parted, pairs=[*parted.pairs, whole], weights=weights)
    return _solved(parted, structure.image, style.image, correspondence)


def palette_of_points(
    colours: Float[Tensor, "3 N"],
    smooth: Float[Tensor, "3 N"],
    found: Correspondence,
    maps: ColourMaps,
    strength: float,
) -> Float[Tensor, "3 N"]:
    """`palette` for colours that have no place in a picture, as those of Gaussians; borders are those of the points.

    smooth: the same without fine detail. found: its structure's labels are (1, N). maps: those of `colour_maps`.
    """
    lab, base = rgb_to_oklab(colours[:, None]), rgb_to_oklab(smooth[:, None])
    still = found.structure.among([id for id, one in found.structure.regions.items() if one.name in found.still])
    pairs, planes = pairs_of(found, torch.where(still, STILL, found.structure_parts)), only_planes(found.structure)
    if planes:
        pairs = surely(pairs, found)
    weights = torch.stack([pair.region for pair in pairs]).float()
    if planes:
        weights[-1] = (
            1 - (torch.tensor([pair.share for pair in pairs[:-1]])[:, None, None] * weights[:-1]).sum(0)
        ).clamp_min(0)
    believed_of = None if planes else beliefs(found.structure)
    change = strength * _change(_Parted(lab, {pair.smooth: base for pair in pairs}, pairs, weights, believed_of), maps)
    return torch.where((change == 0).all(0), colours[:, None], oklab_to_displayable(lab + change))[:, 0]


def _parted(image: Float[Tensor, "3 H W"], found: Correspondence) -> _Parted:
    """What changes alike, with soft borders: classes, or where only planes were perceived, these and the whole picture."""
    lab = rgb_to_oklab(image)
    pairs, planes = pairs_of(found, classes_of(found, lab)), only_planes(found.structure)
    if planes:
        pairs, weights = and_whole(pairs, image, found)
    else:
        known = found.structure.among([id for id, one in found.structure.regions.items() if one.confidence == 1])
        weights = flowing_weights(image, torch.stack([pair.region for pair in pairs]), known)
    smooth = {kind: guided_filter(image, lab, *kind) for kind in {pair.smooth for pair in pairs}}
    reach = max(1, round(REACH * max(found.kept.shape)))
    return _Parted(lab, smooth, pairs, weights, None if planes else beliefs(found.structure), image, reach)


def _solved(
    parted: _Parted, image: Float[Tensor, "3 H W"], style: Float[Tensor, "3 h w"], found: Correspondence
) -> ColourMaps:
    """The maps of all pairs that change and have pixels."""
    maps: dict[int, ColourChange] = {}
    room = any(canonical(region.name) in PAINTS for region in found.structure.regions.values())
    dim = _dimness(image, style) if room else 1.0
    for pair, weight in zip(parted.pairs, parted.weights, strict=True):
        here, base = parted.within(pair, weight)
        if pair.share > 0 and len(here) and pair.id not in maps:
            maps[pair.id] = _map(pair, image, style, found, base, dim)
    return maps


def _change(parted: _Parted, maps: ColourMaps) -> Float[Tensor, "3 H W"]:
    """What the maps of all pairs add to the structure in OKLab, each by its share and its weights; without one of its own a pair has WHOLE's."""
    change, lab = torch.zeros_like(parted.lab).flatten(1), parted.lab.flatten(1)
    for pair, weight in zip(parted.pairs, parted.weights, strict=True):
        here, base = parted.within(pair, weight)
        if pair.share > 0 and len(here):
            colours, share = (maps[pair.id], pair.share) if pair.id in maps else (maps[WHOLE], UNMATCHED)
            moved, chance = colours.applied(lab[:, here], base)
            if pair.kin and parted.image is not None:
                chance = _whole_pieces(chance, here, weight, parted.image)
            moved = mixed(lab[:, here], moved, chance * parted.share(pair, here, share)) - lab[:, here]
            change.index_add_(1, here, weight.flatten()[here] * moved)
    return change.view_as(parted.lab)


def _whole_pieces(
    chance: Float[Tensor, " N"], here: Int[Tensor, " N"], weight: Float[Tensor, "H W"], image: Float[Tensor, "3 H W"]
) -> Float[Tensor, " N"]:
    """Chances of the pixels of a pair, where no edge of the picture parts them about as large: their weighted mean over what flows there.

    Found with at most WORKING_SIDE pixels on the longer side.
    """
    full, share = (weight.shape[0], weight.shape[1]), torch.zeros_like(weight).flatten()
    share[here] = weight.flatten()[here] * chance
    size = at_most(full, WORKING_SIDE)
    both = resized(torch.stack([share.view_as(weight), weight]), size)
    both = fast_global_smoother(resized(image, size), both, *PIECES)
    return resized((both[:1] / both[1:].clamp_min(1e-6)).clamp(0, 1), full).flatten()[here]


def _check(view: View, segments: Segments) -> None:
    """Raise at the boundary."""
    if tuple(segments.labels.shape) != view.size:
        raise ShapeError(
            f"Expected segments of shape {view.size} as the picture, got {tuple(segments.labels.shape)}; segment that picture."
        )


def _map(
    pair: Pair,
    image: Float[Tensor, "3 H W"],
    style: Float[Tensor, "3 h w"],
    found: Correspondence,
    base: Float[Tensor, "3 N"],
    dim: float,
) -> ColourChange:
    """What happens to the colours of a pair's region, for smooth colours `base`; what has no counterpart changes with the whole picture, whose
    shades are scaled, not matched, where it was only perceived: black things stay black.

    dim: how bright what the style shows is in the structure's light, if that was only perceived.
    """
    box = base.amin(1), base.amax(1)
    if not pair.name:
        old, new = _colours(image), _colours(style, pair.counterpart)
        if all(region.confidence == 1 for region in found.structure.regions.values()):
            return colour_change(old, new, box)
        return colour_change(old, as_light(in_light(new, dim), old, 0.0, RAISED), box, polished=True)
    old, new = _colours(image, pair.region, found.structure), _colours(style, pair.counterpart, found.style)
    if old.confidence == 1:
        return colour_change(old, new, box)
    name, new = canonical(pair.name), in_light(new, dim)
    return _of_surface(name, old, new, box) if name in PAINTS else _of_thing(name, old, new, box, kin=pair.kin)


def _of_surface(name: str, old: Colours, new: Colours, box: tuple[Tensor, Tensor]) -> ColourChange:
    """The change of a perceived wall, floor or ceiling."""
    mean, new = float(old.cells.mean[0]), as_paint(new, old, *PAINTS[name])
    new = in_light(new, min(1.0, SURFACE * mean / max(float(new.cells.mean[0]), 1e-6)))
    old = replace(old, doubt=max(DOUBTED, old.doubt))
    return colour_change(old, new, box, polished=name != PATTERNED or mean < DARK)


def _of_thing(name: str, old: Colours, new: Colours, box: tuple[Tensor, Tensor], *, kin: bool) -> ColourChange:
    """The change of anything else that was perceived. kin: whether it takes from another class."""
    polished, likely, least = name in POLISH or name in LIT, 1.0, LIT.get(name, 0.0)
    old, new = as_main(old) if kin else old, as_plain(new, old)
    if kin:
        fall = float(new.cells.mean[0]) / max(float(old.cells.mean[0]), 1e-6)
        likely, least = min(1.0, max(0.0, (fall - FAR) / (LOWERED - FAR))), LIT.get(name, LOWERED)
    new = as_light(new, old, least, POLISHED if polished else RAISED)
    return colour_change(old, new, box, polished=polished, likely=likely)


def _dimness(structure: Float[Tensor, "3 H W"], style: Float[Tensor, "3 h w"]) -> float:
    """How bright what the style shows is in the structure's light: the quotient of their brightest parts where the structure is lit dimly."""
    one, two = (
        float(rgb_to_oklab(sampled(image.flatten(1))[..., None])[0].quantile(BRIGHT)) for image in (structure, style)
    )
    return min(1.0, one / max(min(two, EXPOSED), 1e-3))


def _colours(
    image: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"] | None = None, segments: Segments | None = None
) -> Colours:
    """Of the pixels under a mask (without one: of the picture), from a sample, as sure as its segments."""
    sample = sampled(image.flatten(1) if mask is None else image[:, mask])
    confidence = 1.0 if mask is None or segments is None else segments.confidence(mask)
    return colours_of(rgb_to_oklab(sample[..., None])[..., 0], confidence)
