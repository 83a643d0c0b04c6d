"""Sparse matches as dense flow: a motion for the whole picture, and around every place a local one, fitted to the matches nearby.

After EpicFlow (Revaud et al. 2015), with distances in place and colour instead of geodesic ones: the flow at a node p of a grid is the
constant part of the affine motion a + B (q - p) that fits its K nearest matches q best, weighted by nearness, likeness of colour and
score, robust to outliers (Geman-McClure weights, refitted), with B held towards the motion of the whole picture.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.errors import GeometryError
from relook.ops.geometry import pixel_centres, sample
from relook.perceive.match.consistency import agreeing
from relook.perceive.match.points import KeypointMatches
from relook.types import Matches, View

NODES = 64
"""Nodes along the longer side."""
NEIGHBOURS = 24
"""Matches that a node listens to."""
COLOUR, STRANGER = 0.1, 0.05
"""Difference of colour at which a match counts 0.6 of one of equal colour, and what the most different ones still count."""
HELD = 0.3
"""How strongly the local motion is held towards that of the whole picture, in matches."""
OUTLIER, ROUNDS = 2.0, 3
"""Pixels at which a match counts half, and how often the fit is repeated."""
REACH = 0.05
"""Distance to the nearest match, as a part of the picture's diagonal, at which the confidence falls to 1/e."""
LEAST = 8
"""Fewer matches say nothing about a whole picture."""


def densified(first: View, second: View, found: KeypointMatches) -> Matches:
    """Dense matches of two views from sparse ones, judged both ways. Raises GeometryError for fewer than 8."""
    if len(found.scores) < LEAST:
        raise GeometryError(
            f"Expected at least {LEAST} matches between the two pictures, got {len(found.scores)}; "
            "choose pictures that show more in common, or another matcher."
        )
    forward, confidence = interpolated(first, found)
    backward, _ = interpolated(second, KeypointMatches(found.second, found.first, found.scores))
    checked = agreeing(forward, backward)
    return Matches(checked.flow, checked.confidence * confidence, checked.occluded)


def interpolated(first: View, found: KeypointMatches) -> tuple[Float[Tensor, "2 H W"], Float[Tensor, "H W"]]:
    """Flow of every pixel of `first`, and how near and how much of one mind the matches around it are (0 to 1)."""
    height, width = first.size
    scale = min(1.0, NODES / max(height, width))
    rows, columns = max(2, round(height * scale)), max(2, round(width * scale))
    places = pixel_centres((rows, columns)) * torch.tensor([width / columns, height / rows])
    moves = found.second - found.first
    whole = _affine(found.first, moves, found.scores)
    nodes = places.view(-1, 2)
    residual, confidence = _local(first.image.detach().cpu(), nodes, found, moves - _moved(found.first, whole))
    flow = (residual + _moved(nodes, whole)).T.reshape(2, rows, columns)
    maps = torch.cat([flow, confidence.reshape(1, rows, columns)])
    wanted = pixel_centres(first.size) * torch.tensor([columns / width, rows / height])
    fine = sample(maps, wanted)
    edge = wanted - wanted.clamp(torch.tensor(0.5), torch.tensor([columns - 0.5, rows - 0.5]))
    beyond = edge * torch.tensor(
        [width / columns, height / rows]
    )  # outside the outermost nodes the whole motion goes on
    return fine[:2] + (beyond @ whole[:2]).permute(2, 0, 1), fine[2].clamp(0, 1)


def _moved(points: Float[Tensor, "N 2"], motion: Float[Tensor, "3 2"]) -> Float[Tensor, "N 2"]:
    """The displacement of points by an affine motion."""
    return points @ motion[:2] + motion[2]


def _affine(
    points: Float[Tensor, "N 2"], moves: Float[Tensor, "N 2"], weights: Float[Tensor, " N"]
) -> Float[Tensor, "3 2"]:
    """The affine motion of the whole picture: robust least squares about the middle of the points."""
    middle = points.mean(0)
    spread = (points - middle).norm(dim=1).mean().clamp_min(1e-6)
    terms = torch.cat([(points - middle) / spread, torch.ones(len(points), 1)], 1).double()
    current, ridge = weights.double().clamp_min(1e-3), torch.diag(torch.tensor([1e-3, 1e-3, 1e-6]).double())
    for _ in range(10):
        weighted = terms * current[:, None]
        motion = torch.linalg.solve(weighted.T @ terms + ridge, weighted.T @ moves.double())
        error = (moves - terms @ motion).norm(dim=1)
        current = weights.double().clamp_min(1e-3) / (1 + (error / error.median().clamp_min(1)) ** 2)
    slope = (motion[:2] / spread).float()
    return torch.cat([slope, (motion[2].float() - middle @ slope)[None]])


def _local(
    image: Float[Tensor, "3 H W"], nodes: Float[Tensor, "M 2"], found: KeypointMatches, moves: Float[Tensor, "N 2"]
) -> tuple[Float[Tensor, "M 2"], Float[Tensor, " M"]]:
    """What the matches around each node move beyond the whole picture's motion, and the confidence there."""
    from scipy.spatial import cKDTree

    count = min(NEIGHBOURS, len(moves))
    distances, indices = cKDTree(found.first.numpy()).query(nodes.numpy(), k=count)
    distance = torch.from_numpy(distances).float().view(len(nodes), count)
    near = torch.from_numpy(indices).view(len(nodes), count)
    reach = distance[:, min(7, count - 1), None].clamp_min(1.0)
    blurred = functional.avg_pool2d(image[None], 5, 1, 2, count_include_pad=False)[0]
    colour = sample(blurred, nodes[None])[:, 0].T
    around = sample(blurred, found.first[None])[:, 0].T[near]
    alike = torch.exp(-(around - colour[:, None]).square().sum(-1) / (2 * COLOUR**2))
    base = torch.exp(-distance.square() / (2 * reach.square())) * (STRANGER + (1 - STRANGER) * alike)
    base = base * found.scores[near].clamp_min(1e-3)
    offsets = (found.first[near] - nodes[:, None]) / reach[..., None]
    terms = torch.cat([offsets, torch.ones(len(nodes), count, 1)], -1)
    wanted, ridge = moves[near], torch.diag(torch.tensor([HELD, HELD, 1e-4]))
    weights = base
    for _ in range(ROUNDS):
        scaled = weights / weights.amax(1, keepdim=True).clamp_min(1e-12)
        weighted = terms * scaled[..., None]
        motion = torch.linalg.solve(weighted.transpose(1, 2) @ terms + ridge, weighted.transpose(1, 2) @ wanted)
        error = (wanted - terms @ motion).square().sum(-1)
        weights = base / (1 + error / OUTLIER**2).square()
    certain = weights.sum(1) / base.sum(1).clamp_min(1e-12)
    diagonal = (image.shape[-1] ** 2 + image.shape[-2] ** 2) ** 0.5
    return motion[:, 2], torch.exp(-distance[:, 0] / (REACH * diagonal)) * certain.sqrt()
