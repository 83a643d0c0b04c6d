"""Numbers and files that a capture names, checked before anything is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import GeometryError
from relook.ops.align import nearest_rotation

LIMIT = 1e-3
"""How far from a rotation the nine numbers of a camera may be (largest entry of R R^T - 1)."""


def check_pose(matrix: Any, where: str) -> Float[Tensor, "4 4"]:
    """A rigid 4 x 4 transform out of nested numbers (float64, its rotation exact). Raises GeometryError, naming `where`, for others."""
    pose = _matrix(matrix, (4, 4), where)
    rotation, last = pose[:3, :3], pose[3] - torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=pose.dtype)
    error = float((rotation @ rotation.T - torch.eye(3, dtype=pose.dtype)).abs().max())
    if error > LIMIT or float(torch.linalg.det(rotation)) < 0 or float(last.abs().max()) > LIMIT:
        raise GeometryError(
            f"Expected a rotation and a shift (last row 0 0 0 1) in {where}, got another matrix; correct it."
        )
    pose[:3, :3], pose[3] = nearest_rotation(rotation), torch.tensor([0.0, 0.0, 0.0, 1.0])
    return pose


def check_intrinsics(matrix: Any, where: str) -> Float[Tensor, "3 3"]:
    """Pinhole intrinsics in pixels out of nested numbers. Raises GeometryError, naming `where`, for anything else."""
    K = _matrix(matrix, (3, 3), where)
    if not (K[0, 0] > 0 and K[1, 1] > 0 and K[1, 0] == K[2, 0] == K[2, 1] == 0 and K[2, 2] == 1):
        raise GeometryError(
            f"Expected intrinsics [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0 in {where}, got others; correct them."
        )
    return K


def existing(path: Path, where: str) -> Path:
    """The path. Raises GeometryError, naming `where`, if there is no such file."""
    if not path.is_file():
        raise GeometryError(f"Expected the file {path} of {where}, got none; copy it there or leave the frame out.")
    return path


def _matrix(matrix: Any, shape: tuple[int, int], where: str) -> Float[Tensor, "R C"]:
    """Nested numbers as a tensor of the shape."""
    wanted = f"{shape[0]} x {shape[1]}"
    try:
        values = torch.tensor(matrix, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise GeometryError(f"Expected a {wanted} matrix in {where}, got none; write its numbers.") from error
    if values.shape != shape or not bool(torch.isfinite(values).all()):
        raise GeometryError(f"Expected a {wanted} matrix of finite numbers in {where}, got another; correct it.")
    return values
