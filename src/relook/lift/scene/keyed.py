"""A walk by its key frames: each is restyled as a photograph is, what changed in it lies on the scene's surfaces, and every frame takes it from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import interpolate

from relook.captures.frames import spread as evenly
from relook.config import SceneConfig, ViewsConfig
from relook.errors import GeometryError
from relook.gaussians import Gaussians
from relook.lift.geometry import MatchedViews
from relook.lift.scene.distil import key_views
from relook.lift.scene.fit import Fit, fit_posed
from relook.lift.scene.keys import restyled_keys
from relook.lift.scene.labels import MOST, SceneLabels, grown
from relook.lift.scene.sources import LEAST, SceneViews, smaller
from relook.lift.scene.uplift import lifted, likeness, spread
from relook.ops.fill import whole_depth
from relook.ops.guided import guided_filter
from relook.ops.recolour import recoloured
from relook.ops.resize import resized
from relook.ops.splats import Blends
from relook.ops.splats.solve import RIDGE
from relook.perceive.segment import exact
from relook.progress import Progress
from relook.session import Session
from relook.transfer.composite import composite
from relook.transfer.references import Styles
from relook.types import Camera, Segments, View

SIDE = 384
"""Longer side in pixels of the frames that the scene is fitted to."""
DARK, LARGEST = 0.03, 2.0
"""Added to colours before their ratio is taken, as black has none; and the largest that its logarithm may be."""
FREE = 0.01
"""How strongly new colours are held to their means over key views; as strongly as the change of colours (RIDGE) blurs them."""
ALIKE = 16
"""What no key view shows changes as the mean of so many surfels of its region that are most like it: one alone speckles."""
FITS = 0.12
"""Error of the scene (RGB) at which a rendered picture counts e^-1 beside the changed frame."""
EDGES = (0.012, 1e-4)
"""Guided filter that brings what a smaller scene shows to the edges of a frame."""


@dataclass(frozen=True)
class KeyedLook:
    """What changed in the key frames of a walk, on the N Gaussians of its scene."""

    keys: tuple[int, ...]
    """Numbers of the key frames."""
    weights: Mapping[str, str]
    """Of everything learned by which they were restyled."""
    labels: SceneLabels
    scene: Fit
    blends: Blends
    """Of the frames that have a place in the scene, in their order."""
    ratios: Float[Tensor, "N 3"]
    """log of the new colour over the old one."""
    colours: Float[Tensor, "N 3"]
    """The new ones."""
    means: Float[Tensor, "R 3"]
    """Of `ratios` over every region of the scene."""

    def of(self, number: int, view: View) -> Float[Tensor, "3 H W"]:
        """A frame, which has the scene's segments, in the new look; what moves in it stays as it is.

        The frame times exp(ratio), as the scene shows that: it keeps its own detail. As far as the scene is known to fit, its rendering counts
        itself. What it does not show changes as what is like it in the frame; a frame without a place, region by region.
        """
        labels = exact(view).labels
        if self.labels.frames[number].camera is None:
            ratio = self.means[labels].permute(2, 0, 1)
            look = changed(view.image, guided_filter(view.image, ratio, *EDGES))
        else:
            look = self._shown(self.labels.place(number), view)
        return composite(view.image, look, torch.isin(labels, torch.tensor(self.labels.moving, dtype=labels.dtype)))

    def _shown(self, place: int, view: View) -> Float[Tensor, "3 H W"]:
        """What the scene shows of a frame."""
        blend = self.blends[place]
        ratio, holes = blend.render(self.ratios), ~blend.seen
        if blend.size == view.size:
            trust = self.scene.confidence(blend, FITS)
            look = torch.lerp(changed(view.image, ratio), blend.render(self.colours).clamp(0, 1), trust)
        else:
            known = guided_filter(view.image, torch.cat([ratio * ~holes, (~holes).float()[None]]), *EDGES)
            look = changed(view.image, known[:3] / known[3:].clamp_min(0.1))
            holes = interpolate(holes[None, None].float(), view.size)[0, 0] > 0
        return torch.where(holes, recoloured(view.image, look, holes), look) if bool(holes.any()) else look


def keyed_look(
    walk: MatchedViews,
    labels: SceneLabels,
    style: Styles,
    config: ViewsConfig,
    session: Session,
    progress: Progress,
    work: Path | None = None,
) -> KeyedLook:
    """Restyle the key frames, those that together show most, and solve what changed in them into the scene.

    work: a folder where restyled key frames lie, for a run that was stopped. Raises DepthError where no depth is known.
    """
    placed = [number for number, frame in enumerate(labels.frames) if frame.camera is not None]
    scene = _fitted(walk, placed, progress)
    blends = Blends(scene.gaussians, [_camera(labels, number, scene.size) for number in placed], scene.size)
    chosen = sorted(key_views(blends, config.key_views))
    keys = [placed[place] for place in chosen]
    views = [_with_segments(walk.view(number), labels, number) for number in keys]
    places = [None if work is None else work / f"{number:06d}.png" for number in keys]
    made, weights = restyled_keys(views, style, config.photo, session, progress, places)
    looks = [resized(image, scene.size) for image in made]
    changes = [ratio_of(new, resized(view.image, scene.size)) for new, view in zip(looks, views, strict=True)]
    still = [_still(labels.segments(n, view), labels.moving, scene.size) for n, view in zip(keys, views, strict=True)]
    region, like = _regions(labels, scene.gaussians), likeness(scene.gaussians)
    shown = [blends[k] for k in chosen]
    solved = [lifted(shown, maps, still, ridge=ridge) for maps, ridge in ((changes, RIDGE), (looks, FREE))]
    ratios, colours = (spread(one.values, one.seen, like, region, ALIKE) for one in solved)
    means = _means(ratios, region, len(labels.decided.names))
    return KeyedLook(tuple(keys), weights, labels, scene, blends, ratios, colours, means)


def changed(image: Float[Tensor, "3 H W"], ratio: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
    """A picture times exp(ratio): the inverse of `ratio_of`."""
    return ((image + DARK) * ratio.exp() - DARK).clamp(0, 1)


def ratio_of(new: Float[Tensor, "3 H W"], old: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
    """log (new + DARK) / (old + DARK), at most LARGEST either way."""
    return ((new + DARK) / (old + DARK)).log().clamp(-LARGEST, LARGEST)


def _fitted(walk: MatchedViews, placed: Sequence[int], progress: Progress) -> Fit:
    """The scene of the frames that have a place, and how well it fits those that it was not made of."""
    views = tuple(smaller(walk.view(placed[k]), SIDE) for k in evenly(len(placed), MOST))
    config = SceneConfig(size=SIDE, refine=0)
    held = range(config.held_out // 2, len(views), config.held_out) if len(views) >= LEAST else ()
    return fit_posed(SceneViews(views, tuple(held), walk.geometry), config, progress)


def _camera(labels: SceneLabels, number: int, size: tuple[int, int]) -> Camera:
    """A frame's, for pictures of a size."""
    frame = labels.frames[number]
    if frame.camera is None:
        raise GeometryError("Expected a camera of every frame of the scene, got a frame without; leave it out.")
    return frame.camera.resized((frame.labels.shape[0], frame.labels.shape[1]), size)


def _regions(labels: SceneLabels, gaussians: Gaussians) -> Int[Tensor, " N"]:
    """The region of every Gaussian: that of the nearest surfel of the labels."""
    _, nearest = cKDTree(labels.blends.gaussians.means.numpy()).query(gaussians.means.numpy())
    return labels.decided.region[torch.from_numpy(np.asarray(nearest))]


def _means(values: Float[Tensor, "N 3"], region: Int[Tensor, " N"], count: int) -> Float[Tensor, "R 3"]:
    """Over every region; 0 for one that no Gaussian is of."""
    sums = torch.zeros(count, 4).index_add_(0, region, torch.cat([values, torch.ones_like(values[:, :1])], 1))
    return sums[:, :3] / sums[:, 3:].clamp_min(1)


def _with_segments(view: View, labels: SceneLabels, number: int) -> View:
    """A frame with whole depth and its regions: those that it brings, else the scene's."""
    segments = labels.segments(number, view) if view.segments is None else view.segments
    return replace(view, segments=segments, depth=None if view.depth is None else whole_depth(view.depth))


def _still(segments: Segments, moving: Sequence[int], size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """1 where nothing moves nor is near what does, else 0."""
    labels = segments.labels
    moves = torch.isin(labels, torch.tensor(moving, dtype=labels.dtype))
    small = interpolate(moves[None, None].float(), size, mode="nearest-exact")[0, 0] > 0.5
    return 1 - grown(small).float()
