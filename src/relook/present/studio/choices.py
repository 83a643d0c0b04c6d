"""What each thing of the room takes: a list of the things with what is uncertain or missing, and what is chosen for one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from relook.present.studio.look import TAKINGS, Choice
from relook.present.studio.project import Project, take_picture
from relook.present.studio.shell import LATEST, ORDERED, QUIET, Shell, polite
from relook.present.studio.shown import thumbnail
from relook.present.studio.ties import SCRIPT, STYLE, Places, Tie, ties_html

if TYPE_CHECKING:
    from relook.present.studio.things import Thing

PANEL = ("taking", "region", "picture", "material", "scale", "turn", "colour", "strength")
"""Components that say what the chosen thing takes, in their order."""
PLAIN = "#d8cfc0"
"""The colour of a thing that takes one, until another is chosen."""


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
            self.scale = gr.Number(
                1.0, label="Metres that it is wide", minimum=0.05, step=0.05, visible=False, elem_id="scale"
            )
            self.turn = gr.Slider(-180, 180, 0, step=5, label="Turned by degrees", visible=False, elem_id="turn")
            self.colour = gr.ColorPicker(label="Colour", visible=False, elem_id="colour")
            self.strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", elem_id="strength")

    @property
    def panel(self) -> list[Any]:
        """The components of one choice."""
        return [getattr(self, name) for name in PANEL]

    def wire(self, refresh: Any, outputs: list[Any]) -> None:
        """refresh: project -> what `outputs` show."""
        name = self.shell.name
        self.things.input(polite(self._opened), [name, self.things], [self.group, *self.panel], **LATEST)

        def pick(name: str, event: gr.EventData) -> list[Any]:
            said: dict[str, Any] = event._data
            thing = str(said["thing"])
            known = thing in (one.name for one in self.studio.things(self.shell.project(name)))
            return [thing, *self._opened(name, thing)] if known else [gr.skip()] * (2 + len(PANEL))

        self.ties.submit(polite(pick), [name], [self.things, self.group, *self.panel], **QUIET)

        def choose(asked: str) -> Any:
            return lambda name, thing, said: self._choose(self.shell.project(name), thing, asked, said)

        def renew(name: str) -> Any:
            project = self.shell.project(name)
            self.studio.refresh(project)
            return refresh(project)

        events = (
            ("taking", self.taking.input), ("region", self.region.input), ("picture", self.picture.upload), ("material", self.material.input), ("scale", self.scale.blur),
            ("turn", self.turn.release), ("colour", self.colour.blur), ("colour", self.colour.submit), ("strength", self.strength.release),
        )  # fmt: skip
        for asked, event in events:
            values = [name, self.things, getattr(self, asked)]
            made = event(polite(choose(asked)), values, [], trigger_mode="always_last", **ORDERED)
            # asked anew: meanwhile another thing may have been chosen, whose panel the page shows
            shown = made.then(polite(self._opened), [name, self.things], [self.group, *self.panel], **QUIET)
            shown.then(polite(renew), [name], outputs, **self.shell.redrawn)

    def drawing(self) -> None:
        """Make the drawing of what takes from what, here in the page."""
        with gr.Accordion("What takes from what", open=True, visible=False, elem_id="ties-box") as self.box:
            self.ties = gr.HTML(elem_id="ties", css_template=STYLE, js_on_load=SCRIPT)

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.things, self.box, self.ties, self.group]

    def show(self, project: Project) -> list[Any]:
        """The list of things, and the lines from them to what they take from."""
        things = self.studio.things(project)
        words = {one.name: self._words(project, one) for one in things}
        choices = [(said, name) for name, said in words.items()]
        drawn = self._tied(project, things, words) if things else ""
        panel = gr.skip() if things else gr.update(visible=False)  # else that of another project would stay
        return [gr.update(choices=choices, visible=bool(things)), gr.update(visible=bool(things)), drawn, panel]

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
            gr.update(value=value if shown == "colour" and value else PLAIN, visible=shown == "colour"),
            gr.update(value=strength, visible=shown != "keep"),
        ]  # fmt: skip

    def _choose(self, project: Project, thing: str, asked: str, said: Any) -> None:
        """Decide one part of what a thing takes: the page's other parts may still be those of a thing that was chosen before."""
        look = project.look
        before = look.things.get(thing, Choice())
        changes: dict[str, Any] = {}
        match asked:
            case "taking" if said != before.taking:
                changes = {"taking": said, "value": PLAIN if said == "colour" else ""}
            case "region":
                changes = {"taking": asked, "value": said or ""}
            case "colour":
                changes = {"taking": asked, "value": hexadecimal(said or PLAIN)}
            case "material" if said:
                swatch = self.studio.projects.materials[said]
                changes = {"taking": asked, "value": take_picture(swatch, project.folder, "pictures")}
            case "picture" if said:
                changes = {"taking": asked, "value": project.take_in(said)}
            case "scale" | "turn":
                changes = {asked: float(said or getattr(Choice, asked))}
            case "strength":
                usual = abs(said - look.options.get("strength", 1.0)) < 1e-6
                changes = {"strength": None if usual else float(said)}
        choice = replace(before, **changes)
        if choice.taking != "material":
            choice = replace(choice, scale=1.0, turn=0.0)
        project.decide(look.choosing(thing, choice))


def hexadecimal(colour: str) -> str:
    """A colour as browsers give it (#rrggbb, or rgba(12, 34.5, 56, 1)) with two digits each."""
    if colour.startswith("#"):
        return colour[:7]
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return "#" + "".join(f"{min(255, max(0, round(one))):02x}" for one in numbers)
