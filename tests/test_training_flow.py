"""Training of the flow network: pairs whose flow is exact, a loss that falls where the flow is right, weights that are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from relook.models.flow_refiner import STRIDE, FlowRefiner
from relook.ops.geometry import pixel_centres, sample
from relook.training import flow as training
from relook.training.flow import FlowBatch, PairsOfViews, flow_loss, matching_loss, turned
from relook.training.subjects import TrainFlow


def test_flow_of_views_and_leaves_fetches_the_first_picture_from_the_second() -> None:
    stream = PairsOfViews(2, 2, 4, 2, 0)
    for first, second, flow, visible in (stream._rooms(2), stream._leaves(2)):
        for one, other, motion, seen in zip(first, second, flow, visible, strict=True):
            fetched = sample(other, pixel_centres((224, 224)) + motion.permute(1, 2, 0))
            assert float(seen.float().mean()) > 0.3
            assert float((fetched - one).abs().mean(0)[seen].median()) < 0.02


def test_flow_is_trained_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.training.flow.SIDE", 64)
    folder = training.run(TrainFlow(out=tmp_path, steps=2, batch=2, pool=3, rooms=2, styles=2))
    assert (folder / "model.safetensors").stat().st_size < 2**20
    assert "relook train flow" in (folder / "README.md").read_text()


def test_the_loss_of_flow_falls_where_the_flow_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.training.flow.SIDE", 64)
    pairs = next(PairsOfViews(2, 2, 4, 2, 0))
    network = FlowRefiner()
    wrong = flow_loss(network, replace(pairs, start=pairs.flow + 9))
    right = flow_loss(network, replace(pairs, start=pairs.flow))
    assert float(right["motion"].detach()) < float(wrong["motion"].detach())
    assert np.isfinite(float(right["loss"].detach()))


def test_features_that_tell_places_apart_match_and_equal_ones_do_not() -> None:
    """A shifted picture: features that are unique at every place find the move, constant ones guess among 49."""

    class Known(FlowRefiner):
        def __init__(self, unique: bool) -> None:
            super().__init__()
            self.unique = unique

        def features(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            codes = torch.nn.functional.normalize(image[:, :, ::STRIDE, ::STRIDE], dim=1) * 40
            return (codes if self.unique else torch.ones_like(codes)), codes

    draw = torch.Generator().manual_seed(0)
    wide = torch.randn(2, 3, 64, 72, generator=draw).repeat_interleave(STRIDE, 2).repeat_interleave(STRIDE, 3)
    first, second = wide[..., : 64 * STRIDE], wide[..., 8 * STRIDE :]  # all moves by 8 features to the left
    flow = torch.zeros(2, 2, 64 * STRIDE, 64 * STRIDE)
    flow[:, 0] = -8 * STRIDE
    visible = torch.zeros(2, 64 * STRIDE, 64 * STRIDE, dtype=torch.bool)
    visible[:, 4 * STRIDE : -4 * STRIDE, 12 * STRIDE : -4 * STRIDE] = True  # where no window leaves the picture
    batch = FlowBatch(first, second, flow, visible, flow, visible.float())
    assert matching_loss(Known(True), batch) < 0.5
    assert matching_loss(Known(False), batch) == pytest.approx(float(np.log(49)), abs=0.3)


def test_turning_a_pair_turns_its_flow() -> None:
    """What the flow says is fetched from where it was, after the mirror as before."""
    first, second = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    flow = torch.randn(2, 12, 16, generator=torch.Generator().manual_seed(1))
    visible = torch.rand(12, 16, generator=torch.Generator().manual_seed(2)) > 0.5
    fetched = sample(second, pixel_centres((12, 16)) + flow.permute(1, 2, 0))
    rng, kinds = np.random.default_rng(0), set()
    for _ in range(40):
        a, b, f, v, given, trust = turned((first, second, flow, visible, flow, visible.float()), rng)
        sides = next(s for s in ((), (-1,), (-2,), (-2, -1)) if torch.equal(a, first.flip(s) if s else first))
        kinds.add(sides)
        again = sample(b, pixel_centres((12, 16)) + f.permute(1, 2, 0))
        assert torch.allclose(again, fetched.flip(sides) if sides else fetched, atol=1e-4)
        assert torch.equal(v, visible.flip(sides) if sides else visible)
        assert torch.equal(given, f)
        assert torch.equal(trust > 0.5, v)
    assert len(kinds) == 4
