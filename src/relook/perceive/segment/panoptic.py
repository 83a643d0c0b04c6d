"""Segments by any panoptic or semantic model of transformers: OneFormer, Mask2Former, EoMT, MaskFormer, Segformer, ... by folder or hub id.

The picture goes through the model's own image processor, and its answer through that processor's own post-processing. What a panoptic
answer leaves without a region takes the best class per pixel, so that small or doubtful objects are not lost.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from relook.errors import InputError, MissingModelError
from relook.io import as_picture
from relook.models import load
from relook.models.store import find
from relook.ops.resize import at_most, resized
from relook.perceive.segment.regions import completed, with_confidence
from relook.perceive.segment.vocabulary import tidy
from relook.session import Session
from relook.types import Segments, View

WORKING_SIDE = 1024
"""Longer side in pixels at which regions are found; borders are carried to the picture's own size from there."""
THRESHOLD, INSIDE = 0.5, 0.5
"""The MaskFormer family's own defaults: a query less sure of its class is no region, and a mask contains what is likelier than this."""

UNCLAIMED = 0.5
"""Confidence in the best class of pixels that no region claims."""


@dataclass(frozen=True)
class Loaded:
    """A segmentation model with what is needed to ask it."""

    model: Any
    processor: Any
    """Its image processor."""
    task: Any
    """Token ids of OneFormer's task, or None."""
    names: tuple[str, ...]
    """Class names in the order of its scores."""
    panoptic: bool
    """Whether it answers with regions; otherwise with one class per pixel."""


def segments(view: View, name: str, session: Session) -> Segments:
    """Panoptic segments at the view's size, by the transformers checkpoint `name` (the catalogue's name, a folder or a hub id).

    Raises MissingModelError when it is not here and cannot be fetched or loaded, InputError when it is no segmentation model,
    PictureError when its image processor cannot take the picture.
    """
    loaded = session.loaded(("segmenter", name), lambda: _loaded(name, session))
    size = at_most(view.size, WORKING_SIDE)
    image = resized(view.image.detach().float().cpu(), size)
    with load.asked(name, view.size):
        claimed, classes, chances = _answer(loaded, image, size)
    found = with_confidence(completed(*claimed, classes.numpy(), loaded.names), chances)
    return Segments(_enlarged(found.labels, view.size), found.regions)


def _answer(
    loaded: Loaded, image: Tensor, size: tuple[int, int]
) -> tuple[tuple[np.ndarray, dict[int, int]], Int[Tensor, "H W"], np.ndarray]:
    """((map of region ids, region id -> class id), map of the best class, map of chances); no regions from a semantic model."""
    picture = as_picture(image)
    options: dict[str, Any] = {"return_tensors": "pt"}
    if loaded.task is not None:
        options["task_inputs"] = ["panoptic"]
    if getattr(loaded.processor, "do_center_crop", False):
        options["do_center_crop"] = False  # the whole picture is asked for, not its middle
    inputs = dict(loaded.processor(picture, **options))
    if loaded.task is not None:
        inputs["task_inputs"] = loaded.task
    inputs = {key: value for key, value in inputs.items() if key in inspect.signature(loaded.model.forward).parameters}
    answer = loaded.model(**{key: _moved(value, loaded.model.device) for key, value in inputs.items()})
    outputs = type(answer)(**{key: _moved(value, torch.device("cpu")) for key, value in answer.items()})
    owner: dict[int, int] = {}
    regions, chances = np.full(size, -1, np.int64), _chances(outputs, size)
    if loaded.panoptic and not len(inputs.get("patch_offsets") or ()):
        regions, entries = _regions_of(loaded, outputs, size)
        owner = {int(entry["id"]): int(entry["label_id"]) for entry in entries}
        for entry in entries:
            chances[regions == entry["id"]] = entry.get("score", UNCLAIMED)
    classes = _classes_of(loaded, outputs, size, _padding(loaded, picture, inputs["pixel_values"], options))
    return (regions, owner), classes, chances


def _chances(outputs: Any, size: tuple[int, int]) -> Float[np.ndarray, "H W"]:
    """Chance of the best class of every pixel by a semantic model; UNCLAIMED by others."""
    if getattr(outputs, "logits", None) is None or outputs.logits.ndim != 4:
        return np.full(size, UNCLAIMED, np.float32)
    best = outputs.logits.float().softmax(1).amax(1, keepdim=True)
    return functional.interpolate(best, size, mode="bilinear", align_corners=False)[0, 0].numpy()


def _regions_of(loaded: Loaded, outputs: Any, size: tuple[int, int]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """(map of region ids, what each is) by the processor's own panoptic post-processing.

    Surfaces are not fused there: fusing gives two regions one id where a surface comes twice. Pixels that no mask contains are let go: the
    MaskFormer family gives them to the least unlikely mask. OneFormer's processor needs torchvision to enlarge masks, so that is done here.
    """
    post = loaded.processor.post_process_panoptic_segmentation
    fuses = "label_ids_to_fuse" in inspect.signature(post).parameters
    options: dict[str, Any] = {"label_ids_to_fuse": set(), "threshold": THRESHOLD} if fuses else {}
    if not fuses or not hasattr(outputs, "masks_queries_logits"):
        (found,) = post(outputs, target_sizes=[size], **options)
        return found["segmentation"].numpy().astype(np.int64), found["segments_info"]
    chances, labels = outputs.class_queries_logits[0].softmax(-1).max(-1)
    kept = ((labels < len(loaded.names)) & (chances > THRESHOLD)).nonzero()[:, 0]
    if not len(kept):
        return np.full(size, -1, np.int64), []
    classes, masks = outputs.class_queries_logits[:, kept], outputs.masks_queries_logits[:, kept]
    large = functional.interpolate(masks.sigmoid(), size, mode="bilinear", align_corners=False)
    if loaded.task is not None:
        masks = large.logit(1e-6)
    sizes = None if loaded.task is not None else [size]
    kept_only = type(outputs)(class_queries_logits=classes, masks_queries_logits=masks)
    (found,) = post(kept_only, target_sizes=sizes, **options)
    regions = found["segmentation"].numpy().astype(np.int64)
    regions[(large.amax((0, 1)) < INSIDE).numpy()] = -1
    return regions, found["segments_info"]


def _classes_of(
    loaded: Loaded, outputs: Any, size: tuple[int, int], padding: tuple[float, float]
) -> Int[Tensor, "H W"]:
    """The processor's own semantic post-processing, less what was padded to the right and below."""
    height, width = size
    padded = (max(height, round(height * padding[0])), max(width, round(width * padding[1])))
    (classes,) = loaded.processor.post_process_semantic_segmentation(outputs, target_sizes=[padded])
    return classes.cpu().long()[:height, :width]


def _padding(loaded: Loaded, picture: Any, pixels: Tensor, options: dict[str, Any]) -> tuple[float, float]:
    """How many times higher and wider than its content a padded input is."""
    if not getattr(loaded.processor, "do_pad", False) or pixels.shape[0] > 1:
        return 1.0, 1.0
    content = loaded.processor(picture, **options, do_pad=False)["pixel_values"]
    return pixels.shape[-2] / content.shape[-2], pixels.shape[-1] / content.shape[-1]


def _moved(value: Any, device: torch.device) -> Any:
    """Tensors, and lists of them, on a device."""
    if isinstance(value, list):
        return [_moved(one, device) for one in value]
    return value.to(device) if isinstance(value, Tensor) else value


def _enlarged(labels: Int[Tensor, "h w"], size: tuple[int, int]) -> Int[Tensor, "H W"]:
    """Region ids at the picture's size, with smooth borders: each pixel takes the region that is strongest there."""
    if tuple(labels.shape) == size:
        return labels
    best = torch.full(size, -1.0)
    result = torch.zeros(size, dtype=torch.int64)
    for id in labels.unique().tolist():
        here = functional.interpolate((labels == id).float()[None, None], size, mode="bilinear", align_corners=False)
        better = here[0, 0] > best
        result[better], best[better] = id, here[0, 0][better]
    return result


def _loaded(name: str, session: Session) -> Loaded:
    """The model on the session's device, with its processor."""
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation

    folder = find(name, "the segmenter")
    kind, panoptic = _kind(folder, name)
    auto = AutoModelForUniversalSegmentation if panoptic else AutoModelForSemanticSegmentation
    model = load.load(folder, auto.from_pretrained, dtype=torch.float32)
    oneformer = kind == "oneformer"
    # OneFormer's processor would fetch a list of class names from the hub; it is for training only
    processor = load.read(
        folder, AutoImageProcessor.from_pretrained, **({"class_info_file": None} if oneformer else {})
    )
    for step in ("post_process_semantic_segmentation", *(("post_process_panoptic_segmentation",) if panoptic else ())):
        if not hasattr(processor, step):
            raise MissingModelError(
                f"Expected an image processor with {step} in {folder}, got {type(processor).__name__}; use the one it was trained with."
            )
    labels = model.config.id2label
    names = tuple(tidy(str(labels[id])) or f"class {id}" for id in sorted(labels))
    return Loaded(session.place.placed(model), processor, _task(folder, model) if oneformer else None, names, panoptic)


def _kind(folder: Path, name: str) -> tuple[str, bool]:
    """(model type, whether it is panoptic) of a checkpoint, or an error if it was not made for segmentation."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES,
        MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES,
    )

    settings = load.settings(folder)
    made = str((settings.get("architectures") or ["no named class"])[0])
    panoptic = made in MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES.values()
    if not panoptic and made not in MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES.values():
        raise InputError(
            f"Expected a panoptic or semantic segmentation model as segmenter, got {made} in {name}; name another checkpoint."
        )
    return str(settings.get("model_type", "")), panoptic


def _task(folder: Path, model: Any) -> Tensor:
    """Token ids of "the task is panoptic", padded to the model's length with zeros."""
    from transformers import AutoTokenizer

    tokenizer = load.read(folder, AutoTokenizer.from_pretrained)
    words = tokenizer(
        ["the task is panoptic"], padding="max_length", max_length=model.config.task_seq_len, truncation=True, return_tensors="pt"
    )  # fmt: skip
    return words["input_ids"] * words["attention_mask"]
