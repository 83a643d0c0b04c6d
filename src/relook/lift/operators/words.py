"""Open-vocabulary segmentation as an operator: a class for each of the user's own words, and one for all else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from relook.errors import InputError
from relook.lift.operators.operator import Operator
from relook.lift.operators.regions import NOTHING
from relook.lift.operators.seeing import enlarged
from relook.perceive.backends import parts
from relook.perceive.segment.open_vocabulary import CLIPSEG, LABELLERS, LIKELY, clipseg_scores, labeller
from relook.perceive.segment.vocabulary import tidy
from relook.session import Session
from relook.types import View

FAINT = 1e-3
"""Least and, from 1, greatest score whose logit is taken."""


class Words(Operator):
    """What a labeller finds: CLIPSeg's scores before its threshold, or, of a detector with SAM, the score of each object in its mask."""

    kind, stride = "labels", 4

    def __init__(self, session: Session, words: Sequence[str], name: str = "auto") -> None:
        self.words = tuple(dict.fromkeys(word for one in words if (word := tidy(one))))
        if not self.words:
            raise InputError("Expected --words with what to look for, got none; name things, e.g. --words sofa,lamp.")
        self.session, self.names = session, (*NOTHING, *self.words)
        self.name = LABELLERS.chosen(name)
        self.find = labeller(self.name, session)

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Logits of the scores of every word."""
        height, width = image.shape[1:]
        if self.name == "grounding-dino" or len(parts(self.name)) > 1:
            scores = torch.zeros(len(self.words), height, width)
            for one in self.find(View(image), self.words):
                place = scores[self.words.index(one.name)]
                place[one.mask] = place[one.mask].clamp_min(one.score)
        else:
            name = CLIPSEG if self.name == "clipseg" else self.name
            scores = clipseg_scores(View(image), self.words, session=self.session, name=name)
        cells = (-(-height // self.stride), -(-width // self.stride))
        return interpolate(scores[None], cells, mode="bilinear", antialias=True)[0].logit(FAINT)

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """Probabilities of all else and of the words: a word is likelier than all else from a score of LIKELY on."""
        nothing = float(torch.tensor(LIKELY).logit())
        return pad(enlarged(features, size), (0, 0, 0, 0, 1, 0), value=nothing).softmax(0)
