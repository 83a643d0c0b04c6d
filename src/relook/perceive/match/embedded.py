"""Flow of the network that Relook ships: SIFT matches made dense, then mended (see relook.models.flow_refiner)."""

from __future__ import annotations

import torch

from relook.errors import GeometryError
from relook.models.flow_refiner import load_flow_refiner
from relook.ops.geometry import inside, pixel_centres
from relook.perceive.match.consistency import DOUBT, working_pair
from relook.perceive.match.dis import dis
from relook.perceive.match.interpolate import densified
from relook.perceive.match.points import verified
from relook.perceive.match.sift import sift
from relook.session import Session
from relook.types import Matches, View

SIDE = 640
"""Longest side, in pixels, of the pictures it looks at."""


def embedded(first: View, second: View, session: Session) -> Matches:
    """Flow with the network's own confidence, exp(-expected error / DOUBT), and what it takes for hidden or sees leave the picture.

    Raises MissingModelError where the weights are not installed.
    """
    network = session.loaded("flow refiner", lambda: session.place.placed(load_flow_refiner()))
    pair = working_pair(first, second, SIDE, multiple=8)
    start = beginning(View(pair.first), View(pair.second))
    inputs = (pair.first, pair.second, start.flow, start.confidence)
    with torch.inference_mode():
        found = network(*(part[None].to(session.device) for part in inputs))
    flow, doubt, hiding = (part[0].cpu().clone() for part in (found.flow, found.log_scale, found.hidden))
    size = (flow.shape[1], flow.shape[2])
    hidden = (hiding > 0) | ~inside(pixel_centres(size) + flow.permute(1, 2, 0), size)
    confidence = torch.exp(-doubt.exp() / DOUBT) * ~hidden
    return pair.restored(Matches(flow, confidence.clamp(0, 1), hidden))


def beginning(first: View, second: View) -> Matches:
    """What the network mends: dense flow out of SIFT matches, or DIS flow where they are too few."""
    try:
        return densified(first, second, verified(sift(first, second), max(first.size)))
    except GeometryError:
        return dis(first, second)
