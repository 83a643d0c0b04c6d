"""The view refiner: a family's denoiser that also sees a warped picture, its holes and the depth, and paints what is missing.

ReStyle3D's warp-and-refine network (section 3.3): latents of the conditions are joined to the noisy latents, the first convolution is
widened for them with zeros, so an untrained one says what the denoiser says. It is a plain UNet2DConditionModel in the family's
folder `view_refiner/`, or the published one in its own layout; how many conditions it reads follows from its input channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Bool, Float
from torch import Tensor, nn

from relook.errors import MissingModelError, ShapeError
from relook.files import sha256_of
from relook.models import store
from relook.models.families import Family
from relook.models.family_files import weights_in
from relook.models.load import read, settings, tensors
from relook.models.text import Text, joined
from relook.ops.fill import filled
from relook.ops.recolour import recoloured
from relook.types import Depth

PAPER = ("warped", "mask", "depth")
"""What ReStyle3D's network reads, in the paper's order."""
CONDITIONS = (*PAPER, "structure")
"""The same, and the new view as it looked before: it tells what the holes show."""
FOLDER = "view_refiner"
"""Where in a family's folder it lies."""
WEIGHTS = "diffusion_pytorch_model"
"""What the names of its files of weights begin with in a folder."""
IMAGE = "conv_in_image"
"""The second first convolution of ReStyle3D's published network: for the conditions, its output added to that of `conv_in`."""


@dataclass(frozen=True)
class Conventions:
    """What a view refiner reads besides the noisy latents, and how that is shown to it."""

    conditions: tuple[str, ...] = CONDITIONS
    """Names in the order of its channels; a network with fewer channels reads the first of them."""
    white_holes: bool = False
    """Whether the mask is white in holes (else where something is known)."""
    guessed: bool = True
    """Whether holes of the warped picture take a first guess (else they are black)."""
    blank: bool = False
    """Whether going without a prompt is zeros in place of its embedding (else the empty prompt)."""


PUBLISHED = Conventions(("warped", "depth", "mask"), white_holes=True, guessed=False, blank=True)
"""Those of ReStyle3D's published network."""


@dataclass(frozen=True)
class ViewRefiner:
    """A family with the network that completes its pictures."""

    family: Family
    network: UNet2DConditionModel
    weights: tuple[Path, ...] = ()
    """The files that the network came from."""
    conventions: Conventions = Conventions()

    @property
    def conditions(self) -> tuple[str, ...]:
        """What it reads besides the noisy latents."""
        count = self.network.config["in_channels"] // self.network.config["out_channels"] - 1
        return self.conventions.conditions[:count]

    @property
    def revision(self) -> str:
        """sha256 over the hashes of its files of weights; empty for a network in memory."""
        return sha256_of(self.weights) if self.weights else ""

    def embed(self, prompt: str, *, empty: bool = False) -> Text:
        """A prompt as the network reads it; `empty`: as one row for going without a prompt, and one for it, unless they are the same."""
        prompted = self.family.embed([prompt])
        if not empty:
            return prompted
        without = prompted.blank() if self.conventions.blank else self.family.embed([""])
        return prompted if torch.equal(without.states, prompted.states) else joined([without, prompted])

    def denoise(
        self, latents: Float[Tensor, "1 C h w"], conditions: Float[Tensor, "1 K h w"], timestep: int, text: Text
    ) -> Float[Tensor, "B C h w"]:
        """What the network says of noised latents under each of B prompts, float32 in the family's own terms (`Family.noise_of`)."""
        rows = torch.cat([latents, conditions.to(latents)], 1).expand(len(text), -1, -1, -1)
        timesteps = torch.full((len(text),), timestep, device=latents.device)
        return replace(self.family, denoiser=self.network).denoise(rows, timesteps, text).float()


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


def find_view_refiner(name: str) -> Path:
    """Where a view refiner lies: that .safetensors file or folder, or the files of a hub id, fetched where they are not here.

    Raises InputError for what is none of these, MissingModelError where it is nowhere to be found.
    """
    path = Path(name).expanduser()
    return path if path.suffix == ".safetensors" else store.find(name, "a view refiner")


def load_view_refiner(family: Family, place: Path | None = None) -> ViewRefiner:
    """The network that lies in the family's folder, in another one, or in a .safetensors file (with the blocks of the family's denoiser).

    ReStyle3D's published layout (`IMAGE`) is joined into one network and follows the conventions PUBLISHED.
    Raises MissingModelError when it is not there or not whole, ShapeError when it is another family's.
    """
    place = place or next((file.parents[1] for file in family.weights if file.parent.name == "unet"), Path()) / FOLDER
    alone = place.suffix == ".safetensors"
    files = (place,) if alone and place.is_file() else _files(place, family.dtype == torch.float16)
    if not files:
        raise MissingModelError(
            f"Expected a view refiner of {family.name!r} in {place}, got none; train one with `relook train warp-refine`, "
            "or fill holes with `--fill inpaint`."
        )
    weights = {name: part.to(family.dtype) for file in files for name, part in tensors(file).items()}
    conventions = PUBLISHED if f"{IMAGE}.weight" in weights else Conventions()
    config = family.denoiser.config if alone else settings(place)
    network = read(place, lambda *_, **__: network_of(weights, config))
    channels, own = network.config["in_channels"], family.denoiser.config["out_channels"]
    most = len(conventions.conditions)
    if network.config["out_channels"] != own or channels % own or not 2 <= channels // own <= 1 + most:
        raise ShapeError(
            f"Expected a view refiner of {own} channels and up to {most} conditions, got {channels} inputs in {place}; "
            "take the one of this family."
        )
    return ViewRefiner(family, family.place.placed(network), files, conventions)


def _files(folder: Path, half: bool) -> tuple[Path, ...]:
    """The files of weights in a folder, one or several; those in half precision where half is wanted or nothing else is there."""
    return tuple(file for file in weights_in(folder, half) if file.name.startswith(WEIGHTS))


def network_of(weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> UNet2DConditionModel:
    """A denoiser with these weights, its first convolution as wide as they are; two first convolutions (`IMAGE`) are joined into one.

    The sum of two convolutions is one over the channels of both, with the sum of their biases. Raises RuntimeError for weights that do not fit.
    """
    weights = dict(weights)
    if f"{IMAGE}.weight" in weights:
        weights["conv_in.weight"] = torch.cat([weights["conv_in.weight"], weights.pop(f"{IMAGE}.weight")], 1)
        weights["conv_in.bias"] = weights["conv_in.bias"] + weights.pop(f"{IMAGE}.bias")
    with torch.device("meta"):
        network = UNet2DConditionModel.from_config({**config, "in_channels": weights["conv_in.weight"].shape[1]})
    network.load_state_dict(weights, assign=True)
    return network


def condition_pictures(
    warped: Float[Tensor, "3 H W"],
    holes: Bool[Tensor, "H W"],
    depth: Depth | None,
    structure: Float[Tensor, "3 H W"] | None,
    conventions: Conventions = Conventions(),
) -> Mapping[str, Float[Tensor, "3 H W"]]:
    """The conditions as pictures in [0, 1], and the first `guess` of the view.

    guess: holes filled by `relook.ops.recolour` from the view as it looked before, or with the nearest colour. warped: the same, or black
    holes. mask: white where something is known, or where nothing is. depth: disparity (near = 1), grey where there is none. structure: the
    view before, grey where not known.
    """
    grey = torch.full_like(warped, 0.5)
    flat = None if depth is None else depth.values
    inside = filled(warped, holes) if structure is None else recoloured(structure, warped, holes, flat)
    guess = torch.where(holes, inside, warped)
    return {
        "guess": guess,
        "warped": guess if conventions.guessed else torch.where(holes, 0.0, warped),
        "mask": (holes if conventions.white_holes else ~holes).to(warped).expand(3, -1, -1),
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
