"""Operators by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from relook.errors import InputError
from relook.files import reason, sha256
from relook.io import read_image
from relook.lift.operators.looks import Colourise, MicroAST, Palette, Sharpen
from relook.lift.operators.operator import Operator
from relook.lift.operators.seeing import Backbone, Descriptors, Edges, Embedded, Layer, MetricDepth, Segments
from relook.lift.operators.words import Words
from relook.models.store import is_checkpoint
from relook.perceive.segment.open_vocabulary import LABELLERS, is_labeller
from relook.session import Session

OPERATORS: Mapping[str, Callable[[Session], Operator]] = {
    "segments": Segments, "embedded": Embedded, "depth": MetricDepth, "edges": lambda session: Edges(), "descriptors": Descriptors,
    "sharpen": lambda session: Sharpen(), "colourise": lambda session: Colourise(),
}  # fmt: skip
"""Those that need no more than a picture."""
LOOKS: Mapping[str, Callable[[Session, Float[Tensor, "3 H W"]], Operator]] = {"microast": MicroAST, "palette": Palette}
"""Those that take a style picture."""
WORDS = "words"
"""The one that takes words."""


def load_operator(
    name: str, session: Session, style: Path | None = None, words: Sequence[str] = ()
) -> tuple[Operator, str]:
    """An operator by its name, and what tells it from others.

    words: what an open-vocabulary segmenter looks for: `words`, the best one here, or one by its id. Raises InputError for what is none, for a
    look without a style picture, and for words without a segmenter that reads them.
    """
    if name == WORDS or (words and (name in LABELLERS.names or is_labeller(name))):
        return Words(session, words, "auto" if name == WORDS else name), f"{name} {', '.join(words)}"
    if words:
        raise InputError(
            f"Expected --operator words (or a labeller's id) for --words, got {name}; leave one of them out."
        )
    if name in LOOKS:
        if style is None:
            raise InputError(f"Expected a style picture for {name}, got none; name one with --style.")
        return LOOKS[name](session, read_image(style)), f"{name} {sha256(style)}"
    if name in OPERATORS:
        return OPERATORS[name](session), name
    if name.startswith("vgg:"):
        return Layer(session, name.removeprefix("vgg:")), name
    if ".py:" in name:
        return _own(name)
    if is_checkpoint(name):
        return Backbone(session, name), name
    raise InputError(
        f"Expected an operator among {', '.join((*OPERATORS, *LOOKS, WORDS))}, vgg:LAYER, a folder or hub id, or FILE.py:CLASS, got {name!r}; "
        f"choose one of them."
    )


def _own(name: str) -> tuple[Operator, str]:
    """A user's own class; the file is run."""
    place, _, kind = name.rpartition(":")
    file = Path(place).expanduser()
    if not file.is_file():
        raise InputError(f"Expected a Python file with an operator at {file}, got none; check the path.")
    found = importlib.util.spec_from_file_location(f"relook_operator_{file.stem}", file)
    if found is None or found.loader is None:
        raise InputError(f"Expected a Python file with an operator at {file}, got another one; name a .py.")
    module = importlib.util.module_from_spec(found)
    try:
        found.loader.exec_module(module)
        operator = getattr(module, kind)()
    except Exception as error:
        raise InputError(
            f"Expected a class {kind} in {file} that can be made, got: {reason(error)}; mend it."
        ) from error
    if not isinstance(operator, Operator):
        raise InputError(
            f"Expected {kind} of {file} to be a relook.lift.operators.Operator, got another class; derive it from that."
        )
    operator.check()
    return operator, f"{kind} {sha256(file)}"
