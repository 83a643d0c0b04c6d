"""Pairs, rows, baselines, and the files that a suite leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from relook.correspond.semantic import match_segments
from relook.dollhouse import CLASSES
from relook.errors import InputError, MissingModelError
from relook.evaluate import baselines, dollhouse_photo
from relook.evaluate.pairs import HELD_OUT, draw_pair
from relook.evaluate.rows import CLASS_SWAP, ROWS
from relook.evaluate.suite import score_of
from relook.present.demo import DemoConfig, run_demo
from relook.training.data import HELD_OUT as TRAINING_ENDS
from relook.types import Region, Segments


def lab(pixels: torch.Tensor) -> np.ndarray:
    """N x 3 Lab of 3 x N RGB."""
    return rgb2lab(pixels.double().T.numpy()[None])[0]


def test_pairs_are_unseen_exact_and_repeatable() -> None:
    assert HELD_OUT >= TRAINING_ENDS
    pair, again, other = draw_pair(3, 0), draw_pair.__wrapped__(3, 0), draw_pair(3, 3)
    assert torch.equal(pair.exact, again.exact)
    assert torch.equal(pair.style.image, again.style.image)
    assert not torch.equal(pair.exact, other.exact)
    ours, theirs = pair.structure.segments, pair.style.segments
    assert ours is not None
    assert theirs is not None
    for id in pair.scored.unique().tolist():
        if id:
            assert CLASSES[id - 1] in set(ours.names) & set(theirs.names)
            assert torch.equal(pair.scored == id, ours.mask(CLASSES[id - 1]))
    assert ((pair.patterned > 0) <= (pair.scored > 0)).all()
    assert 0 < (pair.patterned > 0).sum() < (pair.scored > 0).sum()


def test_the_exact_answer_scores_best_and_copy_scores_worse() -> None:
    pair = draw_pair(3, 1)
    best, copied = score_of(pair.exact, pair), score_of(pair.structure.image, pair)
    assert best["psnr"] == 100
    assert best["colour_error"] == best["pattern_error"] == 0
    assert copied["psnr"] is not None
    assert copied["psnr"] < 25
    assert copied["colour_error"] is not None
    assert copied["colour_error"] > 3


def test_reinhard_gives_the_styles_mean_and_deviation() -> None:
    generator = torch.Generator().manual_seed(0)
    structure = 0.3 + 0.2 * torch.rand(3, 24, 24, generator=generator)
    style = 0.45 + 0.15 * torch.rand(3, 20, 30, generator=generator)
    ours, theirs = lab(baselines.reinhard(structure, style).flatten(1)), lab(style.flatten(1))
    assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 0.2
    assert np.abs(ours.std(0) - theirs.std(0)).max() < 0.2


def test_statistics_act_per_class_and_leave_the_unmatched_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    structure, style = (0.3 + 0.3 * torch.rand(3, 12, 12, generator=generator) for _ in range(2))
    style[:, :, :4] *= 0.4
    labels = torch.ones(12, 12, dtype=torch.int64)
    labels[:, 4:8], labels[:, 8:] = 2, 3
    ours = Segments(labels, {1: Region("wall"), 2: Region("sofa"), 3: Region("lamp")})
    theirs = Segments(labels, {1: Region("wall"), 2: Region("sofa"), 3: Region("bed")})
    output = baselines.statistics(structure, style, match_segments(ours, theirs))
    for name in ("wall", "sofa"):
        mask = ours.mask(name)
        assert np.abs(lab(output[:, mask]).mean(0) - lab(style[:, mask]).mean(0)).max() < 1.5
    assert torch.allclose(output[:, ours.mask("lamp")], structure[:, ours.mask("lamp")], atol=2e-3)
    assert torch.equal(baselines.copy(structure), structure)


def test_the_rows_are_the_ones_that_readers_expect() -> None:
    assert list(ROWS) == [
        "copy", "reinhard", "statistics", "adain", "palette", "relook",
        "restyle3d/paper", "restyle3d/released", "restyle3d/attention", "restyle3d/both", "restyle3d/no-attention",
        "cross-image-attention/paper", "cross-image-attention/released", "cross-image-attention/relook",
        "eye-for-an-eye/paper", "eye-for-an-eye/released", "eye-for-an-eye/relook", "eye-for-an-eye/matched",
        "style-id/paper", "style-id/released", "style-id/relook",
        "ip-adapter/paper", "ip-adapter/released", "ip-adapter/relook", "exact",
    ]  # fmt: skip
    assert list(CLASS_SWAP) == ["off", "on"]


SMALL = dollhouse_photo.Config(pairs=2, size=48, rows=("copy", "statistics"))


def test_a_suite_writes_its_files_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, out=tmp_path)
    reports: list[tuple[int, int]] = []
    dollhouse_photo.run(config, lambda *step: reports.append(step))
    assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert list(summary) == ["copy", "statistics"]
    assert list(summary["copy"]) == ["psnr", "ssim", "lpips", "colour_error", "pattern_error", "seconds"]
    assert summary["statistics"]["colour_error"] < summary["copy"]["colour_error"]
    page = (tmp_path / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
    assert "PSNR dB ↑" in page
    assert (tmp_path / "grid.png").stat().st_size > 1000

    monkeypatch.setattr("relook.evaluate.suite.score_of", lambda *_: pytest.fail("made a picture that was there"))
    dollhouse_photo.run(config, lambda *_: None)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    with pytest.raises(pytest.fail.Exception):
        dollhouse_photo.run(replace(config, seed=1), lambda *_: None)


def test_rows_without_their_family_are_left_out_or_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError):
        dollhouse_photo.run(
            replace(SMALL, out=tmp_path, rows=("relook",), family=str(tmp_path / "no")), lambda *_: None
        )
    with pytest.raises(InputError, match="magic"):
        dollhouse_photo.run(replace(SMALL, out=tmp_path, rows=("magic",)), lambda *_: None)


def test_diffusion_rows_run_on_any_family(tmp_path: Path) -> None:
    from tiny import write_family

    family = str(write_family(tmp_path / "family"))
    config = replace(SMALL, pairs=1, size=32, steps=2, rows=("relook", "exact"), out=tmp_path / "out", family=family)
    dollhouse_photo.run(config, lambda *_: None)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary) == ["relook", "exact"]
    assert summary["relook"]["psnr"] > 3


def test_the_demo_makes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_family(*_: object) -> None:
        raise MissingModelError("Expected a family, got none; train one.")

    monkeypatch.setattr("relook.evaluate.suite.load_family", no_family)
    _, page = run_demo(DemoConfig(out=tmp_path, pairs=1, frames=0), lambda *_: None)
    assert "Left out" in page.read_text()
    assert (tmp_path / "grid.png").is_file()
    assert not (tmp_path / "walk.png").exists()


def test_the_demo_makes_a_walk(tmp_path: Path) -> None:
    """Again over an earlier one too; the sheet shows before, after and the answer."""
    from PIL import Image

    from relook.present import demo

    demo._walk(DemoConfig(out=tmp_path, frames=2, steps=2, seed=1), lambda *_: None)
    first = (tmp_path / "walk" / "frames" / "000001.png").read_bytes()
    demo._walk(DemoConfig(out=tmp_path, frames=2, steps=2), lambda *_: None)
    assert (tmp_path / "walk" / "frames" / "000001.png").read_bytes() != first
    with Image.open(tmp_path / "walk.png") as sheet:
        assert sheet.height > 3 * 128
