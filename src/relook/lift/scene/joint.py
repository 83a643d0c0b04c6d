"""One label for every piece of a scene, decided jointly: what is said of each, and that what touches and looks alike is one thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

LEAST = 1e-6
"""Of the score, the least that a change must gain."""
TIGHTER = (0.0, 10.0, 30.0, 100.0, np.inf)
"""Weights of a pair above which both move together, one after the other: of a part that is one by a weak border a piece can go alone."""


def jointly(
    scores: Float[Tensor, "P K"],
    pairs: Int[Tensor, "E 2"],
    weights: Float[Tensor, " E"],
    bounds: Sequence[float] = (0.0,),
) -> Int[Tensor, " P"]:
    """Labels of P pieces that make the sum of their scores, less the weights of the pairs that differ, as large as joint moves make it.

    The Potts model (Boykov, Veksler, Zabih 2001), solved by moves of whole parts: pieces that touch by more than a bound and have one label change
    it together where that gains most among the parts around. Bounds take turns (TIGHTER, say) until none of them gains.
    """
    count, given = scores.shape[0], scores.double().numpy()
    border = coo_matrix((weights.double().numpy(), tuple(pairs.T.numpy())), (count, count)).tocsr()
    border, label = (border + border.T).tocoo(), given.argmax(1)
    while True:
        before = label
        for bound in bounds:
            label = _moved(label, given, border, bound)
        if len(bounds) == 1 or (label == before).all():
            return torch.from_numpy(label)


def _moved(label: np.ndarray, given: np.ndarray, border: coo_matrix, bound: float) -> np.ndarray:
    """The labels after all moves of parts that hang together by more than a bound."""
    count, links = len(label), border.tocsr()
    while True:
        part, names = _parts(label, border, bound)
        members = csr_matrix((np.ones(count), (part, np.arange(count))), (len(names), count))
        around = members @ links @ members.T
        around.setdiag(0)
        said = members @ given + around @ np.eye(given.shape[1])[names]
        here = np.arange(len(names))
        best = said.argmax(1)
        gain = said[here, best] - said[here, names]
        rank = np.empty(len(gain))
        rank[gain.argsort(kind="stable")] = here + 1.0
        moves = (gain > LEAST) & (rank > (around > 0).multiply(rank[None]).max(1).toarray()[:, 0])
        if not moves.any():
            return label
        label = np.where(moves, best, names)[part]


def _parts(label: np.ndarray, border: coo_matrix, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Which part every piece is of, pieces that touch by more than a bound and have one label being one; and the label of every part."""
    first, second = border.coords
    same = (label[first] == label[second]) & (border.data > bound)
    part = connected(len(label), first[same], second[same])
    names = np.zeros(int(part.max()) + 1, np.int64)
    names[part] = label
    return part, names


def connected(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The number of the part that each of `count` pieces is of, from 0, pieces being one where pairs (the first of each, the second) link them."""
    links = coo_matrix((np.ones(len(first), bool), (first, second)), (count, count))
    return np.asarray(connected_components(links, directed=False)[1])
