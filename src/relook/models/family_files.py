"""The files of a family: named, found (folder, RELOOK_MODELS, cache, hub, one .safetensors) and read into models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from transformers import AutoTokenizer, CLIPTextModel, CLIPTextModelWithProjection

from relook.errors import MissingModelError
from relook.models.hub import is_hub_id, snapshot, under_models
from relook.models.pretrained import read, settings
from relook.models.single_file import kind_of, read_part
from relook.models.text import TextReader
from relook.session import Placement

WEIGHTS = Path(__file__).parent / "weights"
"""Where the families that ship with Relook lie."""


@dataclass(frozen=True)
class HubFamily:
    """Where the parts of a public family are; every one a hub id."""

    repository: str
    """The diffusers folder."""
    control: str | None = None
    """Its depth ControlNet."""
    autoencoder: str | None = None
    """An autoencoder in place of the repository's own."""
    preview: str | None = None
    """A tiny decoder for its latents."""
    note: str = ""
    """Size and licence."""


HUB: Mapping[str, HubFamily] = {
    "sd15": HubFamily(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "lllyasviel/sd-controlnet-depth",
        preview="madebyollin/taesd",
        note="5.5 GB, CreativeML Open RAIL-M",
    ),
    "sdxl": HubFamily(
        "stabilityai/stable-diffusion-xl-base-1.0",
        "diffusers/controlnet-depth-sdxl-1.0",
        "madebyollin/sdxl-vae-fp16-fix",
        "madebyollin/taesdxl",
        note="12 GB, CreativeML Open RAIL++-M",
    ),
}
"""Public families by their short names."""

PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
MODELS = ("vae", "unet", "text_encoder", "text_encoder_2")
SMALL = (
    "model_index.json",
    "relook.json",
    "tokenizer/*",
    "tokenizer_2/*",
    "scheduler/*",
    *(f"{part}/config.json" for part in MODELS),
)
"""Everything but weights."""


def weight_patterns(half: bool) -> tuple[str, ...]:
    """Names of one model's files in a hub repository: safetensors only, the fp16 ones where half precision is wanted."""
    kind = ".fp16" if half else ""
    return "config.json", f"*model{kind}.safetensors", f"*model{kind}-0*.safetensors", f"*index{kind}.json"


@dataclass(frozen=True)
class FamilyFiles:
    """Where the parts of one family lie on this machine."""

    folder: Path
    """The diffusers folder: configurations, tokenizers, scheduler, and the weights that are not elsewhere."""
    control: Path | None = None
    autoencoder: Path | None = None
    """In place of the folder's."""
    preview: Path | None = None
    single: Path | None = None
    """One .safetensors file with the weights of denoiser, autoencoder and text encoders, as their authors published them."""
    half: bool = False
    """Whether files in half precision are preferred."""

    @property
    def weights(self) -> tuple[Path, ...]:
        """Every file of weights that is read, in the order of parts and names."""
        parts = [self.folder / part for part in MODELS if part != "vae" or self.autoencoder is None]
        places = ([] if self.single is not None else parts) + [self.autoencoder, self.control, self.preview]
        files = [] if self.single is None else [self.single]
        for place in places:
            if place is not None and place.is_dir():
                variant = _variant(place, self.half)
                files += [
                    file for file in sorted(place.glob("*.safetensors")) if (".fp16" in file.name) == bool(variant)
                ]
        return tuple(files)


def find(name: str, *, half: bool = False, control: bool = True, preview: bool = False) -> FamilyFiles:
    """The files of a family by its name, folder, hub id or .safetensors file.

    Raises MissingModelError, one sentence, when it or one of its parts is nowhere to be found.
    """
    path = Path(name).expanduser()
    if path.suffix == ".safetensors":
        return _single(path, control=control, preview=preview)
    entry = HUB.get(name)
    for place in (path, WEIGHTS / name, under_models(name)):
        if place is not None and (place / "unet").is_dir():
            return _beside(_whole(place), entry, half, control, preview)
    if path.is_dir():
        raise MissingModelError(f"Expected a family with the folder unet in {name}, got none; give a diffusers folder.")
    entry = entry or HubFamily(name)
    if not is_hub_id(entry.repository):
        known = ", ".join(sorted({*HUB, *(found.name for found in WEIGHTS.glob("*/") if (found / "unet").is_dir())}))
        raise MissingModelError(
            f"Expected a family's name ({known}), a folder, a hub id owner/name or a .safetensors file, got {name!r}; name one."
        )
    models = [part for part in MODELS if part != "vae" or entry.autoencoder is None]
    patterns = (*SMALL, *(f"{part}/{pattern}" for part in models for pattern in weight_patterns(half)))
    folder = _repository(entry.repository, patterns, entry.note)
    return _beside(_whole(folder), entry, half, control, preview)


def _beside(folder: Path, entry: HubFamily | None, half: bool, control: bool, preview: bool) -> FamilyFiles:
    """The family in a folder, with the parts that lie elsewhere."""
    entry = entry or HubFamily("")
    patterns = weight_patterns(half)

    def part(inside: str, repository: str | None) -> Path | None:
        if (folder / inside).is_dir():
            return folder / inside
        return None if repository is None else _repository(repository, patterns, entry.note)

    own = (folder / "vae").is_dir() and entry.autoencoder is None
    return FamilyFiles(
        folder,
        control=part("controlnet", entry.control) if control else None,
        autoencoder=None if own or entry.autoencoder is None else _repository(entry.autoencoder, patterns, entry.note),
        preview=part("preview", entry.preview) if preview else None,
        half=half,
    )


def _single(file: Path, *, control: bool, preview: bool) -> FamilyFiles:
    """A file of weights, with the configurations and tokenizers of the public family that its tensors fit."""
    if not file.is_file():
        raise MissingModelError(f"Expected a .safetensors file at {file}, got none; check the path.")
    kind = kind_of(_tensor_names(file))
    if kind is None:
        raise MissingModelError(
            f"Expected a whole checkpoint of Stable Diffusion 1 or SDXL base (denoiser, autoencoder and text encoders) in {file}, got "
            f"tensors of another layout; give such a file, or a folder in the diffusers layout."
        )
    entry = HUB[kind]
    folder = _repository(entry.repository, SMALL, f"configurations and tokenizers only; {entry.note}")
    return replace(_beside(folder, replace(entry, autoencoder=None), False, control, preview), single=file)


def _repository(id: str, patterns: tuple[str, ...], note: str) -> Path:
    """A repository's files under $RELOOK_MODELS, in the hub's cache, or from the hub."""
    return under_models(id) or snapshot(id, patterns, note=note)


def _whole(folder: Path) -> Path:
    """The folder, if every part of a family is in it."""
    absent = [part for part in PARTS if not (folder / part).is_dir() and part != "vae"]
    if absent:
        raise MissingModelError(
            f"Expected a family with the folders {', '.join(PARTS)} in {folder}, got none of {', '.join(absent)}; "
            f"give a folder in the diffusers layout."
        )
    return folder


def read_denoiser(files: FamilyFiles, place: Placement) -> UNet2DConditionModel:
    """The denoiser on its device."""
    return place.placed(_model(files, "unet", UNet2DConditionModel, place.dtype))


def read_control(files: FamilyFiles, place: Placement) -> ControlNetModel | None:
    """The depth ControlNet, if there is one."""
    if files.control is None:
        return None
    return place.placed(_read(files.control, ControlNetModel.from_pretrained, place.dtype))


def read_autoencoder(files: FamilyFiles, place: Placement) -> AutoencoderKL:
    """The autoencoder; in float32 where its configuration says that it overflows in fp16."""
    dtype = place.dtype
    folder = files.autoencoder or files.folder / "vae"
    if dtype == torch.float16 and settings(folder).get("force_upcast", False):
        dtype = torch.float32
    if files.autoencoder is not None:
        model = _read(files.autoencoder, AutoencoderKL.from_pretrained, dtype)
    else:
        model = _model(files, "vae", AutoencoderKL, dtype)
    if place.low_vram:
        model.enable_tiling()
        model.enable_slicing()
    return place.placed(model)


def read_preview(files: FamilyFiles, place: Placement) -> AutoencoderTiny | None:
    """The tiny decoder, if it was asked for."""
    if files.preview is None:
        return None
    return place.placed(_read(files.preview, AutoencoderTiny.from_pretrained, place.dtype))


def read_text(files: FamilyFiles, place: Placement) -> TextReader:
    """Tokenizers and text encoders, one pair or two."""
    names = [("tokenizer", "text_encoder", CLIPTextModel)]
    if (files.folder / "text_encoder_2").is_dir():
        names.append(("tokenizer_2", "text_encoder_2", CLIPTextModelWithProjection))
    encoders = tuple(place.placed(_model(files, encoder, kind, place.dtype)) for _, encoder, kind in names)
    tokenizers = tuple(read(files.folder / tokenizer, AutoTokenizer.from_pretrained) for tokenizer, _, _ in names)
    return TextReader(
        tokenizers,
        encoders,
        blank=bool(notes(files.folder, "model_index.json").get("force_zeros_for_empty_prompt", False)),
    )


def read_scheduler(files: FamilyFiles) -> DDIMScheduler:
    """The noise schedule, whichever scheduler the family was published with.

    A single file says by tensors called v_pred and ztsnr that it predicts v, from no signal at all.
    """
    said = set() if files.single is None else _tensor_names(files.single)
    told: dict[str, Any] = {}
    if "v_pred" in said:
        told = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": "ztsnr" in said}
    return read(files.folder / "scheduler", DDIMScheduler.from_pretrained, **told)


def notes(folder: Path, name: str = "relook.json") -> dict[str, Any]:
    """A JSON object beside the parts, or nothing."""
    file = folder / name
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
    except (ValueError, TypeError) as error:
        raise MissingModelError(
            f"Expected a JSON object in {file}, got something else; fetch it again or mend it."
        ) from error


def _model(files: FamilyFiles, part: str, kind: Any, dtype: torch.dtype) -> Any:
    """One part, out of its folder or out of the single file."""
    if files.single is not None:
        return read_part(files.single, files.folder, part, dtype)
    option = "dtype" if part.startswith("text_encoder") else "torch_dtype"
    return _read(files.folder / part, kind.from_pretrained, dtype, option)


def _read(folder: Path, loader: Any, dtype: torch.dtype, option: str = "torch_dtype") -> Any:
    """A model out of its folder: never a pickle; the files in half precision where only those are there or half is wanted.

    option: how the loader calls the precision (diffusers: torch_dtype; transformers: dtype).
    """
    options: dict[str, Any] = {option: dtype, "use_safetensors": True}
    if variant := _variant(folder, dtype == torch.float16):
        options["variant"] = variant.removeprefix(".")
    return read(folder, loader, **options)


def _variant(folder: Path, half: bool) -> str:
    """`.fp16` where that is the variant to read, else nothing."""
    halves, wholes = (any(folder.glob(f"*model{kind}*.safetensors")) for kind in (".fp16", ""))
    wholes = wholes and any(".fp16" not in file.name for file in folder.glob("*model*.safetensors"))
    return ".fp16" if halves and (half or not wholes) else ""


def _tensor_names(file: Path) -> set[str]:
    """Names of the tensors in a safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            return set(opened.keys())
    except (SafetensorError, OSError) as error:
        raise MissingModelError(f"Expected weights in {file}, got a broken file; fetch it again.") from error
