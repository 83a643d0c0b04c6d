"""A layout to look at: its planes and the picture's lines over the picture, and its floor seen from above."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relook.io import as_pixels
from relook.ops.geometry import unproject
from relook.perceive.edges import borders
from relook.perceive.layout.frame import following
from relook.perceive.layout.lines import find_lines
from relook.perceive.layout.planes import CEILING, FLOOR, UNKNOWN, seen_planes
from relook.types import Camera, Layout

DIRECTIONS = ((235, 80, 70), (90, 220, 90), (80, 140, 255))
"""RGB of lines across, upright and ahead."""
STRAY = (150, 150, 150)
"""Of lines that follow none."""
TINTS = {UNKNOWN: (0.0, 0.0, 0.0), FLOOR: (0.9, 0.7, 0.1), CEILING: (0.2, 0.7, 0.8)}
"""Of what is unknown, of the floor and of the ceiling."""
WALL_TINTS = ((0.3, 0.75, 0.3), (0.55, 0.4, 0.85))
"""Of the walls, in turn."""
TINTED = 0.35
"""How much of the tint lies over the picture."""
ACROSS, CELL = 640, 0.5
"""Longer side of the plan in pixels; side of the grid's squares in metres."""
MOST = 9.0
"""Metres that the plan reaches ahead and to each side."""


def layout_picture(image: Float[Tensor, "3 H W"], layout: Layout) -> Float[Tensor, "3 H W"]:
    """The picture with its planes tinted, their borders white, a grid of CELL metres on each, and its lines coloured by direction."""
    ids, depth = seen_planes(layout)
    walls = [WALL_TINTS[number % 2] for number in range(len(layout.walls))]
    tints = torch.tensor([*TINTS.values(), *walls])
    tinted = torch.lerp(image.cpu(), tints[ids].permute(2, 0, 1), TINTED)
    points = unproject(depth, layout.camera)
    points = torch.nan_to_num(points + torch.tensor([0.0, 1e-3, 0.0]))
    for axis in range(3):
        tinted = torch.where(borders((points[..., axis] / CELL).floor().long()) > 0, tinted * 0.75, tinted)
    thick = max(1, round(0.002 * max(layout.size)))
    border = cv2.dilate(borders(ids).numpy(), np.ones((thick, thick)))
    canvas = as_pixels(torch.where(torch.from_numpy(border) > 0, torch.ones(()), tinted))
    return _picture(_with_lines(canvas, image, layout, thick))


def plan_picture(image: Float[Tensor, "3 H W"], layout: Layout) -> Float[Tensor, "3 h w"]:
    """The floor seen from above as the picture shows it, with the walls (bright where they are sure), a grid, and the camera."""
    ends = np.array([[one.start, one.end] for one in layout.walls]).reshape(-1, 2).clip(-MOST, MOST)
    low, high = np.vstack([ends, (-0.5, -0.5)]).min(0) - 0.3, np.vstack([ends, (0.5, 0.5)]).max(0) + 0.3
    scale = ACROSS / max(high - low)
    width, height = (round(side) for side in (high - low) * scale)
    to_floor = np.array([[1 / scale, 0, low[0]], [0, 0, 0], [0, -1 / scale, high[1]], [0, 0, 1]])
    camera = layout.camera
    to_pixel = camera.K.double().numpy() @ camera.world_to_camera[:3].double().numpy() @ to_floor
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    canvas = _before(cv2.warpPerspective(as_pixels(image), to_pixel, (width, height), flags=flags), to_pixel)

    def at(point: Float[np.ndarray, " 2"]) -> tuple[int, int]:
        return round((point[0] - low[0]) * scale), round((high[1] - point[1]) * scale)

    for axis in (0, 1):
        for line in np.arange(np.ceil(low[axis] / CELL), high[axis] / CELL) * CELL:
            first, last = low.copy(), high.copy()
            first[axis] = last[axis] = line
            cv2.line(canvas, at(first), at(last), (90, 90, 90), 1)
    for one, (start, end) in zip(layout.walls, ends.reshape(-1, 2, 2), strict=True):
        cv2.line(canvas, at(start), at(end), (round(80 + 175 * one.confidence),) * 3, 3, cv2.LINE_AA)
    cv2.circle(canvas, at(np.zeros(2)), 6, DIRECTIONS[0], -1, cv2.LINE_AA)
    return _picture(canvas)


def _before(canvas: UInt8[np.ndarray, "h w 3"], to_pixel: Float[np.ndarray, "3 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The canvas without what lies behind the camera, which the homography shows turned over."""
    y, x = np.mgrid[: canvas.shape[0], : canvas.shape[1]]
    ahead = to_pixel[2, 0] * x + to_pixel[2, 1] * y + to_pixel[2, 2] > 0.05
    return np.ascontiguousarray(np.where(ahead[..., None], canvas, 0))


def _with_lines(
    canvas: UInt8[np.ndarray, "H W 3"], image: Float[Tensor, "3 H W"], layout: Layout, thick: int
) -> UInt8[np.ndarray, "H W 3"]:
    """The canvas with the picture's lines drawn."""
    camera: Camera = layout.camera
    lines = find_lines(image)
    directions = following(lines, camera.K.double().numpy(), camera.world_to_camera[:3, :3].T.double().numpy())
    for ends, direction in zip(lines.ends.round().astype(int).tolist(), directions.tolist(), strict=True):
        colour = STRAY if direction < 0 else DIRECTIONS[direction]
        cv2.line(canvas, tuple(ends[:2]), tuple(ends[2:]), colour, thick if direction >= 0 else 1, cv2.LINE_AA)
    return canvas


def _picture(canvas: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "3 H W"]:
    return torch.from_numpy(canvas.astype(np.float32) / 255).permute(2, 0, 1).contiguous()
