"""The networks that numbers are measured with: which, whether they are on this machine, and what they say of a picture.

What a network says is kept for the last pictures of a process: every row of a pair is compared with the same structure and style.
Nothing is fetched here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import InputError, MissingModelError, RelookError
from relook.evaluate.metrics.style import gram, joined
from relook.evaluate.process import held
from relook.models import encoders, store, vgg
from relook.models.catalogue import CATALOGUE
from relook.perceive.backends import Table
from relook.perceive.depth import ESTIMATORS, estimator
from relook.perceive.segment import SEGMENTERS, segmenter
from relook.types import Depth, Segments, View

GRAM_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Layers of Gatys et al. 2016 for the look."""
POOLED_LAYER = "relu5_1"
"""The layer whose mean over places is a picture's vector for KID: the first that sees objects, as Inception's pooled layer does."""
KEPT = 24
"""Pictures of which a process remembers what a network said."""


@dataclass(frozen=True)
class Instruments:
    """Which networks measure a picture; numbers whose network is not on this machine stay empty."""

    depth: str | None = "auto"
    """Depth estimator for the depth of output and structure, by name, hub id or folder; `auto`: the best one here."""
    segmenter: str | None = "auto"
    """Segmenter that looks for the structure's classes in the output, by name, hub id or folder; `auto`: the best one here."""
    clip: str | None = "openai/clip-vit-large-patch14"
    """Encoder of the CLIP similarity, a hub id or folder of transformers."""
    dino: str | None = "dinov2"
    """Encoder of the DINO similarity, a name, hub id or folder."""
    dreamsim: tuple[str, ...] = ()
    """Encoders of DreamSim (its authors': DINO, CLIP and OpenCLIP, tuned), hub ids or folders."""
    inception: str | None = None
    """File (ONNX or TorchScript) of the Inception network of FID and KID, a path or a name in the folder of models."""

    def __post_init__(self) -> None:
        for name, what in ((self.depth, "depth estimator"), (self.segmenter, "segmenter")):
            if name is not None and (name == "exact" or Path(name).suffix.lower() in (".png", ".npy", ".npz")):
                raise InputError(
                    f"Expected a {what} that can look at any picture, got {name!r}; name a network or auto."
                )


@dataclass(frozen=True)
class Held:
    """A picture that is the key of what was said of it."""

    digest: str
    """SHA-256 of its size and content."""
    image: Float[Tensor, "3 H W"] = field(compare=False, repr=False)

    @staticmethod
    def of(image: Float[Tensor, "3 H W"]) -> Held:
        """A picture with its hash."""
        pixels = image.detach().float().cpu().contiguous()
        return Held(hashlib.sha256(repr(tuple(pixels.shape)).encode() + pixels.numpy().tobytes()).hexdigest(), pixels)


def missing(instruments: Instruments) -> list[str]:
    """Which numbers stay empty on this machine and why, one sentence each."""
    return [f"{numbers}: {reason}." for _, numbers, _, reason in _states(instruments) if reason]


def revision(instruments: Instruments) -> str:
    """Hash of everything learned that would measure, as it lies on this machine: for cache keys. Absent weights count as absent."""
    return hashlib.sha256(repr([found for _, _, found, _ in _states(instruments)]).encode()).hexdigest()


def depth_of(name: str | None, picture: Held) -> Depth | None:
    """What the estimator says; None where it is not here or cannot say."""
    chosen = _chosen_depth(name)
    return None if chosen is None or not ESTIMATORS.is_here(chosen) else _depth(chosen, picture)


def segments_of(name: str | None, picture: Held) -> Segments | None:
    """What the segmenter says; None where it is not here or cannot say."""
    chosen = _chosen_segmenter(name)
    return None if chosen is None or not SEGMENTERS.is_here(chosen) else _segments(chosen, picture)


def embedding_of(names: tuple[str, ...], picture: Held) -> Float[Tensor, " D"] | None:
    """The joined embeddings of the encoders; None where one of them is not here, or none is named."""
    if not names or not all(encoders.is_here(name) for name in names):
        return None
    return joined([_embedding(name, picture) for name in names])


def grams_of(picture: Held) -> Mapping[str, Float[Tensor, "_ _"]] | None:
    """Gram matrices of GRAM_LAYERS; None without VGG19's weights, or for a picture too small for it."""
    return None if _too_small(picture) else _textures(picture)[0]


def vectors_of(picture: Held, inception: str | None = None) -> dict[str, Float[np.ndarray, " D"]]:
    """Vectors of the picture by set of features (`vgg`, `inception`), of those whose network is here."""
    found = {} if _too_small(picture) else {"vgg": _textures(picture)[1].numpy()}
    path = None if inception is None else encoders.inception_file(inception)
    return found if path is None else found | {"inception": encoders.inception(picture.image, path, held()).numpy()}


def weights(instruments: Instruments) -> dict[str, str]:
    """Revision of everything learned that measures, by name; what is not on this machine has none."""
    return {name: found for name, _, found, reason in _states(instruments) if not reason}


def _states(instruments: Instruments) -> Iterator[tuple[str, str, str, str]]:
    """For every network: its name, the numbers that need it, the revision of its weights, and in words why they are empty, or nothing."""
    for file, numbers in (("lpips_alex", "LPIPS is empty"), (vgg.CHECKPOINT, "Gram and KID VGG are empty")):
        here = store.is_here(file)
        advice = f"its weights ({file}) are not on this machine; set RELOOK_MODELS to their folder"
        yield file, numbers, CATALOGUE[file].sha256 if here else "absent", "" if here else advice
    numbers = "The depth numbers of the structure are empty"
    yield "depth", numbers, *_perceiver(ESTIMATORS, _chosen_depth(instruments.depth))
    yield "segmenter", "The mask mIoU is empty", *_perceiver(SEGMENTERS, _chosen_segmenter(instruments.segmenter))
    yield "clip", "CLIP is empty", *_encoders(() if instruments.clip is None else (instruments.clip,))
    yield "dino", "DINO is empty", *_encoders(() if instruments.dino is None else (instruments.dino,))
    yield "dreamsim", "DreamSim is empty", *_encoders(instruments.dreamsim)
    path = None if instruments.inception is None else encoders.inception_file(instruments.inception)
    told = "no Inception network was named" if instruments.inception is None else f"{instruments.inception} is not here"
    found = "absent" if path is None else encoders.inception_revision(path)
    yield "inception", "FID and KID are empty", found, told if path is None else ""


def _perceiver(table: Table[Any], name: str | None) -> tuple[str, str]:
    """Revision of a depth estimator or segmenter, or why there is none."""
    what = table.what.removeprefix("a ")
    if name is None:
        return "none", f"no {what} was named that looks at pictures"
    if not table.is_here(name):
        return f"{name} absent", f"the {what} {name} is not on this machine; name another or get it"
    return f"{name} {', '.join(table.revisions(name).values())}".strip(), ""


def _encoders(names: tuple[str, ...]) -> tuple[str, str]:
    """Revisions of the encoders of one number, or why there are none."""
    absent = [name for name in names if not encoders.is_here(name)]
    if absent or not names:
        told = (
            f"{', '.join(absent)} is not on this machine; name a folder or get it" if absent else "no encoder was named"
        )
        return f"{names} absent", told
    return ", ".join(f"{name} {encoders.revision(name)}" for name in names), ""


def _chosen_depth(name: str | None) -> str | None:
    """The estimator's name with `auto` resolved. Raises InputError for what is no estimator."""
    if name is None:
        return None
    ESTIMATORS.entry(name)
    return ESTIMATORS.chosen(name)


def _chosen_segmenter(name: str | None) -> str | None:
    """The same for segmenters; `whole` sees nothing."""
    if name is None:
        return None
    SEGMENTERS.entry(name)
    return None if SEGMENTERS.chosen(name) == "whole" else SEGMENTERS.chosen(name)


def _too_small(picture: Held) -> bool:
    """Whether VGG19 has nothing to say: no weights, or too few pixels."""
    return not store.is_here(vgg.CHECKPOINT) or min(picture.image.shape[1:]) < vgg.LEAST


@lru_cache(maxsize=KEPT)
def _depth(name: str, picture: Held) -> Depth | None:
    try:
        return estimator(name, held())(View(picture.image))
    except MissingModelError:
        raise
    except RelookError:  # a picture in which the network sees no depth
        return None


@lru_cache(maxsize=KEPT)
def _segments(name: str, picture: Held) -> Segments | None:
    try:
        return segmenter(name, held())(View(picture.image))
    except MissingModelError:
        raise
    except RelookError:  # a picture that the network cannot take
        return None


@lru_cache(maxsize=KEPT)
def _embedding(name: str, picture: Held) -> Float[Tensor, " D"]:
    return encoders.encoder(name, held()).embedding(picture.image)


@lru_cache(maxsize=KEPT)
def _textures(picture: Held) -> tuple[dict[str, Tensor], Float[Tensor, " D"]]:
    """Gram matrices of GRAM_LAYERS and the mean of POOLED_LAYER, of one pass of VGG19."""
    seen = vgg.features(picture.image, tuple(dict.fromkeys((*GRAM_LAYERS, POOLED_LAYER))), held())
    with torch.inference_mode():
        return {layer: gram(seen[layer]) for layer in GRAM_LAYERS}, seen[POOLED_LAYER].mean((1, 2))
