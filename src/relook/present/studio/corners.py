"""The lines of a room's layout in its picture, and the layout after one of them was dragged: what is stated is certain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from relook.errors import GeometryError
from relook.perceive.layout.edges import raised, seen_line
from relook.types import Layout, Wall

Grip = Literal["wall", "ceiling", "corner"]
Kind = Literal["floor", "ceiling", "upright"]
GRIPS: Mapping[Kind, Grip] = {"floor": "wall", "ceiling": "ceiling", "upright": "corner"}
"""What is dragged with each kind of line."""
SAME = 1e-3
"""Metres within which two ends are one corner."""
LOW, HIGH = 1.8, 12.0
"""Metres between which a ceiling can be dragged."""
Pixel = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A border in the picture."""

    kind: Kind
    number: int
    """Of the wall; of an upright, of the corner."""
    start: Pixel
    end: Pixel

    @property
    def grip(self) -> Grip:
        """What is dragged with it."""
        return GRIPS[self.kind]


@dataclass(frozen=True)
class Handle:
    """Where a line or a corner can be taken."""

    grip: Grip
    number: int
    """Of the wall, or of the corner."""
    at: Pixel


def lines_of(layout: Layout) -> list[Line]:
    """The walls' borders with floor and ceiling, and the corners between walls, as far as they are in the picture (in pixels)."""
    found = []
    for number, wall in enumerate(layout.walls):
        for kind, height in (("floor", 0.0), ("ceiling", layout.height)):
            ends = _seen(layout, raised(wall.start, height), raised(wall.end, height))
            if ends is not None:
                found.append(Line(kind, number, *ends))  # type: ignore[arg-type]
    for number, corner in enumerate(corners_of(layout)):
        ends = _seen(layout, raised(corner, 0.0), raised(corner, layout.height))
        if ends is not None:
            found.append(Line("upright", number, *ends))
    return found


def handles_of(layout: Layout) -> list[Handle]:
    """One in the middle of what is seen of every wall's border with floor and ceiling, one at every corner on the floor that is in the picture."""
    found = [
        Handle(one.grip, one.number, ((one.start[0] + one.end[0]) / 2, (one.start[1] + one.end[1]) / 2))
        for one in lines_of(layout)
        if one.kind != "upright"
    ]
    for number, corner in enumerate(corners_of(layout)):
        ends = _seen(layout, raised(corner, 0.0), raised(corner, 0.02))
        if ends is not None:
            found.append(Handle("corner", number, ends[0]))
    return found


def corners_of(layout: Layout) -> list[tuple[float, float]]:
    """(across, ahead) of every end of a wall, each once."""
    found: list[tuple[float, float]] = []
    for point in (end for wall in layout.walls for end in (wall.start, wall.end)):
        if not any(_same(point, other) for other in found):
            found.append(point)
    return found


def taken(layout: Layout, grip: Grip, number: int, at: Pixel, to: Pixel) -> Layout:
    """The layout after a line was taken at one pixel and dragged to another: it moves parallel in the room, as `dragged` says.

    A line may be taken beside it, and a corner at any height: both move as far as the pointer. Raises GeometryError as `dragged`, and for a line that is not shown.
    """
    line = next((one for one in lines_of(layout) if (one.grip, one.number) == (grip, number)), None)
    if line is None:
        raise GeometryError(f"Expected a line that is shown, got {grip} {number}; drag one.")
    start, end = np.array(line.start), np.array(line.end)
    if grip == "corner":
        base = _pixel(layout, raised(corners_of(layout)[number], 0.0))
    else:
        along = float((np.array(at) - start) @ (end - start) / max(float((end - start) @ (end - start)), 1e-9))
        base = start + min(1.0, max(0.0, along)) * (end - start)
    goal = base + np.array(to) - np.array(at)
    return dragged(layout, grip, number, (float(goal[0]), float(goal[1])))


def dragged(layout: Layout, grip: Grip, number: int, to: Pixel) -> Layout:
    """The layout after a handle was dragged to a pixel: a wall keeps its direction, and its neighbours reach it; a ceiling changes its height.

    Raises GeometryError for a handle that is not there and for a place where a wall, a corner or a ceiling cannot be.
    """
    count = len(corners_of(layout)) if grip == "corner" else len(layout.walls)
    if not 0 <= number < count:
        raise GeometryError(f"Expected a {grip} below {count}, got {number}; drag a line that is shown.")
    sure = replace(layout, directions=1.0)
    if grip == "ceiling":
        return replace(sure, height=_height(layout, layout.walls[number], to), ceiling=1.0)
    foot = _on_floor(layout, to)
    if grip == "corner":
        return replace(_moved(sure, {corners_of(layout)[number]: foot}), floor=1.0)
    wall = layout.walls[number]
    start, end = np.array(wall.start), np.array(wall.end)
    along = (end - start) / np.linalg.norm(end - start)
    step = (np.array(foot) - start) - ((np.array(foot) - start) @ along) * along
    moves = {point: (float(p[0]), float(p[1])) for point, p in ((wall.start, start + step), (wall.end, end + step))}
    return replace(_moved(sure, moves), floor=1.0)


def _moved(layout: Layout, moves: dict[tuple[float, float], tuple[float, float]]) -> Layout:
    """Walls with other corners; those that changed are certain. Raises GeometryError for one without a length."""

    def now(point: tuple[float, float]) -> tuple[float, float]:
        return next((new for old, new in moves.items() if _same(old, point)), point)

    walls = []
    for wall in layout.walls:
        new = Wall(now(wall.start), now(wall.end), wall.confidence)
        if _same(new.start, new.end):
            raise GeometryError("Expected a wall with a length, got none; drag its corner elsewhere.")
        walls.append(wall if (new.start, new.end) == (wall.start, wall.end) else replace(new, confidence=1.0))
    return replace(layout, walls=tuple(walls))


def _on_floor(layout: Layout, pixel: Pixel) -> tuple[float, float]:
    """(across, ahead) of the floor at a pixel. Raises GeometryError above the horizon."""
    ray = _ray(layout, pixel)
    if ray[1] < 1e-3:
        raise GeometryError("Expected a place on the floor, got one above the horizon; drag the line lower.")
    return float(ray[0] * layout.eye / ray[1]), float(ray[2] * layout.eye / ray[1])


def _height(layout: Layout, wall: Wall, pixel: Pixel) -> float:
    """Height above the floor at which the ray of a pixel meets a wall's plane. Raises GeometryError for one that no room has."""
    ray, start, end = _ray(layout, pixel), np.array(wall.start), np.array(wall.end)
    normal = np.array([end[1] - start[1], start[0] - end[0]])
    facing = float(normal @ ray[[0, 2]])
    reach = float(normal @ start) / facing if abs(facing) > 1e-9 else -1.0
    height = layout.eye - reach * float(ray[1])
    if reach <= 0 or not max(LOW, layout.eye) < height < HIGH:
        raise GeometryError(
            f"Expected a ceiling from {LOW} to {HIGH} m above the floor, got none there; drag it elsewhere."
        )
    return height


def _ray(layout: Layout, pixel: Pixel) -> Float[np.ndarray, "3"]:
    """The direction of a pixel in the room's axes."""
    inverse = np.linalg.inv(layout.camera.K.double().numpy())
    turn: Float[np.ndarray, "3 3"] = layout.camera.world_to_camera[:3, :3].double().numpy().T
    return turn @ inverse @ np.array([*pixel, 1.0])


def _pixel(layout: Layout, point: Float[np.ndarray, "3"]) -> Float[np.ndarray, "2"]:
    """Where a point of the room's axes is in the picture, or beyond it. Raises GeometryError for one behind the camera."""
    pose = layout.camera.world_to_camera.double().numpy()
    seen = layout.camera.K.double().numpy() @ (pose[:3, :3] @ point + pose[:3, 3])
    if seen[2] <= 0:
        raise GeometryError("Expected a corner before the camera, got one behind it; drag a line beside it.")
    return np.asarray(seen[:2] / seen[2])


def _seen(layout: Layout, start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"]) -> tuple[Pixel, Pixel] | None:
    """`seen_line` as pairs of numbers."""
    found = seen_line(layout, start, end)
    return (
        None if found is None else ((float(found[0, 0]), float(found[0, 1])), (float(found[1, 0]), float(found[1, 1])))
    )


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) < SAME and abs(one[1] - other[1]) < SAME
