"""The ADE20K network of 31 classes (TFLite), and how its coarse scores become regions with the picture's edges."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from relook.io import as_pixels
from relook.models.ade20k import ANSWER, Look, Network, glances, key_of, looks
from relook.models.ade20k import SIDE as SQUARE
from relook.models.store import locate
from relook.ops.guided import guided_filter
from relook.ops.resize import at_most, resized
from relook.perceive.segment.diffuse import diffused
from relook.perceive.segment.regions import around, connected_parts, dissolved, numbered, whole
from relook.perceive.segment.rugs import rugs_grown
from relook.perceive.segment.superpixels import SIDE, means_of, superpixels_of
from relook.perceive.segment.vocabulary import ROOM
from relook.session import Session, content_key
from relook.types import Segments, View

VOCABULARY: dict[str, Any] = json.loads(Path(__file__).with_name("ade20k.json").read_text(encoding="utf-8"))
"""Class names in the network's order (`classes`), which of them can be counted, and which are often confused (`alike`)."""
WHOLE_SHAPE = 2.0
"""What the answer for the picture in its own shape counts."""
SMALLEST = 0.0008
"""Connected parts below this fraction of the picture join what surrounds them."""
DOUBTFUL, DOUBTFUL_SCORE = 0.02, 0.55
"""So do parts below this fraction whose mean score is below this."""
COMMON = 0.95
"""What the chance of a wall, floor or ceiling counts beside that of a thing: most pixels of ADE20K are one of them, so networks say so too often."""
SEEN = 0.3
"""Chance that a class that is there has somewhere at least."""
GLANCED = (0.02, 1e-5)
"""Guided filter of what is glanced at: its reach in parts of the longer side, and the variance of colour below which the picture counts as flat."""
FAINT = 1e-3
"""Chance of rug or floor below which there is none of either."""
JOINED = 0.3
"""Share of its border that a part must have in common with one of an alike class to join it."""
LOOKS = 24
"""Looks that are remembered: those at four pictures."""


class Seen(NamedTuple):
    """What the network says of a picture."""

    segments: Segments
    rug: Float[np.ndarray, "y x"]
    """Of the chances of rug and floor that of rug, the same all over a superpixel; 0 where neither is likely anywhere."""


def segments(view: View, session: Session) -> Segments:
    """DeepLabV3 on MobileNetV2 (MLPerf Mobile), 31 classes of ADE20K.

    Chances from several looks at the picture (`class_chances`) flow along it (`diffused`); the best class per pixel wins (`decided`), and
    countable classes split into connected instances, as sure as their own class's chances: whether it is a sofa or an armchair is a doubt
    about its look, not about its place.
    """
    return seen(view.image, session).segments


def seen(image: Float[Tensor, "3 H W"], session: Session) -> Seen:
    """What is seen in a picture, at SIDE pixels at most but for the segments; once as long as the session remembers it."""
    return session.remembered("ade20k", content_key(image), lambda: _looked(image, session))


def _looked(image: Float[Tensor, "3 H W"], session: Session) -> Seen:
    """The network's answer, as `segments` says."""
    scores = class_chances(image, session)
    present = scores.flatten(1).max(1).values > SEEN
    present[0] = False
    if not bool(present.any()):
        return Seen(whole(View(image)), np.zeros((1, 1), np.float32))
    ids = present.nonzero()[:, 0]
    size = (image.shape[1], image.shape[2])
    small = resized(image.cpu(), at_most(size, SIDE))
    patches = superpixels_of(image, session)
    session.check()
    chances = diffused(small, patches, scores[ids], list(_alike(ids)))
    session.check()
    mixed = decided(chances, ids)
    there = mixed.argmax(0).unique()
    mixed = guided_filter(small, mixed[there], 0.004, 1e-5, working_side=SIDE)
    best, names = mixed.max(0), [VOCABULARY["classes"][id] for id in ids[there].tolist()]
    surface = torch.tensor([name in ROOM for name in names])
    sure = _sure(best.values, mixed[surface].sum(0), ~surface[best.indices])
    own = chances[there].gather(0, best.indices[None])[0]
    classes = without_specks(ids[there][best.indices].numpy().astype(np.uint8), sure.numpy())
    classes = _one_object_one_class(_with_rugs(small, classes, patches, mixed, names))
    found = numbered(classes, VOCABULARY["classes"], frozenset(VOCABULARY["countable"]), own.numpy())
    found = found if found.labels.shape == size else found.resized(size)
    return Seen(found, _share(chances, ids, patches))


def glanced(image: Float[Tensor, "3 H W"], small: Float[Tensor, "3 h w"], session: Session) -> Segments:
    """The regions of a small picture after the best two looks at the whole one (`glances`): their borders follow edges nearby.

    The looks are among those that `segments` takes, and are remembered for it.
    """
    size = _coarse((small.shape[1], small.shape[2]))
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda look: _probabilities(look, size, session), glances(as_pixels(image))))
    scores = (WHOLE_SHAPE * answers[0] + answers[-1]) / (WHOLE_SHAPE + 1)
    present = scores.flatten(1).max(1).values > SEEN
    present[0] = False
    if not bool(present.any()):
        return whole(View(small))
    ids = present.nonzero()[:, 0]
    best = guided_filter(small, decided(scores[ids], ids), *GLANCED).max(0).indices
    own = _fitted(scores[ids], (small.shape[1], small.shape[2])).gather(0, best[None])[0]
    return numbered(ids[best].numpy(), VOCABULARY["classes"], frozenset(VOCABULARY["countable"]), own.numpy())


def _share(
    chances: Float[Tensor, "K y x"], ids: Int[Tensor, " K"], patches: Int[np.ndarray, "y x"]
) -> Float[np.ndarray, "y x"]:
    """Of the chances of rug and floor that of rug, by superpixels."""
    both = torch.stack([chances[ids == VOCABULARY["classes"].index(name)].sum(0) for name in ("rug", "floor")], -1)
    rug, floor = means_of(patches, both.numpy()).T
    return np.asarray(rug / (rug + floor).clip(FAINT), np.float32)[patches]


def class_chances(image: Float[Tensor, "3 H W"], session: Session) -> Float[Tensor, "K h w"]:
    """Class probabilities at 128 pixels on the shorter side, averaged over views of the picture (`looks`); that in its own shape is the best
    single one."""
    size = _coarse((image.shape[1], image.shape[2]))
    session.check()
    seen = looks(as_pixels(image))
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        answers = list(threads.map(lambda look: _probabilities(look, size, session), seen))
    whole, mirrored, *others = answers
    total, weight = whole + mirrored.flip(-1), torch.full(size, 2.0)
    if others:
        total, weight = total + WHOLE_SHAPE * others[0], weight + WHOLE_SHAPE
    for look, chances in zip(seen[3:], others[1:], strict=True):
        place = min(round((look.place or 0) * ANSWER / min(image.shape[-2:])), max(size) - ANSWER)
        cut = slice(place, place + ANSWER)
        inside = (cut, slice(None)) if image.shape[-2] > image.shape[-1] else (slice(None), cut)
        total[(slice(None), *inside)] += chances
        weight[inside] += 1
    return total / weight


def _coarse(size: tuple[int, int]) -> tuple[int, int]:
    """The size of a picture with ANSWER pixels on the shorter side."""
    side = min(size)
    return round(ANSWER * size[0] / side), round(ANSWER * size[1] / side)


def _probabilities(look: Look, size: tuple[int, int], session: Session) -> Float[Tensor, "K h w"]:
    """Class probabilities of one look: of a crop as the network has them, else of the picture at that size."""
    session.check()
    network = session.loaded("ade20k", lambda: Network(locate("ade20k")))
    found = session.remembered("look", key_of(look.square), lambda: network.answer(look.square), LOOKS)
    answer = torch.from_numpy(found)
    chances = answer.permute(2, 0, 1).softmax(0)
    if look.place is not None:
        return _fitted(chances, (ANSWER, ANSWER))
    if look.rows.stop - look.rows.start == look.columns.stop - look.columns.start:
        return _fitted(chances, size)
    return _fitted(_fitted(chances, (SQUARE, SQUARE))[:, look.rows, look.columns], size)


def _fitted(chances: Float[Tensor, "K y x"], size: tuple[int, int]) -> Float[Tensor, "K h w"]:
    """At another size."""
    return functional.interpolate(chances[None], size, mode="bilinear", align_corners=False)[0]


def decided(chances: Float[Tensor, "K y x"], ids: Int[Tensor, " K"]) -> Float[Tensor, "K y x"]:
    """Chances to choose from: surfaces count COMMON, and of classes often confused the best has the chances of all. They add up as before.

    ids: of the classes. So a seat is one, whether sofa or armchair, before it loses against the wall behind it.
    """
    names = [VOCABULARY["classes"][id] for id in ids.tolist()]
    result = chances * torch.tensor([COMMON if name in ROOM else 1.0 for name in names]).view(-1, 1, 1)
    result *= chances.sum(0) / result.sum(0).clamp_min(1e-6)
    for rows in _alike(ids):
        together = result[rows]
        best = together.argmax(0) == torch.arange(len(rows)).view(-1, 1, 1)
        result[rows] = torch.where(best, together.sum(0), 0.0)
    return result


def _alike(ids: Int[Tensor, " K"]) -> Iterator[list[int]]:
    """Rows of classes that are often confused, for every group of them that is there."""
    names = [VOCABULARY["classes"][id] for id in ids.tolist()]
    for group in VOCABULARY["alike"]:
        rows = [row for row, name in enumerate(names) if name in group]
        if rows:
            yield rows


def _with_rugs(
    image: Float[Tensor, "3 y x"],
    classes: UInt8[np.ndarray, "y x"],
    patches: Int[np.ndarray, "y x"],
    chances: Float[Tensor, "K y x"],
    names: Sequence[str],
) -> UInt8[np.ndarray, "y x"]:
    """The classes, rugs with the parts that things before them have. names: of the chances."""
    if "rug" not in names:
        return classes
    all_names = VOCABULARY["classes"]
    things = [id for id, name in enumerate(all_names) if name in VOCABULARY["countable"] and name != "rug"]
    chance = chances[list(names).index("rug")].numpy()
    lab = cv2.cvtColor(as_pixels(image), cv2.COLOR_RGB2LAB)
    return rugs_grown(lab, classes, patches, all_names.index("rug"), things, chance)


def _sure(
    best: Float[Tensor, "y x"], surfaces: Float[Tensor, "y x"], thing: Bool[Tensor, "y x"]
) -> Float[Tensor, "y x"]:
    """How sure pixels are: a thing, whichever it is, as sure as it is none of the surfaces."""
    return torch.where(thing, torch.maximum(best, 1 - surfaces), best)


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
