"""The studio in a real browser: Debian's chromium, driven by playwright."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event
from typing import Any
from zipfile import ZipFile

import pytest

from strolls import stroll, write_film
from studio_pages import drop, listed, project_of, shot, until

pytest.importorskip("gradio", reason="needs the studio's parts (relook[studio])")

from relook.perceive.layout.files import read_layout
from relook.present.studio.page import PARTS

pytest_plugins = ("studios",)
FILLED = {"Regions": "#overlay img", "Layout": "#room svg", "Variants": "#variants img", "Models": "#models td"}
"""What a tab shows of a project with a picture, once the server has said it."""
FIRST = {"Walk": "walk", "Scene": "scene", "Measure": "reports", "Flat": "flat"}
"""What a tab has."""
pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's libraries


def test_from_two_photographs_to_a_picture(opened: Any, made: Any) -> None:
    page = opened(project=made.name)  # finds the project, its picture and its choices again
    page.wait_for_selector("#slider img")
    with page.expect_download() as download:
        page.click("#download")
    written = made.file(made.variants[0].out)
    assert Path(download.value.path()).read_bytes() == written.read_bytes()
    assert written.with_suffix(".json").is_file()
    assert f"--out {written}" in " ".join(page.inner_text("#command").split())
    assert page.input_value("#project input, #project textarea") == made.name
    tie = page.locator("#ties svg.wide g[role=button]").last  # on top of the others
    name = tie.get_attribute("data-thing")
    tie.locator("circle").first.click()
    page.wait_for_selector("#choice")
    assert page.locator("#things label.selected").inner_text().startswith(name)
    shot(page, "picture")


def inside(page: Any, segments: Any, name: str) -> Any:
    """A point of the overlay that lies well inside a region: where the picture, centred in its frame, is deepest in it."""
    import cv2

    mask = sum(segments.labels == id for id, region in segments.regions.items() if region.name == name)
    depth = cv2.distanceTransform(mask.numpy().astype("uint8"), cv2.DIST_L2, 3)
    row, column = divmod(int(depth.argmax()), depth.shape[1])
    box = page.locator("#overlay img").bounding_box()
    assert box is not None
    scale = min(box["width"] / depth.shape[1], box["height"] / depth.shape[0])
    left, top = (box["width"] - scale * depth.shape[1]) / 2, (box["height"] - scale * depth.shape[0]) / 2
    return {"x": left + scale * (column + 0.5), "y": top + scale * (row + 0.5)}


def test_an_edited_region_changes_the_picture(opened: Any, studio: Any, made: Any) -> None:
    page, project = opened(project=made.name), made
    page.get_by_role("tab", name="Regions").click()
    page.wait_for_selector("#overlay img")
    page.locator("#overlay img").click(position=inside(page, studio.seeing.segments(project, "structure"), "wall"))
    page.wait_for_function("document.querySelector('#region-id input').value.includes('sure')")
    page.fill("#region-name input", "panelling")
    page.press("#region-name input", "Enter")
    page.click("#rename")
    page.wait_for_function("!document.querySelector('#region-id input').value")
    shot(page, "regions")
    assert "panelling" in studio.seeing.segments(project, "structure").names
    page.get_by_role("tab", name="Picture").click()
    page.locator("#things").get_by_text("panelling").wait_for()  # among the things, without a counterpart
    page.click("#go")
    page.wait_for_function("document.querySelector('#command').innerText.includes('results/2.png')")
    page.locator("#download:visible").wait_for()
    first, second = (project.file(one.out).read_bytes() for one in project.variants)
    assert first != second
    page.click("#undo")
    page.wait_for_function("document.querySelector('#command').innerText.includes('results/1.png')")
    page.get_by_role("tab", name="Regions").click()
    before, steps = project.look, project.at
    more = brushed(page, studio, project, "brush onto the chosen one")
    assert brushed(page, studio, project, "brush off the chosen one") < more
    page.click("#regions-undo:enabled")
    until(page, lambda: project.at == steps + 1)  # each stroke was one step
    page.click("#regions-undo:enabled")
    until(page, lambda: project.look == before)


DRAWN_ANEW = "drawn => document.querySelector('#overlay .map').dataset.drawn !== drawn"


def brushed(page: Any, studio: Any, project: Any, mode: str) -> int:
    """Choose the ceiling and move the pointer, held down, over the wall; the pixels that the ceiling has then."""

    def pixels() -> int:
        return int(studio.seeing.segments(project, "structure").mask("ceiling").sum())

    page.get_by_label("choose a region").check()
    drawn = page.locator("#overlay .map").get_attribute("data-drawn")
    page.locator("#overlay img").click(position=inside(page, studio.seeing.segments(project, "structure"), "ceiling"))
    page.wait_for_function("document.querySelector('#region-id input').value.includes('ceiling')")
    page.wait_for_function(DRAWN_ANEW, arg=drawn)  # else the stroke would be on a picture that is replaced
    drawn = page.locator("#overlay .map").get_attribute("data-drawn")
    page.get_by_label(mode).check()
    box, before = page.locator("#overlay img").bounding_box(), pixels()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.3 * box["height"], steps=4)
    shot(page, mode.replace(" ", "-"))
    page.mouse.up()
    until(page, lambda: pixels() != before)
    page.wait_for_function(DRAWN_ANEW, arg=drawn)
    return pixels()


def test_variants_materials_and_a_flat(opened: Any, studio: Any, pictures: dict[str, Path]) -> None:
    page = opened()
    drop(page, studio, "style", pictures["style"])
    project = project_of(page, studio)
    page.get_by_role("tab", name="Materials").click()
    page.set_input_files("#swatches input[type=file]", pictures["style"])
    page.wait_for_selector("#materials img")
    shot(page, "materials")
    assert list(studio.projects.materials) == ["style"]
    page.get_by_role("tab", name="Flat").click()
    page.set_input_files("#rooms input[type=file]", pictures["structure"])
    listed(page, "rooms", "structure.jpg")
    page.click("#flat")
    page.wait_for_selector("#sheets img")
    shot(page, "flat")
    assert (project.folder / "results" / "flat" / "structure.json").is_file()
    with page.expect_download() as download:
        page.click("#flat-zip")
    assert "structure.json" in ZipFile(download.value.path()).namelist()
    page.get_by_role("tab", name="Models").click()
    page.get_by_text("ade20k").first.wait_for()
    shot(page, "models")


def test_a_reloaded_page_finds_its_job_and_cancels_it(opened: Any, studio: Any) -> None:
    from relook.present.studio.jobs import Job

    page, ended = opened(), Event()

    def work(progress: Any) -> None:
        with progress.stage("restyling", 1000, expected=50.0) as tick:
            for step in range(1000):
                tick(step)
                ended.wait(0.05)

    job = studio.jobs.start(Job(project_of(page, studio).name, "work", work))
    try:
        page.reload()
        page.get_by_text("s left").wait_for()
        page.click("#cancel")
        page.get_by_text("Stopped; nothing was left half written.").wait_for()
    finally:
        ended.set()
    assert job.state == "stopped"


def test_one_stream_brings_all_replies_of_a_page(opened: Any) -> None:
    page, streams = opened(), []
    page.on("request", lambda one: streams.append(one.url) if re.search("queue/data|heartbeat", one.url) else None)
    page.reload()
    for title in FIRST:
        page.get_by_role("tab", name=title).click()
        page.wait_for_selector(f"#{FIRST[title]}:visible")
        page.wait_for_timeout(150)
    assert len(streams) == 1  # another one would open where the first had closed, perhaps on a reply
    for _ in range(3):  # of the six that a browser opens to one address
        other = page.context.new_page()
        other.goto(page.url)
        other.locator("#project input, #project textarea").wait_for()
    other.get_by_role("tab", name="Flat").click()
    other.wait_for_selector("#flat-command")


def test_two_browsers_do_not_mix_and_bad_files_are_refused(
    opened: Any, studio: Any, pictures: dict[str, Path], tmp_path: Path
) -> None:
    one, other = opened(390, 800, color_scheme="dark"), opened()
    drop(one, studio, "structure", pictures["structure"])
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    begun = project_of(other, studio).name
    other.click("#new")
    until(other, lambda: project_of(other, studio).name != begun)  # its zones were made anew
    other.set_input_files("#structure input[type=file]", bad)
    other.get_by_text("Expected a readable picture at bad.jpg").first.wait_for()
    other.locator("#structure img").wait_for(state="detached")  # the zone is free again
    first, second = project_of(one, studio), project_of(other, studio)
    assert first.name != second.name
    assert (bool(first.look.structure), bool(second.look.structure)) == (True, False)
    width = one.evaluate("document.documentElement.scrollWidth")
    assert width <= 390  # a phone scrolls down only
    shot(one, "phone")


def test_a_line_of_the_layout_is_dragged(opened: Any, studio: Any, made: Any) -> None:
    page, before = opened(project=made.name), studio.seeing.layout(made, "structure")
    page.get_by_role("tab", name="Layout").click()
    page.wait_for_function("document.querySelector('#room image, #room img')?.getBoundingClientRect().height > 50")
    line = page.locator("#room g.ceiling").nth(1)
    line.hover(force=True)  # once it stands still
    lift(page, line, 0.3, -20)
    until(page, lambda: made.look.layout)
    higher = studio.seeing.layout(made, "structure").height
    assert higher > before.height
    page.locator("#room-forget:enabled").wait_for()
    shot(page, "layout")
    line.press("ArrowDown")  # by the keys, too
    until(page, lambda: studio.seeing.layout(made, "structure").height < higher)
    lower = studio.seeing.layout(made, "structure").height
    page.wait_for_function("document.activeElement.matches('#room g.ceiling')")  # drawn anew, it can be moved on
    page.keyboard.press("ArrowDown")
    until(page, lambda: studio.seeing.layout(made, "structure").height < lower)
    assert read_layout(made.file(made.look.layout)).height < lower
    page.click("#room-forget")
    until(page, lambda: not made.look.layout)
    page.get_by_label("The look").last.check()
    page.locator("#room img[alt='The look']").wait_for()
    page.locator("#room g.ceiling").first.press("ArrowUp")
    until(page, lambda: made.look.style_layout)
    assert "--style-layout" in studio.line(made)
    page.locator("#room-undo:enabled").click()
    until(page, lambda: not made.look.style_layout)
    page.locator("#room-redo:enabled").click()
    until(page, lambda: made.look.style_layout)
    page.locator("#room-forget:enabled").click()
    until(page, lambda: not made.look.style_layout)


def lift(page: Any, line: Any, along: float, by: float) -> None:
    """Drag a line of the layout up or down by pixels of the page, taken a part of its length along it."""
    x, y = line.locator("line").first.evaluate(
        """(one, along) => {
          const at = name => one[name].baseVal.value, view = one.ownerSVGElement.viewBox.baseVal;
          const box = one.ownerSVGElement.getBoundingClientRect(), on = (a, b) => at(a) + along * (at(b) - at(a));
          return [box.left + on('x1', 'x2') * box.width / view.width, box.top + on('y1', 'y2') * box.height / view.height];
        }""",
        along,
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + by, steps=3)
    assert line.get_attribute("transform")  # it goes along
    page.mouse.up()


def test_a_walk_is_dropped_and_played(opened: Any, studio: Any, pictures: dict[str, Path], tmp_path: Path) -> None:
    page = opened()
    drop(page, studio, "style", pictures["style"])
    project = project_of(page, studio)
    project.decide(project.look.with_options({"segmenter": "whole", "depth_estimator": "none"}))
    write_film(tmp_path / "walk.mp4", stroll(2))
    page.get_by_role("tab", name="Walk").click()
    page.set_input_files("#walk input[type=file]", tmp_path / "walk.mp4")
    until(page, lambda: (project.folder / "walk" / "walk.json").is_file())
    page.click("#walk-go")
    page.locator("#walk-film:visible").wait_for()
    page.click("#walk-player button")
    page.wait_for_function(
        "[...document.querySelectorAll('#walk-player video')].every(one => !one.paused && one.videoWidth)"
    )
    page.locator("#films-border").fill("20")
    assert "20%" in page.locator("#walk-player video.after").evaluate("one => one.style.clipPath")
    shot(page, "walk")


@pytest.mark.parametrize("width", [1280, 390])
def test_nobody_is_kept_out(opened: Any, made: Any, axe: str, width: int) -> None:
    page = opened(width, project=made.name)
    page.wait_for_selector("#slider img")
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    page.evaluate(axe)
    found = []
    for title in ("Picture", *PARTS):
        if width == 1280:
            page.get_by_role("tab", name=title, exact=True).click()
        else:  # most tabs are in a menu there
            page.evaluate(
                "name => [...document.querySelectorAll('[role=tab], .overflow-menu button')].find(one => one.innerText.trim() === name).click()",
                title,
            )
        if title == "Picture":
            page.get_by_role("button", name="Mark, layers, signature").click()
        page.wait_for_selector(FILLED.get(title, "#title"), state="attached")
        page.wait_for_timeout(250)
        for dark in (False, True):
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
            shot(page, f"{title.lower()}-{width}{'-dark' if dark else ''}")
            rules = {"runOnly": ["color-contrast"]} if dark else {}  # nothing else differs in the dark
            faults = page.evaluate("how => axe.run(document, how)", {"resultTypes": ["violations"], **rules})[
                "violations"
            ]
            serious = [one for one in faults if one["impact"] in ("serious", "critical")]
            found += [(title, dark, one["id"], node["html"][:200]) for one in serious for node in one["nodes"]]
        page.evaluate("document.body.classList.remove('dark')")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, title
    assert not found


def test_only_local_names_and_who_knows_the_token_are_let_in(studio: Any) -> None:
    from fastapi.testclient import TestClient

    from relook.present.studio.server import application

    client = TestClient(application(studio, token="secret", hosts=("*",)), base_url="http://room.example")
    assert client.get("/").status_code == 403
    assert client.get("/?token=wrong").status_code == 403
    assert client.get("/?token=secret").status_code == 200  # sent on, with a cookie
    assert client.get("/").status_code == 200
    outside = client.get("/gradio_api/file=/etc/passwd")
    assert outside.status_code in (403, 404)
    held = studio.projects.root / "signature" / "key.pem"
    held.parent.mkdir(exist_ok=True)
    held.write_text("a private key")
    assert client.get(f"/gradio_api/file={held}").status_code in (403, 404)
    (studio.projects.root / "shown.txt").write_text("a file of a project")
    assert client.get(f"/gradio_api/file={studio.projects.root / 'shown.txt'}").status_code == 200
    local = TestClient(application(studio), base_url="http://evil.example")
    assert local.get("/").status_code == 400
