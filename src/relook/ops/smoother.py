"""Smooth maps that stop at a picture's edges, however far they flow where it has none."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg.lapack import dptsv
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.oklab import rgb_to_oklab

ROUNDS = 3
"""How often rows and columns are solved in turn."""
NOISE = 0.7
"""Standard deviation in pixels of the blur of the guide, whose noise would stop the flow."""


def fast_global_smoother(
    guide: Float[Tensor, "3 H W"],
    values: Float[Tensor, "K h w"],
    reach: float,
    edge: float,
    trust: Float[Tensor, "H W"] | None = None,
) -> Float[Tensor, "K H W"]:
    """The maps u of least sum of c (u - f)^2 over pixels and lambda w (u_p - u_q)^2 over neighbours, about (Min et al. 2014).

    f: the values, c: their trust (1 everywhere if None), w = exp(-|g_p - g_q| / edge) with g the guide in OKLab without noise, lambda =
    (reach times the longer side)^2. Rows and columns are solved in turn, each exactly, with lambda_t = 3/2 4^(T-t) / (4^T - 1) lambda in
    round t of T (their eq. 9 to 12).
    Maps that add up to 1 do so afterwards. reach: how far a value flows where there is no edge, in parts of the longer side; edge: difference
    of OKLab between neighbours that divides what flows by e. Raises ShapeError for values of another size than the guide's.
    """
    if guide.shape[1:] != values.shape[1:]:
        raise ShapeError(
            f"Expected values of the guide's size {tuple(guide.shape[1:])}, got {tuple(values.shape)}; resize them."
        )
    lab = cv2.GaussianBlur(rgb_to_oklab(guide).double().permute(1, 2, 0).numpy(), (0, 0), NOISE)
    size, down, across = (reach * max(lab.shape)) ** 2, _links(lab, 0, edge), _links(lab, 1, edge)
    sure = np.ones(lab.shape[:2]) if trust is None else trust.double().numpy()
    result = values.double().permute(1, 2, 0).numpy().copy()
    for step in range(1, ROUNDS + 1):
        flow = 1.5 * size * 4 ** (ROUNDS - step) / (4**ROUNDS - 1)
        _solve(result, flow * across, sure)
        _solve(result.transpose(1, 0, 2), flow * down.T, sure.T)
    return torch.from_numpy(result).permute(2, 0, 1).to(values)


def _links(lab: Float[np.ndarray, "H W 3"], axis: int, edge: float) -> Float[np.ndarray, "h w"]:
    """How much flows between pixels that follow each other along an axis."""
    return np.asarray(np.exp(-np.linalg.norm(np.diff(lab, axis=axis), axis=-1) / edge))


def _solve(
    values: Float[np.ndarray, "N n K"], links: Float[np.ndarray, "N m"], trust: Float[np.ndarray, "N n"]
) -> None:
    """Solve every line in place: (C + L) u = C f, with L the Laplacian of its links."""
    for line, link, sure in zip(values, links, trust, strict=True):
        diagonal = sure.copy()
        diagonal[:-1] += link
        diagonal[1:] += link
        line[:] = dptsv(diagonal, -link, sure[:, None] * line)[2]
