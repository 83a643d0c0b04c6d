"""Training the view refiner: quadruplets that are true, steps that change weights, runs that go on."""

from __future__ import annotations

import json
from inspect import unwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from relook.captures import read_capture
from relook.errors import GeometryError
from relook.models.view_refiner import CONDITIONS, widened
from relook.ops.warp import Warped
from relook.training import quadruplets
from relook.training.quadruplets import Captures, Quadruplet, Walks, cut, recolouring, spoilt
from relook.training.warp_refine import Batch, Stage, Stream, refiner_loss, train_view_refiner
from relook.types import Depth
from strolls import stroll, write_capture
from tiny import family

SIZE = (48, 64)


def drawn(rng: np.random.Generator) -> Quadruplet:
    """Random pictures with a hole."""
    old, new = (torch.from_numpy(rng.random((3, 16, 16), np.float32)) for _ in range(2))
    holes = torch.zeros(16, 16, dtype=torch.bool)
    holes[4:9, 3:12] = True
    depth = Depth(1 + torch.from_numpy(rng.random((16, 16), np.float32)), "metric")
    return Quadruplet(torch.where(holes, 0.0, new), holes, depth, old, new, "a living room")


@pytest.fixture
def unspoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warps as exact as they can be."""
    for name in ("SPOILT", "CUT", "SPLATTED"):
        monkeypatch.setattr(quadruplets, name, 0.0)


def agree(found: Quadruplet, most: float) -> float:
    """Known pixels are those of the complete picture, but for resampling; returns the share of holes."""
    known = ~found.holes
    assert found.warped.shape == found.complete.shape == found.structure.shape
    assert not bool(found.warped[:, found.holes].any())
    off = (found.warped - found.complete)[:, known].abs()
    assert float(off.median()) < 0.02
    assert float(off.mean()) < most
    assert bool(torch.isfinite(found.depth.values).all())
    return float(found.holes.float().mean())


def test_quadruplets_of_rooms_are_true(unspoilt: None) -> None:
    source, rng = Walks(2, 3, SIZE, 5), np.random.default_rng(0)
    found = [source(rng) for _ in range(8)]
    shares = [agree(each, 0.05) for each in found]
    assert 0.02 < np.mean(shares) < 0.9
    assert any(float((each.structure - each.complete).abs().mean()) > 0.05 for each in found)  # another style
    assert all(each.prompt for each in found)
    again = Walks(2, 3, SIZE, 5)(np.random.default_rng(0))
    assert torch.equal(again.warped, found[0].warped)


def test_splatted_quadruplets_are_true_too(unspoilt: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadruplets, "SPLATTED", 1.0)
    source, rng = Walks(1, 2, SIZE, 6), np.random.default_rng(1)
    for _ in range(4):
        agree(source(rng), 0.08)


def test_quadruplets_of_a_capture(unspoilt: None, tmp_path: Path) -> None:
    walk = stroll(3)
    capture = read_capture(write_capture(tmp_path, walk))
    source, rng = Captures([capture], SIZE, matches="exact", gap=1), np.random.default_rng(0)
    for _ in range(4):
        found = source(rng)
        assert 0 < agree(found, 0.05) < 0.9
        assert min(float((found.structure - view.image).abs().max()) for view in walk) < 1 / 255
    with pytest.raises(GeometryError, match="at least 2 frames"):
        Captures([capture[:1]], SIZE)


def test_spoiling_stays_small_and_cuts_are_holes() -> None:
    rng = np.random.default_rng(0)
    flow = torch.zeros(2, 20, 30)
    moved = [float(spoilt(flow, rng).abs().max()) for _ in range(60)]
    assert 0.2 < np.mean([each > 0 for each in moved]) < 0.6
    assert max(moved) < 5
    whole = Warped(torch.ones(3, 20, 30), torch.ones(20, 30))
    parts = [cut(whole, rng) for _ in range(60)]
    shares = [float(part.holes.float().mean()) for part in parts]
    assert 0.15 < np.mean([share > 0 for share in shares]) < 0.55
    assert max(shares) < 0.5
    assert all(torch.equal(part.values[0] == 0, part.holes) for part in parts)


def test_a_recolouring_is_one_change_of_all_pictures() -> None:
    change = recolouring(np.random.default_rng(3))
    picture = torch.rand(3, 6, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(change(picture).flip(-1), change(picture.flip(-1)))
    assert 0 <= float(change(picture).min()) <= float(change(picture).max()) <= 1 + 1e-6


def test_batches_hold_latents_of_what_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    from relook.training import warp_refine

    monkeypatch.setattr(warp_refine, "DROPPED", dict.fromkeys(CONDITIONS, 0.0))
    monkeypatch.setattr(warp_refine, "WITHOUT_STRUCTURE", 0.0)
    monkeypatch.setattr(warp_refine, "WITHOUT_PROMPT", 0.0)
    stream = Stream(drawn, family(), 2, seed=0)
    batch = next(stream)
    assert batch.conditions.shape == (2, len(CONDITIONS), 4, 4, 4)
    rng = np.random.default_rng([51, 0])
    first = drawn(rng)
    with torch.no_grad():
        torch.testing.assert_close(batch.complete[0], family().encode(first.complete[None])[0])
        torch.testing.assert_close(
            batch.conditions[0, 3], family().encode(first.structure[None])[0], atol=1e-5, rtol=1e-4
        )
    assert sorted(batch.weight.unique().tolist()) == pytest.approx([0.1, 1.0])
    assert not torch.equal(batch.states[0], stream.silent[0])


def test_the_loss_is_zero_for_the_right_answer() -> None:
    """An oracle (no UNet, so the check of types is taken off) sees the complete latents in its conditions and undoes the mixture."""
    own = family()
    clean = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    levels = own.noise_levels()

    class Oracle:
        def __init__(self, off: float) -> None:
            self.off = off

        def __call__(self, inputs, timesteps, encoder_hidden_states):
            signal = levels[timesteps].view(-1, 1, 1, 1)
            noise = (inputs[:, :4] - signal.sqrt() * inputs[:, 4:8]) / (1 - signal).sqrt()
            return type("Said", (), {"sample": noise + self.off})

    batch = Batch(clean[:, None], clean, torch.ones(3, 1, 4, 4), torch.zeros(3, 8, 16))
    for off, expected in ((0.0, 0.0), (0.5, 0.25)):
        torch.manual_seed(1)
        assert float(unwrap(refiner_loss)(Oracle(off), batch, own)["loss"]) == pytest.approx(expected, abs=1e-4)


def test_training_changes_weights_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    stages = (Stage(16, 2, 2, 1e-2), Stage(16, 2, 2, 1e-2))
    before = widened(family().denoiser, len(CONDITIONS)).state_dict()
    asked: list[int] = []

    def stopping(stage: Stage, seed: int):
        asked.append(seed)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return drawn

    with pytest.raises(KeyboardInterrupt):
        train_view_refiner(tmp_path, family(), stopping, stages=stages, seed=3)
    assert asked == [3, 10_003]
    first = (tmp_path / "1-16" / "state.pt").read_bytes()

    counted: list[int] = []

    def counting(stage: Stage, seed: int):
        return lambda rng: counted.append(seed) or drawn(rng)

    network = train_view_refiner(tmp_path, family(), counting, stages=stages, seed=3)
    assert set(counted) == {10_003}  # the first stage was done
    assert (tmp_path / "1-16" / "state.pt").read_bytes() == first
    for stage in ("1-16", "2-16"):
        rows = [json.loads(line) for line in (tmp_path / stage / "curve.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == [2]
        assert all(np.isfinite(row["loss"]) for row in rows)
    after = network.state_dict()
    assert float((after["conv_in.weight"] - before["conv_in.weight"])[:, 4:].abs().max()) > 1e-4  # the zeros have moved
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
    assert not network.training
