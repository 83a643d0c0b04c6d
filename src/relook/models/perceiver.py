"""The embedded perception network: one small residual encoder with a pyramid (UPerNet, Xiao et al. 2018), read by three heads.

Encoder, pyramid and the head for classes are a plain `UperNetForSemanticSegmentation` folder, so transformers loads it as is; the heads
for geometry (depth, and where the middle of each object is) and for dense descriptors lie beside it in heads.safetensors.
On two cores convolutions learn these rooms about three times as fast as a Segformer of the same size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from relook.errors import MissingModelError, ShapeError
from relook.models.load import read

if TYPE_CHECKING:
    from transformers import UperNetForSemanticSegmentation

FOLDER = Path(__file__).parent / "weights" / "dollhouse" / "perceiver"
"""Where the shipped weights lie."""
SHIPPED = {"embedded perception": FOLDER}
"""The same by its name in records."""
SIDE = 256
"""Length in pixels (root of the area) of the pictures it was trained on."""
STRIDE = 4
"""Pixels per answer along one side."""
DESCRIPTOR = 48
"""Length of a descriptor."""
MEAN, DEVIATION = 0.5, 0.25
"""Colours are normalised by these."""


@dataclass(frozen=True)
class Perceived:
    """What the network says of B pictures, at a quarter of their side."""

    scores: Float[Tensor, "B C h w"]
    """Logits of the classes."""
    log_depth: Float[Tensor, "B h w"]
    """Natural logarithm of the depth in metres."""
    centres: Float[Tensor, "B 2 h w"]
    """From every place to the middle of its object (x, y), in parts of the picture's sides."""
    descriptors: Float[Tensor, "B D h w"]
    """Unit vectors; the cosine of two says how alike the parts are."""
    fused: Float[Tensor, "B F h w"] | None = None
    """What the heads read: one 1 x 1 convolution makes the scores of it."""


class Perceiver(nn.Module):
    """Classes, depth, object centres and descriptors of pictures."""

    def __init__(self, upernet: UperNetForSemanticSegmentation) -> None:
        super().__init__()
        self.upernet = upernet
        width = upernet.config.hidden_size
        self.geometry = _branch(width, width, 3)
        self.description = _branch(width, 96, DESCRIPTOR)

    @staticmethod
    def fresh(names: tuple[str, ...]) -> Perceiver:
        """An untrained network for classes called `names`."""
        from transformers import ResNetConfig, UperNetConfig, UperNetForSemanticSegmentation

        encoder = ResNetConfig(
            embedding_size=32, hidden_sizes=[64, 96, 160, 192], depths=[2, 2, 2, 2], layer_type="basic",
            out_features=["stage1", "stage2", "stage3", "stage4"],
        )  # fmt: skip
        config = UperNetConfig(
            backbone_config=encoder, hidden_size=64, pool_scales=[1, 2, 3, 6], use_auxiliary_head=False,
            id2label=dict(enumerate(names)), label2id={name: id for id, name in enumerate(names)},
        )  # fmt: skip
        return Perceiver(UperNetForSemanticSegmentation(config))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Perceived:
        """Answers for RGB in [0, 1] whose sides are multiples of 32. Raises ShapeError for others."""
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[-1] % 32 or images.shape[-2] % 32:
            raise ShapeError(
                f"Expected pictures (B, 3, H, W) with sides in multiples of 32, got {tuple(images.shape)}; resize them."
            )
        fused: list[Tensor] = []
        head = self.upernet.decode_head
        listening = head.classifier.register_forward_pre_hook(lambda _, inputs: fused.append(inputs[0]))
        try:
            levels = self.upernet.backbone(pixel_values=(images - MEAN) / DEVIATION).feature_maps
            scores = head(levels)
        finally:
            listening.remove()
        geometry = self.geometry(fused[0])
        descriptors = functional.normalize(self.description(fused[0]), dim=1)
        return Perceived(scores, geometry[:, 0], geometry[:, 1:], descriptors, fused[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of `scores`."""
        labels = self.upernet.config.id2label
        return tuple(labels[id] for id in range(len(labels)))

    def save(self, folder: Path) -> None:
        """Write the network in half precision."""
        self.half()
        self.upernet.save_pretrained(folder)
        heads = {name: value for name, value in self.state_dict().items() if not name.startswith("upernet.")}
        save_file({name: value.contiguous() for name, value in heads.items()}, folder / "heads.safetensors")
        self.float()


def load_perceiver(folder: Path = FOLDER) -> Perceiver:
    """The shipped network (or another one of its kind), frozen. Raises MissingModelError when it is not there."""
    from transformers import UperNetForSemanticSegmentation

    if not (folder / "heads.safetensors").is_file():
        raise MissingModelError(
            f"Expected the perception network in {folder}, got none; install Relook with its weights, or train it: relook train perceiver."
        )
    network = Perceiver(read(folder, UperNetForSemanticSegmentation.from_pretrained, dtype=torch.float32))
    heads = load_file(folder / "heads.safetensors")
    wanted = {name for name in network.state_dict() if not name.startswith("upernet.")}
    if set(heads) != wanted:
        raise MissingModelError(
            f"Expected {len(wanted)} tensors of the heads in {folder / 'heads.safetensors'}, got others; train or install the network anew."
        )
    network.load_state_dict(heads, strict=False)  # everything else is read above
    return network.float().eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """A head that reads the fused features."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, outputs, 1),
    )
