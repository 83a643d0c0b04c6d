"""Metrics against torchmetrics, a slow twin, and examples worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from relook.errors import ShapeError
from relook.evaluate.metrics import METRICS, colour_error, lpips, pattern_error, psnr, ssim


def picture(seed: int, size: tuple[int, int] = (40, 48)) -> Tensor:
    """Smooth random colours."""
    coarse = torch.rand(1, 3, 7, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=False)[0].clamp(0, 1)


def test_psnr_is_torchmetrics() -> None:
    a, b = picture(0), picture(1)
    assert psnr(a, b) == pytest.approx(float(peak_signal_noise_ratio(a, b, data_range=1.0)), abs=1e-4)


def test_psnr_counts_only_masked_pixels() -> None:
    exact, output = torch.zeros(3, 4, 4), torch.zeros(3, 4, 4)
    output[:, 0, 0], output[:, 3, 3] = 0.1, 1.0
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[0, 0] = True
    assert psnr(output, exact, mask) == pytest.approx(20.0, abs=1e-4)  # 0.1 everywhere: 10 log10(1 / 0.01)
    assert psnr(exact, exact) == 100.0
    assert psnr(output, exact, torch.zeros(4, 4, dtype=torch.bool)) is None


def test_ssim_is_torchmetrics() -> None:
    a, b = picture(0), (picture(0) + 0.3 * picture(1)).clamp(0, 1)
    inside = torch.zeros(a.shape[1:], dtype=torch.bool)
    inside[6:-6, 6:-6] = True  # torchmetrics pads its borders in another way
    _, theirs = structural_similarity_index_measure(a[None], b[None], data_range=1.0, return_full_image=True)
    assert ssim(a, b, inside) == pytest.approx(float(theirs[0][:, inside].mean()), abs=2e-4)
    assert ssim(a, a) == pytest.approx(1.0)


def test_colour_error_of_known_colours() -> None:
    exact, output = torch.zeros(3, 4, 4), torch.zeros(3, 4, 4)
    output[:, :2] = 1.0  # class 1: white instead of black, 100 apart; class 2: right; class 0 does not count
    output[0, 3] = 1.0
    classes = torch.tensor([1, 1, 2, 0])[:, None].expand(4, 4)
    assert colour_error(output, exact, classes) == pytest.approx(50.0, abs=0.01)
    assert colour_error(output, exact, torch.zeros(4, 4, dtype=torch.long)) is None


def stripes(period: float, phase: float, angle: float = 0.0) -> Tensor:
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    along = x * np.cos(angle) + y * np.sin(angle)
    return (0.5 + 0.3 * torch.sin(2 * np.pi * (along / period + phase))).expand(3, 128, 128)


def test_pattern_error_ignores_where_a_pattern_lies_but_not_what_it_is() -> None:
    regions = torch.ones(128, 128, dtype=torch.long)
    exact = stripes(8, 0)
    shifted = pattern_error(stripes(8, 0.37), exact, regions)
    assert shifted is not None
    assert shifted < 0.02
    for wrong in (stripes(16, 0), stripes(8, 0, np.pi / 2), torch.full((3, 128, 128), 0.5)):
        error = pattern_error(wrong, exact, regions)
        assert error is not None
        assert error > 0.5
    faint = pattern_error(0.5 + (exact - 0.5) / 2, exact, regions)
    assert faint is not None
    assert 0.1 < faint < 2  # half the amplitude is two octaves of energy in the bands that the stripes fill


def test_pattern_error_sees_only_the_region() -> None:
    regions = torch.zeros(128, 128, dtype=torch.long)
    regions[32:96, 32:96] = 5
    exact = stripes(8, 0)
    output = torch.where(regions.bool(), exact, torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0)))
    assert pattern_error(output, exact, regions) == pytest.approx(0, abs=1e-9)
    assert pattern_error(output, exact, regions * 0) is None
    small = torch.zeros_like(regions)
    small[:4, :4] = 1
    assert pattern_error(output, exact, small) is None


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_pictures_of_two_sizes_are_refused(name: str) -> None:
    with pytest.raises(ShapeError, match="one size"):
        METRICS[name].function(picture(0), picture(0, (40, 40)))


def test_every_metric_says_what_it_is() -> None:
    assert list(METRICS) == ["psnr", "ssim", "lpips", "colour_error", "pattern_error"]
    exact, output = picture(0), picture(1)
    for metric in METRICS.values():
        by_class = "error" in metric.name
        classes = torch.ones(exact.shape[1:], dtype=torch.long) if by_class else None
        good, bad = metric.function(exact, exact, classes), metric.function(output, exact, classes)
        if metric.name == "lpips" and bad is None:
            continue
        assert metric.source
        assert metric.range[0] <= min(good, bad) <= max(good, bad) <= metric.range[1]
        assert (good > bad) == (metric.better == "higher")


def test_lpips_without_weights_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    assert lpips(picture(0), picture(1)) is None


@pytest.mark.weights
def test_lpips_is_its_equation(shared: Path) -> None:
    from safetensors.numpy import load_file

    a, b = picture(0, (64, 80)), picture(1, (64, 80))
    expected = slow_lpips(a.numpy(), b.numpy(), load_file(shared / "weights" / "lpips_alex.safetensors"))
    value = lpips(a, b)
    assert value is not None
    assert value == pytest.approx(expected, rel=0.02)  # the map is resampled to the picture before its mean
    left = torch.zeros(64, 80, dtype=torch.bool)
    left[:, :20] = True
    half = torch.where(left, b, a)
    assert lpips(half, b, left) < 0.5 * lpips(half, b, ~left)


def slow_lpips(a: np.ndarray, b: np.ndarray, weights: dict[str, np.ndarray]) -> float:
    """LPIPS in numpy, by the paper's formula: the mean over each layer's own grid."""

    def windows(x: np.ndarray, size: int, stride: int, padding: int) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]

    def layers(x: np.ndarray) -> list[np.ndarray]:
        x = (2 * x - 1 - np.array([-0.030, -0.088, -0.188])[:, None, None]) / np.array([0.458, 0.448, 0.450])[
            :, None, None
        ]
        out = []
        for index, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            kernel = weights[f"features.{index}.weight"].astype(np.float64)
            x = np.einsum("chwij,ocij->ohw", windows(x, kernel.shape[-1], stride, padding), kernel, optimize=True)
            x = np.maximum(x + weights[f"features.{index}.bias"][:, None, None], 0)
            out.append(x)
            x = windows(x, 3, 2, 0).max((-2, -1)) if index in (0, 3) else x
        return out

    total = 0.0
    for number, (x, y) in enumerate(zip(layers(a.astype(np.float64)), layers(b.astype(np.float64)), strict=True)):
        x, y = (f / (np.sqrt((f**2).sum(0)) + 1e-10) for f in (x, y))
        total += (weights[f"lin{number}.weight"][0, :, 0, 0, None, None] * (x - y) ** 2).sum(0).mean()
    return float(total)
