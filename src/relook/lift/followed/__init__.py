"""Walks without cameras: what is seen in single frames is followed along the walk in the pictures alone."""

from relook.lift.followed.floor import FollowedFloor, OnFloor, followed_floor
from relook.lift.followed.labels import FollowedLabels, followed_labels
from relook.lift.followed.raised import raised

__all__ = ["FollowedFloor", "FollowedLabels", "OnFloor", "followed_floor", "followed_labels", "raised"]
