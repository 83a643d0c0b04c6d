"""Regions for labels in the user's own words (`--label ottoman`): CLIPSeg, or Grounding DINO with SAM.

A `Labeller` finds a label in a picture; what it finds is painted over the regions of the ordinary segmenter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import InputError, SegmentsError
from relook.io import as_picture
from relook.models import load
from relook.models.store import find, is_checkpoint
from relook.ops.guided import guided_filter
from relook.perceive.backends import BackEnd, Table, parts
from relook.perceive.segment import exact
from relook.perceive.segment.regions import SMALLEST, connected_parts
from relook.perceive.segment.vocabulary import tidy
from relook.session import Session
from relook.types import UNLABELLED, Region, Segments, View


@dataclass(frozen=True)
class Found:
    """One object that has a label."""

    name: str
    """The label, tidied."""
    mask: Bool[Tensor, "H W"]
    """Its pixels, at least one."""
    score: float
    """How sure the model is, from 0 to 1."""


Labeller = Callable[[View, Sequence[str]], list[Found]]

CLIPSEG, DINO, SAM = "CIDAS/clipseg-rd64-refined", "IDEA-Research/grounding-dino-tiny", "facebook/sam-vit-base"
"""The checkpoints behind the names `clipseg` and `grounding-dino`."""
PARTS = {
    "clipseg": ("CLIPSegForImageSegmentation", ("clipseg",), "CLIPSeg (or Grounding DINO + SAM)"),
    "dino": ("AutoModelForZeroShotObjectDetection", ("grounding-dino", "mm-grounding-dino"), "Grounding DINO before the +"),
    "sam": ("SamModel", ("sam",), "SAM after the +"),
}  # fmt: skip
"""What a labeller is made of: class of transformers, its types of model, and what it is, for messages."""
LIKELY = 0.4
"""CLIPSeg's score from which a pixel has a label."""
BOX = 0.3
"""Grounding DINO's score from which a box is believed."""
SAME = 0.7
"""Of two masks of one label with this much in common (intersection over union), the surer one stays."""


def labeller(name: str, session: Session) -> Labeller:
    """The labeller called `name`: one of LABELLERS, a CLIPSeg model, or a Grounding DINO model, `+`, and a SAM model.

    auto: the first whose weights are on this machine, else CLIPSeg, fetched. Raises InputError for what is no name, folder or hub id.
    Weights are looked for when the labeller is first used.
    """
    return LABELLERS.find(name, session)


def absolute_labeller(name: str) -> str:
    """The labeller's name with the paths of existing folders made absolute."""
    return name if name in LABELLERS.names else "+".join(load.absolute(part) for part in parts(name))


def label_views(
    views: Sequence[View], labels: Sequence[str], name: str, session: Session, elsewhere: Sequence[str] = ()
) -> list[View]:
    """The views, which have segments, with every label painted over them where it is found.

    A label that is in some of the views, or among the names of what was found elsewhere, is enough; SegmentsError for any other.
    """
    wanted = _words(labels)
    if not wanted:
        return list(views)
    found = [_asked(view, wanted, name, session) for view in views]
    there = {*elsewhere, *(one.name for several in found for one in several)}
    if lost := [label for label in wanted if label not in there]:
        raise SegmentsError(
            f"Expected {', '.join(lost)} in one of the pictures, got none in any; use another word, or paint the label map yourself."
        )
    return [replace(view, segments=painted(exact(view), here)) for view, here in zip(views, found, strict=True)]


def labelled(view: View, labels: Sequence[str], name: str, session: Session) -> Segments:
    """The segments of one view with the labels painted over them that are found in it."""
    return painted(exact(view), _asked(view, _words(labels), name, session))


def _words(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels, tidied, each once."""
    return tuple(dict.fromkeys(word for label in labels if (word := tidy(label.replace(".", " ")))))


def _asked(view: View, labels: Sequence[str], name: str, session: Session) -> list[Found]:
    """What the labeller finds in a view."""
    return labeller(name, session)(view, labels)


def painted(segments: Segments, found: Sequence[Found]) -> Segments:
    """Segments with found objects painted over them as new regions, the smaller ones over the larger ones.

    A region that is covered wholly disappears; regions that stay keep their ids; instances are counted on from those of the same name.
    """
    labels, regions = segments.labels.clone(), dict(segments.regions)
    for one in sorted(found, key=lambda one: -int(one.mask.sum())):
        id = max([UNLABELLED, *regions]) + 1
        labels[one.mask.to(labels.device)] = id
        alike = [region.instance for region in regions.values() if region.name == one.name]
        regions[id] = Region(one.name, 1 + max(alike, default=-1))
    left = set(labels.unique().tolist())
    return Segments(labels, {id: region for id, region in regions.items() if id in left})


def clipseg(view: View, labels: Sequence[str], *, session: Session, name: str = CLIPSEG) -> list[Found]:
    """Where CLIPSeg (Lüddecke and Ecker 2022) sees each label: the connected parts of what scores LIKELY, the likeliest label per pixel.

    Scores have 352 x 352 places and are sharpened along the picture's edges. Parts below SMALLEST of the picture are left out unless
    their label has no larger one.
    """
    coarse = clipseg_scores(view, labels, session=session, name=name)
    scores = guided_filter(view.image.detach().float().cpu(), coarse, radius=0.01, epsilon=1e-3).clamp(0, 1)
    best = scores.max(0)
    found = []
    for index, label in enumerate(labels):
        mask = ((best.indices == index) & (best.values >= LIKELY)).numpy()
        parts = sorted(connected_parts(mask), key=lambda part: -part[2])
        for place, part, area in parts:
            if area >= SMALLEST * mask.size or area == parts[0][2]:
                whole = np.zeros(mask.shape, bool)
                whole[place] = part
                found.append(Found(label, torch.from_numpy(whole), float(scores[index][whole].mean())))
    return found


def clipseg_scores(
    view: View, labels: Sequence[str], *, session: Session, name: str = CLIPSEG
) -> Float[Tensor, "K h w"]:
    """How sure CLIPSeg is of each label at its own 352 x 352 places, whatever the picture's aspect, from 0 to 1."""
    model, processor, tokenizer = _network("clipseg", name, session)
    words = tokenizer([f"a photo of a {label}" for label in labels], padding=True, truncation=True, return_tensors="pt")
    with load.asked(name, view.size):
        pixels = processor(as_picture(view.image), return_tensors="pt")["pixel_values"]
        words["pixel_values"] = pixels.expand(len(labels), -1, -1, -1)
        wanted = ("pixel_values", "input_ids", "attention_mask")
        logits = model(**{key: words[key].to(session.device) for key in wanted}).logits.cpu()
    return logits.view(len(labels), *logits.shape[-2:]).sigmoid()


def grounded(
    view: View, labels: Sequence[str], *, session: Session, detector: str = DINO, cutter: str = SAM
) -> list[Found]:
    """Objects that Grounding DINO (Liu et al. 2023) finds for each label, cut out by SAM (Kirillov et al. 2023).

    A query belongs to the label with the likeliest word of its phrase; each box is one instance, its mask the one SAM is surest of.
    """
    boxes = _boxes(view.image, labels, detector, session)
    if not boxes:
        return []
    height, width = view.size
    corners = [[x * width, y * height, u * width, v * height] for _, _, (x, y, u, v) in boxes]
    masks = _cut(view, cutter, session, input_boxes=[corners])
    found: list[Found] = []
    for index, (label, score, _) in sorted(enumerate(boxes), key=lambda entry: -entry[1][1]):
        mask = masks[index]
        rivals = [other.mask for other in found if other.name == label]
        if bool(mask.any()) and not any(_overlap(mask, rival) > SAME for rival in rivals):
            found.append(Found(label, mask, score))
    return found


def pointed(view: View, point: tuple[float, float], *, session: Session, cutter: str = SAM) -> Bool[Tensor, "H W"]:
    """What SAM sees at a point (x, y) in parts of the picture's width and height: the mask it is surest of."""
    height, width = view.size
    return _cut(view, cutter, session, input_points=[[[point[0] * width, point[1] * height]]])[0]


def _cut(view: View, cutter: str, session: Session, **prompts: Any) -> Bool[Tensor, "N H W"]:
    """The mask that SAM is surest of, for each prompt."""
    from transformers import SamProcessor

    model, images, _ = _network("sam", cutter, session)
    processor = SamProcessor(images)
    with load.asked(cutter, view.size):
        inputs = processor(as_picture(view.image), **prompts, return_tensors="pt")
        sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
        outputs = model(**inputs.to(session.device), multimask_output=True)
        (masks,) = processor.image_processor.post_process_masks(outputs.pred_masks.cpu(), *sizes)
    best = outputs.iou_scores[0].argmax(-1).cpu()
    return masks[torch.arange(len(best)), best].bool()


def _boxes(
    image: Float[Tensor, "3 H W"], labels: Sequence[str], detector: str, session: Session
) -> list[tuple[str, float, tuple[float, float, float, float]]]:
    """(label, score, (left, top, right, bottom) in parts of the picture's sides) of every box that is believed."""
    model, processor, tokenizer = _network("dino", detector, session)
    words = tokenizer(". ".join(labels) + ".", truncation=True, return_tensors="pt")
    with load.asked(detector, (image.shape[-2], image.shape[-1])):
        inputs = dict(processor(as_picture(image), return_tensors="pt")) | dict(words)
        outputs = model(**{key: value.to(session.device) for key, value in inputs.items()})
    phrase = _phrases(words["input_ids"][0].tolist(), tokenizer, len(labels))
    scores = outputs.logits[0, :, : len(phrase)].sigmoid().cpu()
    each = torch.stack([(scores * (phrase == index)).amax(1) for index in range(len(labels))], 1)
    best = each.max(1)
    found = []
    for score, index, (x, y, w, h) in zip(
        best.values.tolist(), best.indices.tolist(), outputs.pred_boxes[0].tolist(), strict=True
    ):
        if score >= BOX:
            box = (max(0.0, x - w / 2), max(0.0, y - h / 2), min(1.0, x + w / 2), min(1.0, y + h / 2))
            found.append((labels[index], score, box))
    return found


def _phrases(ids: list[int], tokenizer: Any, count: int) -> Tensor:
    """For every token the label that it is a word of; -1 for full stops, beginning and end."""
    stop, special = tokenizer.convert_tokens_to_ids("."), set(tokenizer.all_special_ids)
    result, label = [], 0
    for id in ids:
        inside = id != stop and id not in special - {tokenizer.unk_token_id}
        result.append(label if inside and label < count else -1)
        label += id == stop
    return torch.tensor(result)


def _overlap(first: Bool[Tensor, "H W"], second: Bool[Tensor, "H W"]) -> float:
    """Intersection over union."""
    return float((first & second).sum() / (first | second).sum().clamp_min(1))


def is_labeller(name: str) -> bool:
    """Whether a name is one or two models that can be tried."""
    several = parts(name)
    return len(several) <= 2 and all(is_checkpoint(part, "labeller") for part in several)


def _models(name: str, session: Session) -> Labeller:
    """A CLIPSeg model, or Grounding DINO and SAM."""
    first, *more = parts(name)
    if more:
        return partial(grounded, session=session, detector=first, cutter=more[0])
    return partial(clipseg, session=session, name=first)


def _network(part: str, name: str, session: Session) -> tuple[Any, Any, Any]:
    """(model in full precision on the session's device, image processor, tokenizer) of a checkpoint for one of PARTS.

    SAM has no tokenizer. Raises InputError for a checkpoint of another kind.
    """
    import transformers

    model, kinds, what = PARTS[part]

    def read() -> tuple[Any, Any, Any]:
        folder = find(name, "the labeller")
        got = str(load.settings(folder).get("model_type", "none"))
        if got not in kinds:
            raise InputError(
                f"Expected {what} as labeller, got a model of type {got} in {name}; name another checkpoint."
            )
        network = load.load(folder, getattr(transformers, model).from_pretrained, dtype=torch.float32)
        processor = load.read(folder, transformers.AutoImageProcessor.from_pretrained)
        tokenizer = None if part == "sam" else load.read(folder, transformers.AutoTokenizer.from_pretrained)
        return session.place.placed(network), processor, tokenizer

    return session.loaded(("labeller", name), read)


LABELLERS: Table[Labeller] = Table(
    "labeller",
    "a labeller",
    (
        BackEnd("auto", lambda session: labeller(LABELLERS.chosen("auto"), session), "the best one here", device="session"),
        BackEnd(
            "grounding-dino", lambda session: partial(grounded, session=session), "Grounding DINO and SAM",
            weights=(DINO, SAM), device="session",
        ),
        BackEnd(
            "clipseg", lambda session: partial(clipseg, session=session), "CLIPSeg", weights=(CLIPSEG,), device="session"
        ),
    ),
    order=("grounding-dino", "clipseg"),
    is_model=is_labeller,
    load_model=_models,
    besides=", a CLIPSeg model, or a Grounding DINO model + a SAM model (folders or hub ids owner/name)",
)  # fmt: skip
