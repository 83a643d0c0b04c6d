"""What was learned and plays a part in a suite: the family of a session, and the hashes of weights for run.json and for cache keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.errors import MissingModelError
from relook.models.catalogue import entry
from relook.models.families import Family, padded
from relook.models.store import digest, is_here
from relook.perceive.backends import Table
from relook.session import Session
from relook.transfer.resolve import family_of

NO_LPIPS = "LPIPS is empty: its weights (lpips_alex) are not on this machine; set RELOOK_MODELS to their folder."
"""What a suite says of a column without numbers."""


def family(name: str, session: Session) -> Family:
    """The family called `name`, loaded once in a session. Raises MissingModelError where it is not on this machine."""
    return family_of(PhotoConfig(family=name), session)


@torch.no_grad()
def through_autoencoder(image: Float[Tensor, "3 H W"], found: Family) -> Float[Tensor, "3 H W"]:
    """A picture encoded and decoded by a family: the most that a latent method can reach."""
    picture, (height, width) = padded(image, found.multiple)
    return found.decode(found.encode(picture[None].to(found.device)))[0, :, :height, :width].float().cpu()


def family_weights(name: str, session: Session) -> dict[str, str]:
    """SHA-256 of every file of a family's weights, by the family's name, the part and the file; none where it is not on this machine."""
    try:
        found = family(name, session)
    except MissingModelError:
        return {}
    return {f"{found.name}/{file.parent.name}/{file.name}": digest(file) for file in found.weights}


def revision(table: Table[Any], name: str) -> str:
    """Revision of what is learned in a back end of perception; empty if nothing is, or it is not on this machine."""
    try:
        return ", ".join(table.revisions(name).values())
    except MissingModelError:
        return ""


def checkpoint_weights(names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the registered single files that are on this machine, by name; others are left out."""
    return {one.name: one.sha256 for one in map(entry, names) if is_here(one.name)}
