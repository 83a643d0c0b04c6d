"""The descent of a scene's colours on the losses of one style picture; pictures come from the sparse matrices, geometry is never touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor

from relook.lift.losses.schedule import Step
from relook.lift.losses.smooth import smoothed
from relook.lift.losses.together import Known
from relook.ops.splats import Blend
from relook.ops.splats.shown import shown, shown_harmonics
from relook.progress import SILENT, Progress

PAPER_RATE, LARGEST_RATE = 2.5e-3, 2e-2
"""Adam's step in RGB for the paper's number of steps, and the most where there are fewer."""
FALL = 0.1
"""What is left of the rate at the end."""

Terms = Callable[[Tensor, int, Step, Known], "dict[str, Tensor]"]
"""(picture [3 H W], number of the view, step, what is known) -> terms of the loss by name."""


@dataclass(frozen=True)
class Seen:
    """One view of the scene."""

    blend: Blend
    before: Float[Tensor, "3 H W"]
    """What it showed; stays where the scene covers nothing."""
    depth: Float[Tensor, "H W"] | None = None
    """In scene units, for denoisers that know depth."""
    basis: Float[Tensor, "N K"] | None = None
    """Spherical harmonics at the Gaussians' directions, where colours move with the view; else values are RGB."""

    def picture(self, values: Tensor) -> Float[Tensor, "3 H W"]:
        """What it shows of colours (N, 3), or of harmonics (N, K, 3)."""
        image = shown(self.blend, values) if self.basis is None else shown_harmonics(self.blend, values, self.basis)
        return torch.where(self.blend.seen, image, self.before)


@dataclass(frozen=True)
class Descent:
    """How far and how fast."""

    steps: Sequence[Step]
    rate: float
    """Adam's first step, in RGB."""
    fixed: Sequence[int] = ()
    """Numbers of the key views, for steps that look at those alone; none: all."""
    seed: int = 0
    along: csr_array | None = None
    """N x N neighbours over which the change is `smoothed`; None: every Gaussian changes by itself."""
    rounds: int = 0

    def carried(self, change: Tensor) -> Tensor:
        """What the Gaussians change by, of what is varied."""
        if self.along is None or not self.rounds:
            return change
        return smoothed(change.flatten(1), self.along, self.rounds).view_as(change)


def optimise(
    start: Tensor, views: Sequence[Seen], losses: Terms, descent: Descent, progress: Progress = SILENT
) -> tuple[Tensor, list[dict[str, float]]]:
    """Colours (N, 3) or harmonics (N, K, 3) after Adam's descent, and every step's terms. RGB stay within [0, 1].

    A step renders one view, sums its terms, and sends their gradient back through the transposed matrix.
    """
    change, curve = torch.zeros_like(start).requires_grad_(), []
    optimiser = torch.optim.Adam([change], betas=(0.9, 0.99), eps=1e-12)
    choose = chooser(len(views), descent)
    with progress.stage("descending", len(descent.steps)) as tick:
        for number, step in enumerate(descent.steps):
            for group in optimiser.param_groups:
                group["lr"] = descent.rate * FALL ** (number / len(descent.steps))
            view = choose(number, step)
            one = views[view]
            values = start + descent.carried(change)
            terms = losses(one.picture(values), view, step, Known(number, one.before, one.depth))
            optimiser.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            optimiser.step()
            if start.ndim == 2:
                change.data.clamp_(-start, 1 - start)
            curve.append({name: float(term.detach()) for name, term in terms.items()})
            tick(number + 1)
    found = start + descent.carried(change).detach()
    return (found.clamp(0, 1) if start.ndim == 2 else found), curve


def rate_for(steps: int, paper_steps: int) -> float:
    """Adam's rate for a number of steps: colours must come as far in few as in many, up to LARGEST_RATE."""
    return min(LARGEST_RATE, PAPER_RATE * max(1.0, paper_steps / steps))


def chooser(count: int, descent: Descent) -> Callable[[int, Step], int]:
    """Which view a step looks at: `global` all in a fixed random order, `fixed` the key views in turn, `free` any, `local` of its set."""
    draw = torch.Generator().manual_seed(descent.seed)
    order = torch.randperm(count, generator=draw).tolist()
    groups = max((step.group for step in descent.steps), default=0) + 1

    def choose(number: int, step: Step) -> int:
        if step.view == "free":
            return int(torch.randint(count, (1,), generator=draw))
        if step.view == "fixed":
            return (descent.fixed or order)[number % len(descent.fixed or order)]
        if step.view == "local":
            first, end = (
                step.group * count // groups,
                max((step.group + 1) * count // groups, step.group * count // groups + 1),
            )
            return min(first + number % (end - first), count - 1)
        return order[number % count]

    return choose
