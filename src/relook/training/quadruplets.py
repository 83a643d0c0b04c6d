"""Quadruplets for the view refiner: a warped picture with holes, its mask, the depth, and the complete picture; and the old look.

Two sources: walks through dollhouse rooms, where everything is exact, and captures, recoloured at random so that there is an old look
and a new one. Both spoil their warps a little, as estimated geometry would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.captures import Capture
from relook.dollhouse import Layout, Pose, sample_layout, trace, walk
from relook.errors import GeometryError
from relook.ops.geometry import flow_from_depth
from relook.ops.warp import Warped, blended, look_up, nearness, softmax_splat
from relook.perceive.match import matcher
from relook.session import Session
from relook.training.data import World, swayed
from relook.training.vocabulary import describe
from relook.types import Depth

SPOILT = 0.4
"""Share of warps whose flow is a little off."""
CUT = 0.35
"""Share of warps with further holes, as left by people that are masked out."""
SPLATTED = 0.25
"""Share of warps that are splatted as in the paper, with its blur and cracks."""


@dataclass(frozen=True)
class Quadruplet:
    """What the network is shown, and what it should paint."""

    warped: Float[Tensor, "3 H W"]
    holes: Bool[Tensor, "H W"]
    depth: Depth
    structure: Float[Tensor, "3 H W"]
    """The view in its old look."""
    complete: Float[Tensor, "3 H W"]
    """The view in the new look."""
    prompt: str


Source = Callable[[np.random.Generator], Quadruplet]
"""Draws one quadruplet."""


class Walks:
    """Quadruplets from walks through rooms of the dollhouse: three positions in each room, any two or three of them."""

    def __init__(self, rooms: int, styles: int, size: tuple[int, int], seed: int) -> None:
        rng = np.random.default_rng([50, seed])
        self.layouts = [sample_layout(seed + i) for i in range(rooms)]
        self.poses = [positions(layout, rng) for layout in self.layouts]
        self.size = size
        self.world = World.build(1, styles, size, seed=seed)
        self.geometry = [trace(self.layouts, size, poses=poses) for poses in zip(*self.poses, strict=True)]

    def __call__(self, rng: np.random.Generator) -> Quadruplet:
        room, looks = int(rng.integers(len(self.layouts))), rng.integers(len(self.world.styles), size=2).tolist()
        target, first, second = rng.permutation(3).tolist()
        new, old = (self._coloured(target, room, look) for look in looks)
        seen = [first, second] if rng.random() < 0.35 else [first]
        warps = [self._warped(rng, room, int(position), int(target), int(looks[0])) for position in seen]
        warped = cut(blended(warps, float(rng.uniform(0.5, 4))), rng)
        names = sorted(self.layouts[room].names)
        prompt = describe(self.layouts[room].room, self.world.styles[int(looks[0])], names, rng)
        depth = Depth(self.geometry[target].depth[room], "metric")
        return Quadruplet(warped.values, warped.holes, depth, old, new, prompt)

    def _coloured(self, position: int, room: int, look: int) -> Float[Tensor, "3 H W"]:
        world = replace(self.world, geometry=self.geometry[position])
        return world.colour(torch.tensor([room]), torch.tensor([look]))[0]

    def _warped(self, rng: np.random.Generator, room: int, source: int, target: int, look: int) -> Warped:
        """What the picture from position `source` shows of the view from `target`."""
        picture = self._coloured(source, room, look)
        cameras = [self.poses[room][position].camera(self.size) for position in (source, target)]
        depths = [self.geometry[position].depth[room] for position in (source, target)]
        if rng.random() < SPLATTED:
            found = flow_from_depth(depths[0], cameras[0], depths[1], cameras[1])
            flow, importance = spoilt(found.flow, rng), nearness(depths[0], float(rng.uniform(10, 80)))
            return softmax_splat(picture, flow, importance, self.size)
        found = flow_from_depth(depths[1], cameras[1], depths[0], cameras[0])
        return look_up(picture, spoilt(found.flow, rng), found.visible.float())


class Captures:
    """Quadruplets from captures (posed RGB-D, or plain pictures and video by estimated flow), each recoloured at random."""

    def __init__(
        self, captures: Sequence[Capture], size: tuple[int, int], matches: str = "auto", gap: int = 12
    ) -> None:
        self.captures, self.size, self.match, self.gap = list(captures), size, matcher(matches, Session("cpu")), gap
        if any(len(capture) < 2 for capture in self.captures):
            raise GeometryError("Expected captures of at least 2 frames to train on, got one with fewer; leave it out.")

    def __call__(self, rng: np.random.Generator) -> Quadruplet:
        capture = self.captures[int(rng.integers(len(self.captures)))]
        first = int(rng.integers(len(capture)))
        near = [i for i in range(max(0, first - self.gap), min(len(capture), first + self.gap + 1)) if i != first]
        source, target = capture[int(rng.choice(near))].view(), capture[first].view()
        matches = self.match(target, source)
        recolour = recolouring(rng)
        warped = look_up(
            recolour(source.image), spoilt(matches.flow, rng), (matches.confidence > 0.3) * matches.confidence
        )
        maps = torch.cat(
            [warped.values, warped.confidence[None], recolour(target.image), target.image, ~warped.holes[None]]
        )
        maps = interpolate(maps[None], self.size, mode="bilinear", antialias=True)[0].clamp(0, 1)
        sure = maps[3] > 0.5  # the black of holes is kept out of what is known
        small = cut(Warped(maps[:3] / maps[10:].clamp_min(1e-6) * sure, maps[3] * sure), rng)
        known = target.metric_depth
        depth = torch.ones(self.size) if known is None else interpolate(
            torch.nan_to_num(known, nan=float(known.nanmedian()))[None, None], self.size, mode="nearest-exact"
        )[0, 0]  # fmt: skip
        return Quadruplet(small.values, small.holes, Depth(depth, "metric"), maps[7:10], maps[4:7], "")


def positions(layout: Layout, rng: np.random.Generator) -> list[Pose]:
    """Three positions along a walk of random length."""
    poses = walk(layout, 3, stride=float(rng.uniform(0.2, 1.4)), turn=float(rng.uniform(-0.15, 0.8)))
    return [swayed(pose, rng, 0.03) for pose in poses]


def spoilt(flow: Float[Tensor, "2 H W"], rng: np.random.Generator) -> Float[Tensor, "2 H W"]:
    """SPOILT of the flows off by a smooth error of up to some one and a half pixels."""
    if rng.random() >= SPOILT:
        return flow
    coarse = torch.from_numpy(rng.normal(size=(1, 2, 6, 6)).astype(np.float32)) * float(rng.uniform(0, 1.0))
    return flow + interpolate(coarse, flow.shape[1:], mode="bicubic", align_corners=True)[0]


def cut(warped: Warped, rng: np.random.Generator) -> Warped:
    """CUT of the warps with up to three further holes, upright ellipses of up to a third of the picture."""
    if rng.random() >= CUT:
        return warped
    height, width = warped.confidence.shape
    ys, xs = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    inside = torch.zeros(height, width, dtype=torch.bool)
    for _ in range(int(rng.integers(1, 4))):
        (x, y), (wide, tall) = rng.uniform(0, 1, 2), rng.uniform(0.03, 0.18, 2)
        inside |= ((xs - x) / wide).square() + ((ys - y) / tall).square() < 1
    return Warped(torch.where(inside, 0.0, warped.values), torch.where(inside, 0.0, warped.confidence))


def recolouring(rng: np.random.Generator) -> Callable[[Float[Tensor, "3 H W"]], Float[Tensor, "3 H W"]]:
    """A random change of colours, the same for every picture that it changes: channels mixed, then a curve per channel."""
    mix = torch.from_numpy(rng.dirichlet((1.0, 1.0, 1.0), size=3).astype(np.float32))
    mix = torch.lerp(torch.eye(3), mix, float(rng.uniform(0, 1)))
    gamma = torch.from_numpy(rng.uniform(0.6, 1.6, (3, 1, 1)).astype(np.float32))
    low = torch.from_numpy(rng.uniform(0, 0.25, (3, 1, 1)).astype(np.float32))
    return lambda image: low + (1 - low) * torch.einsum("dc,chw->dhw", mix, image).clamp(1e-4, 1) ** gamma
