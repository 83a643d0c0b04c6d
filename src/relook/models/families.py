"""A family: the parts of a latent diffusion model in the public formats, behind one face.

A family is a folder in the diffusers layout (vae/ unet/ text_encoder/ tokenizer/ scheduler/ and perhaps controlnet/), so
the family trained here, Stable Diffusion 1.5 and SDXL run through the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, pad

from relook.errors import EditError, InputError, ShapeError
from relook.files import sha256_of
from relook.models import family_files
from relook.models import family_parts as parts
from relook.models.load import settings
from relook.models.text import Text, TextReader
from relook.session import CPU, Placement
from relook.types import Depth

GUIDED = 8.0
"""Guidance scale that consistency models take as an input (Luo et al. 2023)."""
FEW = 4
"""Steps of a run of a few-step family, unless the user says otherwise."""


@dataclass(frozen=True)
class Family:
    """The loaded parts, frozen and in evaluation mode; latents are scaled and shifted as the autoencoder says."""

    name: str
    """Name in its relook.json, or of its folder or file."""
    autoencoder: AutoencoderKL
    denoiser: UNet2DConditionModel
    control: ControlNetModel | None
    """Depth ControlNet, or None."""
    text: TextReader
    """Tokenizers and text encoders."""
    scheduler: DDIMScheduler
    """Noise schedule and prediction type (epsilon, v_prediction or sample)."""
    weights: tuple[Path, ...]
    """The files that the weights came from."""
    size: int = 512
    """Length in pixels of the pictures it was trained on."""
    place: Placement = CPU
    """Device and precision."""
    tiny_decoder: AutoencoderTiny | None = None
    """A tiny decoder that stands in for the autoencoder's."""
    tuned: bool = False
    """Whether Relook's own presets were tuned on it, as its relook.json says."""
    few_steps: bool = False
    """Distilled to a few steps (LCM, turbo): steps are counted back from the noisiest, and every step draws fresh noise."""

    @cached_property
    def revision(self) -> str:
        """sha256 over the hashes of every file of weights, in the order of parts and names."""
        return sha256_of(self.weights)

    @property
    def device(self) -> torch.device:
        return self.place.device

    @property
    def dtype(self) -> torch.dtype:
        return self.place.dtype

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
        mean = self.autoencoder.encode(image.to(self.device, self.autoencoder.dtype) * 2 - 1).latent_dist.mean
        return (mean.to(self.dtype) - _shift(self.autoencoder)) * self.autoencoder.config["scaling_factor"]

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 3 H W"]:
        """RGB pictures in [0, 1] of latents; EditError when the decoder overflows, as some do in fp16."""
        decoder = self.autoencoder if self.tiny_decoder is None else self.tiny_decoder
        latents = latents.to(self.device, decoder.dtype) / decoder.config["scaling_factor"] + _shift(decoder)
        picture = decoder.decode(latents).sample.float()
        if not bool(torch.isfinite(picture).all()):
            raise EditError(f"Expected a finite picture from {self.name!r}, got NaN; use precision bf16 or fp32.")
        return (picture / 2 + 0.5).clamp(0, 1)

    def embed(self, prompts: Sequence[str]) -> Text:
        """Prompts as the denoiser reads them."""
        return self.text(prompts, self.device)

    def denoise(
        self,
        latents: Float[Tensor, "B C h w"],
        timesteps: Int[Tensor, " B"],
        text: Text,
        *,
        control: Float[Tensor, "K 3 H W"] | None = None,
        controlled: Sequence[int] = (),
        control_scale: float = 1.0,
        image: Float[Tensor, "B D"] | None = None,
    ) -> Float[Tensor, "R O h w"]:
        """What the denoiser says of noised latents, in its own terms (see `noise_of`); R is B, or more where its decoder is `spread`.

        control: control images of the rows `controlled`; the others get no residuals. EditError for a family without ControlNet.
        image: every row's image prompt as its encoder sees it (zeros: none). EditError unless an adapter is in place
        (`relook.models.image_prompt.prompted`).
        """
        latents, states = latents.to(self.device, self.dtype), text.states.to(self.device, self.dtype)
        conditions: dict[str, Any] = {}
        if self.denoiser.config["addition_embed_type"] == "text_time":
            conditions["added_cond_kwargs"] = self._micro(latents, text)
        if control is not None and control_scale != 0:
            conditions |= self._residuals(latents, timesteps, states, control, controlled, control_scale, conditions)
        if self.denoiser.config["time_cond_proj_dim"] is not None:
            conditions["timestep_cond"] = _guidance_code(len(latents), self.denoiser.config["time_cond_proj_dim"]).to(
                latents
            )
        if image is not None:
            if self.denoiser.encoder_hid_proj is None:
                raise EditError("Expected an adapter for the image prompt, got none in the denoiser; put one in place.")
            conditions["added_cond_kwargs"] = conditions.get("added_cond_kwargs", {}) | {
                "image_embeds": [image[:, None].to(latents)]
            }
        return self.denoiser(latents, timesteps, encoder_hidden_states=states, **conditions).sample

    def _micro(self, latents: Tensor, text: Text) -> dict[str, Tensor]:
        """SDXL's extra conditions (Podell et al. 2023, section 2.2): the pooled prompt; size, no crop, size."""
        if text.pooled is None:
            raise EditError(
                f"Expected prompts read by both text encoders of {self.name!r}, got others; use the family's embed."
            )
        height, width = (side * self.factor for side in latents.shape[-2:])
        times = torch.tensor([height, width, 0, 0, height, width]).to(latents).expand(len(latents), -1)
        return {"text_embeds": text.pooled.to(latents), "time_ids": times}

    def _residuals(
        self,
        latents: Tensor,
        timesteps: Tensor,
        states: Tensor,
        images: Tensor,
        rows: Sequence[int],
        scale: float,
        conditions: dict[str, Any],
    ) -> dict[str, Any]:
        """The ControlNet's residuals for the denoiser: zero in rows without a control image."""
        if self.control is None:
            raise EditError(f"Expected a depth ControlNet in the family {self.name!r}, got none; run without depth.")
        index = torch.tensor(list(rows), device=latents.device)
        micro = conditions.get("added_cond_kwargs")
        chosen = {} if micro is None else {"added_cond_kwargs": {name: part[index] for name, part in micro.items()}}
        down, middle = self.control(
            latents[index], timesteps[index], states[index], images.to(latents), conditioning_scale=scale,
            return_dict=False, **chosen,
        )  # fmt: skip

        def spread(part: Tensor) -> Tensor:
            return part.new_zeros(len(latents), *part.shape[1:]).index_copy(0, index, part)

        return {
            "down_block_additional_residuals": tuple(spread(part) for part in down),
            "mid_block_additional_residual": spread(middle),
        }

    def control_image(self, depth: Depth, size: Sequence[int] | None = None) -> Float[Tensor, "1 3 h w"]:
        """What the depth ControlNet reads: disparity in [0, 1] (near = 1) on three channels, stretched to `size` (h, w)."""
        image = depth.disparity().to(self.device, self.dtype).expand(1, 3, -1, -1)
        if size is None:
            return image
        return interpolate(image.float(), tuple(size), mode="bilinear", antialias=True).to(self.dtype)

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


def load_family(name: str | Path, place: Placement = CPU, *, tiny_decoder: bool = False) -> Family:
    """Load a family by its name (embedded, `sd15`, `sdxl`), folder, hub id, or one .safetensors file.

    Looks for a folder of that path, the families that ship with Relook, $RELOOK_MODELS/name, the hub's cache, the hub.
    tiny_decoder: decode with the family's. Raises MissingModelError, one sentence, when it or one of its parts is nowhere to
    be found, and InputError for a tiny decoder where the family has none.
    """
    files = family_files.find(str(name), half=place.dtype == torch.float16, tiny_decoder=tiny_decoder)
    if tiny_decoder and files.tiny_decoder is None:
        raise InputError(f"Expected a family with a tiny decoder, got {name!r}, which has none; leave it out.")
    denoiser, autoencoder = parts.denoiser(files, place), parts.autoencoder(files, place)
    notes = settings(files.folder, "relook.json", optional=True)
    published = settings(files.folder / "scheduler", "scheduler_config.json", optional=True)
    side = (denoiser.config["sample_size"] or 0) * 2 ** (len(autoencoder.config["block_out_channels"]) - 1)
    return Family(
        name=str(notes.get("name", (files.single or files.folder).stem)),
        autoencoder=autoencoder,
        denoiser=denoiser,
        control=parts.control(files, place),
        text=parts.text(files, place),
        scheduler=parts.scheduler(files),
        weights=files.weights,
        size=int(notes.get("size", side or 512)),
        place=place,
        tiny_decoder=parts.tiny_decoder(files, place),
        tuned=bool(notes.get("tuned", False)),
        few_steps=published.get("_class_name") == "LCMScheduler" or published.get("timestep_spacing") == "trailing",
    )


def padded(
    image: Float[Tensor, "*B C H W"], multiple: int, mode: str = "replicate"
) -> tuple[Float[Tensor, "*B C H2 W2"], tuple[int, int]]:
    """The picture extended to the right and bottom to multiples of `multiple`, and its true size (H, W)."""
    height, width = image.shape[-2:]
    extra = (0, -width % multiple, 0, -height % multiple)
    flat = image.reshape(-1, 1, height, width)
    return pad(flat, extra, mode=mode).reshape(*image.shape[:-2], height + extra[3], width + extra[1]), (height, width)


def _shift(autoencoder: AutoencoderKL | AutoencoderTiny) -> float:
    return autoencoder.config.get("shift_factor") or 0.0


def _guidance_code(count: int, width: int) -> Float[Tensor, "B D"]:
    """The sinusoidal code of GUIDED - 1 that a consistency model reads (sines, then cosines, as of a timestep)."""
    from diffusers.models.embeddings import get_timestep_embedding

    return get_timestep_embedding(torch.full((count,), (GUIDED - 1) * 1000.0), width, downscale_freq_shift=1)
