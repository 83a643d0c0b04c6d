"""From one picture to many: the look carried through a walk (`views`)."""

from relook.lift.views import ViewsResult, restyle_views

__all__ = ["ViewsResult", "restyle_views"]
