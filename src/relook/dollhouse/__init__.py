"""A procedural world of furnished rooms with exact truth: `render(layout of A, style of B)` is A with the look of B."""

from relook.dollhouse.classes import CLASSES, ROOMS
from relook.dollhouse.layout import Layout, Pose
from relook.dollhouse.render import Rendering, exact_segments, render, rendering, seen
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.shade import shade
from relook.dollhouse.style import Light, Material, Style, sample_style
from relook.dollhouse.trace import Geometry, trace
from relook.dollhouse.walk import exact_flow, walk

__all__ = [
    "CLASSES", "ROOMS", "Geometry", "Layout", "Light", "Material", "Pose", "Rendering", "Style", "exact_flow", "exact_segments",
    "render", "rendering", "sample_layout", "sample_style", "seen", "shade", "trace", "walk",
]  # fmt: skip
