"""The networks that numbers are measured with: which, whether they are on this machine, and what they say of a picture.

What a network says is remembered by the session for its last pictures: every row of a pair is compared with the same structure and style.
Nothing is fetched here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import InputError, MissingModelError, RelookError
from relook.evaluate.metrics.style import gram, joined
from relook.models import encoders, store, vgg
from relook.models.catalogue import CATALOGUE
from relook.perceive.backends import Table
from relook.perceive.depth import ESTIMATORS
from relook.perceive.segment import SEGMENTERS
from relook.session import Session
from relook.types import Depth, Segments, View

GRAM_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Layers of Gatys et al. 2016 for the look."""
POOLED_LAYER = "relu5_1"
"""The layer whose mean over the picture is its vector for KID: the first that sees objects, as Inception's pooled layer does."""
NAMES = ("lpips_alex", vgg.CHECKPOINT, "depth", "segmenter", "clip", "dino", "dreamsim", "inception")
"""Every network by the name under which its weights are recorded."""
KEPT = 24
"""Pictures of which a session remembers what a network said."""
T = TypeVar("T")
Image = Float[Tensor, "3 H W"]


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
class Observer:
    """What the instruments say of a picture; None where one is not on this machine, or has nothing to say."""

    instruments: Instruments
    session: Session

    @staticmethod
    def on_cpu(instruments: Instruments, session: Session) -> Observer:
        """On the CPU wherever the session is: everybody's numbers are measured by the same arithmetic."""
        if session.device.type != "cpu":
            session = session.loaded("instruments", lambda: Session("cpu"))
        return Observer(instruments, session)

    def depth(self, image: Image) -> Depth | None:
        """Its depth."""
        return self._seen(ESTIMATORS, self.instruments.depth, image)

    def segments(self, image: Image) -> Segments | None:
        """Its regions."""
        return self._seen(SEGMENTERS, self.instruments.segmenter, image)

    def embedding(self, image: Image, *names: str | None) -> Float[Tensor, " D"] | None:
        """The joined embeddings of encoders; None where one of them is not here, or none is named."""
        known = [name for name in names if name is not None]
        if not known or not all(store.is_here(name) for name in known):
            return None
        return joined([self._once(name, image, partial(self._embedding, name, image)) for name in known])

    def _embedding(self, name: str, image: Image) -> Float[Tensor, " _"]:
        return encoders.encoder(name, self.session).embedding(image)

    def grams(self, image: Image) -> Mapping[str, Float[Tensor, "_ _"]] | None:
        """Gram matrices of GRAM_LAYERS; None without VGG19's weights, or for a picture too small for it."""
        return None if _too_small(image) else self._once("textures", image, lambda: _textures(image, self.session))[0]

    def vectors(self, image: Image) -> dict[str, Float[np.ndarray, " D"]]:
        """Vectors by set of features (`vgg`, 512 numbers, and `inception`), of those whose network is here."""
        found = {}
        if not _too_small(image):
            found["vgg"] = self._once("textures", image, lambda: _textures(image, self.session))[1].numpy()
        path = None if self.instruments.inception is None else encoders.inception_file(self.instruments.inception)
        return found if path is None else found | {"inception": encoders.inception(image, path, self.session).numpy()}

    def _seen(self, table: Table[Callable[[View], T]], asked: str | None, image: Image) -> T | None:
        """What a back end of perception says; None of a picture that it cannot take, or in which it sees nothing."""

        def look() -> T | None:
            try:
                return table.find(str(name), self.session)(View(image))
            except MissingModelError:
                raise
            except RelookError:
                return None

        name = _chosen(table, asked)
        return self._once(f"{table.question} {name}", image, look) if name and table.is_here(name) else None

    def _once(self, kind: str, image: Image, make: Callable[[], T]) -> T:
        """What `make` says of the picture, asked once as long as the session remembers it."""
        pixels = image.contiguous().numpy()
        key = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
        return self.session.remembered(f"instrument {kind}", key, make, KEPT)


def missing(instruments: Instruments) -> list[str]:
    """Which numbers stay empty on this machine and why, one sentence each."""
    return [f"{numbers}: {reason}." for _, numbers, _, reason in _states(instruments) if reason]


def weights(instruments: Instruments) -> dict[str, str]:
    """Revision of everything learned that measures, by name; what is not on this machine has none."""
    return {name: found for name, _, found, reason in _states(instruments) if not reason}


def _states(instruments: Instruments) -> Iterator[tuple[str, str, str, str]]:
    """For every network: its name, the numbers that need it, the revision of its weights, and in words why they are empty, or nothing."""
    for file, numbers in (("lpips_alex", "LPIPS is empty"), (vgg.CHECKPOINT, "Gram and KID VGG are empty")):
        advice = f"its weights ({file}) are not on this machine; set RELOOK_MODELS to their folder"
        yield file, numbers, CATALOGUE[file].sha256, "" if store.is_here(file) else advice
    numbers = "The depth numbers of the structure are empty"
    yield "depth", numbers, *_perceiver(ESTIMATORS, instruments.depth)
    yield "segmenter", "The mask mIoU is empty", *_perceiver(SEGMENTERS, instruments.segmenter)
    for name, numbers, names in (
        ("clip", "CLIP is empty", (instruments.clip,)), ("dino", "DINO is empty", (instruments.dino,)),
        ("dreamsim", "DreamSim is empty", instruments.dreamsim),
    ):  # fmt: skip
        yield name, numbers, *_encoders([one for one in names if one is not None])
    path = None if instruments.inception is None else encoders.inception_file(instruments.inception)
    why = "no Inception network was named" if instruments.inception is None else f"{instruments.inception} is not here"
    found = "" if path is None else store.digest(path)
    yield "inception", "FID and KID are empty", found, why if path is None else ""


def _perceiver(table: Table[Any], asked: str | None) -> tuple[str, str]:
    """Revision of a depth estimator or segmenter, or why there is none."""
    name, what = _chosen(table, asked), table.what.removeprefix("a ")
    if name is None:
        return "", f"no {what} was named that looks at pictures"
    if not table.is_here(name):
        return "", f"the {what} {name} is not on this machine; name another or get it"
    return f"{name} {', '.join(table.revisions(name).values())}".strip(), ""


def _encoders(names: list[str]) -> tuple[str, str]:
    """Revisions of the encoders of one number, or why there are none."""
    absent = [name for name in names if not store.is_here(name)]
    if absent:
        return "", f"{', '.join(absent)} is not on this machine; name a folder or get it"
    return ", ".join(f"{name} {encoders.revision(name)}" for name in names), "" if names else "no encoder was named"


def _chosen(table: Table[Any], name: str | None) -> str | None:
    """The name with `auto` resolved; None for what sees nothing. Raises InputError for what is no back end."""
    if name is None:
        return None
    table.entry(name)
    found = table.chosen(name)
    return None if found in ("layout", "whole") else found


def _too_small(image: Image) -> bool:
    """Whether VGG19 has nothing to say: no weights, or too few pixels."""
    return not store.is_here(vgg.CHECKPOINT) or min(image.shape[1:]) < vgg.LEAST


def _textures(image: Image, session: Session) -> tuple[dict[str, Tensor], Float[Tensor, " D"]]:
    """Gram matrices of GRAM_LAYERS and the mean of POOLED_LAYER, of one pass of VGG19."""
    seen = vgg.features(image, tuple(dict.fromkeys((*GRAM_LAYERS, POOLED_LAYER))), session)
    with torch.inference_mode():
        return {layer: gram(seen[layer]) for layer in GRAM_LAYERS}, seen[POOLED_LAYER].mean((1, 2))
