"""The view refiner: a family's denoiser that also sees a warped picture, its holes and the depth, and paints what is missing.

ReStyle3D's warp-and-refine network (section 3.3): latents of the conditions are joined to the noisy latents, the first convolution is
widened for them with zeros, so an untrained one says what the denoiser says. It is a plain UNet2DConditionModel in the family's
folder `view_refiner/`; how many conditions it reads follows from its input channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Bool, Float
from torch import Tensor, nn

from relook.errors import MissingModelError, ShapeError
from relook.files import sha256
from relook.models.families import Family
from relook.models.load import read
from relook.ops.fill import filled
from relook.ops.recolour import recoloured
from relook.types import Depth

PAPER = ("warped", "mask", "depth")
"""What ReStyle3D's network reads, in this order."""
CONDITIONS = (*PAPER, "structure")
"""The same, and the new view as it looked before: it tells what the holes show."""
FOLDER = "view_refiner"
"""Where in a family's folder it lies."""


@dataclass(frozen=True)
class ViewRefiner:
    """A family with the network that completes its pictures."""

    family: Family
    network: UNet2DConditionModel
    weights: Path | None = None
    """The file that the network came from."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """What it reads besides the noisy latents."""
        return CONDITIONS[: self.network.config["in_channels"] // self.network.config["out_channels"] - 1]

    @property
    def revision(self) -> str:
        """sha256 of its weights; empty for a network in memory."""
        return "" if self.weights is None else sha256(self.weights)


def widened(denoiser: UNet2DConditionModel, conditions: int) -> UNet2DConditionModel:
    """A copy of the denoiser whose first convolution reads `conditions` further latents, all their weights zero."""
    network = deepcopy(denoiser)
    first = network.conv_in
    channels = first.in_channels * (1 + conditions)
    wide = nn.Conv2d(channels, first.out_channels, first.kernel_size, padding=first.padding).to(first.weight)
    with torch.no_grad():
        wide.weight.zero_()[:, : first.in_channels] = first.weight
        wide.bias.copy_(first.bias)  # type: ignore[union-attr, arg-type]
    network.conv_in = wide
    network.register_to_config(in_channels=channels)
    return network


def load_view_refiner(family: Family, folder: Path | None = None) -> ViewRefiner:
    """The network that lies in the family's folder, or in another one.

    Raises MissingModelError when it is not there, ShapeError when it is another family's.
    """
    place = folder or next((file.parents[1] for file in family.weights if file.parent.name == "unet"), Path()) / FOLDER
    file = place / "diffusion_pytorch_model.safetensors"
    if not file.is_file():
        raise MissingModelError(
            f"Expected a view refiner of {family.name!r} in {place}, got none; train one with `relook train warp-refine`, "
            "or fill holes with `--fill inpaint`."
        )
    network = read(place, UNet2DConditionModel.from_pretrained, torch_dtype=family.dtype)
    channels, own = network.config["in_channels"], family.denoiser.config["out_channels"]
    if network.config["out_channels"] != own or channels % own or not 2 <= channels // own <= 1 + len(CONDITIONS):
        raise ShapeError(
            f"Expected a view refiner of {own} channels and up to {len(CONDITIONS)} conditions, got {channels} inputs in {place}; "
            "take the one of this family."
        )
    return ViewRefiner(family, network.to(family.device).eval().requires_grad_(False), file)


def condition_pictures(
    warped: Float[Tensor, "3 H W"],
    holes: Bool[Tensor, "H W"],
    depth: Depth | None,
    structure: Float[Tensor, "3 H W"] | None,
) -> Mapping[str, Float[Tensor, "3 H W"]]:
    """The conditions as pictures in [0, 1].

    warped: its holes take a first guess, `relook.ops.recolour` from the view as it looked before, or the nearest colour. mask: white
    where something is known. depth: disparity (near = 1), grey where there is none. structure: the view before, grey where not known.
    """
    grey = torch.full_like(warped, 0.5)
    flat = None if depth is None else depth.values
    guess = filled(warped, holes) if structure is None else recoloured(structure, warped, holes, flat)
    return {
        "warped": torch.where(holes, guess, warped),
        "mask": (~holes).to(warped).expand(3, -1, -1),
        "depth": grey if depth is None else depth.disparity().to(warped).expand(3, -1, -1),
        "structure": grey if structure is None else structure,
    }


@torch.no_grad()
def encoded(
    family: Family, pictures: Mapping[str, Float[Tensor, "3 H W"]], names: tuple[str, ...]
) -> Float[Tensor, "1 K h w"]:
    """Latents of the named pictures, joined along their channels. Sides must be multiples of the family's factor."""
    latents = family.encode(torch.stack([pictures[name] for name in names]))
    return latents.flatten(0, 1)[None]
