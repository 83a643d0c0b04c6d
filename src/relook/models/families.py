"""A family: the parts of a latent diffusion model in the public formats, behind one face.

A family is a folder in the diffusers layout (vae/ unet/ text_encoder/ tokenizer/ scheduler/ and perhaps controlnet/), so
the family trained here and Stable Diffusion run through the same code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad
from transformers import AutoTokenizer, CLIPTextModel, PreTrainedTokenizerBase

from relook.errors import InputError, MissingModelError, ShapeError
from relook.models.hub import is_hub_id, snapshot, under_models
from relook.models.pretrained import read
from relook.types import Depth

WEIGHTS = Path(__file__).parent / "weights"
"""Where the families that ship with Relook lie."""


@dataclass(frozen=True)
class HubFamily:
    """Where a public family is, for the sentence that says how to get it."""

    repository: str
    """Hub id of a diffusers folder."""
    control: str | None = None
    """Hub id of its depth ControlNet."""
    note: str = ""
    """Size and licence."""


HUB = {
    "sd15": HubFamily(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "lllyasviel/sd-controlnet-depth",
        "5.5 GB, CreativeML Open RAIL-M",
    )
}
"""Short names of public families."""

PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
PATTERNS = ["model_index.json", *(f"{part}/*" for part in ("tokenizer", "scheduler"))]
PATTERNS += [f"{part}/{file}" for part in PARTS[:3] for file in ("config.json", "*model.safetensors")]


@dataclass(frozen=True)
class Family:
    """The loaded parts, frozen and in evaluation mode; latents are scaled and shifted as the autoencoder says."""

    name: str
    """Name in its relook.json, or of its folder."""
    autoencoder: AutoencoderKL
    denoiser: UNet2DConditionModel
    control: ControlNetModel | None
    """Depth ControlNet, or None."""
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerBase
    scheduler: DDIMScheduler
    """Noise schedule and prediction type (epsilon, v_prediction or sample)."""
    folders: tuple[Path, ...]
    """Where the weights came from."""
    size: int = 512
    """Length in pixels of the pictures it was trained on."""

    @cached_property
    def revision(self) -> str:
        """sha256 of every weight file, in the order of their names."""
        digest = hashlib.sha256()
        for folder in self.folders:
            for file in sorted(folder.rglob("*.safetensors")):
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()

    @property
    def device(self) -> torch.device:
        return self.denoiser.device

    @property
    def dtype(self) -> torch.dtype:
        return self.denoiser.dtype

    @property
    def factor(self) -> int:
        """Pixels per latent along one side."""
        return 2 ** (len(self.autoencoder.config["block_out_channels"]) - 1)

    @property
    def multiple(self) -> int:
        """Pictures must be padded to a multiple of this many pixels."""
        return self.factor * 2 ** (len(self.denoiser.config["block_out_channels"]) - 1)

    def encode(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Latents of RGB pictures in [0, 1]: the posterior's mean, (mean - shift) * scale.

        Raises ShapeError when a side is no multiple of `factor`; `padded` gives one that is.
        """
        if image.ndim != 4 or image.shape[1] != 3 or image.shape[-1] % self.factor or image.shape[-2] % self.factor:
            got = tuple(image.shape)
            raise ShapeError(
                f"Expected pictures (B, 3, H, W) with sides in multiples of {self.factor}, got {got}; pad them."
            )
        mean = self.autoencoder.encode(image.to(self.device, self.dtype) * 2 - 1).latent_dist.mean
        return (mean - _shift(self.autoencoder)) * self.autoencoder.config["scaling_factor"]

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 3 H W"]:
        """RGB pictures in [0, 1] of latents."""
        latents = latents.to(self.dtype) / self.autoencoder.config["scaling_factor"] + _shift(self.autoencoder)
        return (self.autoencoder.decode(latents).sample.float() / 2 + 0.5).clamp(0, 1)

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "B T D"]:
        """Embeddings of prompts, each padded or cut to the tokenizer's length."""
        length = min(self.tokenizer.model_max_length, self.text_encoder.config.max_position_embeddings)
        tokens = self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        return self.text_encoder(tokens.to(self.device))[0]

    def control_image(self, depth: Depth) -> Float[Tensor, "1 3 H W"]:
        """What the depth ControlNet reads: disparity in [0, 1] (near = 1) on three channels."""
        return depth.disparity().to(self.device, self.dtype).expand(1, 3, -1, -1)

    def noise_levels(self) -> Float[Tensor, " T"]:
        """Share of signal (alpha-bar) at every training timestep, float32 on the family's device."""
        return self.scheduler.alphas_cumprod.to(self.device, torch.float32)

    def noise_of(self, output: Tensor, latents: Tensor, timestep: Tensor) -> Tensor:
        """The denoiser's output as noise (epsilon), whatever it was trained to predict; float32.

        v = sqrt(a) eps - sqrt(1 - a) x0 (Salimans and Ho 2022, appendix D), so eps = sqrt(a) v + sqrt(1 - a) x.
        """
        signal = self.noise_levels()[timestep].view(-1, 1, 1, 1)
        output, latents = output.float(), latents.float()
        kind = self.scheduler.config["prediction_type"]
        if kind == "epsilon":
            return output
        if kind == "v_prediction":
            return signal.sqrt() * output + (1 - signal).sqrt() * latents
        if kind == "sample":
            return (latents - signal.sqrt() * output) / (1 - signal).sqrt()
        raise InputError(f"Expected a denoiser of epsilon, v_prediction or sample, got {kind!r}; use another family.")


def load_family(name: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Family:
    """Load a family by its name (embedded or `sd15`), folder, or hub id.

    Looks for a folder of that path, the families that ship with Relook, $RELOOK_MODELS/name, the hub's cache, the hub.
    Raises MissingModelError, one sentence, when it or one of its parts is nowhere to be found.
    """
    folder, control_folder = _find(str(name))
    absent = [part for part in PARTS if not (folder / part).is_dir()]
    if absent:
        raise MissingModelError(
            f"Expected a family with the folders {', '.join(PARTS)} in {folder}, got none of {', '.join(absent)}; "
            f"give a folder in the diffusers layout."
        )
    notes = _notes(folder)

    kind = {"torch_dtype": dtype, "use_safetensors": True}
    family = Family(
        name=str(notes.get("name", folder.name)),
        autoencoder=_frozen(read(folder / "vae", AutoencoderKL.from_pretrained, **kind), device),
        denoiser=_frozen(read(folder / "unet", UNet2DConditionModel.from_pretrained, **kind), device),
        control=None
        if control_folder is None
        else _frozen(read(control_folder, ControlNetModel.from_pretrained, **kind), device),
        text_encoder=_frozen(
            read(folder / "text_encoder", CLIPTextModel.from_pretrained, dtype=dtype, use_safetensors=True), device
        ),
        tokenizer=read(folder / "tokenizer", AutoTokenizer.from_pretrained),
        scheduler=read(folder / "scheduler", DDIMScheduler.from_pretrained),
        folders=(folder,) if control_folder in (None, folder / "controlnet") else (folder, control_folder),
        size=int(notes.get("size", 512)),
    )
    if family.denoiser.config["addition_embed_type"] is not None:
        raise MissingModelError(
            f"Expected a family like Stable Diffusion 1 or 2, got {name!r}, which is like SDXL; use sd15."
        )
    return family


def padded(
    image: Float[Tensor, "*B C H W"], multiple: int, mode: str = "replicate"
) -> tuple[Float[Tensor, "*B C H2 W2"], tuple[int, int]]:
    """The picture extended to the right and bottom to multiples of `multiple`, and its true size (H, W)."""
    height, width = image.shape[-2:]
    extra = (0, -width % multiple, 0, -height % multiple)
    flat = image.reshape(-1, 1, height, width)
    return pad(flat, extra, mode=mode).reshape(*image.shape[:-2], height + extra[3], width + extra[1]), (height, width)


def _find(name: str) -> tuple[Path, Path | None]:
    """(folder, ControlNet's folder or None) of a family."""
    places = [Path(name).expanduser(), WEIGHTS / name, under_models(name)]
    for place in places:
        if place is not None and (place / "unet").is_dir():
            return place, place / "controlnet" if (place / "controlnet").is_dir() else None
    if Path(name).expanduser().is_dir():
        raise MissingModelError(f"Expected a family with the folder unet in {name}, got none; give a diffusers folder.")
    entry = HUB.get(name, HubFamily(name))
    if not is_hub_id(entry.repository):
        known = ", ".join(sorted({*HUB, *(found.name for found in WEIGHTS.glob("*/") if (found / "unet").is_dir())}))
        raise MissingModelError(
            f"Expected a family's name ({known}), a folder or a hub id owner/name, got {name!r}; name one."
        )
    folder = snapshot(entry.repository, PATTERNS, note=entry.note)
    control = None
    if entry.control is not None:
        control = snapshot(entry.control, ("config.json", "*model.safetensors"), note=entry.note)
    return folder, control or (folder / "controlnet" if (folder / "controlnet").is_dir() else None)


def _frozen(model: Any, device: str | torch.device) -> Any:
    """The model on the device, for inference."""
    return model.to(device).eval().requires_grad_(False)


def _notes(folder: Path) -> dict[str, Any]:
    """relook.json of a family, or nothing."""
    file = folder / "relook.json"
    try:
        return dict(json.loads(file.read_text())) if file.is_file() else {}
    except (ValueError, TypeError) as error:
        raise MissingModelError(
            f"Expected a JSON object in {file}, got something else; write name and size there."
        ) from error


def _shift(autoencoder: AutoencoderKL) -> float:
    return autoencoder.config.get("shift_factor") or 0.0
