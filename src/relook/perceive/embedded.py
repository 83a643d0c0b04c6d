"""Segments and depth of the embedded perception network, at the picture's size and with the picture's edges."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from relook.models.perceiver import SIDE, Perceived, Perceiver, load_perceiver
from relook.ops.guided import guided_filter
from relook.perceive.depth import at_full_size
from relook.perceive.segment import dissolved
from relook.perceive.segment.vocabulary import countable
from relook.perceive.segment.votes import by_size, grown, objects
from relook.types import UNLABELLED, Depth, Region, Segments, View

REMEMBERED = 4
"""Pictures whose answers are kept, so that segments, depth and descriptors of one picture run the network once."""

RADIUS, EPSILON = 0.04, 3e-5
"""Half the guided filter's window, as a part of the longer side, wide enough to outvote single wrong cells; and what counts as flat."""

SPECK = 1.0
"""Smallest connected part of a class, in cells of the network."""


def segments(view: View) -> Segments:
    """Panoptic segments in the dollhouse's twenty classes: walls, floor and ceiling are one region each, the rest is counted.

    Raises MissingModelError where the weights are not installed.
    """
    network = load_perceiver()
    return segments_of(view.image, perceived(view.image, network), network.names)


def depth(view: View) -> Depth:
    """Metric depth. The metres hold for rooms like the dollhouse's only: elsewhere near and far are right at best.

    Raises MissingModelError where the weights are not installed.
    """
    return depth_of(view.image, perceived(view.image, load_perceiver()))


def perceived(image: Float[Tensor, "3 H W"], network: Perceiver) -> Perceived:
    """The network's answers for one picture (B = 1), at about SIDE x SIDE pixels; the last few pictures are remembered."""
    small = _at_working_size(image)
    return _answers(network, small.numpy().tobytes(), small.shape[1], small.shape[2])


def working_size(height: int, width: int) -> tuple[int, int]:
    """Sides in multiples of 32 whose product is about SIDE^2, in the aspect of the picture."""
    scale = SIDE / (height * width) ** 0.5 / 32
    return max(1, round(height * scale)) * 32, max(1, round(width * scale)) * 32


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


def depth_of(image: Float[Tensor, "3 H W"], found: Perceived) -> Depth:
    """Depth from the network's answers for one picture."""
    return at_full_size(image, found.log_depth.exp(), "metric")


def _full_size(image: Float[Tensor, "3 H W"], chances: Float[Tensor, "C h w"]) -> Float[Tensor, "C H W"]:
    """Chances of the classes at the picture's size, with the picture's edges."""
    return guided_filter(image.detach().cpu().float(), chances, radius=RADIUS, epsilon=EPSILON, working_side=800)


def _without_specks(classes: Int[Tensor, "H W"], cells: int) -> Int[Tensor, "H W"]:
    """Connected parts smaller than SPECK of the picture's cells, which no cell can vouch for, join the class around them."""
    least = SPECK * classes.numel() / cells
    return torch.from_numpy(dissolved(classes.numpy(), lambda place, part, area: area < least))


def _at_working_size(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 h w"]:
    """The whole picture at the size that the network reads."""
    size = working_size(image.shape[1], image.shape[2])
    pixels = image.detach().cpu().float()
    if pixels.shape[1:] == size:
        return pixels.contiguous()
    return functional.interpolate(pixels[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1).contiguous()


@lru_cache(maxsize=REMEMBERED)
def _answers(network: Perceiver, pixels: bytes, height: int, width: int) -> Perceived:
    """What the network says of float pixels and their mirror image, in one batch; equal pixels are looked at once."""
    image = torch.frombuffer(bytearray(pixels), dtype=torch.float32).view(1, 3, height, width)
    with torch.inference_mode():
        return _with_mirror(network(torch.cat([image, image.flip(-1)])))


def _with_mirror(both: Perceived) -> Perceived:
    """Answers for a picture and its mirror image (B = 2) as one (B = 1): the mean of both; descriptors of the picture alone."""
    chances, turn = both.scores.softmax(1), torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    return Perceived(
        scores=((chances[:1] + chances[1:].flip(-1)) / 2).log(),
        log_depth=(both.log_depth[:1] + both.log_depth[1:].flip(-1)) / 2,
        centres=(both.centres[:1] + both.centres[1:].flip(-1) * turn) / 2,
        descriptors=both.descriptors[:1],
    )
