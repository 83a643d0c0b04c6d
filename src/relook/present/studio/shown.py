"""What a page shows of a project: pictures that browsers know, how far a job is, in words and as HTML."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from relook.files import replacing
from relook.present.studio.jobs import Job, Jobs
from relook.present.studio.project import Project

KNOWN = (".jpg", ".png", ".webp")
"""Endings that every browser shows."""
THUMB = 640
"""Longer side in pixels of a small picture."""
STAGES = {
    "perceiving": "seeing what is in the pictures", "labelling": "looking for the things you named", "matching": "finding counterparts",
    "restyling": "restyling", "materials": "laying materials", "loading": "loading networks", "denoising": "denoising",
    "inverting": "reading both pictures", "writing": "writing", "frames": "restyling frames",
}  # fmt: skip
"""Stages in a designer's words; others are said as they are."""


def displayed(project: Project, name: str) -> str:
    """The file, or a JPEG of the same size where browsers do not know its format."""
    path = project.file(name)
    if path.suffix in KNOWN:
        return str(path)
    from relook.io import as_picture, read_image

    copy = project.folder / "shown" / f"{path.parent.name}-{path.stem}.jpg"
    if not copy.is_file() or copy.stat().st_mtime < path.stat().st_mtime:
        with replacing(copy) as temporary:
            as_picture(read_image(path)).save(temporary, format="JPEG", quality=90)
    return str(copy)


def thumbnail(project: Project, name: str) -> str:
    """A JPEG of at most THUMB pixels of a picture of the project, made once."""
    path = project.file(name)
    copy = project.folder / "shown" / f"{path.parent.name}-{path.stem}.small.jpg"
    if not copy.is_file() or copy.stat().st_mtime < path.stat().st_mtime:
        from relook.io import as_picture, read_image
        from relook.ops.resize import at_most, resized

        image = read_image(path)
        with replacing(copy) as temporary:
            small = resized(image, at_most((image.shape[1], image.shape[2]), THUMB))
            as_picture(small).save(temporary, format="JPEG", quality=85)
    return str(copy)


def command(elem_id: str, said: str) -> Any:
    """Where the line stands that does the same without the studio. said: until something is chosen."""
    return gr.Code(
        said, label="Command", language=None, interactive=False, elem_id=elem_id, elem_classes="command", wrap_lines=True, max_lines=8, show_line_numbers=False
    )  # fmt: skip


def status(job: Job | None, jobs: Jobs, *, ready: bool = False) -> str:
    """One line on a job, with a bar while it runs, that screen readers read when it changes. ready: both pictures are there."""
    if job is None:
        return _line("Ready.") if ready else _line("Drop a picture of a room and a picture whose look you like.")
    if job.state == "failed":
        return f'<p class="failed" role="alert">{escape(job.error)}</p>'
    if job.state == "stopped":
        return _line("Stopped; nothing was left half written.")
    if job.state == "done":
        return _line("Done.")
    if job.state == "waiting":
        before = jobs.ahead(job)
        return (
            _line(f"Waiting: {before} before it." if before else "Beginning.")
            + "<progress aria-label='waiting'></progress>"
        )
    return _running(job)


def _running(job: Job) -> str:
    """Stage, its steps, and the seconds left."""
    step = job.step
    if step is None:
        return _line("Starting.") + "<progress aria-label='starting'></progress>"
    stage = STAGES.get(step.stage, step.stage)
    count = f", {step.done} of {step.total}" if 1 < step.total < 10**6 else ""
    left = job.seconds_left
    time = "" if left is None else f", about {left:.0f} s left" if left >= 1 else ", nearly there"
    bar = f' value="{step.done}" max="{step.total}"' if step.total > 1 and step.done else ""
    return _line(f"{stage.capitalize()}{count}{time}") + f'<progress aria-label="{escape(stage)}"{bar}></progress>'


def _line(text: str) -> str:
    return f'<p role="status">{escape(text)}</p>'
