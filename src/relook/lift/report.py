"""The page that shows a restyled walk: the video beside it, frames before and after, what each frame looked back on."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.captures.frames import spread
from relook.files import write_bytes
from relook.io import as_picture
from relook.lift.geometry import MatchedViews
from relook.lift.store import WalkStore

SHOWN = 8
"""Frames that the page shows."""
WIDTH = 360
"""Pixels of a shown frame."""


def write_report(
    store: WalkStore, views: MatchedViews, notes: Sequence[Mapping[str, Any]], record: Mapping[str, Any]
) -> Path:
    """Write report.html; returns its path."""
    from jinja2 import Environment

    count = len(notes)
    shown = spread(count, SHOWN)
    page = Environment(autoescape=True, trim_blocks=True).from_string(
        files("relook.lift").joinpath("templates/views.html").read_text(encoding="utf-8")
    )
    others = [note["painted"] for note in notes if not note["key_frame"]]
    html = page.render(
        count=count, geometry=record["geometry"], points=record["points"], notes=notes,
        key_frames=[note["number"] for note in notes if note["key_frame"]],
        painted=100 * sum(others) / max(1, len(others)),
        figures=[
            {"number": i, "key_frame": notes[i]["key_frame"], "painted": 100 * notes[i]["painted"],
             "data": _data(torch.cat([views.view(i).image, store.image(i)], 2))}
            for i in shown
        ],
    )  # fmt: skip
    path = store.folder / "report.html"
    write_bytes(path, html.encode())
    return path


def _data(image: Float[Tensor, "3 H W"]) -> str:
    """A small JPEG in base64."""
    picture = as_picture(image)
    picture.thumbnail((2 * WIDTH, 2 * WIDTH))
    file = BytesIO()
    picture.save(file, format="JPEG", quality=88)
    return base64.b64encode(file.getvalue()).decode()
