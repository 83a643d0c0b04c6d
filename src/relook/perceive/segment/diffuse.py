"""Class chances with a picture's own borders: they flow between superpixels, but hardly over an edge."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from relook.io import as_pixels
from relook.ops.slopes import slopes
from relook.perceive.segment.superpixels import borders_of, means_of

FLOW = 10.0
"""How much flows over a pixel of border where there is no edge, in pixels of a superpixel that its own chances are worth."""
STEEP, APART = 3.0, 8.0
"""Change of Lab (of 8 bits) per pixel along a border, and difference of colours of its two sides (lightness counts a fifth), that divide the flow by e."""
CERTAIN = 2
"""Power of the best chance by which a superpixel's own chances are worth less: who doubts listens to neighbours."""
SHARED = 0.7
"""How much of a chance a superpixel shares; the rest is the pixel's own."""


def shared(patches: Int[np.ndarray, "y x"], chances: Float[Tensor, "K h w"]) -> Float[Tensor, "K y x"]:
    """Chances per pixel, mostly the mean of its superpixel, so that their borders are the picture's."""
    own = _enlarged(chances, patches)
    return _mixed(own, patches, means_of(patches, _rows(own)))


def diffused(
    image: Float[Tensor, "3 y x"],
    patches: Int[np.ndarray, "y x"],
    chances: Float[Tensor, "K h w"],
    alike: Sequence[Sequence[int]] = (),
) -> Float[Tensor, "K y x"]:
    """`shared`, after diffusion from superpixel to superpixel along the picture.

    f = (A + L)^-1 A p: p the mean chances of superpixels, A their pixels times the power CERTAIN of their best chance, L the graph Laplacian
    with weights FLOW * length of the border * exp(-slope / STEEP - difference / APART). It is a random walk that starts over (Grady 2006), so
    one colour without an edge inside gets one class. alike: rows of classes that are one where it is asked how good the best is.
    """
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.linalg import splu

    own = _enlarged(chances, patches)
    means = means_of(patches, _rows(own))
    worth = np.bincount(patches.ravel()) * _best(means, alike) ** CERTAIN
    (one, two), weights = _links(image, patches)
    ends = (np.r_[one, two], np.r_[two, one])
    links = coo_array((np.r_[weights, weights], ends), shape=(len(worth), len(worth)))
    laplacian = (diags_array(np.asarray(links.sum(1)).ravel()) - links).tocsc()
    system = diags_array(worth) + laplacian
    return _mixed(own, patches, splu(system.tocsc()).solve(worth[:, None] * means))


def _best(means: Float[np.ndarray, "P K"], alike: Sequence[Sequence[int]]) -> Float[np.ndarray, " P"]:
    """The best chance of every superpixel, of classes or of groups of them."""
    sums = [means[:, list(rows)].sum(1) for rows in alike]
    return np.max([means.max(1), *sums], 0)


def _enlarged(chances: Float[Tensor, "K h w"], patches: Int[np.ndarray, "y x"]) -> Float[Tensor, "K y x"]:
    """At the size of superpixels."""
    return functional.interpolate(chances[None], patches.shape, mode="bilinear", align_corners=False)[0]


def _rows(own: Float[Tensor, "K y x"]) -> Float[np.ndarray, "y x K"]:
    """Channels last."""
    return own.permute(1, 2, 0).double().numpy()


def _mixed(
    own: Float[Tensor, "K y x"], patches: Int[np.ndarray, "y x"], means: Float[np.ndarray, "P K"]
) -> Float[Tensor, "K y x"]:
    """SHARED of what superpixels have, the rest a pixel's own."""
    return own + SHARED * (torch.from_numpy(means[patches]).permute(2, 0, 1).to(own) - own)


def _links(
    image: Float[Tensor, "3 y x"], patches: Int[np.ndarray, "y x"]
) -> tuple[Int[np.ndarray, "2 B"], Float[np.ndarray, " B"]]:
    """Superpixels that touch, and what flows between them."""
    lab = cv2.cvtColor(as_pixels(image), cv2.COLOR_RGB2LAB)
    colours = means_of(patches, lab)
    (one, two), length, slope = borders_of(patches, slopes(lab))
    difference = np.linalg.norm((colours[one] - colours[two]) * np.array([0.2, 1, 1]), axis=1)
    return np.stack([one, two]), FLOW * length * np.exp(-slope / STEEP - difference / APART)
