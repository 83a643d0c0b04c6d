"""Flow of the network that Relook ships: SIFT matches made dense, then mended (see relook.models.flow_refiner)."""

from __future__ import annotations

import torch

from relook.errors import GeometryError
from relook.models.flow_refiner import load_flow_refiner
from relook.ops.geometry import inside, pixel_centres
from relook.perceive.match.consistency import DOUBT, working_pair
from relook.perceive.match.dis import dis
from relook.perceive.match.interpolate import densified
from relook.perceive.match.keypoints import keypoint_matches
from relook.types import Matches, View

SIDE = 640
"""Longest side, in pixels, of the pictures it looks at."""


def embedded(first: View, second: View) -> Matches:
    """Flow with the network's own confidence, exp(-expected error / DOUBT), and what it takes for hidden or sees leave the picture.

    Raises MissingModelError where the weights are not installed.
    """
    network = load_flow_refiner()
    pair = working_pair(first, second, SIDE, multiple=8)
    given = beginning(View(pair.first), View(pair.second))
    with torch.inference_mode():
        found = network(pair.first[None], pair.second[None], given.flow[None], given.confidence[None])
    flow = found.flow[0].clone()
    size = (flow.shape[1], flow.shape[2])
    hidden = (found.hidden[0] > 0) | ~inside(pixel_centres(size) + flow.permute(1, 2, 0), size)
    confidence = torch.exp(-found.log_scale[0].exp() / DOUBT) * ~hidden
    return pair.restored(Matches(flow, confidence.clamp(0, 1), hidden))


def beginning(first: View, second: View) -> Matches:
    """What the network mends: dense flow out of SIFT matches, or DIS flow where they are too few."""
    try:
        return densified(first, second, keypoint_matches(first, second, "sift"))
    except GeometryError:
        return dis(first, second)
