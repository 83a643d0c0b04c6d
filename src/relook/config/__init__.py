"""What a user may choose, as frozen dataclasses: the command line, the Python API, the checks and forms read the same fields."""

from relook.config.lift import Lift, LiftConfig, Way
from relook.config.perceive import PerceiveConfig
from relook.config.photo import PhotoConfig
from relook.config.restyle import Dependence, RestyleConfig, SceneMethod
from relook.config.scene import SceneConfig
from relook.config.views import ViewsConfig
from relook.config.words import (  # fmt: skip
    DENOISING,
    FILES,
    LOOK,
    MACHINE,
    ONE_PICTURE,
    SEEING,
    USED,
    WALK,
    Carry,
    File,
    Fill,
    Instances,
    Method,
    Names,
    Precision,
    Preset,
    Unmatched,
)

__all__ = [
    "DENOISING", "FILES", "LOOK", "MACHINE", "ONE_PICTURE", "SEEING", "USED", "WALK", "Carry", "Dependence", "File", "Fill", "Instances",
    "Lift", "LiftConfig", "Method", "Names", "PerceiveConfig", "PhotoConfig", "Precision", "Preset", "RestyleConfig", "SceneConfig",
    "SceneMethod", "Unmatched", "ViewsConfig", "Way",
]  # fmt: skip
