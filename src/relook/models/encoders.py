"""What a picture is as one vector: any image encoder of transformers (CLIP, DINO and their kin), or Inception as a single file.

Nothing is fetched here: a suite measures with what is on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.errors import InputError, MissingModelError, ShapeError
from relook.files import reason
from relook.io import as_picture
from relook.models import load, store
from relook.models.runtime import onnx
from relook.models.store import digest, roots
from relook.session import Placement, Session

ONNX, SCRIPT = (".onnx",), (".pt", ".ts", ".torchscript")
"""Endings of files that hold an Inception network."""
WHAT = "an image encoder"
INCEPTION_SIDE = 299
"""Side in pixels of the squares that Inception reads."""


@dataclass(frozen=True)
class Encoder:
    """An image encoder with its image processor."""

    network: Any
    processor: Any
    name: str

    def embedding(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, " D"]:
        """The whole picture as one vector, float32: CLIP's projected image embedding, a transformer's class token, or the mean of a map.

        The picture goes through the encoder's own image processor, which may cut the longer side as its makers do.
        Raises PictureError for a picture that the processor cannot take.
        """
        with load.asked(self.name, (image.shape[1], image.shape[2])), load.quiet():
            pixels = self.processor(images=as_picture(image), return_tensors="pt")["pixel_values"].to(
                self.network.device
            )
            if hasattr(self.network, "get_image_features"):
                found = self.network.get_image_features(pixel_values=pixels)
                return getattr(found, "pooler_output", found)[0].float().cpu().flatten()
            return _vector(self.network(pixel_values=pixels)).cpu()


def encoder(name: str, session: Session) -> Encoder:
    """The encoder of a registered name, hub id or local folder, on the session's device.

    Raises MissingModelError where it is not on this machine, or is no image encoder.
    """
    if not store.is_here(name):
        raise MissingModelError(
            f"Expected an image encoder {name} on this machine, got none; get it with `hf download {name}` or name a local folder."
        )
    return session.loaded(("encoder", name), lambda: _load(store.find(name, WHAT).resolve(), session.place))


def revision(name: str) -> str:
    """Hash of an encoder's weights and settings. Raises as `encoder` does where it is not here."""
    return load.revision(store.find(name, WHAT))


def inception_file(name: str) -> Path | None:
    """The file of an Inception network: a path, or a file's name in a folder of models; None where there is none.

    Raises InputError for a name that does not end as an ONNX or TorchScript file.
    """
    if Path(name).suffix.lower() not in ONNX + SCRIPT:
        raise InputError(
            f"Expected Inception as a file ({', '.join(ONNX + SCRIPT)}), got {name!r}; export it with its pooled features as output."
        )
    places = [Path(name).expanduser(), *(folder / name for folder in roots())]
    return next((place for place in places if place.is_file()), None)


def inception(image: Float[Tensor, "3 H W"], path: Path, session: Session) -> Float[Tensor, " D"]:
    """Pooled features of an Inception network (2048 of them in the one that FID is defined with), which runs on the CPU.

    The network gets RGB from 0 to 255, 1 x 3 x 299 x 299, resized with antialiasing (Parmar et al. 2022), as float32 (ONNX) or uint8
    where a TorchScript wants it, and must answer with features as its first output: 1 x D, or 1 x D x 1 x 1.
    Raises MissingModelError for a file that is no such network, ShapeError for another answer.
    """
    resized = interpolate(
        image.detach().float().cpu()[None], (INCEPTION_SIDE, INCEPTION_SIDE), mode="bicubic", antialias=True
    )
    pixels = resized.clamp(0, 1) * 255
    try:
        load, ask = (onnx, _ask_onnx) if path.suffix.lower() in ONNX else (_script, _ask_script)
        found = ask(session.loaded(("inception", path, digest(path)), lambda: load(path)), pixels)
    except Exception as error:  # whatever onnxruntime or torch raise for a broken file or another network
        raise MissingModelError(
            f"Expected an Inception network in {path}, got: {reason(error)}; export it again with pooled features as output."
        ) from error
    if found.ndim not in (2, 4) or found.shape[0] != 1 or found.shape[2:].numel() != 1:
        raise ShapeError(
            f"Expected features of shape (1, D) from {path}, got {tuple(found.shape)}; export the pooled layer."
        )
    return found.flatten().float()


def _ask_onnx(network: Any, pixels: Float[Tensor, "1 3 S S"]) -> Tensor:
    return torch.from_numpy(network.run(None, {network.get_inputs()[0].name: pixels.numpy()})[0].copy())


def _ask_script(network: Any, pixels: Float[Tensor, "1 3 S S"]) -> Tensor:
    with torch.inference_mode():
        try:  # the TorchScript that FID is mostly computed with takes 8-bit pictures and says with a flag what is wanted
            found = network(pixels.round().byte(), return_features=True)
        except RuntimeError:
            found = network(pixels)
    return found[0] if isinstance(found, tuple | list) else found


def _vector(found: Any) -> Float[Tensor, " D"]:
    """One vector of whatever an encoder answers for one picture."""
    if getattr(found, "image_embeds", None) is not None:
        return found.image_embeds[0].float()
    tokens = getattr(found, "last_hidden_state", None)
    if tokens is None:
        raise ShapeError(f"Expected features from an image encoder, got {type(found).__name__}; name an image encoder.")
    return tokens[0].float().mean((1, 2)) if tokens.ndim == 4 else tokens[0, 0].float()


def _load(folder: Path, place: Placement) -> Encoder:
    from transformers import AutoImageProcessor, AutoModel

    model = load.load(folder, AutoModel.from_pretrained, dtype=torch.float32)
    return Encoder(place.placed(model), load.read(folder, AutoImageProcessor.from_pretrained), folder.name)


def _script(path: Path) -> Any:
    import warnings

    with warnings.catch_warnings():  # torch advises against TorchScript, in which the network of FID is published
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(path), map_location="cpu").eval()
