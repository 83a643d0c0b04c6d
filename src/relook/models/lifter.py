"""The learned lifter: a new view of posed pictures without known depth, whose blending weights carry any feature map (Lift3D, Varma et al.
2024, on IBRNet, Wang et al. 2021).

Colour features say where rays meet surfaces and which sources show those; maps of a 2D model that the network never saw are blended with the
very same weights, after a correction that the colour features suggest (Lift3D's equation 3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from relook.models.lifter_parts import COLOUR, FOREIGN, Aggregation, ColourFeatures, Correction
from relook.models.load import tensors
from relook.models.shipped import FILE, filled, save_half
from relook.ops.lifting import Blending, Cameras, Rays, fetched, lifted, ray_weights, refined, seen, spread

FOLDER = Path(__file__).parent / "weights" / "dollhouse" / "lifter"
"""Where the shipped weights lie."""
SHIPPED = {"embedded lifter": FOLDER}
"""The same by its name in records."""


@dataclass(frozen=True)
class Sampling:
    """Where along its rays a scene is looked for."""

    near: float
    far: float
    """Depths between which everything lies, in scene units."""
    coarse: int = 24
    fine: int = 24
    """Samples of both stages. More than in training cost quality (a density belongs to a distance between samples)."""
    random: bool = False
    """Draw samples at random, in training."""


@dataclass(frozen=True)
class Sources:
    """V posed pictures, with what the network sees in them."""

    images: Float[Tensor, "V 3 H W"]
    cameras: Cameras
    features: Float[Tensor, "V C h w"]
    """Colour features: the first half for the coarse stage, the second for the fine one."""


@dataclass(frozen=True)
class Rendered:
    """What the network says of R rays."""

    colour: Float[Tensor, "R 3"]
    coarse: Float[Tensor, "R 3"]
    """The same by the coarse stage alone."""
    disparity: Float[Tensor, " R"]
    """1 / depth, the mean over a ray's weights."""
    blending: Blending
    """Of the fine samples."""
    features: Float[Tensor, "R S V F"]
    """The sources' colour features at them."""
    shown: Bool[Tensor, "R S V"]
    """Whether a source shows a sample."""

    @property
    def known(self) -> Bool[Tensor, " R"]:
        """Rays most of whose weight lies on samples that two sources show."""
        weights = self.blending.weights.sum(2)
        return (weights * (self.shown.sum(2) > 1)).sum(1) > 0.5


class Lifter(nn.Module):
    """Colour features, an aggregation for each stage, and the correction of foreign features."""

    def __init__(self, width: int = FOREIGN) -> None:
        """width: features of a 2D model that are corrected."""
        super().__init__()
        self.encoder = ColourFeatures(2 * COLOUR)
        self.coarse = Aggregation(3 + COLOUR)
        self.fine = Aggregation(3 + COLOUR)
        self.correction = Correction(COLOUR, width)

    def sources(self, images: Float[Tensor, "V 3 H W"], cameras: Cameras) -> Sources:
        """Look at pictures whose sides are multiples of 16."""
        return Sources(images, cameras, self.encoder(images))

    def forward(self, sources: Sources, rays: Rays, sampling: Sampling) -> Rendered:
        """What rays show: a coarse look everywhere, a fine one where something is solid."""
        coarse = self.looked(sources, rays, sampling)
        fine = self.refined(sources, rays, coarse.blending.weights.sum(2), sampling)
        return replace(fine, coarse=coarse.colour)

    def looked(self, sources: Sources, rays: Rays, sampling: Sampling) -> Rendered:
        """The coarse look."""
        first = spread(len(rays.directions), _edges(sampling, rays), sampling.random)
        return self._stage(self.coarse, sources, rays, first, 0)

    def refined(self, sources: Sources, rays: Rays, weights: Float[Tensor, "R M"], sampling: Sampling) -> Rendered:
        """The fine look, where a coarse one found weight: that of these rays, or of rays beside them."""
        places = refined(weights.detach(), _edges(sampling, rays), sampling.fine, sampling.random)
        return self._stage(self.fine, sources, rays, places, 1)

    def _stage(self, aggregation: Aggregation, sources: Sources, rays: Rays, disparity: Tensor, stage: int) -> Rendered:
        """Samples at disparities (R S), aggregated over the sources and composited along the rays."""
        where = seen(rays, 1 / disparity, sources.cameras)
        colours = fetched(sources.images, where.grid)
        features = fetched(sources.features[:, stage * COLOUR : (stage + 1) * COLOUR], where.grid)
        density, shares = aggregation(torch.cat([colours, features], -1), where.turned, where.shown)
        along = ray_weights(density)
        weights = along[..., None] * shares
        colour = (weights[..., None] * colours).sum((1, 2))
        blending = Blending(where.grid, weights)
        return Rendered(colour, colour, (along * disparity).sum(1), blending, features, where.shown)

    def corrected(self, rendered: Rendered, maps: Float[Tensor, "V C h w"]) -> Float[Tensor, "R C"]:
        """Feature maps as the rays show them, corrected (equation 3) in as many channels as the network was trained on.

        Narrower maps are padded with zeros; what is beyond its width is blended as it is. Maps should be `standardised`.
        """
        width = self.correction.width
        plain = lifted(rendered.blending, maps[:, width:]) if maps.shape[1] > width else maps.new_zeros(0)
        padded = functional.pad(maps[:, :width], (0, 0, 0, 0, 0, max(0, width - maps.shape[1])))
        given = fetched(padded, rendered.blending.grid)
        values = self.correction(given, rendered.features)
        shown = torch.einsum("rsvc,rsv->rc", values, rendered.blending.weights)[:, : maps.shape[1]]
        return torch.cat([shown, plain], 1) if len(plain) else shown

    def save(self, folder: Path) -> None:
        """Write the network in half precision."""
        save_half(self, folder)


def _edges(sampling: Sampling, rays: Rays) -> Float[Tensor, " N"]:
    """Disparities between the cells of the coarse look."""
    return torch.linspace(1 / sampling.near, 1 / sampling.far, sampling.coarse + 1).to(rays.directions)


def load_lifter(folder: Path = FOLDER) -> Lifter:
    """The shipped network (or another of its kind), frozen. Raises MissingModelError when it is not there."""
    file, width = folder / FILE, FOREIGN
    if file.is_file():
        down = tensors(file).get("correction.down.weight")
        width = FOREIGN if down is None else down.shape[1]
    return filled(Lifter(width), folder, "lift3d")
