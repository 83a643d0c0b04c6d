"""The studio in a real browser: Debian's chromium, driven by playwright."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from studio_pages import drop, listed, project_of, shot

pytest.importorskip("gradio", reason="needs the studio's parts (relook[studio])")
pytest_plugins = ("studios",)
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
    page.locator("#overlay img").click(position=inside(page, studio.segments(project, "structure"), "wall"))
    page.wait_for_function("document.querySelector('#region-id input').value.includes('sure')")
    page.fill("#region-name input", "panelling")
    page.press("#region-name input", "Enter")
    page.click("#rename")
    page.wait_for_function("!document.querySelector('#region-id input').value")
    shot(page, "regions")
    assert "panelling" in studio.segments(project, "structure").names
    page.get_by_role("tab", name="Picture").click()
    page.get_by_text("panelling").wait_for()  # among the things, without a counterpart
    page.click("#go")
    page.wait_for_function("document.querySelector('#command').innerText.includes('results/2.png')")
    page.locator("#download:visible").wait_for()
    first, second = (project.file(one.out).read_bytes() for one in project.variants)
    assert first != second
    page.click("#undo")
    page.wait_for_function("document.querySelector('#command').innerText.includes('results/1.png')")


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
    page.get_by_role("tab", name="Variants").click()
    page.locator("#zip:visible").wait_for()
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


def test_two_browsers_do_not_mix_and_bad_files_are_refused(
    opened: Any, studio: Any, pictures: dict[str, Path], tmp_path: Path
) -> None:
    one, other = opened(390, 800, color_scheme="dark"), opened()
    drop(one, studio, "structure", pictures["structure"])
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    other.set_input_files("#structure input[type=file]", bad)
    other.get_by_text("Error").first.wait_for()
    first, second = project_of(one, studio), project_of(other, studio)
    assert first.name != second.name
    assert (bool(first.look.structure), bool(second.look.structure)) == (True, False)
    width = one.evaluate("document.documentElement.scrollWidth")
    assert width <= 390  # a phone scrolls down only
    shot(one, "phone")


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
    local = TestClient(application(studio), base_url="http://evil.example")
    assert local.get("/").status_code == 400
