"""Class chances with a picture's own borders: they flow between superpixels, but hardly over an edge."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csc_array, diags_array
from scipy.sparse.linalg import splu
from torch import Tensor
from torch.nn import functional

from relook.io import as_pixels
from relook.ops.slopes import slopes

FLOW = 10.0
"""How much flows over a pixel of border where there is no edge, in pixels of a superpixel that its own chances are worth."""
STEEP, APART = 3.0, 8.0
"""Change of Lab (of 8 bits) per pixel along a border, and difference of colours of its two sides (lightness counts a fifth), that divide the flow by e."""
SHARED = 0.7
"""How much of a chance a superpixel shares; the rest is the pixel's own."""


def diffused(
    image: Float[Tensor, "3 y x"],
    patches: Int[np.ndarray, "y x"],
    chances: Float[Tensor, "K h w"],
    flow: float = FLOW,
) -> Float[Tensor, "K y x"]:
    """Chances per pixel, mostly those of its superpixel after diffusion along the picture.

    Per superpixel f = (A + L)^-1 A p: p its mean chances, A its pixels, L the graph Laplacian with weights flow * length of the border *
    exp(-slope / STEEP - difference / APART). flow 0: every superpixel for itself. It is a random walk that starts over (Grady 2006), so one colour without an edge inside gets one class.
    """
    height, width = patches.shape
    own = functional.interpolate(chances[None], (height, width), mode="bilinear", align_corners=False)[0]
    flat = patches.ravel()
    area = np.bincount(flat).clip(1).astype(np.float64)
    means = np.stack([np.bincount(flat, one.ravel()) for one in own.double().numpy()], 1) / area[:, None]
    system = (diags_array(area) + flow * _laplacian(image, patches, area)).tocsc()
    shared = splu(csc_array(system)).solve(area[:, None] * means)
    return own + SHARED * (torch.from_numpy(shared[flat].T).view_as(own).to(own) - own)


def _laplacian(
    image: Float[Tensor, "3 y x"], patches: Int[np.ndarray, "y x"], area: Float[np.ndarray, " P"]
) -> csc_array:
    """Of the graph of superpixels that touch, for a flow of 1."""
    lab = cv2.cvtColor(as_pixels(image), cv2.COLOR_RGB2LAB)
    steep = slopes(lab)
    colours = np.stack([np.bincount(patches.ravel(), lab[..., one].ravel()) for one in range(3)], 1) / area[:, None]
    pairs, along = [], []
    for here, there in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        (slice(None, -1), slice(1, None)),
    ):
        border = patches[here] != patches[there]
        pairs.append(np.stack([patches[here][border], patches[there][border]]))
        along.append(np.maximum(steep[here], steep[there])[border])
    sides = np.sort(np.concatenate(pairs, 1), 0).astype(np.int64)
    keys, member, length = np.unique(sides[0] * len(area) + sides[1], return_inverse=True, return_counts=True)
    slope = np.bincount(member, np.concatenate(along)) / length
    one, two = keys // len(area), keys % len(area)
    difference = np.linalg.norm((colours[one] - colours[two]) * np.array([0.2, 1, 1]), axis=1)
    weights = length * np.exp(-slope / STEEP - difference / APART)
    links = coo_array((np.r_[weights, weights], (np.r_[one, two], np.r_[two, one])), shape=(len(area), len(area)))
    return (diags_array(np.asarray(links.sum(1)).ravel()) - links).tocsc()
