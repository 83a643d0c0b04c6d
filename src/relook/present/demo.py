"""`relook demo`: a photograph in the look of another, drawn rooms against the exact answer, a walk through one, and one as a Gaussian scene; pictures and pages."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from relook.present.demo_scene import restyled_room
from relook.progress import SILENT, Progress

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import RenderableType

    from relook.session import Session

COLUMNS = ("reinhard", "statistics", "palette", "cross-image-attention/relook", "eye-for-an-eye/relook", "relook")
PHOTOGRAPHS = files("relook.present") / "photographs"
"""Two rooms that look like photographs, rendered by tools/rooms."""
CAPTION = "A photograph: relook photo structure.jpg --style style.jpg --out new.png"


@dataclass(frozen=True)
class DemoConfig:
    """A photograph in the look of another (photo.jpg, photo/), a grid of drawn rooms against the exact answer (grid.png), a walk (walk.png, walk/), a Gaussian scene (scene.png, scene.mp4, scene/), one page (report.html)."""

    out: Path = Path("demo")
    """Folder of the results."""
    photograph: bool = True
    """Begin with `relook photo` on two pictures that come with Relook."""
    pairs: int = 2
    """Number of pairs."""
    seed: int = 0
    """Draws the rooms."""
    steps: int = 20
    """Denoising steps of every diffusion method."""
    frames: int = 8
    """Frames of the walk; 0: none."""
    scene: bool = True
    """End with a drawn room as a scene of Gaussians, restyled."""


def run_demo(config: DemoConfig, progress: Progress = SILENT) -> tuple[RenderableType, list[Path]]:
    """Make everything; returns the tables and what to open: the page of photograph and grid, the walk's, the scene's sheet and film."""
    from relook.evaluate.dollhouse_photo import Config
    from relook.evaluate.methods.rows import ROWS
    from relook.evaluate.photo import PhotoSuite
    from relook.evaluate.run import run
    from relook.evaluate.sources.dollhouse import Dollhouse
    from relook.session import Session

    rows = {name: ROWS[name] for name in ("copy", *COLUMNS, "exact")}
    lead = (
        f"{config.pairs} rooms of the dollhouse, {config.steps} steps: each takes the look of another room of its kind."
    )
    options = Config(out=config.out, pairs=config.pairs, seed=config.seed, steps=config.steps)
    source = Dollhouse(config.seed, config.pairs)
    with Session() as session:  # one for all: what is loaded stays, and what cannot be fetched is asked for once
        sheets = [(CAPTION, _photograph(config.out, session, progress))] if config.photograph else []
        suite = PhotoSuite("relook demo", options, lead=lead, rows=rows, source=source, columns=COLUMNS, sheets=sheets)
        table = run(suite, progress)
        files = [config.out / "report.html"]
        if config.frames:
            files.append(_walk(config, session, progress))
        if config.scene:
            files += restyled_room(config.out, config.seed, session=session, progress=progress)
    return table, files


def _photograph(out: Path, session: Session | None = None, progress: Progress = SILENT) -> Image:
    """The room that comes with Relook in the look of the other (photo/new.png); the three side by side (photo.jpg)."""
    from relook.files import replacing
    from relook.io.sheet import contact_sheet
    from relook.transfer.photo import restyle_photo

    with as_file(PHOTOGRAPHS) as folder:
        structure, style = folder / "structure.jpg", folder / "style.jpg"
        output = restyle_photo(
            structure, style, out=out / "photo" / "new.png", session=session, progress=progress
        ).image
        sheet = contact_sheet([[structure, style, output]], ["structure", "style", "output"], side=640)
    with replacing(out / "photo.jpg") as temporary:
        sheet.save(temporary, format="JPEG", quality=90)
    return sheet


def _walk(config: DemoConfig, session: Session | None = None, progress: Progress = SILENT) -> Path:
    """A restyled walk (walk/report.html, returned), and its frames as they were, restyled, and as the exact answer (walk.png)."""
    from shutil import rmtree

    from relook.config import PhotoConfig, ViewsConfig
    from relook.evaluate.views.rooms import draw_walk
    from relook.files import replacing
    from relook.io import read_image
    from relook.io.sheet import contact_sheet
    from relook.lift import restyle_views

    if (config.out / "walk" / "work" / "run.json").is_file():  # of an earlier demo
        rmtree(config.out / "walk")
    walk = draw_walk(config.seed, 0, config.frames, 128, stride=0.8)
    photo = PhotoConfig(family="dollhouse", steps=config.steps, prompt=walk.prompt)
    views, out = [frame.view() for frame in walk.old], config.out / "walk"
    result = restyle_views(views, walk.style, ViewsConfig(photo=photo), out=out, session=session, progress=progress)
    restyled = [read_image(path) for path in result.frames]
    lines = [[frame.image for frame in walk.old], restyled, [frame.image for frame in walk.new]]
    with replacing(config.out / "walk.png") as temporary:
        sheet = contact_sheet(lines, [f"frame {number + 1}" for number in range(config.frames)])
        sheet.save(temporary, format="PNG")
    return out / "report.html"
