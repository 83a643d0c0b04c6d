"""Small networks of one file that Relook trains and ships: written in half precision, read back frozen."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from safetensors.torch import save_file
from torch import nn

from relook.errors import MissingModelError
from relook.models.load import tensors

FILE = "model.safetensors"
Network = TypeVar("Network", bound=nn.Module)


def save_half(network: nn.Module, folder: Path) -> None:
    """Write a network in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    save_file(state, folder / FILE)


def filled(network: Network, folder: Path, subject: str) -> Network:
    """The network with the weights of a folder, frozen; subject: what `relook train` calls it.

    Raises MissingModelError where they are not there, broken, or another network's.
    """
    file, advice = folder / FILE, f"install Relook with its weights, or train it: relook train {subject}"
    if not file.is_file():
        raise MissingModelError(f"Expected the network {subject} in {folder}, got none; {advice}.")
    found = {name: value.float() for name, value in tensors(file).items()}
    own = network.state_dict()
    if {name: value.shape for name, value in found.items()} != {name: value.shape for name, value in own.items()}:
        raise MissingModelError(f"Expected the tensors of {subject} in {file}, got others; {advice}.")
    network.load_state_dict(found)
    return network.eval().requires_grad_(False)
