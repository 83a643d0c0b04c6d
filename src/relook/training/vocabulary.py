"""The embedded text encoder's vocabulary, and prompts that describe a dollhouse room."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from relook.dollhouse import CLASSES, Style
from relook.dollhouse.patterns import PATTERNS
from relook.dollhouse.style import themes

LENGTH = 16
"""Tokens of a prompt, padding included."""

COLOURS = {
    "red": 0.0, "orange": 0.08, "yellow": 0.15, "green": 0.33, "teal": 0.5, "blue": 0.6, "purple": 0.75, "pink": 0.9,
}  # fmt: skip
"""Hue (turns) of each colour word."""

ROOM_WORDS = {"living": "living room", "bedroom": "bedroom", "kitchen": "kitchen"}


def words() -> list[str]:
    """Every word that the embedded text encoder knows."""
    plain = (
        "a an photo picture of the in with and , room home interior style striped checked wooden tiled plain patterned"
    )
    grey = ["white", "grey", "black", "brown"]
    named = [w for theme in (*themes(), "wild") for w in theme.split()]
    rooms = [w for phrase in ROOM_WORDS.values() for w in phrase.split()]
    every = [*plain.split(), *grey, *COLOURS, *named, *rooms, *CLASSES, *PATTERNS]
    return list(dict.fromkeys(every))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Whole lower-case words; anything else is [UNK]."""
    special = ["[PAD]", "[UNK]", "[BOS]", "[EOS]"]
    table = {word: index for index, word in enumerate([*special, *words()])}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", table["[BOS]"]), ("[EOS]", table["[EOS]"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", bos_token="[BOS]", eos_token="[EOS]",
        model_max_length=LENGTH,
    )  # fmt: skip


def describe(room: str, style: Style, names: Sequence[str], rng: np.random.Generator) -> str:
    """A prompt: the theme and the room, then the colours of up to two things in it."""
    prompt = f"a photo of a {style.theme} {ROOM_WORDS[room]}"
    chosen = rng.permutation(list(names))[: int(rng.integers(0, 3))]
    for link, name in zip((" with", " and"), chosen, strict=False):
        material = style.materials[str(name)]
        prompt += f"{link} {colour_word(material.first)} {name}"
    return prompt


def colour_word(colour: tuple[float, float, float]) -> str:
    """The nearest word for a colour."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    if s < 0.12:
        return "white" if v > 0.8 else "black" if v < 0.25 else "grey"
    if h < 0.12 and v < 0.65:
        return "brown"
    return min(COLOURS, key=lambda word: min(abs(h - COLOURS[word]), 1 - abs(h - COLOURS[word])))
