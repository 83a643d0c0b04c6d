"""Dense descriptions of a picture behind one interface: `Descriptor` = View -> unit vectors on a grid that spans the picture.

Two places look for the same part when the cosine of their vectors is large; `relook.correspond.dense` finds them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, normalize

from relook.models import perceiver
from relook.models.features import Dift, denoiser_features, fitted, load_backbone
from relook.models.store import is_checkpoint
from relook.perceive.backends import BackEnd, Table
from relook.perceive.embedded import network
from relook.session import Placement, Session
from relook.types import View

if TYPE_CHECKING:
    from relook.models.families import Family

Descriptor = Callable[[View], Float[Tensor, "D h w"]]
"""Unit vectors on any grid; its cells divide the picture evenly."""

DIFT = re.compile(r"(?:dift|denoiser)(?P<depth>\+depth)?(?::(?P<family>[^@]+))?(?:@(?P<step>\d+)(?:/(?P<block>\d+))?)?")
"""Names of denoisers' features: `denoiser`, `dift:sd15@261/1`, `dift+depth`."""
DENOISER = {"dollhouse": Dift(timestep=300, block=1, ensemble=4)}
"""The best setting of a family that was measured (`relook evaluate dollhouse-correspondence`); others take DIFT's own."""
SIDE = 256
"""Root of the area at which colours are read."""


def descriptor(name: str, session: Session, family: Family | None = None) -> Descriptor:
    """The descriptor called `name`.

    embedded: the network trained on the dollhouse's exact parts. denoiser, dift: features of a denoiser (DIFT): of `family`, or of the
    family named as in `dift:sd15`, with `@TIMESTEP` or `@TIMESTEP/BLOCK` behind it; `dift+depth` also reads the view's depth. colour,
    position: what needs no weights. Any other name: a folder (of a perception network, a family or a transformer) or a hub id such as
    `facebook/dinov2-small`, with `@SIDE` behind it for another working size.
    Raises InputError for a name that is none of these; missing weights raise MissingModelError when a picture is described.
    """
    if family is not None and (spec := DIFT.fullmatch(name)) and not spec["family"]:
        return partial(_dift, load=lambda: family, spec=spec)
    return DESCRIPTORS.find(name, session)


@torch.no_grad()
def embedded(view: View, session: Session, folder: Path | None = None) -> Float[Tensor, "D h w"]:
    """What the embedded perception network (or one like it) says of every place, at a quarter of about 256 x 256 pixels."""
    small = fitted(view.image.float().cpu(), perceiver.SIDE, 32)[None]
    return network(session, folder)(small.to(session.device)).descriptors[0].cpu()


def backbone(view: View, name: str, session: Session, side: int | None = None) -> Float[Tensor, "D h w"]:
    """The last layer of a vision transformer."""
    loaded = session.loaded(("backbone", name, side), lambda: load_backbone(name, side, session.place))
    return normalize(loaded.features(view.image.float().cpu()), dim=0)


def colour(view: View) -> Float[Tensor, "D h w"]:
    """Colour alone: the floor. A channel c becomes (cos, sin) of a quarter turn times c, so that near colours have a large cosine."""
    return _turned(adaptive_avg_pool2d(fitted(view.image.float().cpu(), SIDE, 4), _quarter(view)))


def position(view: View) -> Float[Tensor, "D h w"]:
    """The place in the picture alone, in the same way."""
    height, width = _quarter(view)
    y = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    x = ((torch.arange(width) + 0.5) / width)[None].expand(height, width)
    return _turned(torch.stack([x, y]))


def at_tokens(features: Float[Tensor, "D h w"], grid: tuple[int, int]) -> Float[Tensor, "D h2 w2"]:
    """Unit vectors at another grid over the same picture: means over coarser cells, between neighbours on finer ones."""
    if features.shape[-2:] == grid:
        return features
    if grid[0] <= features.shape[-2] and grid[1] <= features.shape[-1]:
        return normalize(adaptive_avg_pool2d(features, grid), dim=0)
    return normalize(interpolate(features[None], grid, mode="bilinear", align_corners=False, antialias=True)[0], dim=0)


def _dift(view: View, load: Callable[[], Family], spec: re.Match[str]) -> Float[Tensor, "D h w"]:
    """A denoiser's features where the name says."""
    family = load()
    best = DENOISER.get(family.name, Dift())
    asked = {"timestep": _int(spec["step"]), "block": _int(spec["block"])}
    setting = replace(best, **{name: value for name, value in asked.items() if value is not None})
    return normalize(denoiser_features(family, view.image, setting, depth=view.depth if spec["depth"] else None), dim=0)


def _is_model(name: str) -> bool:
    """Whether a name is a denoiser's features, a folder, or a hub id."""
    place, _, side = name.partition("@")
    if DIFT.fullmatch(name) is not None or (Path(place).expanduser() / "unet").is_dir():
        return True
    return (not side or side.isdigit()) and is_checkpoint(place, "descriptor")


def _model(name: str, session: Session) -> Descriptor:
    """What asks a denoiser, another perception network, or a vision transformer."""
    place, _, side = name.partition("@")
    folder = Path(place).expanduser()
    if (folder / "unet").is_dir():
        name = f"dift:{name}"
    if (spec := DIFT.fullmatch(name)) is not None:
        source = spec["family"] or "dollhouse"
        return partial(
            _dift,
            load=lambda: session.loaded(("family", source), lambda: _family(source, session.place)),
            spec=spec,
        )
    if (folder / "heads.safetensors").is_file():
        return partial(embedded, folder=folder, session=session)
    return partial(backbone, name=str(folder) if folder.is_dir() else place, session=session, side=_int(side))


def _turned(channels: Float[Tensor, "K h w"]) -> Float[Tensor, "D h w"]:
    """(cos, sin) of a quarter turn times each channel in [0, 1]; unit vectors."""
    angle = channels * (math.pi / 2)
    return torch.cat([angle.cos(), angle.sin()]) / math.sqrt(len(channels))


def _quarter(view: View) -> tuple[int, int]:
    """The grid of a picture of about SIDE x SIDE pixels, one cell for four by four."""
    scale = SIDE / math.sqrt(view.size[0] * view.size[1]) / 4
    return max(1, round(view.size[0] * scale)), max(1, round(view.size[1] * scale))


def _family(source: str, place: Placement) -> Family:
    """A family, loaded when it is first asked: what loads it takes seconds to import."""
    from relook.models.families import load_family

    return load_family(source, place)


def _int(digits: str | None) -> int | None:
    return int(digits) if digits else None


DESCRIPTORS: Table[Descriptor] = Table(
    "descriptor",
    "a descriptor",
    (
        BackEnd(
            "embedded", lambda session: partial(embedded, session=session), "trained on the dollhouse's exact parts",
            shipped=perceiver.SHIPPED, device="session",
        ),
        BackEnd("denoiser", partial(_model, "denoiser"), "a denoiser's own features (DIFT)", device="session"),
        BackEnd("colour", lambda session: colour, "colour alone"),
        BackEnd("position", lambda session: position, "the place in the picture alone"),
    ),
    is_model=_is_model,
    load_model=_model,
    besides=", dift:FAMILY@TIMESTEP/BLOCK, a folder or a hub id owner/name",
)  # fmt: skip
