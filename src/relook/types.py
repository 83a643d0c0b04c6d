"""The values that travel between the packages: cameras, depth, segments, views, results.

Conventions (DESIGN): RGB is float in [0, 1], C x H x W; cameras are OpenCV, world-to-camera 4 x 4 and K 3 x 3 in pixels; depth is along the optical axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from relook.errors import SegmentsError, ShapeError

UNLABELLED = 0
"""The region id of pixels that belong to no region."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; pixel centres lie at half-integers, so K maps to coordinates in [0, W] x [0, H]."""

    K: Float[Tensor, "3 3"]
    """Intrinsics in pixels."""
    world_to_camera: Float[Tensor, "4 4"]
    """Rigid transform from world to camera (x right, y down, z forward)."""

    def resized(self, before: tuple[int, int], after: tuple[int, int]) -> Camera:
        """The camera of the same picture when its size (H, W) was `before` and is `after`."""
        scale = torch.tensor([after[1] / before[1], after[0] / before[0], 1.0]).to(self.K)
        return Camera(self.K * scale[:, None], self.world_to_camera)


@dataclass(frozen=True)
class Depth:
    """Depth along the optical axis, with what its numbers mean and where they are known."""

    values: Float[Tensor, "H W"]
    """Larger is farther; finite and positive where it is known."""
    kind: Literal["metric", "relative"]
    """`metric`: scene units; `relative`: known up to scale and shift of the disparity."""
    valid: Bool[Tensor, "H W"] | None = None
    """Where a sensor measured it; None: drawn or estimated, everywhere. What networks read has no holes: `relook.ops.fill.whole_depth`."""
    estimated: Bool[Tensor, "H W"] | None = None
    """Where it was estimated between what was measured; None: nowhere, or everywhere."""

    def masked(self) -> Float[Tensor, "H W"]:
        """The values with NaN where nothing was measured."""
        return self.values if self.valid is None else torch.where(self.valid, self.values, math.nan)

    def resized(self, size: tuple[int, int]) -> Depth:
        """The same depth at another size (H, W), by nearest neighbour."""
        masks = (None if one is None else _nearest(one.float(), size) > 0.5 for one in (self.valid, self.estimated))
        return Depth(_nearest(self.values, size), self.kind, *masks)

    def disparity(self) -> Float[Tensor, "H W"]:
        """Inverse depth scaled to [0, 1] between its 1st and 99th percentile (near = 1): what depth ControlNets read."""
        inverse = 1 / self.values.clamp_min(1e-6)
        # torch.quantile refuses more than 2^24 values: every k-th, 2^20 at most
        some = inverse.flatten()[:: -(-inverse.numel() // (1 << 20)) or 1]
        low, high = torch.quantile(some, torch.tensor([0.01, 0.99], device=inverse.device))
        return ((inverse - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)


@dataclass(frozen=True)
class Region:
    """One object or surface of a picture."""

    name: str
    """Class name in lower case, e.g. `sofa`."""
    instance: int = 0
    """Counts the regions of one class from 0."""
    picture: int = 0
    """Which of the pictures that a style is put together from shows it, from 0."""
    confidence: float = 1.0
    """How sure it is that its pixels are of this class, from 0 (a guess) to 1 (stated or exact)."""


@dataclass(frozen=True)
class Segments:
    """A panoptic partition of a picture: every pixel holds the id of one region, or 0 for none."""

    labels: Int[Tensor, "H W"]
    """Region ids (int64)."""
    regions: Mapping[int, Region] = field(default_factory=dict)
    """What each positive id is."""

    def __post_init__(self) -> None:
        if self.labels.ndim != 2:
            raise ShapeError(
                f"Segments need labels of shape (H, W), got {tuple(self.labels.shape)}; pass one id per pixel."
            )
        unknown = sorted(set(ids_in(self.labels)) - set(self.regions) - {UNLABELLED})
        if unknown:
            raise SegmentsError(
                f"Expected a name for every region id in the label map, got none for {unknown[:8]}; add them to its names."
            )

    def resized(self, size: tuple[int, int]) -> Segments:
        """The same regions at another size (H, W), by nearest neighbour."""
        return Segments(_nearest(self.labels.double(), size).long(), self.regions)

    @property
    def names(self) -> tuple[str, ...]:
        """The class names present, sorted."""
        return tuple(sorted({self.regions[id].name for id in ids_in(self.labels) if id in self.regions}))

    def confidence(self, mask: Bool[Tensor, "H W"]) -> float:
        """Mean confidence of the regions under a mask; 1 where there is none."""
        under = self.labels[mask]
        sure = {id: self.regions[id].confidence if id in self.regions else 1.0 for id in ids_in(under)}
        return sum(int((under == id).sum()) * one for id, one in sure.items()) / max(len(under), 1) if sure else 1.0

    def mask(self, name: str) -> Bool[Tensor, "H W"]:
        """Pixels of every region called `name`."""
        return self.among([id for id, region in self.regions.items() if region.name == name])

    def among(self, ids: Sequence[int]) -> Bool[Tensor, "H W"]:
        """Pixels of these regions."""
        return torch.isin(self.labels, torch.tensor(ids, dtype=self.labels.dtype, device=self.labels.device))


@dataclass(frozen=True)
class View:
    """One picture with what is known of it."""

    image: Float[Tensor, "3 H W"]
    """RGB in [0, 1]."""
    segments: Segments | None = None
    depth: Depth | None = None
    camera: Camera | None = None
    points: Sparse | None = None
    """Reconstructed points that the picture shows."""
    layout: Layout | None = None
    """The room's planes."""
    pictures: tuple[View, ...] = ()
    """What a style of several pictures is put together from (relook.transfer.references): each with the same ids of its regions."""

    def showing(self, id: int) -> View:
        """The picture that shows a region: this one, or one of those that it is put together from."""
        if not self.pictures or self.segments is None:
            return self
        return self.pictures[self.segments.regions[id].picture]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.shape[-2], self.image.shape[-1]

    @property
    def metric_depth(self) -> Float[Tensor, "H W"] | None:
        """Its depth in scene units, NaN where nothing was measured; None where it has none, or only up to scale."""
        return None if self.depth is None or self.depth.kind != "metric" else self.depth.masked()


@dataclass(frozen=True)
class Wall:
    """A wall of a room seen from above, in the layout's axes and metres."""

    start: tuple[float, float]
    """(across, ahead) of its end on the left, as the camera sees it."""
    end: tuple[float, float]
    """The same on the right."""
    confidence: float = 1.0
    """That it faces within 5 degrees of what it should, at a distance within 10 %: from 0 (a guess) to 1."""


@dataclass(frozen=True)
class Layout:
    """A room's floor, ceiling and walls, and the camera that sees them. What has a confidence below a half counts as unknown."""

    size: tuple[int, int]
    """(H, W) of the picture."""
    camera: Camera
    """Its world is the room: x across (to the right), y down, z ahead; the origin is on the floor below the camera; metres."""
    height: float
    """From floor to ceiling."""
    walls: tuple[Wall, ...]
    """From left to right."""
    directions: float = 1.0
    """Confidence that the room's axes are within 3 degrees of what they should be."""
    floor: float = 1.0
    """Confidence that the floor is where it should be, up to the scale of the whole room."""
    ceiling: float = 1.0
    """The same of the ceiling."""
    scale: str = "stated"
    """Where the metres are from."""

    @property
    def eye(self) -> float:
        """The camera's height above the floor."""
        pose = self.camera.world_to_camera
        return float(pose[:3, 1] @ pose[:3, 3])

    @property
    def up(self) -> Float[Tensor, " 3"]:
        """Against gravity, in the camera's axes."""
        return -self.camera.world_to_camera[:3, 1]

    def resized(self, size: tuple[int, int]) -> Layout:
        """The same for the picture at another size (H, W)."""
        return replace(self, size=size, camera=self.camera.resized(self.size, size))


@dataclass(frozen=True)
class Matches:
    """Where every pixel of a first view is seen in a second view of the same room."""

    flow: Float[Tensor, "2 H W"]
    """(dx, dy) in pixels: a point seen at the centre p of a first-view pixel is seen at p + flow in the second view."""
    confidence: Float[Tensor, "H W"]
    """From 0 (a guess) to 1 (certain)."""
    occluded: Bool[Tensor, "H W"]
    """Pixels whose point the second view does not show: hidden, or outside the picture."""
    depth: Float[Tensor, "H W"] | None = None
    """Of every pixel's point along the axis of the second camera, where the geometry says it; NaN where it is unknown."""

    def __post_init__(self) -> None:
        sizes = tuple(self.flow.shape[1:]), tuple(self.confidence.shape), tuple(self.occluded.shape)
        if self.flow.ndim != 3 or self.flow.shape[0] != 2 or len(set(sizes)) != 1:
            raise ShapeError(
                f"Expected flow (2, H, W) with confidence and occlusion (H, W), got {tuple(self.flow.shape)}, {sizes[1]} "
                f"and {sizes[2]}; pass maps of one size."
            )


@dataclass(frozen=True)
class Pointmaps:
    """What is known of a room from several views: the world point under every pixel, and the cameras."""

    points: tuple[Float[Tensor, "H W 3"], ...]
    """World points at pixel centres, one map per view; NaN where none is known."""
    cameras: tuple[Camera, ...]
    """One per view, in the same world."""
    confidence: tuple[Float[Tensor, "H W"], ...]
    """From 0 (unknown) to 1 (certain)."""
    kind: Literal["metric", "relative"]
    """`metric`: scene units; `relative`: known up to one scale for all views."""
    source: str
    """The back end that found them."""


@dataclass(frozen=True)
class Sparse:
    """The reconstructed points that one picture shows."""

    camera: Camera
    pixels: Float[Tensor, "N 2"]
    """Where they are seen (x, y)."""
    points: Float[Tensor, "N 3"]
    """Where they are in the world."""

    @property
    def depth(self) -> Float[Tensor, " N"]:
        """Their depth along the camera's axis."""
        pose = self.camera.world_to_camera
        return self.points @ pose[2, :3] + pose[2, 3]


@dataclass(frozen=True)
class Metadata:
    """What the file of a picture holds beside its colours; an output carries what its structure picture has."""

    bits: Literal[8, 16] = 8
    """Per colour."""
    alpha: Float[Tensor, "H W"] | None = None
    """Opacity from 0 to 1; None where every pixel is opaque."""
    exif: bytes = b""
    """As Pillow writes it, without the orientation: pixels are upright."""
    profile: bytes | None = None
    """The ICC profile that says which colours the RGB numbers mean; None for sRGB."""
    xmp: bytes = b""
    """An XMP packet that is written into the file; reading leaves it empty."""


@dataclass(frozen=True)
class Result:
    """A finished picture and the record from which it can be repeated."""

    image: Float[Tensor, "3 H W"]
    record: dict[str, Any]
    structure: View
    style: View
    metadata: Metadata = Metadata()
    """Of the structure picture's file."""


def ids_in(labels: Int[Tensor, "*N"]) -> list[int]:
    """The numbers in a map, ascending; counted where they are small, in a twentieth of the time of sorting."""
    small = bool(labels.numel()) and int(labels.min()) >= 0 and int(labels.max()) < 1 << 16
    return [int(id) for id in (torch.bincount(labels.flatten()).nonzero()[:, 0] if small else labels.unique())]


def _nearest(values: Float[Tensor, "H W"], size: tuple[int, int]) -> Float[Tensor, "h w"]:
    return interpolate(values[None, None], size, mode="nearest-exact")[0, 0]
