"""Transformers depth models: the real classes with tiny random weights, saved and loaded as a user's folder would be."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from relook.errors import DepthError, InputError, MissingModelError
from relook.perceive.depth import estimator
from relook.perceive.depth.models import DepthModel, depth_of_disparity, load_depth_model, output_of
from relook.session import Session
from relook.types import View

STAGES = ["stage1", "stage2", "stage3", "stage4"]
SMALL = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
NECK = {"neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8}


@cache
def folder(kind: str) -> str:
    """A folder with a tiny random model of the kind and its image processor."""
    import transformers
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
    from transformers.models.glpn.image_processing_pil_glpn import GLPNImageProcessorPil
    from transformers.models.zoedepth.image_processing_pil_zoedepth import ZoeDepthImageProcessorPil
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    place = mkdtemp()
    if kind.startswith("depth-anything"):
        backbone = transformers.Dinov2Config(
            **SMALL, image_size=56, patch_size=14, out_features=STAGES, reshape_hidden_states=False
        )
        metric = {"depth_estimation_type": "metric", "max_depth": 20} if kind.endswith("metric") else {}
        config = transformers.DepthAnythingConfig(
            backbone_config=backbone, reassemble_hidden_size=16, patch_size=14, head_hidden_size=4, **NECK, **metric
        )
        model: Any = transformers.DepthAnythingForDepthEstimation(config)
        processor: Any = DPTImageProcessorPil(
            size={"height": 70, "width": 70}, keep_aspect_ratio=True, ensure_multiple_of=14
        )
    elif kind == "dpt":
        config = transformers.DPTConfig(
            **SMALL, **NECK, image_size=64, backbone_out_indices=[0, 1, 2, 3], reassemble_factors=[4, 2, 1, 0.5]
        )
        model, processor = (
            transformers.DPTForDepthEstimation(config),
            DPTImageProcessorPil(size={"height": 64, "width": 64}),
        )
    elif kind == "glpn":
        config = transformers.GLPNConfig(
            hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=8
        )
        model, processor = transformers.GLPNForDepthEstimation(config), GLPNImageProcessorPil()
    elif kind == "zoedepth":
        backbone = transformers.BeitConfig(
            **SMALL, image_size=64, patch_size=16, out_features=STAGES, reshape_hidden_states=False
        )
        config = transformers.ZoeDepthConfig(
            backbone_config=backbone, **NECK, bottleneck_features=8, num_relative_features=4, bin_embedding_dim=8,
            num_attractors=[4, 2, 2, 1], bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"}],
        )  # fmt: skip
        model = transformers.ZoeDepthForDepthEstimation(config)
        processor = ZoeDepthImageProcessorPil(size={"height": 64, "width": 64}, ensure_multiple_of=32)
    else:
        config = transformers.SegformerConfig(hidden_sizes=[8] * 4, depths=[1] * 4, num_attention_heads=[1] * 4)
        model, processor = transformers.SegformerForSemanticSegmentation(config), DPTImageProcessorPil()
    model.save_pretrained(place)
    processor.save_pretrained(place)
    return place


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [("depth-anything", "relative"), ("depth-anything-metric", "metric"), ("dpt", "relative"), ("glpn", "metric"), ("zoedepth", "metric")],
)  # fmt: skip
def test_real_classes_give_positive_depth_of_the_pictures_size(kind: str, meaning: str) -> None:
    estimate = estimator(folder(kind), Session("cpu"))
    for size in ((51, 83), (120, 90)):
        image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
        found = estimate(View(image))
        assert found.kind == meaning
        assert found.values.shape == size
        assert torch.isfinite(found.values).all()
        assert float(found.values.min()) > 0


class Told:
    """A network that answers with what it is told, and a processor that shows what it was given."""

    def __init__(self, kind: str, answer: torch.Tensor, **config: Any) -> None:
        self.config, self.device, self.answer = SimpleNamespace(model_type=kind, **config), "cpu", answer

    def __call__(self, pixel_values: torch.Tensor) -> Any:
        assert pixel_values.shape[-1] == 3
        return SimpleNamespace(predicted_depth=self.answer[None])


def processor(images: Any, return_tensors: str, input_data_format: str) -> dict[str, torch.Tensor]:
    assert images.dtype == "uint8"
    return {"pixel_values": torch.from_numpy(images)}


def test_disparity_is_turned_into_depth_and_metres_stay() -> None:
    answer = torch.linspace(0, 9, 10).repeat(8, 1)
    image = torch.zeros(3, 8, 10)
    relative, kind = DepthModel(Told("dpt", answer), processor, "disparity").coarse(image)
    assert kind == "relative"
    assert float(relative[0, 0]) == pytest.approx(10, rel=0.01)
    assert float(relative[0, -1]) == pytest.approx(1, rel=0.01)
    assert (relative[:, 1:] < relative[:, :-1]).all()
    inverse = 1 / relative[0, 1:-1]
    assert torch.allclose(inverse.diff(), inverse.diff()[0].expand(7), rtol=1e-3)
    metres, kind = DepthModel(Told("glpn", answer), processor, "metric").coarse(image)
    assert kind == "metric"
    assert torch.equal(metres, answer)


def test_zoes_mirrored_border_is_cut_off() -> None:
    border = int(math.sqrt(60 / 2) * 3), int(math.sqrt(100 / 2) * 3)
    padded = torch.zeros(60 + 2 * border[0], 100 + 2 * border[1])
    padded[border[0] : -border[0], border[1] : -border[1]] = 5
    model = DepthModel(Told("zoedepth", padded), SimpleNamespace(do_pad=True), "metric")
    object.__setattr__(model, "processor", Padding())
    assert torch.equal(model.raw(torch.zeros(3, 60, 100)), torch.full((60, 100), 5.0))


class Padding:
    do_pad = True

    def __call__(self, **given: Any) -> dict[str, torch.Tensor]:
        return processor(**given)


def test_flat_disparity_stays_flat_and_nan_is_refused() -> None:
    assert torch.equal(depth_of_disparity(torch.full((4, 4), 3.0)), torch.ones(4, 4))
    broken = DepthModel(Told("dpt", torch.full((8, 10), float("nan"))), processor, "disparity")
    with pytest.raises(DepthError, match="finite depth"):
        broken.coarse(torch.zeros(3, 8, 10))


def test_what_a_configuration_says() -> None:
    assert output_of(SimpleNamespace(model_type="depth_anything", depth_estimation_type="metric")) == "metric"
    assert output_of(SimpleNamespace(model_type="depth_anything", depth_estimation_type="relative")) == "disparity"
    assert (
        output_of(SimpleNamespace(model_type="dpt", backbone_config=SimpleNamespace(model_type="dinov2"))) == "metric"
    )
    assert (
        output_of(SimpleNamespace(model_type="dpt", backbone_config=SimpleNamespace(model_type="bit"))) == "disparity"
    )
    with pytest.raises(InputError, match="chmv2"):
        output_of(SimpleNamespace(model_type="chmv2"))


def test_folders_that_are_no_depth_models(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SegformerForSemanticSegmentation"):
        load_depth_model(folder("segformer"))
    with pytest.raises(InputError, match=r"config\.json"):
        estimator(str(tmp_path), Session("cpu"))(View(torch.rand(3, 20, 20)))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(MissingModelError, match=r"config file"):
        load_depth_model(str(tmp_path))


def test_weights_that_would_be_unpickled_are_refused(tmp_path: Path) -> None:
    for file in Path(folder("dpt")).iterdir():
        if file.suffix == ".json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(MissingModelError, match="safetensors"):
        load_depth_model(str(tmp_path))


def test_a_model_that_is_not_here_says_its_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked: list[bool] = []

    def offline(name: str, allow_patterns: list[str], local_files_only: bool = False, revision: str = "main") -> str:
        assert not any(pattern.endswith((".bin", ".pt", ".pth")) for pattern in allow_patterns)
        asked.append(local_files_only)
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(MissingModelError, match=r"99 MB, Apache-2\.0.*relook models pull depth-anything-v2-small"):
        estimator("depth-anything/Depth-Anything-V2-Small-hf", Session("cpu"))(View(torch.rand(3, 20, 20)))
    assert asked == [False]  # the hub alone: its cache has nothing of that repository
