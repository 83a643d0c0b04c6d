"""From one picture to many: the look carried through a walk, view by view (`propagate`), or into a folder (`restyle_views`)."""

from relook.lift.outputs import ViewsResult
from relook.lift.propagation import propagate
from relook.lift.source import ViewSource
from relook.lift.views import restyle_views

__all__ = ["ViewSource", "ViewsResult", "propagate", "restyle_views"]
