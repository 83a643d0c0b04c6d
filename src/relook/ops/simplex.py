"""The lowest place of a function of a few numbers, without its slopes (Nelder and Mead 1965), for functions that cost less than a library's call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

TOLERANCE = 1e-4
"""Of the numbers and of the function: the search ends where all corners agree to it."""
Numbers = list[float]
Corner = tuple[float, Numbers]
"""What it costs, and where it is."""


def lowest(cost: Callable[[Numbers], float], simplex: Sequence[Numbers], rounds: int) -> tuple[float, Numbers]:
    """(cost, numbers) where a search that begins with N + 1 corners of N numbers ends, after so many rounds at most.

    Takes the steps of scipy.optimize.minimize(method="Nelder-Mead") with `initial_simplex` and `maxiter`.
    """
    corners = _sorted([(cost(list(one)), list(one)) for one in simplex])
    for _ in range(1, rounds):
        if _agree(corners):
            break
        corners = _sorted(_stepped(cost, corners))
    return corners[0]


def _sorted(corners: list[Corner]) -> list[Corner]:
    return sorted(corners, key=lambda one: one[0])


def _agree(corners: Sequence[Corner]) -> bool:
    """Whether numbers and costs of all corners are those of the best."""
    (best, numbers), others = corners[0], corners[1:]
    return all(
        abs(found - best) <= TOLERANCE and all(abs(a - b) <= TOLERANCE for a, b in zip(place, numbers, strict=True))
        for found, place in others
    )


def _stepped(cost: Callable[[Numbers], float], corners: list[Corner]) -> list[Corner]:
    """The corners, the worst one moved, or all of them drawn to the best. corners: sorted."""
    (worst, place), kept = corners[-1], corners[:-1]
    middle = [sum(axis) / len(kept) for axis in zip(*(one for _, one in kept), strict=True)]
    mirrored = _tried(cost, middle, place, 1.0)
    if mirrored[0] < corners[0][0]:
        farther = _tried(cost, middle, place, 2.0)
        return [*kept, farther if farther[0] < mirrored[0] else mirrored]
    if mirrored[0] < corners[-2][0]:
        return [*kept, mirrored]
    nearer = _tried(cost, middle, place, 0.5 if mirrored[0] < worst else -0.5)
    if nearer[0] <= mirrored[0] if mirrored[0] < worst else nearer[0] < worst:
        return [*kept, nearer]
    best = corners[0][1]
    drawn = [[b + 0.5 * (p - b) for b, p in zip(best, one, strict=True)] for _, one in corners[1:]]
    return [corners[0], *((cost(one), one) for one in drawn)]


def _tried(cost: Callable[[Numbers], float], middle: Numbers, place: Numbers, far: float) -> Corner:
    """A corner's mirror image in the middle of the others, so many times as far off."""
    numbers = [(1 + far) * m - far * p for m, p in zip(middle, place, strict=True)]
    return cost(numbers), numbers
