"""A few rounds of gradient descent through the rasteriser: where Gaussians lie, how large, turned and opaque they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from relook.gaussians import Gaussians
from relook.ops.splats import rasterise, seen_colours
from relook.ops.splats.project import project
from relook.progress import SILENT, Progress
from relook.types import Camera

RATES = {"shift": 0.03, "sizes": 0.02, "quats": 0.004, "opacity": 0.05, "colours": 0.008}
"""Adam's steps: of positions in a Gaussian's own sizes, of the logarithm of sizes, of quaternions, logits, RGB."""
FADED = 0.02
"""Gaussians of less opacity go."""
GROWN = 1.5
"""The most that a Gaussian's sizes change, as a natural logarithm: larger ones become spikes."""
SMOOTH = 0.01
"""Errors (RGB) below which the loss is quadratic, above linear: moving people and reflections weigh less."""


def refined(
    gaussians: Gaussians,
    cameras: Sequence[Camera],
    pictures: Sequence[Float[Tensor, "3 H W"]],
    rounds: int,
    *,
    trust: Sequence[Float[Tensor, "H W"]] | None = None,
    progress: Progress = SILENT,
    seed: int = 0,
) -> Gaussians:
    """Gaussians whose picture, not normalised by coverage, is nearer to the views' pictures after `rounds` times every view.

    The loss is a smooth L1 distance before a grey that is drawn anew for every step, so that surfaces become opaque.
    """
    draw = torch.Generator().manual_seed(seed)
    free = _Free(gaussians)
    with progress.stage("refining", rounds * len(pictures)) as tick:
        for step in range(rounds * len(pictures)):
            if step % len(pictures) == 0:
                order = torch.randperm(len(pictures), generator=draw).tolist()
            number = order[step % len(pictures)]
            share = step / (rounds * len(pictures))
            picture = pictures[number]
            grey = torch.rand(3, 1, 1, generator=draw)
            image, coverage = free.rendered(cameras[number], (picture.shape[1], picture.shape[2]))
            wrong = (image + (1 - coverage) * grey - picture).square()
            loss = (wrong.sum(0) + SMOOTH**2).sqrt()
            loss = loss if trust is None else loss * trust[number]
            free.step(loss.mean(), 0.1**share)
            tick(step + 1)
    return free.finished()


class _Free:
    """What is varied, and its optimiser."""

    def __init__(self, start: Gaussians) -> None:
        self.start = start
        self.size = start.scales.max(1, keepdim=True).values
        opacity = start.opacities.clamp(0.01, 0.995)
        values = {
            "shift": torch.zeros_like(start.means), "sizes": torch.zeros_like(start.scales), "quats": start.quats.clone(),
            "opacity": (opacity / (1 - opacity)).log(), "colours": start.colours.clone(),
        }  # fmt: skip
        self.values = {name: value.requires_grad_() for name, value in values.items()}
        self.optimiser = torch.optim.Adam(
            [{"params": [value], "lr": RATES[name], "base": RATES[name]} for name, value in self.values.items()],
            betas=(0.9, 0.99), eps=1e-15,
        )  # fmt: skip

    @property
    def gaussians(self) -> Gaussians:
        """As they are now; differentiable."""
        one = self.values
        scales = self.start.scales * one["sizes"].clamp(-2 * GROWN, GROWN).exp()
        means = self.start.means + self.size * one["shift"]
        return Gaussians(means, normalize(one["quats"], dim=1), scales, one["opacity"].sigmoid(), self.start.sh)

    def rendered(self, camera: Camera, size: tuple[int, int]) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "H W"]]:
        """What a camera sees."""
        colours = self.values["colours"] + seen_colours(self.start, camera) - self.start.colours
        return rasterise(project(self.gaussians, camera, size), colours, size)

    def step(self, loss: Tensor, rate: float) -> None:
        """One step down; rate: a factor of all steps."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["base"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()

    def finished(self) -> Gaussians:
        """Without those that have faded."""
        with torch.no_grad():
            found = self.gaussians.coloured(self.values["colours"].clamp(0, 1))
            return found[found.opacities > FADED]
