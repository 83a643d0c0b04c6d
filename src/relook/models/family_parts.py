"""The parts of a family, read from its files into models of the public classes, frozen, each on its device."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm, load_single_file_checkpoint
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from transformers import AutoTokenizer, CLIPTextModel, CLIPTextModelWithProjection

from relook.errors import MissingModelError
from relook.files import reason
from relook.models.family_files import DENOISER, FamilyFiles, tensor_names, weights_in
from relook.models.load import quiet, read, settings
from relook.models.text import TextReader
from relook.session import Placement


def denoiser(files: FamilyFiles, place: Placement) -> UNet2DConditionModel:
    """The denoiser."""
    return place.placed(_part(files, "unet", UNet2DConditionModel, place.dtype))


def control(files: FamilyFiles, place: Placement) -> ControlNetModel | None:
    """The depth ControlNet, if there is one."""
    folder = files.control
    return None if folder is None else place.placed(_model(folder, ControlNetModel, place.dtype, files.half))


def tiny_decoder(files: FamilyFiles, place: Placement) -> AutoencoderTiny | None:
    """The tiny decoder, if it was asked for."""
    folder = files.tiny_decoder
    return None if folder is None else place.placed(_model(folder, AutoencoderTiny, place.dtype, files.half))


def autoencoder(files: FamilyFiles, place: Placement) -> AutoencoderKL:
    """The autoencoder; in float32 where its configuration says that it overflows in fp16."""
    folder, dtype = files.autoencoder or files.folder / "vae", place.dtype
    if dtype == torch.float16 and settings(folder).get("force_upcast", False):
        dtype = torch.float32
    if files.autoencoder is None:
        model = _part(files, "vae", AutoencoderKL, dtype)
    else:
        model = _model(files.autoencoder, AutoencoderKL, dtype, files.half)
    if place.low_vram:
        model.enable_tiling()
        model.enable_slicing()
    return place.placed(model)


def text(files: FamilyFiles, place: Placement) -> TextReader:
    """Tokenizers and text encoders, one pair or two."""
    pairs = [("tokenizer", "text_encoder", CLIPTextModel)]
    if (files.folder / "text_encoder_2").is_dir():
        pairs.append(("tokenizer_2", "text_encoder_2", CLIPTextModelWithProjection))
    return TextReader(
        tuple(read(files.folder / tokenizer, AutoTokenizer.from_pretrained) for tokenizer, _, _ in pairs),
        tuple(place.placed(_part(files, encoder, kind, place.dtype)) for _, encoder, kind in pairs),
        blank=bool(
            settings(files.folder, "model_index.json", optional=True).get("force_zeros_for_empty_prompt", False)
        ),
    )


def scheduler(files: FamilyFiles) -> DDIMScheduler:
    """The noise schedule, whichever scheduler the family was published with.

    A single file says by tensors called v_pred and ztsnr that it predicts v, from no signal at all.
    """
    marks = set() if files.single is None else tensor_names(files.single)
    options = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": "ztsnr" in marks}
    return read(files.folder / "scheduler", DDIMScheduler.from_pretrained, **(options if "v_pred" in marks else {}))


def _part(files: FamilyFiles, part: str, kind: Any, dtype: torch.dtype) -> Any:
    """One part, out of its folder or out of the single file."""
    if files.single is None:
        return _model(files.folder / part, kind, dtype, files.half)
    return _from_single_file(files.single, files.folder, part, kind, dtype)


def _model(folder: Path, kind: Any, dtype: torch.dtype, half: bool) -> Any:
    """A model out of its folder: never a pickle; the files in half precision where only those are there or half is wanted."""
    options: dict[str, Any] = {"dtype" if kind.__module__.startswith("transformers") else "torch_dtype": dtype}
    if any(".fp16" in file.name for file in weights_in(folder, half)):
        options["variant"] = "fp16"
    return read(folder, kind.from_pretrained, use_safetensors=True, **options)


def _from_single_file(file: Path, folder: Path, part: str, kind: Any, dtype: torch.dtype) -> Any:
    """One part with the weights of a single file and the configuration in a folder, by diffusers' own readers.

    Raises MissingModelError, one sentence, when tensors are missing or do not fit, or when the file has more of them than a denoiser takes.
    """
    where = {"config": str(folder), "subfolder": part, "local_files_only": True}
    read_from = partial(create_diffusers_clip_model_from_ldm, kind) if "text" in part else kind.from_single_file
    advice = "give a checkpoint of Stable Diffusion 1.5 or SDXL base, or a folder in the diffusers layout"
    try:
        with quiet():
            model = read_from(load_single_file_checkpoint(str(file)), **where).to("cpu", dtype)
    except NotImplementedError as error:  # what the file does not have stays on the meta device
        raise MissingModelError(
            f"Expected all weights of {part} in {file}, got a file without some; {advice}."
        ) from error
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise MissingModelError(f"Expected the weights of {part} in {file}, got: {reason(error)}; {advice}.") from error
    more = sum(name.startswith(DENOISER) for name in tensor_names(file)) - len(model.state_dict())
    if part == "unet" and more:
        raise MissingModelError(
            f"Expected the weights of {part} in {file}, got a file also with {more} others: another kind of model; {advice}."
        )
    return model
