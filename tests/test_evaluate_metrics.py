"""Metrics against torchmetrics, a slow twin, and examples worked by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from relook.errors import ShapeError
from relook.evaluate.metrics import METRICS, truth
from relook.evaluate.metrics.declare import declare
from relook.evaluate.metrics.pattern import pattern_error
from relook.evaluate.metrics.truth import by_class, colour_error, lpips, psnr, ssim

GROUPS = ("truth", "structure", "style", "flaws", "realism", "matching", "views", "segments", "depth")
"""In the order of the document."""


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


def slow_ciede2000(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """The difference of two Lab colours, step by step as Sharma et al. 2005 number them (all weights 1)."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
    c1, c2 = math.hypot((1 + g) * a1, b1), math.hypot((1 + g) * a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, (1 + g) * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    mean_h = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 + sum(
        weight * math.cos(math.radians(times * mean_h + shift))
        for weight, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    )
    rotation = -2 * math.sqrt(mean_c**7 / (mean_c**7 + 25**7))
    rotation *= math.sin(math.radians(60 * math.exp(-(((mean_h - 275) / 25) ** 2))))
    light = (l2 - l1) / (1 + 0.015 * (mean_l - 50) ** 2 / math.sqrt(20 + (mean_l - 50) ** 2))
    chroma = (c2 - c1) / (1 + 0.045 * mean_c)
    hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * mean_c * t)
    return math.sqrt(light**2 + chroma**2 + hue**2 + rotation * chroma * hue)


def test_colour_error_is_the_published_formula() -> None:
    published = slow_ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485))
    assert published == pytest.approx(2.0425, abs=1e-4)  # the first pair of the table of Sharma et al.
    draw, classes = np.random.default_rng(0), torch.ones(2, 2, dtype=torch.long)
    for ours, theirs in draw.random((20, 2, 3)):
        pictures = [torch.from_numpy(rgb)[:, None, None].expand(3, 2, 2).float() for rgb in (ours, theirs)]
        colours = [tuple(rgb2lab(picture[:, 0, 0].double().numpy())) for picture in pictures]
        assert colour_error(*pictures, classes) == pytest.approx(slow_ciede2000(*colours), abs=1e-6)


@pytest.mark.usefixtures("unchecked")
def test_numbers_by_class_are_those_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, output = picture(0), picture(1)
    classes = torch.zeros(exact.shape[1:], dtype=torch.long)
    classes[:10], classes[10:30], classes[30:36, :20] = 1, 3, 4
    asked = []
    maps = {name: getattr(truth, name) for name in ("ssim_map", "distance_map", "squared_error_map")}
    for name, function in maps.items():
        monkeypatch.setattr(
            truth, name, lambda *given, name=name, function=function: asked.append(name) or function(*given)
        )
    found = by_class(output, exact, classes, ("wall", "door", "rug", "wall"))
    assert sorted(asked) == sorted(maps)  # each once, however many classes there are
    assert all(list(values) == ["all", "wall", "rug"] for values in found.values())
    regions = {"all": classes > 0, "wall": (classes == 1) | (classes == 4), "rug": classes == 3}
    for name, mask in regions.items():
        assert found["psnr"][name] == pytest.approx(psnr(output, exact, mask))
        assert found["ssim"][name] == pytest.approx(ssim(output, exact, mask))
        assert found["lpips"][name] == pytest.approx(lpips(output, exact, mask))
    for name in ("wall", "rug"):
        assert found["colour_error"][name] == pytest.approx(colour_error(output, exact, regions[name].long()))
    mean = (found["colour_error"]["wall"] + found["colour_error"]["rug"]) / 2
    assert found["colour_error"]["all"] == pytest.approx(mean)
    everything = by_class(output, exact, None)
    assert [list(values) for values in everything.values()] == [["all"]] * 4
    assert everything["psnr"]["all"] == pytest.approx(psnr(output, exact))
    nothing = by_class(output, exact, classes * 0, ("wall",))
    assert all(values == {"all": None} for values in nothing.values())
    with pytest.raises(ShapeError, match="names for 4 classes, got 1"):
        by_class(output, exact, classes, ("wall",))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 10), (12, 30)])
def test_pictures_of_a_few_pixels_have_numbers_where_there_are_any(size: tuple[int, int]) -> None:
    exact, output = picture(0, size), picture(1, size)
    classes = torch.ones(size, dtype=torch.long)
    found = {name: values["all"] for name, values in by_class(output, exact, classes, ("wall",)).items()}
    assert found["lpips"] is None
    assert 0 < found["psnr"] < 100
    assert -1 <= found["ssim"] < 1 - 1e-6
    assert ssim(exact, exact) == pytest.approx(1)
    assert (pattern_error(output, exact, classes) is None) == (size != (12, 30))


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


@pytest.mark.usefixtures("unchecked")
def test_every_metric_says_what_it_is() -> None:
    assert len(METRICS) > 30
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.range[0] < metric.range[1]
        assert min(len(metric.title), len(metric.source)) > 2
        assert 0 <= metric.digits <= 4
        assert metric.function.__doc__
        assert metric.group in GROUPS
    with pytest.raises(ValueError, match="'psnr' a second time"):
        declare("psnr", "PSNR", "higher", (0.0, 1.0), "nowhere", group="truth")(psnr)


def test_a_better_picture_has_better_numbers_in_their_range() -> None:
    of_truth = {name: metric for name, metric in METRICS.items() if metric.group == "truth"}
    assert list(of_truth) == ["psnr", "ssim", "lpips", "colour_error", "pattern_error"]
    exact, output = picture(0), picture(1)
    for metric in of_truth.values():
        by_class = "error" in metric.name
        classes = torch.ones(exact.shape[1:], dtype=torch.long) if by_class else None
        good, bad = metric.function(exact, exact, classes), metric.function(output, exact, classes)
        if metric.name == "lpips" and bad is None:
            continue
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


def test_the_document_agrees_with_the_registry() -> None:
    text = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(\w+)` \| (\w+) \| (\S+) \.\. (\S+) \| ", text, flags=re.MULTILINE)
    told = {name: (better, low, high) for name, better, low, high in lines}
    assert list(told) == sorted(METRICS, key=lambda name: GROUPS.index(METRICS[name].group))
    for name, metric in METRICS.items():
        assert told[name] == (metric.better, *(f"{bound:.4g}".replace("inf", "∞") for bound in metric.range)), name


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
