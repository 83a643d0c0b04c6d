"""Rooms as 3D Gaussians whose geometry is frozen while looks change: fitted from captures, carrying maps, rendered anywhere."""

from relook.lift.scene.distil import distil, key_views
from relook.lift.scene.fit import Fit, fit
from relook.lift.scene.surfels import surfels
from relook.lift.scene.uplift import diffused, graph, lifted, likeness, spread, sureness

__all__ = [
    "Fit",
    "diffused",
    "distil",
    "fit",
    "graph",
    "key_views",
    "lifted",
    "likeness",
    "spread",
    "sureness",
    "surfels",
]
