"""Any depth model of transformers by the catalogue's name, hub id or folder: Depth Anything, DPT (MiDaS), GLPN, ZoeDepth and the like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import DepthError, InputError
from relook.io import as_pixels
from relook.models import load
from relook.models.store import find
from relook.session import CPU, Placement

FARTHEST = 0.1
"""Disparity of the farthest place of a relative estimate, as a part of the nearest one's: such depth spans 1 to 10."""
ZOE_PADDING = 3.0
"""ZoeDepth's processor mirrors int(sqrt(side / 2) * this) pixels around the picture."""

Output = Literal["disparity", "metric"]
"""What a network's numbers are: disparity up to scale and shift (larger is nearer), or depth in metres."""


@dataclass(frozen=True)
class DepthModel:
    """A loaded depth network with its image processor."""

    network: Any
    processor: Any
    output: Output

    @torch.inference_mode()
    def raw(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "h w"]:
        """What the network says of the whole picture, at the network's own size."""
        inputs = self.processor(images=as_pixels(image), return_tensors="pt", input_data_format="channels_last")
        found = self.network(**{key: value.to(self.network.device) for key, value in inputs.items()})
        if self.network.config.model_type == "depth_pro":  # its metres need the field of view that it also says
            found = self.processor.post_process_depth_estimation(found)[0]["predicted_depth"]
        else:
            found = found.predicted_depth[0]
        found = found.float().cpu()
        if self.network.config.model_type == "zoedepth" and getattr(self.processor, "do_pad", False):
            found = _unpadded(found, (image.shape[1], image.shape[2]))
        if not bool(torch.isfinite(found).all()):
            raise DepthError(
                "Expected finite depth from the model, got NaN or infinity; check the picture or its weights."
            )
        return found

    def coarse(self, image: Float[Tensor, "3 H W"]) -> tuple[Float[Tensor, "h w"], Literal["metric", "relative"]]:
        """Positive depth, larger is farther, at the network's own size, and its kind."""
        raw = self.raw(image)
        return (raw, "metric") if self.output == "metric" else (depth_of_disparity(raw), "relative")


def depth_of_disparity(disparity: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Relative depth from 1 (nearest) to 1 / FARTHEST of disparity that is known up to scale and shift; flat stays flat."""
    low, high = torch.quantile(disparity.flatten(), torch.tensor([0.01, 0.99]))
    share = ((disparity - low) / (high - low).clamp_min(1e-6)).clamp(0, 1) if high > low else torch.ones_like(disparity)
    return 1 / (FARTHEST + (1 - FARTHEST) * share)


def output_of(config: Any) -> Output:
    """Disparity or metres, as a transformers configuration tells. Raises InputError for a model of neither."""
    kind = str(config.model_type)
    if hasattr(config, "depth_estimation_type"):  # Depth Anything and its kin
        return "metric" if config.depth_estimation_type == "metric" else "disparity"
    if kind == "dpt":  # MiDaS heads give disparity; those that DINOv2's authors trained give metres
        backbone = getattr(config, "backbone_config", None)
        return "metric" if getattr(backbone, "model_type", "") == "dinov2" else "disparity"
    if kind in ("glpn", "zoedepth", "depth_pro", "tipsv2_dpt"):
        return "metric"
    raise InputError(
        f"Expected a model of the depth of rooms (Depth Anything, DPT, GLPN, ZoeDepth), got {kind}; name such a model."
    )


def load_depth_model(name: str, place: Placement = CPU) -> DepthModel:
    """A depth model by name, hub id or folder, in full precision on a device.

    Raises MissingModelError when it is not here and cannot be fetched or loaded, InputError when it is no depth model.
    """
    folder = find(name, "the depth model")
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForDepthEstimation

    config = load.read(folder, AutoConfig.from_pretrained)
    architecture = (getattr(config, "architectures", None) or ["a model without a task"])[0]
    if type(config) not in AutoModelForDepthEstimation._model_mapping:
        raise InputError(
            f"Expected a depth model in {name}, got {architecture} ({config.model_type}); name a depth model."
        )
    output = output_of(config)
    processor = load.read(folder, AutoImageProcessor.from_pretrained)
    network = load.load(folder, AutoModelForDepthEstimation.from_pretrained, dtype=torch.float32)
    return DepthModel(place.placed(network), processor, output)


def _unpadded(found: Float[Tensor, "h w"], size: tuple[int, int]) -> Float[Tensor, "h2 w2"]:
    """Without the part of a map that covers ZoeDepth's mirrored border."""
    inner = []
    for length, side in zip(found.shape, size, strict=True):
        border = int(math.sqrt(side / 2) * ZOE_PADDING)
        cut = round(length * border / (side + 2 * border))
        inner.append(slice(cut, length - cut))
    return found[inner[0], inner[1]]
