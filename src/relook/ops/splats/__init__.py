"""3D Gaussians on the image plane: a rasteriser, and with the geometry frozen a sparse matrix A (pixels x Gaussians) per view.

What a view shows of anything the Gaussians carry is A f; one matrix renders, uplifts (A^T m, normalised) and solves (least squares).
"""

from relook.ops.splats.blend import Blend, Blends, blend
from relook.ops.splats.directional import solve_harmonics
from relook.ops.splats.harmonics import harmonics, seen_colours
from relook.ops.splats.project import Projected, project
from relook.ops.splats.rasterise import rasterise, render, shown
from relook.ops.splats.solve import Uplifted, solve, uplift

__all__ = [
    "Blend",
    "Blends",
    "Projected",
    "Uplifted",
    "blend",
    "harmonics",
    "project",
    "rasterise",
    "render",
    "seen_colours",
    "shown",
    "solve",
    "solve_harmonics",
    "uplift",
]
