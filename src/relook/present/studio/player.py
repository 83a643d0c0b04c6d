"""A player of films: two of one length lie over each other, what was there and its new look, with a border that can be drawn."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import quote

STYLE = """
.films { position: relative; max-width: 960px; margin: auto; background: #000; line-height: 0; }
.films video { width: 100%; height: auto; }
.films video.after { position: absolute; inset: 0; clip-path: inset(0 0 0 50%); }
.controls { display: flex; gap: .75rem; align-items: center; max-width: 960px; margin: .5rem auto; }
.controls input { flex: 1; min-width: 0; accent-color: var(--color-accent); }
.controls button { min-width: 5rem; padding: .4rem .8rem; border: 1px solid var(--border-color-primary); border-radius: 4px; }
"""
SCRIPT = """
const films = () => [...element.querySelectorAll('video')];
element.addEventListener('input', event => {
  if (event.target.type === 'range') films()[1].style.clipPath = `inset(0 0 0 ${event.target.value}%)`;
});
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  const paused = films()[0].paused;
  for (const one of films()) { one.currentTime = films()[0].currentTime; paused ? one.play() : one.pause(); }
  button.textContent = paused ? 'Pause' : 'Play';
});
element.addEventListener('timeupdate', event => {
  const [before, after] = films();
  if (after && event.target === before && Math.abs(after.currentTime - before.currentTime) > 0.08) after.currentTime = before.currentTime;
}, true);
"""
"""Both films keep in step; the border says where the new look begins."""


def films(after: Path, before: Path | None = None) -> str:
    """The player of a film of the projects' folder, or of two of one length."""
    shown = [
        _film(path, name)
        for path, name in ((before, "before"), (after, "after" if before else "before"))
        if path is not None
    ]
    border = '<label for="films-border">before / after</label><input id="films-border" type="range" min="0" max="100" value="50">'
    controls = f'<div class="controls"><button type="button">Play</button>{border if before else ""}</div>'
    return f'<div class="films">{"".join(shown)}</div>{controls}'


def _film(path: Path, name: str) -> str:
    source = f"gradio_api/file={quote(str(path))}?{path.stat().st_mtime_ns}"
    return f'<video class="{name}" src="{escape(source)}" muted loop playsinline preload="auto" aria-label="{name}"></video>'
