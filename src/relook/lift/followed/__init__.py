"""Walks without cameras: what is seen in single frames is followed along the walk in the pictures alone."""

from relook.lift.followed.labels import FollowedLabels, followed_labels

__all__ = ["FollowedLabels", "followed_labels"]
