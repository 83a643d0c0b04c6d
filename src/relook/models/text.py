"""Prompts as a denoiser reads them: one CLIP text encoder (Stable Diffusion 1 and 2) or two (SDXL)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Text:
    """Embeddings of B prompts."""

    states: Float[Tensor, "B T D"]
    """What cross-attention reads."""
    pooled: Float[Tensor, "B P"] | None = None
    """The whole prompt in one vector, for SDXL."""

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, part: slice) -> Text:
        """Some of the prompts."""
        return Text(self.states[part], None if self.pooled is None else self.pooled[part])

    def blank(self) -> Text:
        """Zeros in place of every prompt."""
        return Text(torch.zeros_like(self.states), None if self.pooled is None else torch.zeros_like(self.pooled))

    def expand(self, count: int) -> Text:
        """One prompt for `count` rows."""
        pooled = None if self.pooled is None else self.pooled.expand(count, -1)
        return Text(self.states.expand(count, -1, -1), pooled)


def joined(texts: Sequence[Text]) -> Text:
    """Several prompts in one batch."""
    pooled = [text.pooled for text in texts if text.pooled is not None]
    return Text(torch.cat([text.states for text in texts]), torch.cat(pooled) if pooled else None)


@dataclass(frozen=True)
class TextReader:
    """Tokenizers and encoders, one pair or two."""

    tokenizers: tuple[PreTrainedTokenizerBase, ...]
    encoders: tuple[CLIPTextModel | CLIPTextModelWithProjection, ...]
    blank: bool = False
    """Whether the empty prompt is all zeros, as SDXL was trained."""

    def __call__(self, prompts: Sequence[str], device: str | torch.device) -> Text:
        """Each prompt padded or cut to the tokenizer's length.

        One encoder: its last, normalised states. Two (SDXL, Podell et al. 2023, section 2.2): the states before the last layer of
        both, side by side, and the second one's projected summary.
        """
        found = [
            encoder(self.tokens(prompts, number).to(device), output_hidden_states=len(self.encoders) > 1)
            for number, encoder in enumerate(self.encoders)
        ]
        if len(found) == 1:
            return Text(found[0].last_hidden_state)
        states = torch.cat([part.hidden_states[-2] for part in found], -1)
        kept = torch.tensor([bool(prompt.strip()) or not self.blank for prompt in prompts]).to(states)
        return Text(states * kept[:, None, None], found[1].text_embeds * kept[:, None])

    def tokens(self, prompts: Sequence[str], number: int = 0) -> Int[Tensor, "B T"]:
        """Ids of the words for one of the encoders."""
        tokenizer = self.tokenizers[number]
        length = min(tokenizer.model_max_length, self.encoders[number].config.max_position_embeddings)
        return tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
