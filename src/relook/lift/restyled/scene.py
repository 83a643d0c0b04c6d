"""What every method of restyling a scene is given: Gaussians, posed pictures of them, and what they are parts of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from relook.config import RestyleConfig
from relook.correspond.semantic import regions_named
from relook.gaussians import Gaussians
from relook.lift.scene.sources import camera_of
from relook.ops.align import centre
from relook.ops.splats import Blends
from relook.progress import SILENT, Progress
from relook.session import Session
from relook.transfer.references import Styles
from relook.types import Segments, View


@dataclass(frozen=True)
class Scene:
    """N Gaussians whose geometry is frozen."""

    gaussians: Gaussians
    views: tuple[View, ...]
    """Key views of one size: pictures of the scene (the capture's own, or renderings), with cameras and the scene's segments."""
    blends: Blends
    """Of these views."""
    parts: Segments
    """What every Gaussian is a part of: labels of shape (1, N)."""

    @property
    def region(self) -> Int[Tensor, " N"]:
        """The region's id of every Gaussian."""
        return self.parts.labels[0]

    @cached_property
    def eyes(self) -> Float[Tensor, "V 3"]:
        """Where the views stand."""
        return torch.stack([centre(camera_of(view)) for view in self.views])

    @cached_property
    def sides(self) -> Float[Tensor, " N"]:
        """Side of the square of surface that every Gaussian covers: two standard deviations of its two longer axes."""
        return 2 * self.gaussians.scales.sort(1).values[:, 1:].prod(1).sqrt()

    @cached_property
    def faces(self) -> Float[Tensor, "N 3"]:
        """Normals in the first view's axes, towards the nearest view."""
        gaussians = self.gaussians
        near = torch.from_numpy(cKDTree(self.eyes.numpy()).query(gaussians.means.numpy())[1])
        away = ((self.eyes[near] - gaussians.means) * gaussians.normals).sum(1, keepdim=True) < 0
        return (
            torch.where(away, -gaussians.normals, gaussians.normals)
            @ camera_of(self.views[0]).world_to_camera[:3, :3].T
        )

    def named(self, names: Sequence[str]) -> Bool[Tensor, " N"]:
        """The Gaussians of everything that is called so, or means the same. Raises SegmentsError for a name that the scene does not have."""
        ids = [id for name in names for id in regions_named(self.parts, name)]
        return torch.isin(self.region, torch.tensor(ids, dtype=torch.int64))


@dataclass(frozen=True)
class Settings:
    """With what a scene is restyled."""

    config: RestyleConfig
    session: Session
    progress: Progress = SILENT
    work: Path | None = None
    """Folder for what a stopped run must not make again; None: nothing is kept."""


Method = Callable[[Scene, Styles, Settings], Float[Tensor, "N 3"]]
"""New RGB of the Gaussians, the part that is the same from everywhere."""
