"""A picture as a prompt: IP-Adapter (Ye et al. 2023) in its published files, in a denoiser for as long as it is needed.

CLIP sees the picture, a projection makes four tokens of what it says, and every cross-attention layer gets keys and values of its
own for them: attention(Q, K, V) + scale attention(Q, K', V') (their eq. 5). Nothing else of the denoiser changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from relook.errors import EditError, InputError, MissingModelError
from relook.files import reason, sha256
from relook.models import load
from relook.models.catalogue import known
from relook.models.families import Family
from relook.models.store import obtain

PUBLISHED: Mapping[int, str] = {768: "ip-adapter-sd15", 2048: "ip-adapter-sdxl"}
"""The adapter for a denoiser, by the width of the states that its cross-attention reads: Stable Diffusion 1.5 and SDXL."""

ENCODER = "image_encoder"
"""Folder of the image encoder beside an adapter."""


@dataclass(frozen=True)
class AdapterFiles:
    """Where an adapter lies on this machine."""

    adapter: Path
    """The .safetensors file with image_proj.* and ip_adapter.*."""
    encoder: Path
    """Folder of the CLIP vision model that it was trained with."""

    @property
    def revision(self) -> str:
        """The hash of the adapter and that of its image encoder."""
        return f"{sha256(self.adapter)} {load.revision(self.encoder)}"


@dataclass(frozen=True, eq=False)
class Adapter:
    """A loaded adapter that fits one denoiser, frozen, on the denoiser's device."""

    encoder: Any
    """CLIPVisionModelWithProjection."""
    projection: nn.Module
    """What the encoder says -> tokens."""
    processors: Mapping[str, nn.Module]
    """Attention processors of the cross-attention layers by the names that the denoiser gives them."""

    @torch.no_grad()
    def embed(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "1 D"]:
        """What the encoder says of a picture, float32; zeros in its place stand for no picture (so the adapter was trained).

        The whole picture is stretched to the encoder's square: its usual crop of the middle would lose what is at the sides.
        """
        from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

        side = self.encoder.config.image_size
        seen = interpolate(image[None].float(), (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        mean, deviation = (seen.new_tensor(values).view(3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
        place = next(self.projection.parameters())
        return self.encoder(((seen - mean) / deviation).to(place)).image_embeds.float()


def adapter(name: str, family: Family) -> Adapter:
    """The adapter that `find` finds, loaded for a family.

    Raises MissingModelError or InputError, one sentence, when it is not there, is broken, or is no plain adapter for this denoiser.
    """
    from transformers import CLIPVisionModelWithProjection

    files = find(name, family)
    encoder = load.load(files.encoder, CLIPVisionModelWithProjection.from_pretrained, dtype=family.dtype)
    weights: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, tensor in load.tensors(files.adapter).items():
        part, _, inner = key.partition(".")
        weights.setdefault(part, {})[inner] = tensor
    if "proj.weight" not in weights["image_proj"]:
        raise InputError(
            f"Expected a plain IP-Adapter (image_proj.proj.weight), got another kind in {files.adapter}; "
            f"name one of {', '.join(PUBLISHED.values())}."
        )
    layers = sum(name.endswith("attn2.processor") for name in family.denoiser.attn_processors)
    expected = encoder.config.projection_dim, family.denoiser.config["cross_attention_dim"], layers
    tokens, seen = weights["image_proj"]["proj.weight"].shape
    found = seen, tokens // 4, len(weights["ip_adapter"]) // 2
    if found != expected:
        raise InputError(
            f"Expected an IP-Adapter from {expected[0]} to {expected[1]} channels in {expected[2]} layers for the family {family.name!r}, got one from "
            f"{found[0]} to {found[1]} in {found[2]}; name one made for its kind of denoiser."
        )
    projection, processors = _modules(family.denoiser, weights, files.adapter)
    for module in (projection, *processors.values()):
        module.to(family.device, family.dtype).eval().requires_grad_(False)
    return Adapter(family.place.placed(encoder), projection, processors)


def find(name: str, family: Family) -> AdapterFiles:
    """The files of an adapter, by name.

    name: `auto` (the published one for this kind of denoiser), a name of the catalogue, an adapter's .safetensors file, or a folder that
    holds one; the folder image_encoder lies beside it, or in the folder models next to its own, as published.
    Raises InputError for other names and where no adapter was ever published for the family, MissingModelError when it is not here.
    """
    if name == "auto":
        width = int(family.denoiser.config["cross_attention_dim"])
        if width not in PUBLISHED:
            raise InputError(
                f"Expected a family with an IP-Adapter (sd15, sdxl or one made from them), got {family.name!r}; use one of these, or name "
                f"an adapter that was trained for it."
            )
        name = PUBLISHED[width]
    path = Path(name).expanduser()
    if path.is_dir():
        inside = sorted(path.glob("*.safetensors"))
        if len(inside) != 1:
            raise InputError(
                f"Expected one adapter (.safetensors) in {path}, got {len(inside)}; name the adapter's own file."
            )
        path = inside[0]
    if path.suffix == ".safetensors":
        return _beside(path)
    entry = known(name)
    if entry is None or entry.task != "image prompt":
        raise InputError(
            f"Expected an IP-Adapter ({', '.join(PUBLISHED.values())}), its folder or its .safetensors file, got {name!r}; name one."
        )
    folder = obtain(entry)
    return AdapterFiles(folder / entry.needs[0], (folder / entry.needs[1]).parent)


@contextmanager
def prompted(denoiser: UNet2DConditionModel, adapter: Adapter | None, scale: float = 1.0) -> Iterator[None]:
    """Run the block with the adapter in the denoiser, which wants image prompts for every row then (`Family.denoise`'s `image`).

    scale: weight of the picture against the words; 0 changes nothing. None for no adapter. The denoiser is as before afterwards, also
    after an exception; self-attention layers are never touched. Raises EditError where another image prompt is in place already.
    """
    if adapter is None:
        yield
        return
    if denoiser.encoder_hid_proj is not None:
        raise EditError(
            f"Expected a denoiser without an image prompt, got {type(denoiser.encoder_hid_proj).__name__} in it; use one adapter at a time."
        )
    before, kind = dict(denoiser.attn_processors), denoiser.config["encoder_hid_dim_type"]
    try:
        for processor in adapter.processors.values():
            processor.scale = [scale]  # type: ignore[assignment]
        denoiser.set_attn_processor({**before, **adapter.processors})
        denoiser.encoder_hid_proj = adapter.projection
        denoiser.config.encoder_hid_dim_type = "ip_image_proj"
        yield
    finally:
        denoiser.set_attn_processor(before)
        del denoiser.encoder_hid_proj  # set anew, or it would stay among the submodules
        denoiser.encoder_hid_proj = None
        denoiser.config.encoder_hid_dim_type = kind


def _beside(path: Path) -> AdapterFiles:
    """An adapter's own file, with the image encoder near it."""
    folders = (path.parent / ENCODER, path.parent.parent / "models" / ENCODER)
    encoder = next((place for place in folders if (place / "config.json").is_file()), None)
    if not path.is_file() or encoder is None:
        what = "no such file" if not path.is_file() else f"no {ENCODER} beside it"
        raise MissingModelError(f"Expected an IP-Adapter at {path}, got {what}; put both where they belong.")
    return AdapterFiles(path, encoder)


def _modules(
    denoiser: UNet2DConditionModel, weights: Mapping[str, Mapping[str, Tensor]], file: Path
) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Projection and processors, made by diffusers' own loader; the denoiser stays as it is."""
    try:
        with load.quiet():
            projection = denoiser._convert_ip_adapter_image_proj_to_diffusers(weights["image_proj"])
            made = denoiser._convert_ip_adapter_attn_to_diffusers([weights])
    except (KeyError, ValueError, RuntimeError) as error:
        raise MissingModelError(
            f"Expected the tensors of an IP-Adapter for this denoiser in {file}, got: {reason(error)}; fetch it again."
        ) from error
    from diffusers.models.embeddings import MultiIPAdapterImageProjection

    return MultiIPAdapterImageProjection([projection]), {
        name: processor for name, processor in made.items() if name.endswith("attn2.processor")
    }
