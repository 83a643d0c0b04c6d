"""Segments of the embedded perception network, at the picture's size and with the picture's edges."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.models.perceiver import Perceived
from relook.ops.guided import guided_filter
from relook.perceive.embedded import network, perceived
from relook.perceive.segment.regions import dissolved
from relook.perceive.segment.vocabulary import countable
from relook.perceive.segment.votes import by_size, grown, objects
from relook.session import Session
from relook.types import UNLABELLED, Region, Segments, View

RADIUS, EPSILON = 0.04, 3e-5
"""Half the guided filter's window, as a part of the longer side, wide enough to outvote single wrong cells; and what counts as flat."""
SPECK = 1.0
"""Smallest connected part of a class, in cells of the network."""


def segments(view: View, session: Session) -> Segments:
    """Panoptic segments in the dollhouse's twenty classes: walls, floor and ceiling are one region each, the rest is counted.

    Raises MissingModelError where the weights are not installed.
    """
    return segments_of(view.image, perceived(view.image, session), network(session).names)


def chances(view: View, session: Session) -> Float[Tensor, "C H W"]:
    """The chance of each of the dollhouse's classes (in their order) at every pixel, with the picture's edges; every pixel's sum to one.

    Raises MissingModelError where the weights are not installed.
    """
    found = _full_size(view.image, perceived(view.image, session).scores[0].softmax(0)).clamp_min(0)
    return found / found.sum(0).clamp_min(1e-6)


def segments_of(image: Float[Tensor, "3 H W"], found: Perceived, names: tuple[str, ...]) -> Segments:
    """Segments from the network's answers for one picture: the best class per pixel, objects by their votes."""
    chances = found.scores[0].softmax(0)
    cells = chances.argmax(0)
    present = cells.unique()
    classes = _without_specks(present[_full_size(image, chances[present]).argmax(0)], cells.numel())
    labels = torch.full(classes.shape, UNLABELLED, dtype=torch.int64)
    regions: dict[int, Region] = {}
    for id in present.tolist():
        mask = classes == id
        numbers = mask.long()
        if countable(names[id]):
            numbers = by_size(grown(objects(cells == id, chances[id], found.centres[0]), mask))
        for number in range(1, int(numbers.max()) + 1):
            regions[len(regions) + 1] = Region(names[id], number - 1)
            labels[numbers == number] = len(regions)
    return Segments(labels, regions)


def _full_size(image: Float[Tensor, "3 H W"], chances: Float[Tensor, "C h w"]) -> Float[Tensor, "C H W"]:
    """Chances of the classes at the picture's size, with the picture's edges."""
    return guided_filter(image.detach().cpu().float(), chances, radius=RADIUS, epsilon=EPSILON, working_side=800)


def _without_specks(classes: Int[Tensor, "H W"], cells: int) -> Int[Tensor, "H W"]:
    """Connected parts smaller than SPECK of the picture's cells, which no cell can vouch for, join the class around them."""
    least = SPECK * classes.numel() / cells
    return torch.from_numpy(dissolved(classes.numpy(), lambda place, part, area: area < least))
