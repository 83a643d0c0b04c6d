"""The ways to restyle a scene, by name."""

from __future__ import annotations

from collections.abc import Mapping

from relook.lift.restyled.distill import distill
from relook.lift.restyled.scene import Method
from relook.lift.restyled.semantic import semantic
from relook.lift.restyled.styleme3d import styleme3d

METHODS: Mapping[str, Method] = {"semantic": semantic, "distill": distill, "styleme3d": styleme3d}
"""`relook.config.SceneMethod` has the same names."""
