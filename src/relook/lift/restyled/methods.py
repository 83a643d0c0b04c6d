"""The ways to restyle a scene, by name."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from relook.config import RestyleConfig
from relook.errors import InputError
from relook.lift.restyled.distill import distill
from relook.lift.restyled.scene import Method, Scene, Settings
from relook.lift.restyled.semantic import semantic
from relook.transfer.photo import Styles


def styleme3d(scene: Scene, style: Styles, settings: Settings) -> Float[Tensor, "N 3"]:
    """See `relook.lift.restyled.styleme3d`: its denoisers take seconds to import, which the others do without."""
    from relook.lift.restyled import styleme3d as method

    return method.styleme3d(scene, style, settings)


def check_losses(config: RestyleConfig) -> None:
    """Check the losses of a run before it begins. Raises InputError for those that it cannot descend by, and for losses of another method."""
    if config.method == "styleme3d":
        from relook.lift.restyled.styleme3d import check_losses as check

        check(config)
    elif config.losses:
        raise InputError(
            f"Expected the method styleme3d for losses, got {config.method}; choose it, or leave the losses out."
        )


METHODS: Mapping[str, Method] = {"semantic": semantic, "distill": distill, "styleme3d": styleme3d}
"""`relook.config.SceneMethod` has the same names."""
