"""What a part of the page says until there is something to show: what goes in, what comes out, and what is still missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Literal
from urllib.parse import quote

from relook.present.studio.project import Project
from relook.present.studio.shown import thumbnail

Icon = Literal[
    "room", "look", "pair", "film", "scene", "rooms", "report", "table", "regions", "lines", "swatch", "variants"
]
Drawn = tuple[Icon, str]
"""A small drawing, and the words below it."""
PICTURE = '<rect x="5" y="9" width="38" height="30" rx="2"/>'
CUBE = '<path d="M24 6l16 9v18l-16 9-16-9V15zM24 24v18M24 24L8 15M24 24l16-9"/>'
ICONS: Mapping[Icon, str] = {
    "room": PICTURE + '<path d="M5 33l9-6h20l9 6M14 27V15M34 27V15M14 15L5 9M34 15l9-6"/>',
    "look": PICTURE + '<circle class="full" cx="15" cy="20" r="4"/><circle class="full" cx="26" cy="18" r="4"/><circle class="full" cx="35" cy="25" r="4"/><path d="M10 33h28"/>',
    "pair": '<path class="full" d="M24 9h17a2 2 0 0 1 2 2v26a2 2 0 0 1-2 2H24z"/>' + PICTURE + '<path d="M24 4v40"/>',
    "film": '<rect x="4" y="12" width="40" height="24" rx="2"/><path d="M12 12v24M36 12v24M4 20h8M4 28h8M36 20h8M36 28h8"/><path class="full" d="M21 19l8 5-8 5z"/>',
    "scene": CUBE,
    "rooms": '<rect x="4" y="6" width="18" height="16" rx="2"/><rect x="26" y="6" width="18" height="16" rx="2"/><rect x="4" y="26" width="18" height="16" rx="2"/><rect x="26" y="26" width="18" height="16" rx="2"/>',
    "report": '<path d="M6 6v36h36"/><path class="full" d="M12 28h6v10h-6zM22 18h6v20h-6zM32 12h6v26h-6z"/>',
    "table": '<rect x="5" y="8" width="38" height="32" rx="2"/><path d="M5 18h38M5 29h38M18 8v32"/>',
    "regions": PICTURE + '<path class="full" d="M5 30c8-8 14-4 18 0s12 2 20-4v11a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2z"/>',
    "lines": PICTURE + '<path d="M5 33l10-7h20l8 7M15 26V14h20v12"/><circle class="full" cx="15" cy="26" r="3"/><circle class="full" cx="35" cy="26" r="3"/>',
    "swatch": '<path class="full" d="M6 6h20v20H6z"/><path d="M6 6h36v36H6zM26 6v36M6 26h36"/>',
    "variants": '<rect x="4" y="12" width="24" height="20" rx="2"/><path d="M16 12V8h28v20H32M10 32v8h24v-8"/>',
}  # fmt: skip
"""Lines of 48 x 48; what is of class `full` is filled."""


def first(*parts: Drawn, result: Drawn, said: str) -> str:
    """Drawings of what goes in and of what comes out, and below them how, as HTML. said: HTML."""
    drawn = '<span class="sign" aria-hidden="true">+</span>'.join(map(_drawn, parts))
    arrow = '<span class="sign" aria-hidden="true">→</span>' if parts else ""
    return f'<div class="first"><div class="way">{drawn}{arrow}{_drawn(result, "made")}</div><p>{said}</p></div>'


def with_look(drawn: str, project: Project) -> str:
    """The drawing with the look's own picture in it, where the project has one."""
    styles = project.look.styles
    if not styles:
        return drawn
    source = escape(f"gradio_api/file={quote(thumbnail(project, styles[0]))}")
    return drawn.replace(_svg("look"), f'<img src="{source}" alt="">')


def missing(there: Mapping[str, object]) -> str:
    """One sentence on what is missing; none where nothing is. there: what is wanted, and whether it is there."""
    wanted = [words for words, is_there in there.items() if not is_there]
    return f"<p>Still missing: {_listed(wanted)}.</p>" if wanted else ""


def here(title: str, names: Sequence[str]) -> str:
    """One sentence on files that a project holds: a drop zone of a project that is opened again is empty."""
    return f"<p>{title}: {escape(_listed(names))}.</p>" if names else ""


LOOK = "a look (drop its picture in Picture)"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _drawn(one: Drawn, kind: str = "") -> str:
    icon, words = one
    return f'<figure class="{kind}">{_svg(icon)}<figcaption>{escape(words)}</figcaption></figure>'


def _svg(icon: Icon) -> str:
    return f'<svg viewBox="0 0 48 48" aria-hidden="true">{ICONS[icon]}</svg>'
