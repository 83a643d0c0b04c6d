"""Dense descriptions of a picture behind one interface: `Descriptor` = View -> unit vectors on a grid that spans the picture.

Two places look for the same part when the cosine of their vectors is large; `relook.correspond.dense` finds them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, normalize

from relook.errors import InputError
from relook.models.families import Family, load_family
from relook.models.features import Dift, denoiser_features, fitted, load_backbone
from relook.types import View

Descriptor = Callable[[View], Float[Tensor, "D h w"]]
"""Unit vectors on any grid; its cells divide the picture evenly."""

NAMES = ("embedded", "denoiser", "dift:FAMILY@TIMESTEP/BLOCK", "colour", "position")
"""Descriptors by name; any other name is a folder or the hub id of a vision transformer."""
DENOISER = {"dollhouse": Dift(timestep=300, block=1, ensemble=4)}
"""The best setting of a family that was measured (`relook evaluate dollhouse-correspondence`); others take DIFT's own."""
SIDE = 256
"""Root of the area at which colours are read."""


def descriptor(name: str = "embedded", family: Family | None = None) -> Descriptor:
    """The descriptor called `name`.

    embedded: the network trained on the dollhouse's exact parts. denoiser, dift: features of a denoiser (DIFT): of `family`, or of the
    family named as in `dift:sd15`, with `@TIMESTEP` or `@TIMESTEP/BLOCK` behind it; `dift+depth` also tells it the view's depth. colour, position: what needs no weights.
    Any other name: a folder (of a perception network, a family or a transformer) or a hub id such as `facebook/dinov2-small`,
    with `@SIDE` behind it for another working size.
    Raises InputError for a name that is none of these; missing weights raise MissingModelError when a picture is described.
    """
    known: dict[str, Descriptor] = {"embedded": embedded, "colour": colour, "position": position}
    if name in known:
        return known[name]
    if spec := re.fullmatch(
        r"(?:dift|denoiser)(?P<depth>\+depth)?(?::(?P<family>[^@]+))?(?:@(?P<step>\d+)(?:/(?P<block>\d+))?)?", name
    ):
        source, step, block = spec["family"] or family, _int(spec["step"]), _int(spec["block"])
        return partial(_dift, family=source, timestep=step, block=block, depth=spec["depth"] is not None)
    place, _, side = name.partition("@")
    folder = Path(place).expanduser()
    if (folder / "heads.safetensors").is_file():
        return partial(embedded, folder=folder)
    if (folder / "unet").is_dir():
        return descriptor(f"dift:{name}")
    if (side and not side.isdigit()) or not (folder.is_dir() or re.fullmatch(r"[\w.-]+/[\w.-]+", place)):
        raise InputError(
            f"Expected a descriptor out of {', '.join(NAMES)}, a folder or a hub id owner/name, got {name!r}; choose one."
        )
    return partial(backbone, name=str(folder) if folder.is_dir() else place, side=_int(side))


@torch.no_grad()
def embedded(view: View, folder: Path | None = None) -> Float[Tensor, "D h w"]:
    """What the embedded perception network says of every place, at a quarter of about 256 x 256 pixels."""
    from relook.models import perceiver

    network = perceiver.load_perceiver(folder or perceiver.FOLDER)
    return network(fitted(view.image.float().cpu(), perceiver.SIDE, 32)[None]).descriptors[0]


def backbone(view: View, name: str, side: int | None = None) -> Float[Tensor, "D h w"]:
    """The last layer of a vision transformer."""
    return normalize(load_backbone(name, side).features(view.image.float().cpu()), dim=0)


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


def _dift(
    view: View, family: str | Family | None, timestep: int | None, block: int | None, depth: bool
) -> Float[Tensor, "D h w"]:
    loaded = family if isinstance(family, Family) else _family(family or "dollhouse")
    best = DENOISER.get(loaded.name, Dift())
    setting = Dift(
        best.timestep if timestep is None else timestep,
        best.block if block is None else block,
        best.ensemble,
        best.side,
    )
    return normalize(denoiser_features(loaded, view.image, setting, depth=view.depth if depth else None), dim=0)


@lru_cache(maxsize=1)
def _family(name: str) -> Family:
    return load_family(name)


def _turned(channels: Float[Tensor, "K h w"]) -> Float[Tensor, "D h w"]:
    """(cos, sin) of a quarter turn times each channel in [0, 1]; unit vectors."""
    angle = channels * (math.pi / 2)
    return torch.cat([angle.cos(), angle.sin()]) / math.sqrt(len(channels))


def _quarter(view: View) -> tuple[int, int]:
    """The grid of a picture of about SIDE x SIDE pixels, one cell for four by four."""
    scale = SIDE / math.sqrt(view.size[0] * view.size[1]) / 4
    return max(1, round(view.size[0] * scale)), max(1, round(view.size[1] * scale))


def _int(digits: str | None) -> int | None:
    return int(digits) if digits else None
