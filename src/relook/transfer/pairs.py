"""What changes alike in a picture: its classes with what each takes from, what has no counterpart, and what stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.correspond.semantic import PARTS, Correspondence
from relook.ops.guided import guided_filter
from relook.transfer.belief import believed
from relook.transfer.colours import colours_of
from relook.transfer.rims import rims_given
from relook.types import ids_in

SAMPLES = 20_000
"""Pixels of a region that its colour statistics are taken from."""
UNMATCHED = 0.35
"""How far regions without a counterpart follow the change of the whole picture."""
UNSEEN = 0.6
"""How far all that is no sure surface follows the change of the whole picture where no thing was seen, only planes of the room."""
BROAD = (0.04, 0.01)
"""Guided filter of all that: patterns keep their contrast."""
FEATHER, FLAT = 0.04, 1e-4
"""Half the reach, in sides of the picture, over which planes go over into each other, and the variance of colour above which they do not."""
STILL, WHOLE = -1, 0
"""Class of what stays as it is, and of what changes with the whole picture."""


@dataclass(frozen=True)
class Pair:
    """A class of the structure and what it takes from."""

    id: int
    """Its common id."""
    region: Bool[Tensor, "H W"]
    """Its pixels."""
    name: str
    """Its class name; empty for what has no counterpart."""
    counterpart: Bool[Tensor, "h w"]
    """Pixels of the style that it takes from."""
    share: float
    """How much of the change it takes."""
    kin: bool = False
    """Whether its counterpart is of another class."""
    smooth: tuple[float, float] = (0.015, 0.001)
    """Radius and epsilon of the guided filter that leaves out fine detail, which does not follow the map of colours."""


def classes_of(correspondence: Correspondence, lab: Float[Tensor, "3 H W"]) -> Int[Tensor, "H W"]:
    """Ids of what changes alike (`Correspondence.structure_parts`), STILL for what stays as it is."""
    classes = correspondence.structure_parts.clone()
    still = torch.zeros_like(correspondence.kept)
    for name in correspondence.still:
        still |= correspondence.structure.mask(name)
    if not bool(still.any()) or bool(still.all()):
        return torch.where(still, STILL, classes)
    beside = {id: classes[~still] == id for id in ids_in(classes[~still]) if id != 0}
    colours = {id: colours_of(sampled(lab[:, ~still][:, where])) for id, where in beside.items()}
    return rims_given(torch.where(still, STILL, classes), still, lab, colours)


def pairs_of(correspondence: Correspondence, classes: Int[Tensor, "H W"]) -> list[Pair]:
    """The classes of the structure that have a counterpart, what has none, and what stays as it is: every pixel in one of them."""
    style_classes = correspondence.style_classes
    shown, pairs = set(ids_in(style_classes)) - {0}, []
    for id in ids_in(classes):
        region, counterpart, name, share, kin = classes == id, correspondence.overall, "", UNMATCHED, False
        if id % PARTS in shown and id != STILL:
            name, counterpart = correspondence.class_name(id % PARTS), style_classes == id % PARTS
            share = believed(name, correspondence.style.confidence(counterpart))
            kin = correspondence.from_kin(id % PARTS)
        elif id == STILL or correspondence.unmatched == "keep":
            share = 0.0
        pairs.append(Pair(id, region, name, counterpart, share, kin))
    return pairs


def and_whole(
    pairs: Sequence[Pair], image: Float[Tensor, "3 H W"], found: Correspondence
) -> tuple[list[Pair], Float[Tensor, "K H W"]]:
    """Planes by their confidence, soft wherever the picture has no edge, and the whole picture, which takes what they leave."""
    *planes, whole = surely(pairs, found)
    if not planes:
        return [whole], whole.region[None].float()
    masks = torch.stack([pair.region for pair in planes]).float()
    weights = guided_filter(image, masks, FEATHER, FLAT).clamp(0, 1)
    left = (1 - (torch.tensor([pair.share for pair in planes])[:, None, None] * weights).sum(0)).clamp_min(0)
    return [*planes, whole], torch.cat([weights, left[None]])


def surely(pairs: Sequence[Pair], found: Correspondence) -> list[Pair]:
    """Planes by their confidence, and the whole picture as the last."""
    sure = [(one, believed(one.name, found.structure.confidence(one.region))) for one in pairs if one.name]
    whole = Pair(WHOLE, torch.ones_like(found.kept), "", found.overall, UNSEEN, smooth=BROAD)
    return [*(replace(one, share=one.share * share) for one, share in sure), whole]


def sampled(pixels: Float[Tensor, "3 N"]) -> Float[Tensor, "3 n"]:
    """About SAMPLES of them, evenly."""
    return pixels[:, :: max(1, pixels.shape[1] // SAMPLES)]
