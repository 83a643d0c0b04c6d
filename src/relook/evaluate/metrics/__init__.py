"""Numbers: pure functions, each declared with its better direction, range and source in one registry, METRICS."""

# The order of these imports is the order of METRICS, and so of the tables.
# isort: off
from relook.evaluate.metrics import (
    truth,
    pattern,
    segments,
    strokes,
    masks,
    depth,
    structure,
    style,
    flaws,
    realism,
    matching,
    views,
)
from relook.evaluate.metrics.declare import METRICS

__all__ = [
    "METRICS",
    "depth",
    "flaws",
    "masks",
    "matching",
    "pattern",
    "realism",
    "segments",
    "strokes",
    "structure",
    "style",
    "truth",
    "views",
]
