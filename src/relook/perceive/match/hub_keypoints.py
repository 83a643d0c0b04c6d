"""Keypoint matchers of transformers (LightGlue, SuperGlue, EfficientLoFTR) by hub id or local folder."""

from __future__ import annotations

from typing import Any

import torch

from relook.io import as_pixels
from relook.models import load
from relook.models.store import find
from relook.perceive.match.points import KeypointMatches
from relook.session import CPU, Placement, Session
from relook.types import View

LEAST = 0.1
"""Scores up to this one count as no match."""
FINER = 64
"""The processors cut places to whole pixels, so they are asked for whole 1/64 pixels."""


@torch.no_grad()
def transformers_matches(first: View, second: View, model: str, session: Session) -> KeypointMatches:
    """Points that a model matches with a score above LEAST.

    Raises MissingModelError if the model is neither here nor to be had, or is no keypoint matcher.
    """
    processor, network = session.loaded(("keypoints", model), lambda: load_keypoint_model(model, session.place))
    pictures = [as_pixels(view.image) for view in (first, second)]
    inputs = processor(pictures, return_tensors="pt", input_data_format="channels_last")
    found = network(**inputs.to(session.device))
    sizes = [[[FINER * side for side in view.size] for view in (first, second)]]
    matched = processor.post_process_keypoint_matching(
        found, torch.tensor(sizes, device=session.device), threshold=LEAST
    )[0]
    height, width = inputs["pixel_values"].shape[-2:]
    places = []
    for view, points in zip((first, second), (matched["keypoints0"], matched["keypoints1"]), strict=True):
        half = (
            torch.tensor([view.size[1] / width, view.size[0] / height]) / 2
        )  # a whole number there is a pixel's centre
        places.append(points.float().cpu() / FINER + half)
    return KeypointMatches(places[0], places[1], matched["matching_scores"].float().cpu().clamp(0, 1))


def load_keypoint_model(model: str, place: Placement = CPU) -> tuple[Any, Any]:
    """The image processor and the network of a hub id or folder (safetensors only)."""
    from transformers import AutoImageProcessor, AutoModelForKeypointMatching

    folder = find(model, "the keypoint matcher")
    network = load.load(folder, AutoModelForKeypointMatching.from_pretrained)
    return load.read(folder, AutoImageProcessor.from_pretrained), place.placed(network)
