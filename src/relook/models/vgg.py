"""VGG19 in the normalised form that style transfer uses (Simonyan and Zisserman 2015; Gatys et al. 2016), in torch alone.

Its filters are scaled so that every channel's mean activation over pictures and places is one; pictures are RGB in [0, 1], which a
1 x 1 convolution of the checkpoint turns into what the network was trained on. Borders are mirrored, poolings round up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from relook.errors import InputError, PictureError
from relook.models.load import tensors
from relook.models.store import locate
from relook.session import Session

CHECKPOINT = "vgg19_normalised"
"""Its name in the catalogue."""
DEPTHS = (2, 2, 4, 4, 4)
"""Convolutions of each block; a pooling follows each block."""
LEAST = 17
"""Shorter side in pixels below which the deepest block cannot mirror its border."""


def _indices() -> dict[str, int]:
    """Layer -> index of its convolution in the checkpoint: each has a padding before and a ReLU after it, each block a pooling."""
    found, index = {}, 0
    for block, depth in enumerate(DEPTHS, start=1):
        for number in range(1, depth + 1):
            index += 2 if number == 1 else 3
            found[f"relu{block}_{number}"] = index
        index += 2
    return found


INDICES: Mapping[str, int] = _indices()
"""Every layer that can be asked for, in order, with the index of its convolution."""
LAYERS = tuple(INDICES)
"""relu1_1 ... relu5_4."""


def features(
    image: Float[Tensor, "3 H W"], layers: Sequence[str], session: Session
) -> dict[str, Float[Tensor, "_ _ _"]]:
    """Activations after each of the layers, C x h x w in float32 on the CPU, by layer.

    Raises InputError for an unknown layer, PictureError for a picture with fewer than LEAST pixels along a side, MissingModelError
    where the weights are not on this machine.
    """
    if unknown := [layer for layer in layers if layer not in INDICES]:
        raise InputError(f"Expected layers out of {', '.join(LAYERS)}, got {', '.join(unknown)}; choose from them.")
    if min(image.shape[1:]) < LEAST:
        raise PictureError(
            f"Expected a picture of at least {LEAST} x {LEAST} pixels for VGG19, got {image.shape[2]} x {image.shape[1]}; enlarge it."
        )
    with torch.inference_mode():
        found = activations(image.detach()[None], layers, session)
    return {layer: one[0].cpu() for layer, one in found.items()}


def activations(
    images: Float[Tensor, "B 3 H W"], layers: Sequence[str], session: Session
) -> dict[str, Float[Tensor, "B _ _ _"]]:
    """The same of B pictures of at least LEAST pixels along a side, on the session's device, with gradients; by layer, in their order."""
    weights, found = session.loaded(CHECKPOINT, lambda: _load(session.device)), {}
    last = max((LAYERS.index(layer) for layer in layers), default=-1)
    x = F.conv2d(images.float().to(session.device), weights["0.weight"], weights["0.bias"])
    for layer in LAYERS[: last + 1]:
        if layer.endswith("_1") and layer != LAYERS[0]:
            x = F.max_pool2d(x, 2, ceil_mode=True)
        index = INDICES[layer]
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.relu(F.conv2d(x, weights[f"{index}.weight"], weights[f"{index}.bias"]))
        if layer in layers:
            found[layer] = x
    return found


def _load(device: torch.device) -> dict[str, Tensor]:
    """The checkpoint's tensors in float32 on a device."""
    return {name: tensor.float().to(device) for name, tensor in tensors(locate(CHECKPOINT)).items()}
