"""Who says what the style of a picture is and how good it looks: the embedded networks, or CLIP by its id; all with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from relook.lift.losses.quality import PROMPTS, antonym_scores
from relook.models import load, store
from relook.models.pooled_encoder import LEAST, SCORES, load_quality, load_style_descriptor
from relook.session import Session

EMBEDDED = "embedded"
"""The name of the networks that ship with Relook."""
Judge = Callable[[Tensor], Tensor]
"""Pictures (B, 3, H, W) in [0, 1] -> what is said of them (B, D), differentiable."""


def descriptor(name: str, session: Session) -> Judge:
    """What gives a picture's style as a unit vector: `embedded`, or a CLIP vision model with projection by hub id or folder.

    The public descriptor is CLIP ViT-L/14 fine-tuned (CSD), with its style head in place of the visual projection.
    Raises MissingModelError where it is not here and cannot be fetched.
    """
    if name == EMBEDDED:
        network = session.loaded(EMBEDDED_STYLE, lambda: session.place.placed(load_style_descriptor()))
        return lambda images: network(_large_enough(images.to(session.device)))
    from transformers import CLIPVisionModelWithProjection

    clip = session.loaded(("clip vision", name), lambda: _clip(name, CLIPVisionModelWithProjection, session))
    return lambda images: normalize(clip(seen_by_clip(images.to(clip.device), clip)).image_embeds.float(), dim=1)


def quality(name: str, session: Session) -> Judge:
    """What gives SCORES of a picture from 0 to 1: `embedded`, or CLIP-IQA by the hub id or folder of a CLIP model, on antonym prompts."""
    if name == EMBEDDED:
        network = session.loaded(EMBEDDED_QUALITY, lambda: session.place.placed(load_quality()))
        return lambda images: network(_large_enough(images.to(session.device))).sigmoid()
    from transformers import CLIPModel

    clip = session.loaded(("clip", name), lambda: _clip(name, CLIPModel, session))
    good, bad = session.loaded(("antonyms", name), lambda: _prompts(clip, name))

    def judged(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B Q"]:
        found = clip.get_image_features(pixel_values=seen_by_clip(images.to(clip.device), clip))
        return antonym_scores(normalize(_vectors(found), dim=1), good, bad, float(clip.logit_scale.exp()))

    return judged


EMBEDDED_STYLE, EMBEDDED_QUALITY = "embedded style descriptor", "embedded quality"


def seen_by_clip(images: Float[Tensor, "B 3 H W"], clip: Any) -> Float[Tensor, "B 3 S S"]:
    """The whole pictures stretched to CLIP's square and normalised, with gradients."""
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    vision = getattr(clip.config, "vision_config", clip.config)
    square = interpolate(images.float(), (vision.image_size,) * 2, mode="bicubic", antialias=True)
    mean, deviation = (square.new_tensor(values).view(3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return ((square - mean) / deviation).to(next(clip.parameters()).dtype)


def _clip(name: str, kind: Any, session: Session) -> Any:
    folder = store.find(name, "a CLIP model")
    return session.place.placed(load.load(folder, kind.from_pretrained, dtype=session.place.dtype))


@torch.no_grad()
def _prompts(clip: Any, name: str) -> tuple[Tensor, Tensor]:
    """Unit vectors of the good prompts and of the bad ones, in the order of SCORES."""
    from transformers import AutoTokenizer

    tokenizer = load.read(store.find(name, "a CLIP model"), AutoTokenizer.from_pretrained)
    words = [PROMPTS[score][side] for side in (0, 1) for score in SCORES]
    tokens = tokenizer(words, padding=True, return_tensors="pt").to(clip.device)
    found = normalize(_vectors(clip.get_text_features(**tokens)), dim=1)
    return found[: len(SCORES)], found[len(SCORES) :]


def _vectors(found: Any) -> Tensor:
    """CLIP's features, which newer versions of transformers wrap."""
    return getattr(found, "pooler_output", found).float()


def _large_enough(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 h w"]:
    """Pictures too small for the embedded networks, enlarged."""
    height, width = images.shape[-2:]
    if min(height, width) >= LEAST:
        return images
    return interpolate(images, (max(height, LEAST), max(width, LEAST)), mode="nearest")
