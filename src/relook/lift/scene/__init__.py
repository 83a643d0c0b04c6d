"""Rooms as 3D Gaussians whose geometry is frozen while looks change: fitted from captures, carrying maps, rendered anywhere."""

from relook.lift.scene.surfels import surfels

__all__ = ["surfels"]
