"""The embedded perception network: one small Segformer encoder, read by three heads.

The encoder and the head for classes are a plain `SegformerForSemanticSegmentation` folder, so transformers loads it as is; the heads for
geometry (depth, and where the middle of each object is) and for dense descriptors lie beside it in heads.safetensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import SegformerConfig, SegformerForSemanticSegmentation
from transformers.models.segformer.modeling_segformer import SegformerDecodeHead

from relook.errors import MissingModelError, ShapeError

FOLDER = Path(__file__).parent / "weights" / "dollhouse" / "perceiver"
"""Where the shipped weights lie."""
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


class Perceiver(nn.Module):
    """Classes, depth, object centres and descriptors of pictures."""

    def __init__(self, segformer: SegformerForSemanticSegmentation) -> None:
        super().__init__()
        self.segformer = segformer
        self.geometry = _head(segformer.config, 3)
        self.description = _head(segformer.config, DESCRIPTOR)

    @staticmethod
    def fresh(names: tuple[str, ...]) -> Perceiver:
        """An untrained network for classes called `names`."""
        config = SegformerConfig(
            depths=[2, 2, 3, 3], sr_ratios=[8, 4, 2, 1], hidden_sizes=[32, 64, 160, 224], num_attention_heads=[1, 2, 5, 7],
            decoder_hidden_size=96, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            classifier_dropout_prob=0.0, drop_path_rate=0.0,
            id2label=dict(enumerate(names)), label2id={name: id for id, name in enumerate(names)},
        )  # fmt: skip
        return Perceiver(SegformerForSemanticSegmentation(config))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Perceived:
        """Answers for RGB in [0, 1] whose sides are multiples of 32. Raises ShapeError for others."""
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[-1] % 32 or images.shape[-2] % 32:
            raise ShapeError(
                f"Expected pictures (B, 3, H, W) with sides in multiples of 32, got {tuple(images.shape)}; resize them."
            )
        found = self.segformer((images - MEAN) / DEVIATION, output_hidden_states=True)
        geometry = self.geometry(found.hidden_states)
        description = functional.normalize(self.description(found.hidden_states), dim=1)
        return Perceived(found.logits, geometry[:, 0], geometry[:, 1:], description)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of `scores`."""
        labels = self.segformer.config.id2label
        return tuple(labels[id] for id in range(len(labels)))

    def save(self, folder: Path) -> None:
        """Write the network in half precision."""
        self.half()
        self.segformer.save_pretrained(folder)
        heads = {name: value for name, value in self.state_dict().items() if not name.startswith("segformer.")}
        save_file({name: value.contiguous() for name, value in heads.items()}, folder / "heads.safetensors")
        self.float()


@lru_cache(maxsize=1)
def load_perceiver(folder: Path = FOLDER) -> Perceiver:
    """The shipped network (or another one of its kind), frozen. Raises MissingModelError when it is not there."""
    if not (folder / "heads.safetensors").is_file():
        raise MissingModelError(
            f"Expected the perception network in {folder}, got none; install Relook with its weights, or train it: relook train perceiver."
        )
    segformer = SegformerForSemanticSegmentation.from_pretrained(folder, dtype=torch.float32)
    network = Perceiver(segformer)
    network.load_state_dict(load_file(folder / "heads.safetensors"), strict=False)
    return network.float().eval().requires_grad_(False)


def _head(config: SegformerConfig, channels: int) -> SegformerDecodeHead:
    """Segformer's all-MLP head with another number of outputs."""
    from copy import deepcopy

    mine = deepcopy(config)
    mine.num_labels = channels
    return SegformerDecodeHead(mine)
