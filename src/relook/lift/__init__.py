"""From one picture to many: the look carried through a walk (`views`)."""

from relook.lift.outputs import ViewsResult
from relook.lift.views import restyle_views

__all__ = ["ViewsResult", "restyle_views"]
