"""Whether all outputs together look like pictures of a kind: distances of two sets of feature vectors, one vector per picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import declare

Set = Float[np.ndarray, "N D"]
"""Features of pictures, one row each."""


@declare("fid", "FID", "lower", (0.0, float("inf")), "Heusel et al. 2017, on Inception features", group="realism", digits=1)  # fmt: skip
def fid(outputs: Set, references: Float[np.ndarray, "M D"]) -> float | None:
    """|m - r|^2 + tr(C + R - 2 (C R)^(1/2)), with means m, r and covariances C, R of the two sets; None for fewer than two of either.

    tr (C R)^(1/2) is the sum of the singular values of A B^T, where A, B are the centred sets over sqrt(N - 1): exact also where
    there are fewer pictures than features (but biased upwards then: compare rows with as many pictures only).
    """
    outputs, references = _pair(outputs, references)
    if min(len(outputs), len(references)) < 2:
        return None
    a, b = ((one - one.mean(0)) / np.sqrt(len(one) - 1) for one in (outputs, references))
    shift = np.square(outputs.mean(0) - references.mean(0)).sum()
    common = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, float(shift + np.square(a).sum() + np.square(b).sum() - 2 * common))


@declare("kid_vgg", "KID VGG", "lower", (-float("inf"), float("inf")), "the same on VGG19's relu5_1, averaged over places; see docs/metrics.md", group="realism", digits=4)  # fmt: skip
@declare("kid", "KID", "lower", (-float("inf"), float("inf")), "Binkowski et al. 2018, on Inception features, unbiased", group="realism", digits=4)  # fmt: skip
def kid(outputs: Set, references: Float[np.ndarray, "M D"]) -> float | None:
    """Unbiased squared maximum mean discrepancy with k(x, y) = (x . y / D + 1)^3; None for fewer than two of either.

    mean of k(x, x') over pairs of different outputs + the same over references - 2 mean k(x, y). Equal sets give about 0, below it as often
    as above. All pictures at once, not the mean over subsets.
    """
    outputs, references = _pair(outputs, references)
    n, m = len(outputs), len(references)
    if min(n, m) < 2:
        return None
    within = [_kernel(one, one) for one in (outputs, references)]
    among = [(k.sum() - np.trace(k)) / (size * (size - 1)) for k, size in zip(within, (n, m), strict=True)]
    return float(among[0] + among[1] - 2 * _kernel(outputs, references).mean())


def _kernel(x: Set, y: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "N M"]:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _pair(outputs: Set, references: Float[np.ndarray, "M D"]) -> tuple[np.ndarray, np.ndarray]:
    """Both sets in float64. Raises ShapeError unless they are rows of one length."""
    if outputs.ndim != 2 or references.ndim != 2 or outputs.shape[1] != references.shape[1]:
        raise ShapeError(
            f"Expected two sets of vectors of one length, got {outputs.shape} and {references.shape}; use one network for both."
        )
    return outputs.astype(np.float64), references.astype(np.float64)
