"""Three ways to a new view, one behaviour: hold maps of the sources, then say what a camera shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.errors import DepthError, InputError
from relook.gaussians import Gaussians
from relook.lift.lifted.sources import Posed
from relook.lift.scene import lifted as uplifted
from relook.lift.scene import surfels
from relook.models.lifter import FOLDER, Lifter, Sampling, Sources, load_lifter
from relook.ops.geometry import pixel_centres, unproject
from relook.ops.lifting import Blending, Cameras, Rays, Standard, cast, known, lifted
from relook.ops.splats import blend
from relook.types import Camera

CHUNK = 2048
"""Rays at a time."""
TILE = 16
"""Side in pixels of the tiles that the network looks at: what it computes of one stays in a processor's cache."""
SHARED = 2
"""Side in pixels of the squares in them whose rays share one coarse look."""
Maps = Float[Tensor, "V C h w"]
_Part = tuple[slice | Int[Tensor, " R"], Float[Tensor, "R C"], Bool[Tensor, " R"]]
"""Which R pixels of a picture, row by row; what their rays show of the maps; and which of them the sources show."""


class Carried(NamedTuple):
    """What a camera shows of the held maps."""

    values: Float[Tensor, "C H W"]
    known: Bool[Tensor, "H W"]
    """Where the sources say something."""


@runtime_checkable
class Carrier(Protocol):
    """Maps of all sources, ready to be shown."""

    def at(self, camera: Camera, size: tuple[int, int], without: int | None = None) -> Carried:
        """As a camera with pictures of `size` (H, W) shows them; `without`: the number of a source that is left out, where that can be."""


@runtime_checkable
class Way(Protocol):
    """Who finds the weights."""

    def holding(self, maps: Maps) -> Carrier:
        """Maps of all sources, of any width and size."""


@dataclass(frozen=True)
class InScene:
    """A scene of Gaussians: maps are uplifted onto it once, from all views, and rendered."""

    posed: Posed
    gaussians: Gaussians

    def holding(self, maps: Maps) -> Carrier:
        """Uplifted."""
        cameras = [view.camera for view in self.posed.views if view.camera is not None]
        size = (maps.shape[2], maps.shape[3])
        blends = [blend(self.gaussians, one.resized(self.posed.size, size), size) for one in cameras]
        return _OnGaussians(self.gaussians, uplifted(blends, list(maps)).values)


@dataclass(frozen=True)
class _OnGaussians:
    gaussians: Gaussians
    values: Float[Tensor, "N C"]

    def at(self, camera: Camera, size: tuple[int, int], without: int | None = None) -> Carried:
        """Rendered; all views have made it what it is."""
        one = blend(self.gaussians, camera, size)
        return Carried(one.render(self.values), one.seen)


@dataclass(frozen=True)
class Blended:
    """The nearest sources that show a point, where its depth is known: that of surfels through all sources."""

    posed: Posed
    gaussians: Gaussians
    count: int

    def holding(self, maps: Maps) -> Carrier:
        """As they are."""
        return _Rays(self, maps)

    def parts(self, camera: Camera, size: tuple[int, int], chosen: list[int], maps: Maps) -> Iterator[_Part]:
        """Chunk by chunk, from the scene's depth."""
        scene = blend(self.gaussians, camera, size)
        pose = camera.world_to_camera
        depth = scene.render(self.gaussians.means @ pose[2, :3, None] + pose[2, 3])[0]
        depth = torch.where(scene.seen, depth, torch.nan).flatten()
        cameras, depths, maps = _some(self.posed.cameras, chosen), self.posed.depths[chosen], _taken(maps, chosen)
        for rays, part in _chunks(camera, size):
            found = known(rays, depth[part], cameras, depths)
            yield part, lifted(found, maps), found.shown


class Learned:
    """The learned lifter: no depth is needed, only between which depths everything lies; `corrected`: with equation 3 of Lift3D."""

    def __init__(self, posed: Posed, network: Lifter, count: int, corrected: bool = False) -> None:
        self.posed, self.network, self.count, self.corrected = posed, network, count, corrected
        self.sampling = Sampling(posed.near, posed.far)
        self.images = posed.images
        with torch.no_grad():
            looks = [network.encoder(image[None])[0] for image in self.images]
        self.features = torch.stack(looks)

    def holding(self, maps: Maps) -> Carrier:
        """As they are."""
        return _Rays(self, maps)

    @torch.no_grad()
    def parts(self, camera: Camera, size: tuple[int, int], chosen: list[int], maps: Maps) -> Iterator[_Part]:
        """Chunk by chunk, as the network finds surfaces."""
        standard, maps = Standard.of(maps) if self.corrected else None, _taken(maps, chosen)
        sources = Sources(self.images[chosen], _some(self.posed.cameras, chosen), self.features[chosen])
        for tile in _tiles(camera, size, SHARED if size[1] == self.posed.size[1] else 1):
            coarse = self.network.looked(sources, tile.shared, self.sampling).blending.weights.sum(2)
            found = self.network.refined(sources, tile.rays, coarse[tile.owner], self.sampling)
            if standard is not None:
                values = standard.undone(self.network.corrected(found, standard.applied(maps)))
                yield tile.places, values * found.known[:, None], found.known
                continue
            weights = found.blending.weights * found.known[:, None, None]
            plain = Blending(found.blending.grid, weights).without_faint()
            yield tile.places, lifted(plain, maps), plain.shown


@dataclass(frozen=True)
class _Rays:
    """Maps of the sources, blended ray by ray."""

    way: Blended | Learned
    maps: Maps

    def at(self, camera: Camera, size: tuple[int, int], without: int | None = None) -> Carried:
        """From the nearest sources, in chunks: memory does not grow with the picture."""
        posed = self.way.posed
        chosen = posed.nearest(camera.resized(size, posed.size), self.way.count, without)
        count = size[0] * size[1]
        values, shown = torch.zeros(count, self.maps.shape[1]), torch.zeros(count, dtype=torch.bool)
        for places, some, known_there in self.way.parts(camera, size, chosen, self.maps) if chosen else ():
            values[places], shown[places] = some.float(), known_there
        return Carried(values.T.reshape(-1, *size), shown.reshape(size))


def way_for(
    name: str, posed: Posed, count: int, corrected: bool = False, lifter: Path | None = None
) -> tuple[str, Way]:
    """The way of a name, and its name; `auto` takes the scene where every view has depth. lifter: the folder of another
    network than the shipped one.

    Raises DepthError for ways that need depth, InputError for a correction of another way than the network's.
    """
    name = name if name != "auto" else "scene" if posed.deep else "lift3d"
    if corrected and name != "lift3d":
        raise InputError(f"Expected --method lift3d for --correction, got {name}; its network alone has learned one.")
    if name == "lift3d":
        return name, Learned(posed, load_lifter(lifter or FOLDER), count, corrected)
    if not posed.deep:
        raise DepthError(
            f"Expected depth in scene units for every view for {name}, got none for some; choose --method lift3d."
        )
    gaussians = surfels(posed.views)
    return name, InScene(posed, gaussians) if name == "scene" else Blended(posed, gaussians, count)


def points_of(depth: Float[Tensor, "1 H W"], camera: Camera) -> Float[Tensor, "3 H W"]:
    """Depth as points in the world, which look the same from everywhere."""
    return unproject(depth[0], camera).permute(2, 0, 1)


def _taken(maps: Float[Tensor, "N C h w"], chosen: list[int]) -> Maps:
    """Some maps, channels side by side in memory: the loop that carries them copies nothing then."""
    return maps[chosen].contiguous(memory_format=torch.channels_last)


def _some(cameras: Cameras, chosen: list[int]) -> Cameras:
    return Cameras(cameras.K[chosen], cameras.poses[chosen], cameras.size)


class _Tile(NamedTuple):
    """Some rays of a picture."""

    places: Int[Tensor, " R"]
    """Numbers of their pixels, row by row."""
    rays: Rays
    shared: Rays
    """Through the middles of the squares that share a coarse look."""
    owner: Int[Tensor, " R"]
    """Whose square each ray is in."""


def _tiles(camera: Camera, size: tuple[int, int], side: int) -> Iterator[_Tile]:
    """The rays of a picture, tile by tile, in squares of `side` pixels."""
    for top, left in product(range(0, size[0], TILE), range(0, size[1], TILE)):
        high, wide = min(TILE, size[0] - top), min(TILE, size[1] - left)
        ys, xs = (part.flatten() for part in torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij"))
        corner, squares = torch.tensor([float(left), float(top)]), (-(-high // side), -(-wide // side))
        middles = pixel_centres(squares).reshape(-1, 2) * side + corner
        pixels = torch.stack([xs, ys], -1) + 0.5 + corner
        places = (ys + top) * size[1] + xs + left
        yield _Tile(places, cast(camera, pixels), cast(camera, middles), ys // side * squares[1] + xs // side)


def _chunks(camera: Camera, size: tuple[int, int]) -> Iterator[tuple[Rays, slice]]:
    """The rays of a picture, CHUNK at a time."""
    pixels = pixel_centres(size).reshape(-1, 2)
    for first in range(0, len(pixels), CHUNK):
        yield cast(camera, pixels[first : first + CHUNK]), slice(first, first + CHUNK)
