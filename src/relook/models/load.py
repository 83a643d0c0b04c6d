"""Loading transformers checkpoints from their folders without pickles, in silence, with one sentence when it fails."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relook.errors import MissingModelError, PictureError, RelookError
from relook.files import reason
from relook.models.store import digest


def absolute(name: str, known: tuple[str, ...] = ()) -> str:
    """The name with the path of an existing file or folder made absolute, so that a record repeats from anywhere.

    known: names that are never paths; hub ids stay as they are.
    """
    place = Path(name).expanduser()
    return str(place.resolve()) if name not in known and place.exists() else name


def load(folder: Path, loader: Callable[..., Any], **options: Any) -> Any:
    """A frozen model in evaluation mode from the safetensors of a folder; `loader` is the from_pretrained of its class.

    Raises MissingModelError when the weights are missing, do not fit, or leave a parameter of the model as it was drawn.
    """
    if not any(folder.glob("*.safetensors")):
        raise MissingModelError(
            f"Expected weights as .safetensors in {folder}, got none; convert them at https://huggingface.co/spaces/safetensors/convert."
        )
    model, report = read(folder, loader, use_safetensors=True, output_loading_info=True, **options)
    absent = sorted(set(report["missing_keys"]) & {name for name, _ in model.named_parameters()})
    if absent:
        raise MissingModelError(
            f"Expected all weights of {type(model).__name__} in {folder}, got none for {len(absent)} tensors such as {absent[0]}; "
            f"give a checkpoint trained for this task."
        )
    return model.eval().requires_grad_(False)


def read(folder: Path, loader: Callable[..., Any], **options: Any) -> Any:
    """What a from_pretrained makes of a local folder, in silence; MissingModelError, one sentence, when it cannot."""
    try:
        with quiet():
            return loader(str(folder), local_files_only=True, **options)
    except MissingModelError:
        raise
    except (
        Exception
    ) as error:  # broken JSON, tensors of other shapes, classes that this version does not know, missing packages
        raise MissingModelError(
            f"Expected a loadable model in {folder}, got: {reason(error)}; fetch that part again."
        ) from error


def tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file by name. Raises MissingModelError for a broken one."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise MissingModelError(f"Expected weights in {file}, got a broken file; fetch it again.") from error


def revision(folder: Path) -> str:
    """sha256 over the hashes of the weights and settings (*.safetensors, *.json, *.txt) of a folder, in the order of their names."""
    state = hashlib.sha256()
    for file in sorted(file for pattern in ("*.safetensors", "*.json", "*.txt") for file in folder.glob(pattern)):
        state.update(f"{file.name} {digest(file)}\n".encode())
    return state.hexdigest()


def settings(folder: Path, file: str = "config.json", *, optional: bool = False) -> Mapping[str, Any]:
    """The JSON object in a file of a checkpoint; nothing where an optional one is missing. MissingModelError if it is broken."""
    if optional and not (folder / file).is_file():
        return {}
    try:
        return dict(json.loads((folder / file).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise MissingModelError(
            f"Expected a JSON object in {folder / file}, got something else; fetch the checkpoint again."
        ) from error


@contextmanager
def asked(name: str, size: tuple[int, int]) -> Iterator[None]:
    """PictureError, one sentence, when a model or its image processor cannot take a picture of `size` (H, W)."""
    try:
        with torch.inference_mode():
            yield
    except (ValueError, RuntimeError, IndexError, ZeroDivisionError) as error:
        if isinstance(error, RelookError):
            raise
        raise PictureError(
            f"Expected a picture that {name} can look at, got one of {size[1]} x {size[0]} pixels ({reason(error)}); "
            f"use another picture or model."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice from transformers and diffusers for a while."""
    import diffusers.utils.logging
    import transformers.utils.logging

    voices = (transformers.utils.logging, diffusers.utils.logging)
    levels = [voice.get_verbosity() for voice in voices]
    for voice in voices:
        voice.set_verbosity_error()
        voice.disable_progress_bar()
    try:
        yield
    finally:
        for voice, level in zip(voices, levels, strict=True):
            voice.set_verbosity(level)
