"""What the studio does with a project: the same functions as the command line, in one session, one heavy job at a time.

What computes is imported when it is first asked (`Studio.seeing`), so that the page is there before it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from relook.errors import InputError
from relook.present.line import line
from relook.present.loading import loading
from relook.present.photo import Photo
from relook.present.studio.ahead import Ahead
from relook.present.studio.jobs import Job, Jobs
from relook.present.studio.project import Project, Projects, Variant
from relook.progress import Progress

if TYPE_CHECKING:
    from relook.present.studio.seeing import Seeing
    from relook.present.studio.things import Thing
    from relook.session import Session


LINE = "relook photo ROOM --style STYLE --out OUT"
"""The command line until both pictures are there."""


class Studio:
    """The projects of one machine, its queue of heavy work and its session."""

    def __init__(self, root: Path, device: str = "auto", *, eager: bool = False) -> None:
        """root: folder of the projects. eager: load what the first picture needs while its user chooses it. Raises InputError for a folder or a device that cannot be used."""
        self.projects, self.jobs, self.device = Projects(root), Jobs(), device
        self.ahead, self._eager, self._awaited = Ahead(self.jobs), eager, eager
        self._lock = Lock()
        self._seeing: Seeing | None = None

    @property
    def seeing(self) -> Seeing:
        """Who sees and draws previews, for all projects: what is seen is remembered by content."""
        with self._lock:
            if self._seeing is None:
                self._seeing = _seeing(self.device)
            return self._seeing

    @property
    def session(self) -> Session:
        """What is loaded."""
        return self.seeing.session

    def arrived(self) -> None:
        """Somebody has the page: an eager studio now loads what is needed next."""
        if self._awaited:
            self._awaited = False
            self.ahead.do("", lambda progress: self.seeing.warm(progress))

    def foresee(self, project: Project) -> None:
        """See the pictures that were dropped before anybody asks for the result, in place of those before."""
        self.ahead.do(project.name, lambda progress: self.seeing.foresee(project, progress))

    def refresh(self, project: Project) -> None:
        """Make the preview of what is decided now, unless its full picture or preview is there."""
        look = project.look
        if look.ready and not self.latest(project) and (project.live is None or project.live[0] != look):
            with self.ahead.aside():
                project.live = (look, self.seeing.after(project))

    def full(self, project: Project, ending: str = ".png") -> Job:
        """Begin the full picture: first a preview, then the picture and its record; both are in the project when it is done."""
        look = project.look
        if not look.ready:
            raise InputError("Expected a room picture and a style picture, got less; drop both.")
        out = project.new_place("results", ending)
        config = replace(look.config(project.folder), preview=True, device=self.device)

        def work(progress: Progress) -> Variant:
            self.seeing.restyle(project, look, config, project.file(out), progress)
            variant = Variant(_title(project), look, out)
            project.keep(variant)
            if self._eager:  # what the preview of another choice will need, once nobody asks for anything
                with self.ahead.aside():
                    self.ahead.do(project.name, lambda progress: self.seeing.preview(project, look, progress))
            return variant

        job = Job(project.name, f"picture {out}", work, out=project.file(out))
        job.pieces = lambda: int(self._preview_of(job) is not None)
        return self.jobs.start(job)

    def things(self, project: Project) -> list[Thing]:
        """The things of the room picture; none until a run has seen it."""
        return self.seeing.things(project) if project.look.ready else []

    def preview_file(self, project: Project) -> Path | None:
        """The preview that the running job has written."""
        job = self.jobs.of(project.name)
        return None if job is None else self._preview_of(job)

    @staticmethod
    def _preview_of(job: Job) -> Path | None:
        """The preview that a job has written."""
        from relook.transfer.saving import preview_of

        path = None if job.out is None else preview_of(job.out)
        return path if path is not None and path.is_file() else None

    def line(self, project: Project, ending: str = ".png") -> str:
        """The command line that does the same."""
        look, folder = project.look, project.folder
        if not look.ready:
            return LINE
        made = [one for one in project.variants if one.look == look]
        out = made[-1].out if made else f"results/new{ending}"
        styles = tuple(folder / name for name in look.styles)
        return line("photo", Photo((folder / look.structure,), styles, folder / out, config=look.config(folder)))

    def latest(self, project: Project) -> Variant | None:
        """The last full picture of what is decided now."""
        return next((one for one in reversed(project.variants) if one.look == project.look), None)


def _seeing(device: str) -> Seeing:
    with loading():
        from relook.present.studio.seeing import Seeing
        from relook.session import Session

    return Seeing(Session(device))


def _title(project: Project) -> str:
    return f"variant {len(project.variants) + 1}"
