"""One room in one style, with everything that is exactly known about it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.dollhouse.classes import CLASSES
from relook.dollhouse.layout import Layout, Pose
from relook.dollhouse.shade import shade
from relook.dollhouse.style import Style
from relook.dollhouse.trace import Geometry, trace
from relook.types import Camera, Depth, Region, Segments, View


@dataclass(frozen=True)
class Rendering:
    """A picture and its exact truth."""

    image: Float[Tensor, "3 H W"]
    depth: Float[Tensor, "H W"]
    normals: Float[Tensor, "H W 3"]
    """World axes, unit length, towards the eye's side."""
    points: Float[Tensor, "H W 3"]
    """World points at pixel centres, metres."""
    classes: Int[Tensor, "H W"]
    """Indices into CLASSES."""
    instances: Int[Tensor, "H W"]
    camera: Camera

    def view(self) -> View:
        """The picture with its exact segments, metric depth and camera."""
        return View(self.image, exact_segments(self.classes, self.instances), Depth(self.depth, "metric"), self.camera)


def render(layout: Layout, style: Style, size: tuple[int, int] = (128, 128), pose: Pose | None = None) -> Rendering:
    """The layout in the style, seen from its own pose or another.

    `render(layout of A, style of B)` is the exact answer to "give A the look of B".
    """
    pose = pose or layout.pose
    geometry = trace([layout], size, poses=[pose])
    return rendering(geometry, 0, shade(geometry, [style])[0], pose)


def rendering(geometry: Geometry, index: int, image: Float[Tensor, "3 H W"], pose: Pose) -> Rendering:
    """One room of a traced batch as a Rendering."""
    g, i = geometry, index
    camera = pose.camera((image.shape[1], image.shape[2]))
    return Rendering(image, g.depth[i], g.normals[i], g.points[i], g.classes[i], g.instances[i], camera)


def exact_segments(classes: Int[Tensor, "H W"], instances: Int[Tensor, "H W"]) -> Segments:
    """Panoptic segments: the id of a region is 1 + class * 64 + instance."""
    labels = 1 + classes * 64 + instances.clamp_max(63)
    ids = labels.unique().tolist()
    return Segments(labels, {i: Region(CLASSES[(i - 1) // 64], (i - 1) % 64) for i in ids})


def seen(rendering: Rendering, minimum: float = 0.0) -> frozenset[str]:
    """Names of the classes that cover more than `minimum` of the picture."""
    counts = torch.bincount(rendering.classes.flatten(), minlength=len(CLASSES)) / rendering.classes.numel()
    return frozenset(CLASSES[i] for i, share in enumerate(counts.tolist()) if share > minimum)
