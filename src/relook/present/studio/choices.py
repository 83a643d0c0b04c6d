"""What each thing of the room takes: a list of the things with what is uncertain or missing, and what is chosen for one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from relook.present.studio.look import TAKINGS, Choice
from relook.present.studio.project import Project, take_picture
from relook.present.studio.shell import QUIET, Shell, polite
from relook.present.studio.shown import thumbnail
from relook.present.studio.ties import SCRIPT, STYLE, Places, Tie, ties_html

if TYPE_CHECKING:
    from relook.present.studio.things import Thing

PANEL = ("taking", "region", "picture", "material", "scale", "turn", "colour", "strength")
"""Components that say what the chosen thing takes, in their order."""


class Choices:
    """Components and what they do; `refresh` is what the rest of the page shows after a choice."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        self.things = gr.Radio(
            [], label="Things in your room", info="Choose one to say what it takes.", elem_id="things", visible=False
        )
        self.places = Places()
        self.ties: Any = None  # where it stands is the page's choice
        with gr.Group(visible=False, elem_id="choice") as self.group:
            self.taking = gr.Dropdown(
                [(words, name) for name, words in TAKINGS.items()], label="It takes", elem_id="taking"
            )
            self.region = gr.Dropdown([], label="From this of the look", visible=False, elem_id="region")
            self.picture = gr.Image(label="From this picture", type="filepath", image_mode=None, sources=["upload", "clipboard"],
                                    height=160, visible=False, elem_id="reference")  # fmt: skip
            self.material = gr.Dropdown([], label="Material", visible=False, elem_id="material")
            self.scale = gr.Number(1.0, label="Metres that it is wide", minimum=0.05, step=0.05, visible=False)
            self.turn = gr.Slider(-180, 180, 0, step=5, label="Turned by degrees", visible=False)
            self.colour = gr.ColorPicker(label="Colour", visible=False, elem_id="colour")
            self.strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", elem_id="strength")

    @property
    def panel(self) -> list[Any]:
        """The components of one choice."""
        return [getattr(self, name) for name in PANEL]

    def wire(self, refresh: Any, outputs: list[Any]) -> None:
        """refresh: project -> what `outputs` show."""
        name, chosen = self.shell.name, [self.shell.name, self.things, *self.panel]
        self.things.input(polite(self._opened), [name, self.things], [self.group, *self.panel], **QUIET)

        def pick(name: str, event: gr.EventData) -> list[Any]:
            said: dict[str, Any] = event._data
            thing = str(said["thing"])
            known = thing in (one.name for one in self.studio.things(self.shell.project(name)))
            return [thing, *self._opened(name, thing)] if known else [gr.skip()] * (2 + len(PANEL))

        self.ties.submit(polite(pick), [name], [self.things, self.group, *self.panel], **QUIET)

        def choose(name: str, thing: str, *values: Any) -> list[Any]:
            project = self.shell.project(name)
            self._choose(project, thing, dict(zip(PANEL, values, strict=True)))
            self.studio.refresh(project)
            return [*refresh(project), *self._opened(name, thing)]

        for one in (self.taking.input, self.region.input, self.picture.upload, self.material.input, self.scale.blur, self.turn.release,
                    self.colour.blur, self.colour.submit, self.strength.release):  # fmt: skip
            one(
                polite(choose),
                chosen,
                [*outputs, self.group, *self.panel],
                trigger_mode="always_last",
                **self.shell.redrawn,
            )

    def drawing(self) -> None:
        """Make the drawing of what takes from what, here in the page."""
        with gr.Accordion("What takes from what", open=True, visible=False, elem_id="ties-box") as self.box:
            self.ties = gr.HTML(elem_id="ties", css_template=STYLE, js_on_load=SCRIPT)

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.things, self.box, self.ties]

    def show(self, project: Project) -> list[Any]:
        """The list of things, and the lines from them to what they take from."""
        things = self.studio.things(project)
        words = {one.name: self._words(project, one) for one in things}
        choices = [(said, name) for name, said in words.items()]
        drawn = self._tied(project, things, words) if things else ""
        return [gr.update(choices=choices, visible=bool(things)), gr.update(visible=bool(things)), drawn]

    def _tied(self, project: Project, things: Sequence[Thing], words: Mapping[str, str]) -> str:
        """The lines as HTML: from things that take from the first style picture; others have a dot."""
        views = self.studio.seeing.views(project)
        if views is None:
            return ""
        room, look = views[0], (views[1].pictures or views[1:])[0]
        ties = []
        for one in things:
            choice = project.look.things.get(one.name, Choice())
            takes = not one.stays and choice.taking in ("counterpart", "region", "restyle")
            found = [self.places.of(look, name) for name in one.counterparts] if takes else []
            at, sources = self.places.of(room, one.name), tuple(place for place in found if place is not None)
            if at is not None:
                ties.append(Tie(one.name, words[one.name], at, sources, one.unsure or one.missing))
        files = thumbnail(project, project.look.structure), thumbnail(project, project.look.styles[0])
        return ties_html(files, (room, look), ties)

    def _words(self, project: Project, thing: Thing) -> str:
        """A thing, what it takes from, and what is doubtful about it."""
        choice = project.look.things.get(thing.name, Choice())
        takes = {
            "keep": "stays, to the last pixel", "colour": f"colour {choice.value}", "material": f"material {choice.value.split('/')[-1]}",
            "picture": f"from {choice.value.split('/')[-1]}", "restyle": "takes the new look",
        }.get(choice.taking)  # fmt: skip
        if takes is None:
            takes = "stays as it is" if thing.stays else f"from {', '.join(thing.counterparts)}"
            if thing.missing:
                likely = f"; perhaps {' or '.join(thing.suggestions)}?" if thing.suggestions else ""
                takes = f"nothing like it in the look{likely}"
        unsure = f" (unsure: {100 * thing.confidence:.0f} %)" if thing.unsure else ""
        strength = "" if choice.strength is None else f", strength {choice.strength:g}"
        return f"{thing.name}{unsure}: {takes}{strength}"

    def _opened(self, name: str, thing: str | None) -> list[Any]:
        """The panel of one thing."""
        project = self.shell.project(name)
        if not thing:
            return [gr.update(visible=False), *[gr.skip()] * len(PANEL)]
        look, views = project.look, self.studio.seeing.views(project)
        choice = look.things.get(thing, Choice())
        names = [] if views is None or views[1].segments is None else list(views[1].segments.names)
        shown = choice.taking
        value = choice.value or None
        swatches = [(title, title) for title in self.studio.projects.materials]
        strength = look.options.get("strength", 1.0) if choice.strength is None else choice.strength
        return [
            gr.update(visible=True), gr.update(value=shown),
            gr.update(choices=names, value=value if shown == "region" and value in names else None, visible=shown == "region"),
            gr.update(value=str(project.file(value)) if shown == "picture" and value else None, visible=shown == "picture"),
            gr.update(choices=swatches, value=value.split("/")[-1].rsplit(".", 1)[0] if shown == "material" and value else None,
                      visible=shown == "material"),
            gr.update(value=choice.scale, visible=shown == "material"), gr.update(value=choice.turn, visible=shown == "material"),
            gr.update(value=value if shown == "colour" and value else "#d8cfc0", visible=shown == "colour"),
            gr.update(value=strength, visible=shown != "keep"),
        ]  # fmt: skip

    def _choose(self, project: Project, thing: str, values: dict[str, Any]) -> None:
        """Decide what a thing takes."""
        look, taking = project.look, values["taking"]
        before = look.things.get(thing, Choice())
        value = ""
        if taking == "region":
            value = values["region"] or ""
        elif taking == "colour":
            value = hexadecimal(values["colour"] or "#d8cfc0")
        elif taking == "material" and values["material"]:
            value = take_picture(self.studio.projects.materials[values["material"]], project.folder, "pictures")
        elif taking == "picture" and values["picture"]:
            value = before.value if before.taking == "picture" and before.value else ""
            value = (
                project.take_in(values["picture"])
                if not value or values["picture"] != str(project.file(value))
                else value
            )
        overall = look.options.get("strength", 1.0)
        strength = None if abs(values["strength"] - overall) < 1e-6 else float(values["strength"])
        choice = Choice(taking, value, float(values["scale"] or 1.0), float(values["turn"] or 0.0), strength)
        if taking != "material":
            choice = replace(choice, scale=1.0, turn=0.0)
        project.decide(look.choosing(thing, choice))


def hexadecimal(colour: str) -> str:
    """A colour as browsers give it (#rrggbb, or rgba(12, 34.5, 56, 1)) with two digits each."""
    if colour.startswith("#"):
        return colour[:7]
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return "#" + "".join(f"{min(255, max(0, round(one))):02x}" for one in numbers)
