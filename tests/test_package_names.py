"""The public names, pinned: a change here is a change of the interface and belongs in CHANGELOG.md."""

from __future__ import annotations

import importlib.metadata
import re

import pytest

import relook

PUBLIC = [
    "Camera", "CancelledError", "Depth", "PerceiveConfig", "PhotoConfig", "Progress", "Region", "RelookError", "Result", "Segments",
    "Session", "View", "ViewsConfig", "ViewsResult", "__version__", "json_schema", "perceive_photo", "propagate", "read_image",
    "repeat_photo", "restyle_photo", "restyle_views", "write_image",
]  # fmt: skip


def test_public_names_are_pinned() -> None:
    assert sorted(relook.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(relook, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="restyle_everything"):
        _ = relook.restyle_everything


def test_version_is_the_installed_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", relook.__version__)
    assert importlib.metadata.version("relook") == relook.__version__
