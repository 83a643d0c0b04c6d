"""Pixels of a new view out of posed pictures: rays, samples projected into every source, and one blending of maps of any width.

A `Blending` says which places of which sources a ray shows, and how much of each; whoever finds the weights (a network, or known depth), the
same weights carry colours, features and predictions. The readable twins are in relook.ops.lifting.reference.
"""

from relook.ops.lifting.blending import Blending, known, lifted
from relook.ops.lifting.rays import Cameras, Rays, Seen, cast, fetched, ray_weights, refined, seen, spread
from relook.ops.lifting.standard import Standard

__all__ = [
    "Blending", "Cameras", "Rays", "Seen", "Standard", "cast", "fetched", "known", "lifted", "ray_weights", "refined", "seen", "spread",
]  # fmt: skip
