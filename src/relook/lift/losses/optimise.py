"""The descent of a scene's colours on the losses of one style picture; pictures come from the sparse matrices, geometry is never touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from relook.files import replacing
from relook.lift.losses.schedule import Step
from relook.lift.losses.smooth import Neighbours, smoothed
from relook.lift.losses.together import Known
from relook.ops.splats import Blend
from relook.ops.splats.linear import rendered, rendered_harmonics
from relook.progress import SILENT, Progress

PAPER_RATE, LARGEST_RATE = 2.5e-3, 2e-2
"""Adam's step in RGB for the paper's number of steps, and the most where there are fewer."""
FALL = 0.1
"""What is left of the rate at the end."""
BETAS = 0.9, 0.99
"""Of Adam's moments."""
KEPT = 20
"""Steps after which a run is kept."""

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
        image = (
            rendered(self.blend, values) if self.basis is None else rendered_harmonics(self.blend, values, self.basis)
        )
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
    neighbours: Neighbours | None = None
    """Over which the change is `smoothed`; None: every Gaussian changes by itself."""

    def carried(self, change: Tensor) -> Tensor:
        """What the Gaussians change by, of what is varied."""
        return change if self.neighbours is None else smoothed(change.flatten(1), self.neighbours).view_as(change)


def optimise(
    start: Tensor,
    views: Sequence[Seen],
    losses: Terms,
    descent: Descent,
    progress: Progress = SILENT,
    keep: Path | None = None,
) -> tuple[Tensor, list[dict[str, float]]]:
    """Colours (N, 3) or harmonics (N, K, 3) after Adam's descent, and the terms of every step that was made. RGB stay within [0, 1].

    A step renders one view, sums its terms, and sends their gradient back through the transposed matrix. keep: a file that holds where the
    run is, every KEPT steps; a run that finds it goes on from there, to the same colours.
    """
    adam, curve = _Adam(start, descent.rate), []
    first = adam.read(keep) if keep is not None and keep.exists() else 0
    choose = chooser(len(views), descent)
    with progress.stage("descending", len(descent.steps)) as tick:
        for number, step in list(enumerate(descent.steps))[first:]:
            view = choose(number, step)
            one = views[view]
            values = start + descent.carried(adam.change)
            terms = losses(one.picture(values), view, step, Known(number, one.before, one.depth))
            adam.step(torch.stack(list(terms.values())).sum(), FALL ** (number / len(descent.steps)))
            curve.append({name: float(term.detach()) for name, term in terms.items()})
            if keep is not None and (number + 1) % KEPT == 0:
                adam.write(keep)
            tick(number + 1)
    found = start + descent.carried(adam.change).detach()
    return (found.clamp(0, 1) if start.ndim == 2 else found), curve


class _Adam:
    """The change of colours and Adam, which go into a file and come back from it."""

    def __init__(self, start: Tensor, rate: float) -> None:
        self.start, self.rate = start, rate
        self.change = torch.zeros_like(start).requires_grad_()
        self.adam = torch.optim.Adam([self.change], rate, BETAS, eps=1e-12)

    def step(self, loss: Tensor, fallen: float) -> None:
        """One step down by a share of the rate; RGB in (N, 3) stay within [0, 1]."""
        self.adam.param_groups[0]["lr"] = self.rate * fallen
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        if self.start.ndim == 2:
            self.change.data.clamp_(-self.start, 1 - self.start)

    def write(self, path: Path) -> None:
        """As it is now."""
        with replacing(path) as part:
            save_file({"change": self.change.detach(), **self.adam.state[self.change]}, part)

    def read(self, path: Path) -> int:
        """How many steps of the run are made. A file of another scene counts for nothing."""
        found = load_file(path)
        change = found.pop("change")
        if change.shape != self.change.shape:
            return 0
        self.change.data = change
        self.adam.state[self.change] = found
        return int(found["step"])


def rate_for(steps: int, paper_steps: int) -> float:
    """Adam's rate for a number of steps: colours must come as far in few as in many, up to LARGEST_RATE."""
    return min(LARGEST_RATE, PAPER_RATE * max(1.0, paper_steps / steps))


def chooser(count: int, descent: Descent) -> Callable[[int, Step], int]:
    """Which view a step looks at: `global` all in a fixed random order, `fixed` the key views in turn, `free` any, `local` of its set."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(descent.seed)).tolist()
    fixed = descent.fixed or order
    groups = max((step.group for step in descent.steps), default=0) + 1

    def choose(number: int, step: Step) -> int:
        if step.view == "free":
            draw = torch.Generator().manual_seed(1_000_003 * descent.seed + number)
            return int(torch.randint(count, (1,), generator=draw))
        if step.view == "fixed":
            return fixed[number % len(fixed)]
        if step.view == "local":
            first, end = (group * count // groups for group in (step.group, step.group + 1))
            return min(first + number % max(end - first, 1), count - 1)
        return order[number % count]

    return choose
