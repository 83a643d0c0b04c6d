"""The vocabulary of the dollhouse: its classes and how each carries its material."""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
    "wall", "floor", "ceiling", "window", "door", "curtain", "rug", "sofa", "armchair", "bed",
    "table", "chair", "cabinet", "shelf", "lamp", "plant", "painting", "cushion", "refrigerator", "television",
)  # fmt: skip
"""Class names; the class id of a pixel is its index here."""

CLASS_ID: dict[str, int] = {name: index for index, name in enumerate(CLASSES)}

FURNITURE: tuple[str, ...] = (
    "sofa", "armchair", "bed", "table", "chair", "cabinet", "shelf", "lamp", "plant", "cushion", "refrigerator", "television",
)  # fmt: skip
"""Classes of things that stand in a room, as against the room itself and what lies or hangs on it."""

FACE_MAPPED: frozenset[str] = frozenset({"window", "door", "painting", "television"})
"""Classes whose material is one picture stretched over each face (others tile in metres)."""

GLOWING: dict[str, float] = {"window": 0.85, "lamp": 0.35, "television": 0.25}
"""Share of a class's colour that does not depend on light."""

ROOMS: tuple[str, ...] = ("living", "bedroom", "kitchen")
"""Room kinds that `sample_layout` knows."""
