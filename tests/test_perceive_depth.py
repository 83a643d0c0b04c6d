"""Depth estimators: one interface, kinds, sizes, and what they answer to bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relook.errors import DepthError, InputError, MissingModelError
from relook.io import read_image, write_depth
from relook.models.catalogue import CATALOGUE
from relook.perceive import depth
from relook.perceive.depth import ESTIMATORS
from relook.session import Session
from relook.types import Depth, View

IMAGE = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))
OWN = Depth(torch.full((20, 30), 2.0), "metric")


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELOOK_MODELS", raising=False)


def test_exact_gives_the_views_own_depth_or_an_error() -> None:
    assert depth.estimator("exact", Session("cpu"))(View(IMAGE, depth=OWN)) is OWN
    assert depth.estimator("auto", Session("cpu"))(View(IMAGE, depth=OWN)) is OWN
    with pytest.raises(DepthError, match="with depth"):
        depth.estimator("exact", Session("cpu"))(View(IMAGE))


def test_a_depth_map_must_fit_the_picture(tmp_path: Path) -> None:
    write_depth(tmp_path / "depth.npz", OWN)
    read = depth.estimator(str(tmp_path / "depth.npz"), Session("cpu"))
    assert torch.equal(read(View(IMAGE)).values, OWN.values)
    with pytest.raises(DepthError, match="Expected 30 x 10 pixels"):
        read(View(IMAGE[:, :10]))


@pytest.mark.parametrize("name", ["fastdepth", "pydnet"])
def test_missing_checkpoints_say_what_to_do(no_models: None, name: str) -> None:
    with pytest.raises(MissingModelError, match=r"MB, .*RELOOK_MODELS|RELOOK_MODELS.*MB"):
        depth.estimator(name, Session("cpu"))(View(IMAGE))


def test_auto_never_asks_the_embedded_network_and_says_what_to_do(no_models: None) -> None:
    with pytest.raises(MissingModelError, match=r"fastdepth_nyu.onnx \(5.8 MB, MIT\)"):
        depth.estimator("auto", Session("cpu"))(View(IMAGE))


def test_unknown_estimator_is_refused() -> None:
    with pytest.raises(InputError, match="auto, exact, fastdepth, pydnet, embedded"):
        depth.estimator("midas", Session("cpu"))


def test_coarse_depth_with_holes_is_filled_and_nothing_at_all_is_refused() -> None:
    coarse = torch.full((1, 5, 6), 2.0)
    coarse[0, 0, 0], coarse[0, 1, 1] = float("nan"), -1
    full = depth.at_full_size(IMAGE, coarse, "metric")
    assert torch.allclose(full.values, torch.full((20, 30), 2.0))
    with pytest.raises(DepthError, match="finite, positive depth"):
        depth.at_full_size(IMAGE, torch.full((1, 5, 6), float("nan")), "metric")


@pytest.mark.weights
@pytest.mark.parametrize(("name", "kind"), [("fastdepth", "metric"), ("pydnet", "relative")])
def test_the_bed_is_nearer_than_the_far_corner(shared: Path, name: str, kind: str) -> None:
    image = read_image(shared / "photos" / "bare-listing_bedroom.jpg")
    found = depth.estimator(name, Session("cpu"))(View(image))
    assert found.kind == kind
    assert found.values.shape == image.shape[1:]
    assert torch.isfinite(found.values).all()
    assert found.values.min() > 0
    bed, corner = found.values[650:800, 600:800].median(), found.values[250:350, 560:640].median()
    assert bed < 0.8 * corner


@pytest.mark.weights
@pytest.mark.parametrize("size", [(8, 8), (30, 200)])
def test_any_size(shared: Path, size: tuple[int, int]) -> None:
    assert depth.fastdepth(View(torch.full((3, *size), 0.5)), Session("cpu")).values.shape == size


def test_what_is_learned_in_an_estimator_can_be_recorded(no_models: None, tmp_path: Path) -> None:
    assert not ESTIMATORS.is_here("auto"), "the embedded network knows drawn rooms only"
    assert len(ESTIMATORS.revisions("embedded")["embedded perception"]) == 64
    assert ESTIMATORS.revisions("fastdepth") == {"fastdepth": CATALOGUE["fastdepth"].sha256}
    assert ESTIMATORS.revisions("exact") == ESTIMATORS.revisions(str(tmp_path / "depth.npz")) == {}
    with pytest.raises(InputError, match="nonsense"):
        ESTIMATORS.revisions("nonsense")
