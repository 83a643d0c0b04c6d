"""Scenes of Gaussians against exact answers: how well they are fitted, what labels they carry, what looks."""
