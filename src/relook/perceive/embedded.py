"""What the embedded perception network says of a picture, asked once for segments, depth and descriptors."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from relook.models import perceiver
from relook.models.perceiver import SIDE, Perceived, Perceiver
from relook.ops.resize import resized, scaled
from relook.session import Session, content_key

REMEMBERED = 24
"""Pictures whose answers a session keeps, of 2 MB each: those of a short walk, whose frames are asked about again and again."""


def network(session: Session, folder: Path | None = None) -> Perceiver:
    """The shipped network (or another of its kind) on the session's device. Raises MissingModelError where it is not installed."""
    place = folder or perceiver.FOLDER
    return session.loaded(("perceiver", place), lambda: session.place.placed(perceiver.load_perceiver(place)))


def perceived(image: Float[Tensor, "3 H W"], session: Session) -> Perceived:
    """The network's answers for one picture (B = 1) on the CPU, at about SIDE x SIDE pixels; the last REMEMBERED pictures are remembered."""
    small = at_working_size(image)
    return session.remembered("perceiver", content_key(small), lambda: _alone(small, session), REMEMBERED)


def _alone(image: Float[Tensor, "3 h w"], session: Session) -> Perceived:
    """The answers for one picture at a time: the network listens to its own layers, and would hear those of another thread's picture."""
    with session.lock:
        return answers(network(session), image)


def at_working_size(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 h w"]:
    """The whole picture in its aspect, with sides in multiples of 32 whose product is about SIDE^2."""
    size = scaled(image.shape[1:], SIDE / (image.shape[1] * image.shape[2]) ** 0.5, 32)
    return resized(image.detach().cpu().float(), size).contiguous()


@torch.inference_mode()
def answers(network: Perceiver, image: Float[Tensor, "3 h w"]) -> Perceived:
    """What the network says of a picture and its mirror image, in one batch: the mean of both; descriptors of the picture alone."""
    pair = torch.stack([image, image.flip(-1)]).to(next(network.parameters()).device)
    both = network(pair)
    chances, turn = both.scores.softmax(1), pair.new_tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    return Perceived(
        scores=((chances[:1] + chances[1:].flip(-1)) / 2).log().cpu(),
        log_depth=(both.log_depth[:1] + both.log_depth[1:].flip(-1)).cpu() / 2,
        centres=(both.centres[:1] + both.centres[1:].flip(-1) * turn).cpu() / 2,
        descriptors=both.descriptors[:1].cpu(),
        fused=None if both.fused is None else both.fused[:1].cpu(),
    )
