"""The command line: `relook photo | views | scene | lift | perceive | audit | studio | demo | evaluate | compare | train | models`. Each command loads what it needs, when it is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import relook
from relook.config import FILES, PerceiveConfig
from relook.errors import RelookError
from relook.files import check_writable
from relook.models.fetch import OFFLINE
from relook.options import EXISTING, POSITIONAL
from relook.present.arguments import one_of, parse
from relook.present.audit import audit
from relook.present.compare import compare
from relook.present.lift import lift
from relook.present.loading import loading
from relook.present.photo import photo
from relook.present.studio.command import studio
from relook.present.terminal import ERR, OUT, drawn, speak
from relook.present.views import views

if TYPE_CHECKING:
    from relook.types import Layout

FAILED, INTERRUPTED = 2, 130

SHORT = """[bold]relook[/bold] {version}: each object takes the look of its counterpart in a style picture, the structure stays.

  relook photo STRUCTURE STYLE --out OUT           restyle one picture, several, or a folder of them
  relook views WALK --style STYLE --out DIR        restyle frames, a video or a capture, the same look in all of them
  relook lift CAPTURE --operator NAME --out DIR    any 2D model's predictions, the same in all views of a capture
  relook scene fit|render|view|info|convert        rooms as 3D Gaussians: from a capture, as a video, as files for any viewer
  relook perceive PHOTO --out DIR                  what is in a picture: regions, depth, edges, the room, as files to edit
  relook audit OUT                                 what was changed in a restyled picture, and that the rest is identical
  relook studio                                    the same in a browser, on this machine
  relook demo [--out demo]                         a photograph, drawn rooms against the exact answer, a Gaussian scene
  relook evaluate SUITE --out DIR                  measure: methods, perception, matching, geometry (relook evaluate lists them)
  relook compare REPORT REPORT...                  runs of a suite side by side, and what differs between them
  relook train WHAT                                train the embedded family
  relook models list|pull|verify|where|remove      what can be had, its licence and size; get it, check it, find it, delete it

relook COMMAND --help lists a command's options; relook COMMAND --offline asks no network (as RELOOK_OFFLINE=1 does); relook --version."""
SEEN = "example: relook perceive room.jpg --out seen; then relook photo room.jpg --segments seen/segments.png ..."


@dataclass(frozen=True)
class Perceive:
    """See a picture: writes its regions with names, depth, edges and the room's layout, which can be given back, and pictures of them."""

    photo: Annotated[Path, EXISTING, POSITIONAL, FILES]
    """The picture."""
    out: Annotated[Path, FILES]
    """Folder to write to: segments.png and .json, depth.npz and .png, edges.png, layout.json, and pictures of them."""
    config: PerceiveConfig = field(default_factory=PerceiveConfig)


def perceive(words: Sequence[str]) -> int:
    """relook perceive."""
    options = parse(Perceive, "relook perceive", words, SEEN)
    check_writable(options.out, folder=True)
    with loading():
        from relook.perceive.perceive import perceive_photo
    with drawn() as progress:
        view = perceive_photo(options.photo, options.config, out=options.out, progress=progress)
    seen = ", ".join(view.segments.names if view.segments is not None else ())
    depth = "no depth (no model is here)" if view.depth is None else f"{view.depth.kind} depth"
    layout = "no layout" if view.layout is None else _room(view.layout)
    OUT.print(f"{options.out}: {seen}; {depth}; {layout}", markup=False)
    return 0


def _room(layout: Layout) -> str:
    """A layout in a few words."""
    sure = sum(one.confidence >= 0.5 for one in layout.walls)
    if layout.directions < 0.5:
        return "layout unknown"
    return f"a room {layout.height:.1f} m high ({layout.scale} scale), {sure} of {len(layout.walls)} walls sure"


def demo(words: Sequence[str]) -> int:
    """relook demo."""
    from relook.present.demo import DemoConfig, run_demo

    options = parse(DemoConfig, "relook demo", words)
    with drawn() as progress:
        table, files = run_demo(options, progress)
    OUT.print(table)
    for path in files:
        OUT.print(f"{path}", markup=False)
    return 0


def evaluate(words: Sequence[str]) -> int:
    """relook evaluate SUITE."""
    suites: Mapping[str, str] = {
        "dollhouse-photo": "dollhouse_photo", "ablation": "ablation", "folder": "folder", "scene-transfer": "scene_transfer",
        "dollhouse-views": "dollhouse_views", "dollhouse-scene": "dollhouse_scene", "dollhouse-restyle3d": "dollhouse_restyle3d", "dollhouse-lift": "dollhouse_lift", "dollhouse-correspondence": "perception.correspondence",
        "perception": "perception.segments_depth", "matching": "perception.matching", "geometry": "perception.geometry",
        "autoencoder": "perception.autoencoder", "layout": "perception.layout", "masks": "perception.masks",
    }  # fmt: skip
    if not words or words[0] in ("-h", "--help"):
        OUT.print(
            f"usage: relook evaluate SUITE [options]; suites: {', '.join(suites)}. relook evaluate SUITE --help lists its options."
        )
        return 0
    from relook.evaluate.run import run

    suite = import_module(f"relook.evaluate.{suites[one_of(suites, words[0], 'suite')]}")
    options = parse(suite.Config, f"relook evaluate {words[0]}", words[1:])
    with drawn() as progress:
        table = run(suite.suite(options), progress)
    OUT.print(table)
    OUT.print(f"{options.out}", markup=False)
    return 0


def train(words: Sequence[str]) -> int:
    """relook train WHAT."""
    from relook.training.subjects import SUBJECTS

    if not words or words[0] in ("-h", "--help"):
        for name, kind in SUBJECTS.items():
            OUT.print(f"relook train {name} [--help]: {getdoc(kind)}", markup=False)
        return 0
    name = one_of(SUBJECTS, words[0], "subject of training")
    options: Any = parse(SUBJECTS[name], f"relook train {name}", words[1:])
    subject = import_module(f"relook.training.{name.replace('-', '_')}")
    OUT.print(f"{subject.run(options)}", markup=False)
    return 0


def models(words: Sequence[str]) -> int:
    """relook models: the catalogue's own command line."""
    from relook.present.models import main as models

    return models(words)


def scene(words: Sequence[str]) -> int:
    """relook scene: rooms as 3D Gaussians."""
    from relook.present.scene import main as scene

    return scene(words)


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    run.__name__: run
    for run in (photo, views, scene, lift, perceive, audit, studio, demo, evaluate, compare, train, models)
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; 0, 2 after an error that is the user's to mend (one sentence), 130 after Ctrl-C."""
    words = list(sys.argv[1:] if words is None else words)
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # before torch is there: threads that spin cost a busy machine three times the work
    speak()
    if "--offline" in words:
        words.remove("--offline")
        os.environ[OFFLINE] = "1"
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            OUT.print(SHORT.format(version=relook.__version__))
            return 0
        if words[0] in ("--version", "-V"):
            OUT.print(f"relook {relook.__version__}")
            return 0
        return COMMANDS[one_of(COMMANDS, words[0], "command")](words[1:])
    except RelookError as error:
        ERR.print(f"relook: {error}", markup=False)
        return FAILED
    except KeyboardInterrupt:
        ERR.print("relook: stopped; nothing was left half written.")
        return INTERRUPTED
    except SystemExit:  # help was printed
        return 0


if __name__ == "__main__":
    sys.exit(main())
