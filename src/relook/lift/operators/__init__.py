"""2D models as pairs of an encoder and a decoder, so that either what is between them or what comes out can be lifted to many views."""

from relook.lift.operators.operator import Kind, Operator, asked
from relook.lift.operators.table import OPERATORS, load_operator

__all__ = ["OPERATORS", "Kind", "Operator", "asked", "load_operator"]
