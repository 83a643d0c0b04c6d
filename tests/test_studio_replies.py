"""What somebody chooses while a reply is on its way stays as it was chosen: in Debian's chromium, with replies that come late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from strolls import stroll, write_film
from studio_pages import until

pytest.importorskip("gradio", reason="needs the studio's parts (relook[studio])")

pytest_plugins = ("studios",)
pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's libraries


@contextmanager
def late(studio: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """The first preview that is asked for, and with it its reply, waits for the end of the block; the event says that it is asked for."""
    plain, begun, may_end = studio.refresh, Event(), Event()

    def refresh(project: Any) -> None:
        first = not begun.is_set()
        begun.set()
        if first:
            may_end.wait(60)
        plain(project)

    monkeypatch.setattr(studio, "refresh", refresh)
    try:
        yield begun
    finally:
        may_end.set()


@pytest.fixture(autouse=True)
def as_it_was(made: Any) -> Iterator[None]:
    """Each test, also one that fails, leaves the project as it found it."""
    at = made.at
    yield
    made.step(at - made.at)


def test_an_option_set_while_undo_is_at_work(
    opened: Any, studio: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.decide(made.look.with_options({"strength": 0.7}))
    made.decide(made.look.with_options({"strength": 0.7, "seed": 5}))
    page = opened(project=made.name)
    page.get_by_role("button", name="Options").click()
    page.get_by_role("button", name="Most used").click()
    number = page.get_by_label("number input for strength")
    number.wait_for()
    until(page, lambda: number.input_value() == "0.7")  # the page stands before the project has filled it
    with late(studio, monkeypatch) as begun:
        page.click("#undo")
        until(page, begun.is_set)
        number.fill("0.4")
        number.blur()
    page.wait_for_function("document.querySelector('#command').innerText.includes('--strength 0.4')")
    assert number.input_value() == "0.4"
    assert made.look.options == {"strength": 0.4}  # and what was undone is not done again
    page.click("#undo")  # a reply to a later question says what is so
    until(page, lambda: number.input_value() == "0.7")


def test_another_thing_chosen_while_the_first_is_at_work(
    opened: Any, studio: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(project=made.name)
    things = page.locator("#things label")
    things.first.click()
    strength = page.locator("#strength input[type=number]")
    strength.wait_for()
    first, second = (thing.name for thing in studio.things(made)[:2])
    with late(studio, monkeypatch) as begun:
        strength.fill("0.3")
        strength.blur()
        until(page, begun.is_set)
        things.nth(1).click()
        page.wait_for_function("document.querySelector('#strength input[type=number]').value === '1'")
    until(page, lambda: f"--strengths {first}=0.3" in " ".join(page.inner_text("#command").split()).replace("'", ""))
    page.wait_for_timeout(500)
    assert strength.input_value() == "1"
    assert things.nth(1).evaluate("one => one.classList.contains('selected')")
    strength.fill("0.6")
    strength.blur()
    until(page, lambda: second in made.look.things)
    assert (made.look.things[first].strength, made.look.things[second].strength) == (0.3, 0.6)


WATCH = """which => {
  window.undone = 0;
  const look = () => { window.undone += !document.querySelector(`${which} label:last-of-type input`).checked; setTimeout(look, 1); };
  look();
}"""
"""Counts how often the last of some choices is seen not to be chosen."""


@pytest.mark.parametrize(
    ("tab", "which", "shown"),
    [
        ("Layout", "#room-which", "#room img[alt='The look']"),
        ("Regions", "#which", "#overlay img[alt^='The look']"),
    ],
)
def test_the_other_picture_chosen_while_an_edit_is_at_work(
    opened: Any, studio: Any, made: Any, monkeypatch: pytest.MonkeyPatch, *, tab: str, which: str, shown: str
) -> None:
    page, seeing = opened(project=made.name), studio.seeing
    seeing.edit_layout(made, "structure", seeing.layout(made, "structure"))
    page.get_by_role("tab", name=tab).click()
    page.locator(f"{which} input").first.wait_for()
    with late(studio, monkeypatch) as begun:
        if tab == "Layout":
            page.locator("#room-forget:enabled").click()
        else:
            page.locator("#region-id input").click()
            page.locator("#region-id [role=option]").first.click()
            page.wait_for_function("document.querySelector('#region-id input').value")
            page.fill("#region-name input", "panelling")
            page.press("#region-name input", "Enter")
            page.click("#rename")
        until(page, begun.is_set)
        page.locator(which).get_by_label("The look").check()
        page.evaluate(WATCH, which)
    page.locator(shown).wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("window.undone") == 0
    assert page.locator(shown).is_visible()


def test_options_of_a_walk_outlive_its_drop(opened: Any, studio: Any, tmp_path: Path) -> None:
    page = opened()
    write_film(tmp_path / "walk.mp4", stroll(2))
    page.get_by_role("tab", name="Walk").click()
    page.get_by_role("button", name="Most used").locator("visible=true").click()
    limit = page.locator("#walk-option-limit input")
    limit.fill("2")
    limit.blur()
    page.set_input_files("#walk input[type=file]", tmp_path / "walk.mp4")
    page.get_by_text("The walk: walk.mp4").wait_for()
    page.get_by_role("tab", name="Flat").click()
    page.get_by_role("tab", name="Walk").click()
    page.wait_for_timeout(300)
    assert limit.input_value() == "2"
