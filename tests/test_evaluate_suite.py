"""Pairs, rows, baselines, and the files that a suite leaves."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from relook.dollhouse import CLASSES
from relook.engine import Engine
from relook.errors import InputError, MissingModelError
from relook.evaluate import ablation, dollhouse_photo
from relook.evaluate.instruments import Instruments
from relook.evaluate.methods import rows
from relook.evaluate.methods.ablations import ABLATIONS
from relook.evaluate.methods.rows import ROWS, Setting
from relook.evaluate.metrics.truth import psnr
from relook.evaluate.records import EVERY, WHOLE, Record, read_records
from relook.evaluate.run import run
from relook.evaluate.sources.dollhouse import HELD_OUT, draw_pair
from relook.evaluate.sources.pair import Pair
from relook.io import read_image
from relook.present.demo import DemoConfig, run_demo
from relook.progress import Progress
from relook.session import Session
from relook.training.data import HELD_OUT as TRAINING_ENDS
from relook.transfer.presets import PRESETS


def test_pairs_are_unseen_exact_and_repeatable() -> None:
    assert HELD_OUT >= TRAINING_ENDS
    pair, again, other = draw_pair(3, 0), draw_pair(3, 0), draw_pair(3, 3)
    assert torch.equal(pair.exact, again.exact)
    assert torch.equal(pair.style.image, again.style.image)
    assert not torch.equal(pair.exact, other.exact)
    structure, style = pair.structure.segments, pair.style.segments
    assert structure is not None
    assert style is not None
    for id in pair.scored.unique().tolist():
        if id:
            assert CLASSES[id - 1] in set(structure.names) & set(style.names)
            assert torch.equal(pair.scored == id, structure.mask(CLASSES[id - 1]))
    assert ((pair.patterned > 0) <= (pair.scored > 0)).all()
    assert 0 < (pair.patterned > 0).sum() < (pair.scored > 0).sum()


def test_what_counts_can_be_chosen() -> None:
    shared, every, lacking = (draw_pair(3, 2, (64, 64), scored) for scored in ("shared", "all", "unmatched"))
    assert torch.equal(every.scored, torch.where(shared.scored > 0, shared.scored, lacking.scored))
    assert not ((shared.scored > 0) & (lacking.scored > 0)).any()
    assert (lacking.scored > 0).any()


def test_the_rows_are_the_ones_that_readers_expect() -> None:
    assert list(ROWS) == [
        "copy", "reinhard", "statistics", "transport", "microast", "microast/by-class", "palette", "adain", "relook", "restyle3d/paper", "restyle3d/released",
        "cross-image-attention/paper", "cross-image-attention/released", "cross-image-attention/relook",
        "eye-for-an-eye/paper", "eye-for-an-eye/released", "eye-for-an-eye/relook",
        "style-id/paper", "style-id/released", "style-id/relook",
        "ip-adapter/paper", "ip-adapter/released", "ip-adapter/relook", "eye-for-an-eye/matched", "exact",
    ]  # fmt: skip


def test_every_row_can_be_sent_to_another_process() -> None:
    rows = [*ROWS.values(), *(row for ablation in ABLATIONS.values() for row in ablation.rows.values())]
    assert repr(pickle.loads(pickle.dumps(rows))) == repr(rows)


def test_an_ablation_changes_what_its_name_says() -> None:
    """Every row differs from the others, and the untouched presets are the rows of the suite."""
    for name, found in ABLATIONS.items():
        settings = [repr(row.paint) for row in found.rows.values()]
        assert len(set(settings)) == len(settings), name
        for title, row in found.rows.items():
            if title in ROWS:
                assert row == ROWS[title]
    changed = ABLATIONS["attention"].rows["restyle3d/paper, no attention"].paint.__self__.preset
    paper = PRESETS["restyle3d"]["paper"]
    assert changed.denoising.attention == ()
    assert changed.but(attention=paper.denoising.attention) == paper


def test_an_ablation_compares_a_row_with_what_it_changes() -> None:
    assert ABLATIONS["guidance"].references == {
        f"{name}/{preset}, no guidance": f"{name}/{preset}"
        for name in ("restyle3d", "cross-image-attention", "eye-for-an-eye")
        for preset in ("paper", "released")
    }
    assert ABLATIONS["attention"].references["fresh noise, no attention"] == "fresh noise"
    seeing = ABLATIONS["seeing"].references
    assert seeing["relook, pictures alone, no layout"] == seeing["relook"] == "relook, pictures alone"
    assert ABLATIONS["steps"].references["relook, 50 steps"] == "relook, 10 steps"


HERE = Engine(workers=1)
NOTHING = Instruments(depth=None, segmenter=None)
SMALL = dollhouse_photo.Config(pairs=2, size=48, rows=("copy", "statistics"), engine=HERE)


def test_a_suite_writes_its_files_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, out=tmp_path)
    reports: list[tuple[int, int]] = []
    run(dollhouse_photo.suite(config), Progress(lambda step: reports.append((step.done, step.total))))
    assert reports[-4:] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    records = read_records(tmp_path)
    assert {(record.row, record.case) for record in records} == {
        (row, case) for row in ("copy", "statistics") for case in ("000", "001", EVERY)
    }
    found = {(r.row, r.case, r.metric, r.region): r.value for r in records}
    for case in ("000", "001"):
        assert found["statistics", case, "colour_error", WHOLE] < found["copy", case, "colour_error", WHOLE]
        assert found["copy", case, "edge_f1", WHOLE] == 1
        assert found["copy", case, "mask_miou", WHOLE] > 0.2
        assert found["copy", case, "psnr", "wall"] < 100
    page = (tmp_path / "report.html").read_text()
    assert "data:image/jpeg;base64," in page
    assert 'src="http' not in page
    assert "PSNR dB ↑" in page
    assert (tmp_path / "grid.png").stat().st_size > 1000

    monkeypatch.setattr("relook.evaluate.photo.measure", lambda *_: pytest.fail("measured what was known"))
    monkeypatch.setattr("relook.evaluate.photo.write_image", lambda *_: pytest.fail("made a picture that was there"))
    run(dollhouse_photo.suite(config))
    assert read_records(tmp_path) == records
    (tmp_path / "cases" / "001" / "copy.png").unlink()
    with pytest.raises(pytest.fail.Exception, match="made a picture"):
        run(dollhouse_photo.suite(config))
    with pytest.raises(pytest.fail.Exception, match="made a picture"):
        run(dollhouse_photo.suite(replace(config, seed=1)))


def test_other_instruments_measure_the_same_pictures_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, out=tmp_path, pairs=1, rows=("copy",))
    run(dollhouse_photo.suite(config))
    monkeypatch.setattr("relook.evaluate.photo.write_image", lambda *_: pytest.fail("made a picture that was there"))
    run(dollhouse_photo.suite(replace(config, instruments=NOTHING)))
    found = {r.metric: r.value for r in read_records(tmp_path) if r.region == WHOLE}
    assert found["depth_abs_rel"] is found["mask_miou"] is None
    assert found["edge_f1"] == 1


def test_one_failure_stops_nothing_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint = ROWS["copy"].paint

    def once(pair: Pair, setting: rows.Setting, session: Session) -> torch.Tensor:
        if pair.name == "001":
            raise IndexError("no middle")
        return paint(pair, setting, session)

    monkeypatch.setitem(dollhouse_photo.ROWS, "copy", replace(ROWS["copy"], paint=once))
    config = replace(SMALL, out=tmp_path, instruments=NOTHING)
    with pytest.raises(InputError, match=r"1 failures .*copy on 001.*no middle"):
        run(dollhouse_photo.suite(config))
    assert {(r.row, r.case) for r in read_records(tmp_path)} == {
        ("copy", "000"), ("copy", EVERY), ("statistics", "000"), ("statistics", "001"), ("statistics", EVERY),
    }  # fmt: skip
    assert "Failed: copy on 001" in (tmp_path / "report.html").read_text()
    assert "IndexError: no middle" in (tmp_path / "work" / "001" / "copy" / "error.txt").read_text()
    monkeypatch.setitem(dollhouse_photo.ROWS, "copy", replace(ROWS["copy"], paint=paint))
    run(dollhouse_photo.suite(config))
    assert ("copy", "001") in {(r.row, r.case) for r in read_records(tmp_path)}
    assert not list(tmp_path.rglob("error.txt"))


def test_nothing_but_failures_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(pair: Pair, setting: rows.Setting, session: Session) -> torch.Tensor:
        raise InputError("Expected luck, got none; try again.")

    monkeypatch.setitem(dollhouse_photo.ROWS, "copy", replace(ROWS["copy"], paint=never))
    with pytest.raises(InputError, match="nothing but failures: copy on 002: Expected luck"):
        run(dollhouse_photo.suite(replace(SMALL, out=tmp_path, pairs=9, rows=("copy",))))


def test_processes_give_the_same_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are copies of one process that has loaded all, as in the engine's tests. In the same order, whichever was ready first; other numbers of threads may change last digits.

    Errors of near equals (the depth of a copy: 6e-4) are differences of numbers near 1 and no more exact than those: 1e-5 of one.
    """

    def told(name: str, workers: int) -> list[Record]:
        config = replace(SMALL, out=tmp_path / name, engine=Engine(workers=workers))
        run(dollhouse_photo.suite(config))
        return [record for record in read_records(tmp_path / name) if record.metric != "seconds"]

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["relook.session", "relook.evaluate.dollhouse_photo", "relook.evaluate.measure"])
    monkeypatch.setattr("relook.engine.get_context", lambda kind: context)
    here, pool = told("here", 1), told("pool", 2)
    assert [replace(record, value=None) for record in here] == [replace(record, value=None) for record in pool]
    for one, other in zip(here, pool, strict=True):
        assert (one.value is None) == (other.value is None)
        assert one.value is None or one.value == pytest.approx(other.value, rel=1e-5, abs=1e-5)


def test_an_ablation_runs(tmp_path: Path) -> None:
    from tiny import write_family

    family = str(write_family(tmp_path / "family"))
    config = ablation.Config(
        of="unmatched", out=tmp_path / "out", pairs=1, size=32, steps=2, family=family, engine=HERE,
        instruments=NOTHING, rows=("relook, everything", "relook, keep"),
    )  # fmt: skip
    run(ablation.suite(config))
    found = {
        (r.row, r.metric): r.value for r in read_records(tmp_path / "out") if r.case == "000" and r.region == WHOLE
    }
    kept = psnr(draw_pair(0, 0, (32, 32)).structure.image, *_answer(draw_pair(0, 0, (32, 32), "unmatched")))
    assert found["relook, keep", "psnr"] == pytest.approx(kept, abs=0.05)
    assert found["relook, everything", "psnr"] != pytest.approx(kept, abs=0.05)


def test_what_is_seen_is_switched_off_and_given_exactly() -> None:
    """Rows of `seeing` get the pair's exact maps that their names say, and no others, and ask for what is not switched off."""
    rows, pair = ABLATIONS["seeing"].rows, draw_pair(1, 0, (32, 32))
    for name, segments, depth in (
        ("no masks", False, False),
        ("exact masks", True, False),
        ("exact depth", False, True),
    ):
        product = rows[f"relook, pictures alone, {name}"].paint.__self__
        shown = product._shown(pair.structure)
        assert ((shown.segments is not None), (shown.depth is not None)) == (segments, depth)
        assert product.options(pair, Setting()).depth_estimator == "embedded"
    assert rows["relook, pictures alone, no masks"].paint.__self__.config.segmenter == "whole"
    assert not rows["relook, pictures alone, no materials"].paint.__self__.numbers.finish.textures


def test_an_ablation_shows_its_own_rows(tmp_path: Path) -> None:
    from tiny import write_family

    family = str(write_family(tmp_path / "family"))
    rows = ("relook", "relook, no attention")
    config = ablation.Config(
        of="attention", out=tmp_path, pairs=1, size=32, steps=2, family=family, engine=HERE, instruments=NOTHING, rows=rows
    )  # fmt: skip
    run(ablation.suite(config))
    with Image.open(tmp_path / "grid.png") as sheet:
        assert sheet.width == 4 + 5 * (32 + 4)  # structure, style, the two rows, the answer


def _answer(pair: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    """The exact answer and where it counts."""
    return pair.exact, pair.scored > 0


def test_rows_without_their_family_are_left_out_or_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError):
        run(dollhouse_photo.suite(replace(SMALL, out=tmp_path, rows=("relook",), family=str(tmp_path / "no"))))
    with pytest.raises(InputError, match="magic"):
        run(dollhouse_photo.suite(replace(SMALL, out=tmp_path, rows=("magic",))))


def test_diffusion_rows_run_on_any_family(tmp_path: Path) -> None:
    from tiny import write_family

    family = str(write_family(tmp_path / "family"))
    config = replace(
        SMALL,
        pairs=1,
        size=32,
        steps=2,
        rows=("relook", "exact"),
        out=tmp_path / "out",
        family=family,
        instruments=NOTHING,
    )
    run(dollhouse_photo.suite(config))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary["dollhouse-photo"]) == ["relook", "exact"]


def test_the_demo_makes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_family(*_: object, **__: object) -> None:
        raise MissingModelError("Expected a family, got none; train one.")

    monkeypatch.setattr("relook.models.families.load_family", no_family)
    monkeypatch.setattr("relook.engine.cores", lambda: 1)  # in this process
    _, files = run_demo(DemoConfig(out=tmp_path, photograph=False, pairs=1, frames=0, steps=1, scene=False))
    assert files == [tmp_path / "report.html"]
    assert "Left out" in files[0].read_text()
    assert (tmp_path / "grid.png").is_file()
    assert not (tmp_path / "walk.png").exists()


def test_the_demo_begins_with_a_photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Structure, style and output side by side; the output is there by itself too, and is not the structure."""
    from relook.present import demo

    for name in ("structure", "style"):
        with Image.open(demo.PHOTOGRAPHS / f"{name}.jpg") as picture:  # type: ignore[arg-type]
            picture.resize((96, 64)).save(tmp_path / f"{name}.jpg")
    monkeypatch.setattr(demo, "PHOTOGRAPHS", tmp_path)
    sheet = demo._photograph(tmp_path / "out")
    assert sheet.width > 3 * 96
    with Image.open(tmp_path / "out" / "photo.jpg") as written:
        assert written.size == sheet.size
    structure, new = (read_image(path) for path in (tmp_path / "structure.jpg", tmp_path / "out" / "photo" / "new.png"))
    assert (structure - new).abs().mean() > 0.02


def test_the_photographs_are_small_and_ours_to_ship() -> None:
    from relook.present.demo import PHOTOGRAPHS

    pictures = [PHOTOGRAPHS / f"{name}.jpg" for name in ("structure", "style")]
    assert sum(len(picture.read_bytes()) for picture in pictures) < 500_000
    assert "CC0" in (PHOTOGRAPHS / "LICENSE.md").read_text()


def test_the_demo_makes_a_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Again over an earlier one too; the sheet shows before, after and the answer. Frames with depth need no network that estimates it."""
    from PIL import Image

    from relook.perceive import first_use
    from relook.present import demo

    asked: list[str] = []
    monkeypatch.setattr(first_use, "_fetched", lambda names, session, progress: asked.extend(names) or [])
    demo._walk(DemoConfig(out=tmp_path, frames=1, steps=1, seed=1))
    first = (tmp_path / "walk" / "frames" / "000000.png").read_bytes()
    demo._walk(DemoConfig(out=tmp_path, frames=2, steps=1))
    assert (tmp_path / "walk" / "frames" / "000000.png").read_bytes() != first
    assert (tmp_path / "walk" / "frames" / "000001.png").is_file()
    assert asked == []
    with Image.open(tmp_path / "walk.png") as sheet:
        assert sheet.height > 3 * 128


def test_the_demo_ends_with_a_restyled_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scene keeps its geometry, the sheet shows it nearer to the answer than it was, and the film goes there and back."""
    from relook.io import read_gaussians
    from relook.io.video import read_frames
    from relook.present import demo_scene

    side = 48
    monkeypatch.setattr(demo_scene, "FILMED", side)
    sheet, film = demo_scene.restyled_room(tmp_path, 0, frames=5, size=side, pictures=2)
    before, after = (read_gaussians(tmp_path / "scene" / f"{name}.ply") for name in ("before", "after"))
    assert torch.equal(before.means, after.means)
    frames = [torch.from_numpy(frame).float() for _, frame in read_frames(film)]
    assert [tuple(frame.shape) for frame in frames] == [(side, side, 3)] * 4
    assert (frames[0] - frames[3]).abs().mean() < 0.5 * (frames[0] - frames[1]).abs().mean()
    old, new, exact = (
        part[:, -2 * side - 8 :] for part in read_image(sheet)[..., -3 * (side + 4) :].split(side + 4, 2)
    )
    assert (new - exact).abs().mean() < 0.6 * (old - exact).abs().mean()
