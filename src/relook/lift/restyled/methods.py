"""The ways to restyle a scene, by name."""

from __future__ import annotations

from collections.abc import Mapping

from relook.lift.restyled.distill import distill
from relook.lift.restyled.scene import Method

METHODS: Mapping[str, Method] = {"distill": distill}
"""`relook.restyle_config.SceneMethod` has the same names."""
