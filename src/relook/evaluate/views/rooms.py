"""What the suite of views is asked: two views of an unseen room, and walks through one, each with the exact answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from jaxtyping import Bool, Float
from torch import Tensor

from relook.captures.frames import spread
from relook.dollhouse import (
    ROOMS,
    Layout,
    Pose,
    Rendering,
    Style,
    exact_flow,
    render,
    sample_layout,
    sample_style,
    walk,
)
from relook.evaluate.sources.dollhouse import HELD_OUT, prompt_of
from relook.types import View

BASELINES: Mapping[str, float] = {"near": 0.3, "middle": 0.6, "far": 1.0}
"""Metres between the two views, by name."""
TURN = 0.58
"""Radians that the camera turns per metre, as on the dollhouse's usual walks (0.35 on 0.6 m)."""
STRIDE = 1.2
"""Metres of a walk."""
OFF, ASIDE = 0.12, 0.06
"""Metres and radians by which cameras beside a walk's path differ from its own."""
PLACE, WALKS = 500_000, 400_000
"""Where in the seed's range the rooms of two views and those of walks begin; pairs of dollhouse-photo begin at 0."""


@dataclass(frozen=True)
class TwoViews:
    """Frame 1 in its new look, exactly; frames 1 and 2 in their old one."""

    first: View
    """Frame 1 in its old look, with exact depth, camera and regions."""
    second: View
    """Frame 2 in its old look."""
    styled: View
    """Frame 1 in its new look: the style picture for methods that restyle each frame by itself."""
    exact: Float[Tensor, "3 H W"]
    """The answer: frame 2 in its new look."""
    holes: Bool[Tensor, "H W"]
    """What frame 1 does not show of frame 2."""
    prompt: str


@dataclass(frozen=True)
class Walk:
    """A walk through a room in its old look, a style picture, and the answer for every frame."""

    old: tuple[Rendering, ...]
    new: tuple[Rendering, ...]
    """The same places in the look of the style picture."""
    style: View
    """Another room of the same kind."""
    prompt: str


def draw_two_views(seed: int, room: int, baseline: str, size: int) -> TwoViews:
    """Room `room` of a seed from two places; the same arguments give the same views, every baseline the same frame 1."""
    number = HELD_OUT + seed * 1_000_000 + PLACE + 2 * room
    kind = ROOMS[room % len(ROOMS)]
    layout, looks = sample_layout(number, kind), [sample_style(number + i) for i in range(2)]
    stride = BASELINES[baseline]
    poses = walk(layout, 2, stride=stride, turn=TURN * stride)
    (first, second), (styled, exact) = ([render(layout, look, (size, size), pose) for pose in poses] for look in looks)
    _, visible = exact_flow(second, first)
    return TwoViews(first.view(), second.view(), styled.view(), exact.image, ~visible, prompt_of(kind))


def draw_beside(
    seed: int, number: int, frames: int, held: int, size: int
) -> tuple[tuple[Rendering, ...], tuple[Rendering, ...]]:
    """What `held` cameras beside the path of walk `number` see, in its old look and its new one: between two frames, higher or lower, turned."""
    layout, looks, _ = _walked(seed, number)
    between = walk(layout, 2 * frames - 1, stride=STRIDE, turn=TURN * STRIDE)[1::2]
    poses = [_beside(between[place], turn) for turn, place in enumerate(spread(len(between), held))]
    old, new = (tuple(render(layout, look, (size, size), pose) for pose in poses) for look in looks)
    return old, new


def _beside(pose: Pose, number: int) -> Pose:
    """OFF metres higher or lower, ASIDE radians to one side or the other."""
    x, y, z = pose.eye
    up, aside = (OFF if number % 2 else -OFF), (ASIDE if number // 2 % 2 else -ASIDE)
    return replace(pose, eye=(x, y + up, z), yaw=pose.yaw + aside)


def _walked(seed: int, number: int) -> tuple[Layout, list[Style], str]:
    """The room of a walk, its two looks, and its kind."""
    first = _first(seed, number)
    kind = ROOMS[number % len(ROOMS)]
    return sample_layout(first, kind), [sample_style(first + i) for i in range(2)], kind


def _first(seed: int, number: int) -> int:
    return HELD_OUT + seed * 1_000_000 + WALKS + 2 * number


def draw_walk(seed: int, number: int, frames: int, size: int, stride: float = STRIDE) -> Walk:
    """Walk `number` of a seed: `frames` places on `stride` metres."""
    layout, looks, kind = _walked(seed, number)
    poses = walk(layout, frames, stride=stride, turn=TURN * stride)
    old, new = (tuple(render(layout, look, (size, size), pose) for pose in poses) for look in looks)
    return Walk(
        old, new, render(sample_layout(_first(seed, number) + 1, kind), looks[1], (size, size)).view(), prompt_of(kind)
    )
