"""All numbers of a picture: the exact answer is best, absent weights leave numbers empty and are said, bad pictures are refused."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from relook.errors import InputError, PictureError, ShapeError
from relook.evaluate.instruments import Instruments, Observer, missing, weights
from relook.evaluate.measure import measure as measured
from relook.evaluate.measure import realism
from relook.evaluate.metrics import METRICS
from relook.evaluate.records import Number
from relook.evaluate.sources.dollhouse import Dollhouse
from relook.evaluate.sources.pair import Pair
from relook.models import vgg
from relook.models.catalogue import CATALOGUE
from relook.session import Session
from test_metrics_networks import clip, dino, onnx_mean

PAIR = Dollhouse(size=48).pair("000")
BLIND = Instruments(depth=None, segmenter=None, clip=None, dino=None)
EMBEDDED = replace(BLIND, depth="embedded", segmenter="embedded")


def measure(pair: Pair, image: torch.Tensor, instruments: Instruments) -> list[Number]:
    """Every number, in a session of its own."""
    return measured(pair, image, Observer(instruments, Session("cpu")))


def features(image: torch.Tensor, instruments: Instruments) -> dict[str, np.ndarray]:
    """Vectors of a picture, in a session of its own."""
    return Observer(instruments, Session("cpu")).vectors(image)


def revision(instruments: Instruments) -> str:
    """What the keys of numbers hold of the instruments."""
    return repr(sorted(weights(instruments).items()))


def whole(found: list[Number]) -> dict[str, float | None]:
    """The numbers of the whole picture; each once."""
    values = [(one.metric, one.value) for one in found if one.region == "all"]
    assert len(dict(values)) == len(values)
    return dict(values)


def test_the_exact_answer_is_best_and_everything_has_a_place_in_the_registry(models_folder: Path) -> None:
    assert PAIR.exact is not None
    best, copied = measure(PAIR, PAIR.exact, EMBEDDED), measure(PAIR, PAIR.structure.image, EMBEDDED)
    assert {one.metric for one in best} <= set(METRICS)
    for one in (*best, *copied):
        assert one.value is None or METRICS[one.metric].range[0] <= one.value <= METRICS[one.metric].range[1]
    good, bad = whole(best), whole(copied)
    assert good["psnr"] == 100
    assert good["ssim"] == pytest.approx(1)
    assert good["colour_error"] == good["pattern_error"] == 0
    assert good["a_hist"] < bad["a_hist"]
    assert bad["depth_abs_rel"] == pytest.approx(0, abs=1e-6)
    assert bad["depth_delta1"] == bad["edge_f1"] == 1
    assert 0 < bad["depth_abs_rel_exact"] < 0.5
    assert 0 < good["edge_f1"] < 1
    assert bad["mask_miou"] > 0.4
    for name in ("lpips", "gram_distance", "clip", "dino", "dreamsim"):
        assert good[name] is None


def test_classes_have_numbers_under_their_names(models_folder: Path) -> None:
    found = measure(PAIR, PAIR.structure.image, EMBEDDED)
    regions = {metric: {one.region for one in found if one.metric == metric} - {"all"} for metric in METRICS}
    assert PAIR.scored is not None
    shown = {PAIR.names[id - 1] for id in PAIR.scored.unique().tolist() if id}
    assert regions["psnr"] == regions["ssim"] == regions["colour_error"] == shown
    assert PAIR.structure.segments is not None
    assert regions["mask_miou"] == set(PAIR.structure.segments.names)
    assert shown <= regions["a_hist"]
    assert not regions["edge_f1"]
    assert all(one.value is not None for one in found if one.region != "all")


def test_a_pair_of_the_real_world_has_no_numbers_against_truth(models_folder: Path) -> None:
    pair = replace(PAIR, exact=None, scored=None, patterned=None)
    found = whole(measure(pair, pair.style.image, EMBEDDED))
    assert not {"psnr", "ssim", "lpips", "colour_error", "pattern_error", "depth_abs_rel_exact"} & set(found)
    assert found["a_hist"] == pytest.approx(0, abs=1e-6)
    bare = replace(pair, structure=replace(pair.structure, segments=None), style=replace(pair.style, segments=None))
    alone = measure(bare, pair.style.image, EMBEDDED)
    assert all(one.region == "all" for one in alone)
    assert whole(alone)["mask_miou"] is None


def test_every_pixel_counts_where_nobody_says_otherwise(models_folder: Path) -> None:
    pair = replace(PAIR, scored=None, names=(), patterned=None)
    found = [one for one in measure(pair, pair.structure.image, BLIND) if one.metric == "psnr"]
    assert pair.exact is not None
    error = float((pair.exact - pair.structure.image).double().square().mean())
    assert [(one.region, one.value) for one in found] == [("all", pytest.approx(-10 * np.log10(error)))]


@pytest.mark.usefixtures("unchecked")
def test_bad_pictures_and_instruments_are_refused(models_folder: Path) -> None:
    with pytest.raises(ShapeError, match="structure's shape"):
        measure(PAIR, PAIR.structure.image[:, :40], BLIND)
    with pytest.raises(ShapeError, match="structure's shape"):
        measure(PAIR, PAIR.structure.image[:1], BLIND)
    broken = PAIR.structure.image.clone()
    broken[0, 3, 3] = torch.nan
    with pytest.raises(PictureError, match="finite picture for 000"):
        measure(PAIR, broken, BLIND)
    for wrong in ({"depth": "exact"}, {"segmenter": "map.png"}, {"depth": "depth.npz"}):
        with pytest.raises(InputError, match="any picture"):
            Instruments(**wrong)
    with pytest.raises(InputError, match="Expected a depth estimator"):
        measure(PAIR, PAIR.structure.image, replace(BLIND, depth="guess"))


def test_flat_and_tiny_pictures_have_what_can_be_told(models_folder: Path) -> None:
    grey = torch.full_like(PAIR.structure.image, 0.5)
    assert whole(measure(PAIR, grey, EMBEDDED))["edge_f1"] == 0
    assert PAIR.structure.image.shape[1] > 8
    one = replace(
        PAIR,
        structure=replace(PAIR.structure, image=torch.rand(3, 1, 1), segments=None, depth=None),
        exact=torch.rand(3, 1, 1),
        scored=None,
        patterned=None,
    )
    found = whole(measure(one, torch.rand(3, 1, 1), BLIND))
    assert found["edge_f1"] is None
    assert found["psnr"] is not None


def test_what_is_absent_is_said_and_changes_the_revision(tmp_path: Path, models_folder: Path) -> None:
    said = missing(BLIND)
    assert [line.split(" ")[0] for line in said] == ["LPIPS", "Gram", "The", "The", "CLIP", "DINO", "DreamSim", "FID"]
    assert all(line.endswith(".") and "\n" not in line for line in said)
    assert any("lpips_alex" in line and "RELOOK_MODELS" in line for line in said)
    assert pickle.loads(pickle.dumps(BLIND)) == BLIND
    seeing = replace(EMBEDDED, clip=str(clip(tmp_path / "clip")[0]), dreamsim=(str(tmp_path / "clip"),))
    assert [line.split(" ")[0] for line in missing(seeing)] == ["LPIPS", "Gram", "DINO", "FID"]
    hashes = {revision(one) for one in (BLIND, EMBEDDED, seeing, replace(seeing, inception="absent.onnx"))}
    assert len(hashes) == 3  # a file that is not there measures nothing, as none
    assert revision(seeing) == revision(seeing)
    clip(tmp_path / "clip", seed=5)
    assert revision(seeing) not in hashes
    onnx_mean(tmp_path / "mean.onnx")
    assert revision(replace(BLIND, inception=str(tmp_path / "mean.onnx"))) != revision(BLIND)
    (line,) = [line for line in missing(replace(BLIND, dino="nobody/nothing")) if line.startswith("DINO")]
    assert "nobody/nothing is not on this machine" in line


def test_encoders_compare_output_and_style(tmp_path: Path, models_folder: Path) -> None:
    folders = str(clip(tmp_path / "clip")[0]), str(dino(tmp_path / "dino")[0])
    seeing = replace(BLIND, clip=folders[0], dino=folders[1], dreamsim=folders)
    same, other = (whole(measure(PAIR, image, seeing)) for image in (PAIR.style.image, PAIR.structure.image))
    assert same["clip"] == pytest.approx(1, abs=1e-5)
    assert same["dino"] == pytest.approx(1, abs=1e-5)
    assert same["dreamsim"] == pytest.approx(0, abs=1e-5)
    assert other["clip"] < same["clip"]
    alone = whole(measure(PAIR, PAIR.structure.image, replace(seeing, clip=None)))
    assert alone["clip"] is None
    assert alone["dino"] == other["dino"] != other["clip"]
    assert other["dreamsim"] > 1e-4
    assert (
        whole(measure(PAIR, PAIR.style.image, replace(seeing, dreamsim=(*folders, "nobody/nothing"))))["dreamsim"]
        is None
    )


def test_the_structure_is_looked_at_once(monkeypatch: pytest.MonkeyPatch, models_folder: Path) -> None:
    from relook.perceive import depth

    looks = []
    monkeypatch.setattr(
        depth, "embedded", lambda view, session, real=depth.embedded: looks.append(1) or real(view, session)
    )
    observer = Observer(replace(BLIND, depth="embedded"), Session("cpu"))
    for share in (0.9, 0.8, 0.7, 0.9):
        measured(PAIR, (PAIR.structure.image * share).clamp(0, 1), observer)
    assert len(looks) == 4  # the structure and three outputs
    observer._once("shape", torch.zeros(3, 2, 8), lambda: "wide")
    assert observer._once("shape", torch.zeros(3, 8, 2), lambda: "high") == "high"  # equal bytes are not equal pictures


@pytest.mark.weights
def test_textures_and_vectors_are_those_of_vgg(shared: Path) -> None:
    found, image = whole(measure(PAIR, PAIR.style.image, BLIND)), PAIR.style.image.clamp(0, 1)
    assert found["gram_distance"] == pytest.approx(0, abs=1e-9)
    copied = whole(measure(PAIR, PAIR.structure.image, BLIND))
    assert 0.05 < copied["gram_distance"] <= 1
    assert copied["lpips"] > 0.05
    vector = features(image, BLIND)["vgg"]
    assert np.allclose(vector, vgg.features(image, ("relu5_1",), Session("cpu"))["relu5_1"].mean((1, 2)).numpy())
    assert not any(line.startswith(("LPIPS", "Gram")) for line in missing(BLIND))
    assert CATALOGUE["vgg19_normalised"].licence


def test_realism_of_all_pictures_together(tmp_path: Path, models_folder: Path) -> None:
    seeing = replace(BLIND, inception=str(onnx_mean(tmp_path / "mean.onnx")))
    images = [
        torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(seed)) ** power
        for seed, power in zip(range(12), [1, 2] * 6, strict=True)
    ]
    vectors = np.stack([features(image, seeing)["inception"] for image in images])
    assert "vgg" not in features(images[0], seeing)
    bright, dark = {"inception": vectors[::2]}, {"inception": vectors[1::2]}
    found = {one.metric: one.value for one in realism(bright, dark)}
    assert found["fid"] > 100
    assert found["kid"] > 0
    assert found["kid_vgg"] is None
    assert {one.metric: one.value for one in realism(bright, bright)}["fid"] == pytest.approx(0, abs=1e-6)
    assert all(one.value is None and one.region == "all" for one in realism({}, dark))
