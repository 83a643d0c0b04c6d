"""The ADE20K network of 31 classes (TFLite), and how its coarse scores become regions with the picture's edges."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from relook.io import as_pixels
from relook.models.runtime import answer, interpreter
from relook.models.store import locate
from relook.ops.guided import guided_filter
from relook.ops.resize import at_most, resized
from relook.perceive.segment.regions import around, connected_parts, dissolved, numbered, whole
from relook.perceive.segment.superpixels import SIDE, superpixels_of
from relook.session import Session
from relook.types import Segments, View

VOCABULARY: dict[str, Any] = json.loads(Path(__file__).with_name("ade20k.json").read_text(encoding="utf-8"))
"""Class names in the network's order (`classes`), which of them can be counted, and which are often confused (`alike`)."""
SMALLEST = 0.0008
"""Connected parts below this fraction of the picture join what surrounds them."""
DOUBTFUL, DOUBTFUL_SCORE = 0.02, 0.55
"""So do parts below this fraction whose mean score is below this."""
SHARED = 0.7
"""How much of a score a superpixel shares."""
JOINED = 0.3
"""Share of its border that a part must have in common with one of an alike class to join it."""


def segments(view: View, session: Session) -> Segments:
    """DeepLabV3 on MobileNetV2 (MLPerf Mobile), 31 classes of ADE20K.

    Scores of the whole picture, its mirror image and square crops along its longer side are averaged and sharpened along the
    picture's own edges; the best class per pixel wins, and countable classes split into connected instances.
    """
    scores = class_chances(view.image, session)
    present = scores.flatten(1).max(1).values > 0.3
    present[0] = False
    if not bool(present.any()):
        return whole(view)
    ids = present.nonzero()[:, 0]
    small = resized(view.image.cpu(), at_most(view.size, SIDE))
    mixed = shared_in_superpixels(superpixels_of(view.image, session), scores[ids])
    seen = mixed.argmax(0).unique()
    best = guided_filter(small, mixed[seen], 0.004, 1e-5, working_side=SIDE).max(0)
    classes = without_specks(ids[seen][best.indices].numpy().astype(np.uint8), best.values.numpy())
    classes = _one_object_one_class(classes)
    found = numbered(classes, VOCABULARY["classes"], frozenset(VOCABULARY["countable"]), best.values.numpy())
    return found if found.labels.shape == view.size else found.resized(view.size)


def class_chances(image: Float[Tensor, "3 H W"], session: Session) -> Float[Tensor, "K h w"]:
    """Class probabilities at 128 pixels on the shorter side, averaged over views of the picture."""
    height, width = image.shape[-2:]
    side, long = min(height, width), max(height, width)
    small = (round(128 * height / side), round(128 * width / side))
    ask = partial(_probabilities, session=session)
    total = ask(image, small) + ask(image.flip(-1), small).flip(-1)
    weight = torch.full(small, 2.0)
    count = min(4, -(-2 * (long - side) // side) + 1) if long > side else 0
    for start in np.linspace(0, long - side, count).round().astype(int).tolist():
        rows, columns = (
            (slice(start, start + side), slice(None)) if height > width else (slice(None), slice(start, start + side))
        )
        place = min(round(start * 128 / side), max(small) - 128)
        cut = slice(place, place + 128)
        square = ask(image[:, rows, columns], (128, 128))
        inside = (cut, slice(None)) if height > width else (slice(None), cut)
        total[(slice(None), *inside)] += square
        weight[inside] += 1
    return total / weight


def _probabilities(image: Float[Tensor, "3 H W"], size: tuple[int, int], session: Session) -> Float[Tensor, "K h w"]:
    """Class probabilities of one picture, squeezed into the network's square and stretched back to `size`."""
    import cv2

    network, logits = session.loaded("ade20k", _network)
    square = cv2.resize(as_pixels(image), (512, 512), interpolation=cv2.INTER_AREA)
    raw = answer(network, square[None], logits["index"], session)[0].astype(np.float32)
    scale, zero = logits["quantization"]
    values = torch.from_numpy((raw - zero) * scale)
    chances = values.permute(2, 0, 1).softmax(0)
    return functional.interpolate(chances[None], size, mode="bilinear", align_corners=False)[0]


def shared_in_superpixels(patches: Int[np.ndarray, "y x"], scores: Float[Tensor, "K h w"]) -> Float[Tensor, "K y x"]:
    """Scores with the picture's edges: mostly the mean of their superpixel."""
    height, width = patches.shape
    flat = torch.from_numpy(patches).flatten()
    own = functional.interpolate(scores[None], (height, width), mode="bilinear", align_corners=False)[0]
    pixels = torch.bincount(flat).clamp_min(1)
    shared = torch.stack([(torch.bincount(flat, score.flatten().double()) / pixels)[flat] for score in own])
    return own + SHARED * (shared.view_as(own).to(own) - own)


def _network() -> tuple[Any, dict[str, Any]]:
    """The network with its intermediate results kept, and where its class scores lie (its output holds only the best class)."""
    network = interpreter(locate("ade20k"), keep_all=True)
    scores = next(
        entry for entry in network.get_tensor_details() if entry["name"].startswith("logits/semantic/BiasAdd")
    )
    return network, scores


def without_specks(classes: UInt8[np.ndarray, "H W"], scores: Float[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"]:
    """Connected parts that are too small, or smallish and doubtful, take the class of the nearest pixel outside them."""
    small, smallish = SMALLEST * classes.size, DOUBTFUL * classes.size
    return dissolved(
        classes,
        lambda place, part, area: area < small or (area < smallish and scores[place][part].mean() < DOUBTFUL_SCORE),
    )


def _one_object_one_class(classes: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"]:
    """A part that mostly borders on a larger part of a class often confused with its own (sofa, armchair) joins it."""
    names, result = VOCABULARY["classes"], classes.copy()
    for group in VOCABULARY["alike"]:
        ids = [names.index(name) for name in group]
        parts = [(area, place, part, id) for id in ids for place, part, area in connected_parts(classes == id)]
        for area, place, part, id in sorted(parts, key=lambda entry: entry[0]):
            ring = around(result, place, part)
            shares = {other: float((ring == other).mean()) for other in ids if other != id} if ring.size else {}
            best = max(shares, key=lambda other: shares[other], default=id)
            if shares.get(best, 0) > JOINED and (classes == best).sum() > area:
                result[place][part] = best
    return result
