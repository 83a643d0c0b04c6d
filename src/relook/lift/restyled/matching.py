"""What every thing of a scene takes from: its key views as one sheet, matched with the style picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from relook.correspond.semantic import Correspondence
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.scene.sheet import SIDE, sheet
from relook.transfer.photo import understood
from relook.transfer.references import Styles
from relook.transfer.resolve import Run
from relook.transfer.working import shrunk
from relook.types import View


@dataclass(frozen=True)
class Matched:
    """A scene's things and their counterparts."""

    run: Run
    sheet: View
    """The key views, one above the other, at SIDE."""
    style: View
    found: Correspondence
    """Of the sheet; instances of a class change each in its own way."""


def matched(scene: Scene, style: Styles, settings: Settings) -> Matched:
    """By names, kin and what the user states (`relook.correspond`). Raises an error of relook.errors for what the configuration names in vain."""
    picture = sheet([shrunk(view, SIDE) for view in scene.views])
    config = replace(settings.config.picture, layout="none")
    run, picture, seen = understood(picture, style, config, settings.session, settings.progress)
    return Matched(run, picture, seen, replace(run.correspondence(picture, seen), apart=True))
