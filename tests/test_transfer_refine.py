"""Refinement: Lanczos by its formula, SDEdit's noise level, guidance and depth in the right rows, sizes, and what it costs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

import tiny
from relook.models.families import Family
from relook.progress import Progress
from relook.transfer import refine as module
from relook.transfer.refine import REFINEMENTS, Refinement, enlarged, refined, refinement_for
from relook.types import Depth, View

FAST = Refinement(steps=10, strength=0.3, guidance=1.0)


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def refine(family: Family, image: torch.Tensor, setting: Refinement, **options: Any) -> torch.Tensor:
    """Of a structure without depth."""
    return refined(image, View(image), family, setting, **options)


def heard(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the family's denoiser is told from now on."""
    calls: list[dict[str, Any]] = []
    plain = Family.denoise

    def told(self: Family, latents: torch.Tensor, timesteps: torch.Tensor, text: Any, **options: Any) -> torch.Tensor:
        calls.append({"latents": latents, "timesteps": timesteps.tolist(), "text": text, **options})
        return plain(self, latents, timesteps, text, **options)

    monkeypatch.setattr(Family, "denoise", told)
    return calls


def sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def test_enlarging_is_lanczos_with_three_lobes() -> None:
    """Row by row: out(x) = sum of in(i) L(x - i), L(d) = sinc(d) sinc(d / 3) for |d| < 3, weights made to sum to 1."""
    row = torch.rand(12, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    found = enlarged(row.expand(3, 5, 12).clone(), (5, 24))[1, 2]
    for place in range(8, 16):  # far from the borders
        centre = (place + 0.5) / 2 - 0.5
        near = [i for i in range(12) if abs(centre - i) < 3]
        weights = [sinc(centre - i) * sinc((centre - i) / 3) for i in near]
        expected = sum(w * float(row[i]) for w, i in zip(weights, near, strict=True)) / sum(weights)
        assert float(found[place]) == pytest.approx(expected, abs=1e-5)


def test_enlarging_keeps_plain_surfaces_and_clamps_ringing() -> None:
    torch.testing.assert_close(enlarged(torch.full((3, 7, 5), 0.25), (20, 11)), torch.full((3, 20, 11), 0.25))
    step = torch.cat([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)], -1)
    large = enlarged(step, (16, 32))
    assert float(large.min()) == 0.0
    assert float(large.max()) == 1.0


@pytest.mark.parametrize("residual", [False, True])
def test_a_perfect_denoiser_gives_the_enlarged_picture_back(residual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any noise: through the autoencoder, or exactly where what it loses is given back."""
    family, image = tiny.family(), picture(16, 24)
    large = enlarged(image, (32, 48))
    with torch.no_grad():
        clean = family.encode(large[None])
        expected = large if residual else family.decode(clean)[0]

    def perfect(*_: Any, **__: Any) -> Any:
        def predict(latents: torch.Tensor, timestep: int) -> torch.Tensor:
            signal = family.noise_levels()[timestep]
            return (latents - signal.sqrt() * clean) / (1 - signal).sqrt()

        return predict

    monkeypatch.setattr(module, "predictor", perfect)
    for strength, eta in ((0.2, 0.0), (1.0, 0.0), (0.6, 1.0)):
        found = refine(family, image, Refinement(strength=strength, steps=20, eta=eta, residual=residual), seed=3)
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)


def test_the_papers_run_takes_the_last_fifth_of_a_hundred_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """And starts from sqrt(a) x + sqrt(1 - a) noise, with a the share of signal at its first timestep."""
    family, calls, image = tiny.family(), heard(monkeypatch), torch.full((3, 32, 32), 0.5)
    refine(family, image, Refinement(), seed=5)
    timesteps = [call["timesteps"][0] for call in calls]
    assert len(timesteps) == 20
    assert timesteps == sorted(timesteps, reverse=True)
    assert timesteps[0] <= 0.2 * 999 < timesteps[0] + 999 / 99
    assert timesteps[-1] == 1
    with torch.no_grad():
        clean = family.encode(torch.full((1, 3, 64, 64), 0.5))
    signal = float(family.noise_levels()[timesteps[0]])
    noise = (calls[0]["latents"] - signal**0.5 * clean) / (1 - signal) ** 0.5
    assert float(noise.mean()) == pytest.approx(0, abs=0.15)
    assert float(noise.std()) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(("prompt", "guidance", "rows"), [("", 5.0, 1), ("a room", 5.0, 2), ("a room", 1.0, 1)])
def test_both_predictions_of_the_guidance_see_the_depth(
    prompt: str, guidance: float, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where there is no prompt, or no guidance, there is one prediction."""
    calls, view = heard(monkeypatch), tiny.view(20, 28)
    refined(picture(20, 28), view, tiny.family(), replace(FAST, guidance=guidance, control_scale=0.8), prompt=prompt)
    for call in calls:
        assert len(call["latents"]) == rows
        assert list(call["controlled"]) == list(range(rows))
        assert call["control_scale"] == 0.8
        assert call["control"].shape == (rows, 3, 40, 56)
    text = tiny.family().embed([prompt])
    assert any(torch.equal(row, text.states[0]) for row in calls[0]["text"].states)


def test_depth_at_another_size_lies_over_the_enlarged_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = heard(monkeypatch)
    ramp = 1 / torch.linspace(0.1, 1, 90).expand(50, 90)
    refined(picture(20, 30), View(torch.zeros(3, 50, 90), depth=Depth(ramp, "relative")), tiny.family(), FAST)
    control = calls[0]["control"][0, 0]
    assert control.shape == (40, 64)  # 40 x 60, padded to a multiple of 8
    torch.testing.assert_close(
        control[:, 3:57], torch.linspace(0.01, 0.99, 60).expand(40, 60)[:, 3:57], atol=0.02, rtol=0
    )
    assert torch.equal(control[:, 60:], control[:, 59:60].expand(40, 4))


@pytest.mark.parametrize("change", [{"control_scale": 0.0}, {"depth": None}])
def test_without_depth_there_is_no_control(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    calls, view = heard(monkeypatch), tiny.view(16, 16)
    view = replace(view, depth=change.get("depth", view.depth))
    refined(picture(16, 16), view, tiny.family(), replace(FAST, control_scale=change.get("control_scale", 0.8)))
    assert all(call["control"] is None for call in calls)


def test_any_size_and_kind_of_family() -> None:
    bare = replace(tiny.family(), control=None)
    for family, (height, width) in ((tiny.family(), (37, 50)), (tiny.xl_family(), (20, 33)), (bare, (24, 16))):
        setting = Refinement(0.5, 4, guidance=3.0)
        found = refined(picture(height, width), tiny.view(40, 44), family, setting, prompt="a room")
        assert found.shape == (3, 2 * height, 2 * width)
        assert bool(torch.isfinite(found).all())
        assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_a_seed_gives_one_picture() -> None:
    one, same, other = (
        refine(tiny.family(), picture(16, 24), Refinement(strength=0.5, steps=4), seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert float((one - other).abs().max()) > 1e-3


def test_families_of_few_steps_take_few(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, steps = heard(monkeypatch), []
    quick = replace(tiny.family(), few_steps=True)
    refine(quick, picture(16, 16), Refinement(), prompt="a room", progress=Progress(steps.append))
    assert [call["timesteps"] for call in calls] == [[199], [149], [99], [49]]
    assert [(step.stage, step.done, step.total) for step in steps] == [("refining", n, 4) for n in range(5)]


def test_the_numbers_suit_the_family() -> None:
    paper = REFINEMENTS["paper"]
    assert (paper.strength, paper.steps, paper.guidance, paper.control_scale) == (0.2, 100, 5, 0.8)
    assert refinement_for(replace(tiny.family(), size=1024)) == paper
    assert refinement_for(replace(tiny.family(), size=128)) == REFINEMENTS["dollhouse"]
