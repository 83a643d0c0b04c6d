"""Scenes of Gaussians in the look of one style picture: only colours change, geometry stays to the last bit."""

from relook.lift.restyled.methods import METHODS
from relook.lift.restyled.task import restyle_scene

__all__ = ["METHODS", "restyle_scene"]
