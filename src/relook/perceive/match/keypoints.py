"""Sparse matches of two views behind one interface: `KeypointMatcher` = View, View -> KeypointMatches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relook.errors import InputError
from relook.models.store import is_checkpoint, is_here
from relook.types import View


class KeypointMatches(NamedTuple):
    """Points that two views have in common."""

    first: Float[Tensor, "N 2"]
    """(x, y) in pixels of the first view; pixel centres lie at half-integers."""
    second: Float[Tensor, "N 2"]
    """The same points in the second view."""
    scores: Float[Tensor, "N"]
    """From 0 to 1."""


KeypointMatcher = Callable[[View, View], KeypointMatches]

NAMES = ("auto", "xfeat", "xfeat-dense", "lighterglue", "sift", "lightglue", "loftr")
"""Keypoint matchers by name; any other name is a hub id or a folder."""
HUB_IDS = {"lightglue": "ETH-CVG/lightglue_superpoint", "loftr": "zju-community/efficientloftr"}
"""Keypoint matchers of transformers (SuperPoint, in the first, is for non-commercial research only)."""
RATIO = 0.8
"""A SIFT match is unambiguous when it is this much nearer than the next best (Lowe 2004)."""
EPIPOLAR, ENOUGH = 1.5, 16
"""Pixels from the epipolar line that a match may lie, and how many matches are needed to tell."""


def keypoint_matches(first: View, second: View, name: str = "auto") -> KeypointMatches:
    """Points that two views of one room have in common, with `keypoint_matcher(name)`, those off the epipolar geometry left out."""
    return verified(keypoint_matcher(name)(first, second), max(first.size))


def keypoint_matcher(name: str = "auto") -> KeypointMatcher:
    """The keypoint matcher called `name`.

    auto: lighterglue, else xfeat, if their checkpoints are here, else sift. Raises InputError for an unknown name.
    """
    from relook.perceive.match import hub_keypoints, xfeat

    known: dict[str, KeypointMatcher] = {
        "xfeat": xfeat.xfeat,
        "xfeat-dense": xfeat.xfeat_dense,
        "lighterglue": xfeat.lighterglue,
        "sift": sift,
    }
    if name == "auto":
        best = next((n for n in ("xfeat_lighterglue", "xfeat") if is_here("xfeat") and is_here(n)), "sift")
        return known[best.removeprefix("xfeat_")]
    if name in known:
        return known[name]
    if name in HUB_IDS or is_checkpoint(name):
        return partial(hub_keypoints.transformers_matches, model=HUB_IDS.get(name, name))
    raise InputError(
        f"Expected a keypoint matcher out of {', '.join(NAMES)}, a hub id or a folder, got {name!r}; choose one."
    )


def verified(found: KeypointMatches, longer_side: int) -> KeypointMatches:
    """The matches that one epipolar geometry explains (MAGSAC++, Barath et al. 2020): views of one room differ only by the camera.

    Fewer than ENOUGH matches, or a geometry that explains fewer than half of ENOUGH, change nothing; nor do matches in which OpenCV
    finds no geometry at all (it raises an error for some degenerate sets).
    """
    import cv2

    if len(found.scores) < ENOUGH:
        return found
    cv2.setRNGSeed(0)
    allowed = EPIPOLAR * max(1.0, longer_side / 640)
    first, second = found.first.numpy(), found.second.numpy()
    try:
        _, kept = cv2.findFundamentalMat(first, second, cv2.USAC_MAGSAC, allowed, 0.999, 2000)
    except cv2.error:
        return found
    if kept is None or kept.sum() < ENOUGH // 2:
        return found
    inliers = torch.from_numpy(kept[:, 0].astype(bool))
    return KeypointMatches(found.first[inliers], found.second[inliers], found.scores[inliers])


def sift(first: View, second: View) -> KeypointMatches:
    """SIFT (Lowe 2004) of OpenCV with root-normalised descriptors, mutual and unambiguous: needs no weights."""
    import cv2

    finder = cv2.SIFT.create(4000, contrastThreshold=0.02)
    points, descriptors = [], []
    for view in (first, second):
        keys, found = finder.detectAndCompute(_grey(view.image), None)
        points.append(torch.tensor([key.pt for key in keys]).reshape(-1, 2) + 0.5)
        values = torch.zeros(0, 128) if found is None else torch.from_numpy(found)
        descriptors.append((values / values.sum(1, keepdim=True).clamp_min(1e-6)).sqrt())
    if min(len(values) for values in descriptors) < 2:
        return KeypointMatches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0))
    distance = torch.cdist(descriptors[0], descriptors[1])
    (near, far), (best, _) = (part.unbind(1) for part in distance.topk(2, dim=1, largest=False))
    mutual = distance.argmin(0)[best] == torch.arange(len(best))
    kept = mutual & (near < RATIO * far)
    scores = (1 - near / far.clamp_min(1e-9)).clamp(0, 1).sqrt()
    return KeypointMatches(points[0][kept], points[1][best[kept]], scores[kept])


def _grey(image: Float[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W"]:
    return (image.detach().cpu().mean(0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
