"""Cameras that move: one on the way between two, one that looks somewhere, a smooth way past many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, Slerp
from torch import Tensor

from relook.ops.align import centre
from relook.types import Camera

FINE = 16
"""Samples per output frame on which a way is smoothed."""
STEADY = 0.5
"""A way is smoothed by a Gaussian of so many mean steps from camera to camera: steps of the hand go, turns stay."""
REST = 1e-6
"""Steps shorter than this share of the longest count as standing still."""


def between(first: Camera, second: Camera, share: float) -> Camera:
    """A camera on the way: its centre on the line, its turn on the shortest arc."""
    turns = Rotation.from_matrix(np.stack([one.world_to_camera[:3, :3].double().numpy() for one in (first, second)]))
    rotation = torch.from_numpy(Slerp([0, 1], turns)(share).as_matrix())
    start, end = (centre(Camera(one.K, one.world_to_camera.double())) for one in (first, second))
    return placed(torch.lerp(first.K, second.K, share), rotation, torch.lerp(start, end, share))


def placed(K: Float[Tensor, "3 3"], rotation: Float[Tensor, "_ _"], eye: Float[Tensor, " 3"]) -> Camera:
    """The camera of a rotation (world to camera) that stands at `eye`."""
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3], pose[:3, 3] = rotation, -(rotation.double() @ eye.double())
    return Camera(K, pose.float())


def looking(
    K: Float[Tensor, "3 3"], eye: Float[Tensor, " 3"], ahead: Float[Tensor, " 3"], up: Float[Tensor, " 3"]
) -> Camera:
    """The camera at `eye` that looks along `ahead`, upright with respect to `up` (any lengths, not parallel)."""
    z = torch.nn.functional.normalize(ahead.double(), dim=0)
    x = torch.nn.functional.normalize(torch.linalg.cross(z, up.double()), dim=0)
    return placed(K, torch.stack([x, torch.linalg.cross(z, x), z]), eye)


def through(cameras: Sequence[Camera], count: int) -> list[Camera]:
    """`count` cameras at an even pace along a smooth way past `cameras`, at least two that are not all alike.

    Pace is shift over the mean shift plus turn over the mean turn. Centres and K follow a monotone cubic (no overshoot), turns shortest
    arcs; all are then smoothed by STEADY of the mean step, ends held.
    """
    numbers = np.stack([np.concatenate([centre(one).numpy(), one.K.numpy().ravel()]) for one in cameras]).astype(float)
    turns = Rotation.from_matrix(np.stack([one.world_to_camera[:3, :3].double().numpy() for one in cameras]))
    steps = _steps(numbers[:, :3], turns)
    kept = np.concatenate([[True], steps > REST * steps.max()])
    times = np.concatenate([[0.0], np.cumsum(steps[kept[1:]])])
    fine = np.linspace(0, times[-1], max(2, FINE * count))
    sigma = STEADY * len(fine) / max(1, len(times) - 1)
    way = gaussian_filter1d(PchipInterpolator(times, numbers[kept])(fine), sigma, axis=0, mode="nearest")
    quats = _aligned(Slerp(times, turns[kept])(fine).as_quat())
    smooth = Rotation.from_quat(gaussian_filter1d(quats, sigma, axis=0, mode="nearest"))
    pace = np.concatenate([[0.0], np.cumsum(_steps(way[:, :3], smooth))])
    places = np.interp(np.linspace(0, pace[-1], count), pace, np.arange(len(fine)))
    chosen = np.stack([np.interp(places, np.arange(len(fine)), column) for column in way.T], 1)
    rotations = Slerp(np.arange(len(fine)), smooth)(places).as_matrix()
    return [
        placed(torch.from_numpy(one[3:].reshape(3, 3)).float(), torch.from_numpy(turn), torch.from_numpy(one[:3]))
        for one, turn in zip(chosen, rotations, strict=True)
    ]


def apart(cameras: Sequence[Camera]) -> bool:
    """Whether cameras stand or look apart: a way leads past them."""
    poses = torch.stack([one.world_to_camera for one in cameras])
    return len(cameras) > 1 and float((poses - poses[0]).abs().max()) > REST


def _aligned(quats: np.ndarray) -> np.ndarray:
    """Quaternions with the signs in which each is nearest to the one before."""
    signs = np.where((quats[1:] * quats[:-1]).sum(1) < 0, -1.0, 1.0)
    return quats * np.concatenate([[1.0], np.cumprod(signs)])[:, None]


def _steps(eyes: np.ndarray, turns: Rotation) -> np.ndarray:
    """How far each camera is from the one before: shift and turn, each in units of its mean; 0 where nothing moves."""
    shifts = np.linalg.norm(np.diff(eyes, axis=0), axis=1)
    angles = (turns[1:] * turns[:-1].inv()).magnitude()
    steps: np.ndarray = sum((one / one.mean() for one in (shifts, angles) if one.max() > REST), np.zeros(len(shifts)))
    return steps
