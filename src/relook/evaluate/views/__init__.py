"""Walks and pairs of views: their cases, their rows, their parts of the suite."""
