"""What this process holds for the suites: networks are loaded once, however many rows are run."""

from __future__ import annotations

from functools import cache

from relook.session import Session


@cache
def held() -> Session:
    """The session of this process, on the CPU: everybody's numbers are measured by the same arithmetic."""
    return Session("cpu")
