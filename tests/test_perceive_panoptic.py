"""Transformers' segmentation models: the real classes, small and random, through their real image processors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tinysegment
from relook.errors import InputError, MissingModelError, PictureError
from relook.perceive.segment import SEGMENTERS, panoptic, segmenter
from relook.perceive.segment.regions import completed
from relook.session import Session
from relook.types import View

NAMES = {"wall", "floor", "sofa", "potted plant", "lamp", "sky-other-merged"}
KINDS = tinysegment.PANOPTIC | tinysegment.SEMANTIC
WALL, SOFA, LAMP = 0, 2, 4


def picture(height: int, width: int) -> View:
    return View(torch.rand(3, height, width, generator=torch.Generator().manual_seed(1)))


def partition(segments: Any) -> list[tuple[str, int, int]]:
    """(name, instance, pixels) of every region, sorted."""
    return sorted((r.name, r.instance, int((segments.labels == id).sum())) for id, r in segments.regions.items())


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("segmenters")
    return {kind: write(root / kind) for kind, write in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_answers_at_the_pictures_size(kind: str, folders: dict[str, Path]) -> None:
    segment = segmenter(str(folders[kind]), Session("cpu"))
    for size in ((40, 70), (65, 9), (1, 1)):
        found = segment(picture(*size))
        assert found.labels.shape == size
        assert (found.labels > 0).all()
        assert set(found.names) <= NAMES
        for name in found.names:
            instances = sorted(region.instance for region in found.regions.values() if region.name == name)
            assert instances == list(range(len(instances)))
    again = segment(picture(40, 70))
    assert torch.equal(segment(picture(40, 70)).labels, again.labels)


def scene(height: int, width: int) -> dict[str, torch.Tensor]:
    """Two sofas below, a small lamp above, wall everywhere else."""
    y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    left = (y > 0.5) & (x < 0.375)
    right = (y > 0.5) & (x > 0.625)
    lamp = (y < 0.25) & (x > 0.75)
    return {"wall": ~(left | right | lamp), "left": left, "right": right, "lamp": lamp}


def force_queries(kind: str, loaded: Any) -> Any:
    """A hook that makes the network say `scene`; it doubts the lamp, which the panoptic threshold then drops."""
    classes = torch.full((1, 5, 7), -20.0)
    for query, label in enumerate([WALL, SOFA, WALL, SOFA]):  # the wall comes twice, with a sofa between
        classes[0, query, label] = 20.0
    classes[0, 4, LAMP] = -19.0  # three in ten

    def forced(_module: Any, _inputs: Any, outputs: Any) -> Any:
        height, width = outputs.masks_queries_logits.shape[-2:]
        masks = torch.full((1, 5, height, width), -20.0)
        content = height // 2 if kind == "eomt" else height  # its lower half is padding
        parts = scene(content, width)
        upper = torch.arange(content)[:, None] < content / 2
        queries = (parts["wall"] & upper, parts["left"], parts["wall"] & ~upper, parts["right"], parts["lamp"])
        for query, mask in enumerate(queries):
            masks[0, query, :content] = mask * 40.0 - 20
        outputs.class_queries_logits, outputs.masks_queries_logits = classes, masks
        return outputs

    return loaded.model.register_forward_hook(forced)


@pytest.mark.parametrize("kind", tinysegment.PANOPTIC)
def test_known_masks_become_the_known_partition_and_a_doubtful_object_is_kept(
    kind: str, folders: dict[str, Path], session: Session
) -> None:
    name = str(folders[kind])
    hook = force_queries(kind, session.loaded(("segmenter", name), lambda: panoptic._loaded(name, session)))
    try:
        found = segmenter(name, session)(picture(64, 128))
    finally:
        hook.remove()
    assert [entry[:2] for entry in partition(found)] == [("lamp", 0), ("sofa", 0), ("sofa", 1), ("wall", 0)]
    by_place = {"left": found.labels[56, 8], "right": found.labels[56, 120], "lamp": found.labels[4, 120]}
    by_place["wall"] = found.labels[20, 40]
    assert len(set(map(int, by_place.values()))) == 4
    for part, mask in scene(64, 128).items():
        found_mask = found.labels == by_place[part]
        assert (found_mask & mask).sum() / (found_mask | mask).sum() > 0.85, (
            part
        )  # borders lie between the cells of the masks
    assert {found.regions[int(by_place[part])].name for part in ("left", "right")} == {"sofa"}
    assert found.regions[int(by_place["lamp"])].name == "lamp"


@pytest.mark.parametrize("kind", ["segformer", "mobilevit"])
def test_classes_per_pixel_become_surfaces_and_instances(kind: str, folders: dict[str, Path], session: Session) -> None:
    def forced(_module: Any, _inputs: Any, outputs: Any) -> Any:
        height, width = outputs.logits.shape[-2:]
        parts = scene(height, width)
        outputs.logits = torch.zeros(1, 6, height, width)
        outputs.logits[0, WALL], outputs.logits[0, LAMP] = parts["wall"] * 9.0, parts["lamp"] * 9.0
        outputs.logits[0, SOFA] = (parts["left"] | parts["right"]) * 9.0
        return outputs

    name = str(folders[kind])
    hook = session.loaded(("segmenter", name), lambda: panoptic._loaded(name, session)).model.register_forward_hook(
        forced
    )
    try:
        found = segmenter(name, session)(picture(64, 128))  # twice as wide as high: nothing may be cut off
    finally:
        hook.remove()
    assert [entry[:2] for entry in partition(found)] == [("lamp", 0), ("sofa", 0), ("sofa", 1), ("wall", 0)]
    assert found.mask("sofa")[40:, :40].float().mean() > 0.9
    assert found.mask("sofa")[40:, 88:].float().mean() > 0.9
    assert found.mask("lamp")[:10, 100:].float().mean() > 0.9


def test_bias_alone_decides_a_segformer(tmp_path: Path) -> None:
    from transformers import SegformerForSemanticSegmentation

    folder = tinysegment.segformer(tmp_path / "model")
    before = SEGMENTERS.revisions(str(folder))
    model = SegformerForSemanticSegmentation.from_pretrained(folder)
    model.decode_head.classifier.weight.data.zero_()
    model.decode_head.classifier.bias.data = torch.tensor([0.0, 0, 5, 0, 0, 0])
    model.save_pretrained(folder)
    assert partition(segmenter(str(folder), Session("cpu"))(picture(30, 50))) == [("sofa", 0, 1500)]
    after = SEGMENTERS.revisions(str(folder))
    assert list(before) == list(after) == [f"segmenter {folder}"]
    assert before != after


def test_large_pictures_are_looked_at_smaller_and_answered_at_full_size(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panoptic, "WORKING_SIDE", 48)
    assert segmenter(str(folders["segformer"]), Session("cpu"))(picture(70, 110)).labels.shape == (70, 110)
    labels = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2]])
    assert torch.equal(panoptic._enlarged(labels, (8, 16)), torch.tensor([[1] * 8 + [2] * 8] * 8))


def test_what_no_region_claims_is_not_lost() -> None:
    names = ("wall", "floor", "sofa", "lamp")
    labels = np.full((100, 100), -1)
    labels[:50, :60], labels[60:, 20:50] = 7, 9  # a wall and a sofa
    owner = {7: 0, 9: 2, 11: 3}  # 11 was promised and does not appear
    classes = np.full((100, 100), 1)
    classes[:50] = 0  # more wall than was claimed
    classes[60:, 15:55] = 2  # the sofa is larger than claimed
    classes[60:90, 80:95] = 2  # another sofa
    classes[10:16, 80:86] = 3  # a lamp on the wall that was left out
    classes[30, 90] = 3  # one doubtful pixel
    found = completed(labels, owner, classes, names)
    assert partition(found) == [
        ("floor", 0, 5000 - 1600 - 450),
        ("lamp", 0, 36),
        ("sofa", 0, 1600),
        ("sofa", 1, 450),
        ("wall", 0, 5000 - 36),
    ]
    assert found.regions[int(found.labels[30, 90])].name == "wall"
    assert sorted(found.regions) == sorted(found.labels.unique().tolist())


def test_an_answer_without_any_region_falls_back_to_the_classes() -> None:
    classes = np.zeros((20, 20), np.int64)
    classes[5:15, 5:15] = 2
    found = completed(np.full((20, 20), -1), {}, classes, ("wall", "floor", "sofa"))
    assert partition(found) == [("sofa", 0, 100), ("wall", 0, 300)]


def test_a_model_for_another_task_is_refused(tmp_path: Path) -> None:
    folder = tinysegment.segformer(tmp_path / "other", "SegformerForImageClassification")
    with pytest.raises(InputError, match="got SegformerForImageClassification"):
        segmenter(str(folder), Session("cpu"))(picture(20, 20))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"architectures": ["DepthAnythingForDepthEstimation"]}))
    with pytest.raises(InputError, match=r"segmentation model as segmenter, got DepthAnything.*another checkpoint\.$"):
        segmenter(str(folder), Session("cpu"))(picture(20, 20))


def test_broken_checkpoints_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises((InputError, MissingModelError), match=r"config\.json"):
        segmenter(str(tmp_path / "empty"), Session("cpu"))(picture(20, 20))

    folder = tinysegment.segformer(tmp_path / "half", "SegformerForImageClassification")
    settings = json.loads((folder / "config.json").read_text())
    made = {"architectures": ["SegformerForSemanticSegmentation"]}
    (folder / "config.json").write_text(json.dumps(settings | made))
    with pytest.raises(MissingModelError, match=r"got none for \d+ tensors such as decode_head"):
        segmenter(str(folder), Session("cpu"))(picture(20, 20))
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(MissingModelError, match=r"loadable model .*fetch that part again"):
        segmenter(str(folder), Session("cpu"))(picture(20, 20))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(MissingModelError, match=r"weights as \.safetensors"):
        segmenter(str(folder), Session("cpu"))(picture(20, 20))
    (folder / "config.json").write_text("[")
    with pytest.raises(MissingModelError, match="JSON object"):
        segmenter(str(folder), Session("cpu"))(picture(20, 20))


def test_a_checkpoint_that_is_nowhere_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*_arguments: object, **_options: object) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    name = "shi-labs/oneformer_ade20k_swin_tiny"
    with pytest.raises(MissingModelError, match=rf"{name} \(205 MB, MIT\).*relook models pull oneformer-ade20k"):
        segmenter(name, Session("cpu"))(picture(20, 20))
    with pytest.raises(MissingModelError, match="hf download nobody/nothing"):
        SEGMENTERS.revisions("nobody/nothing")


def test_checkpoints_are_found_under_the_folder_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tinysegment.segformer(tmp_path / "someone" / "tiny-segmenter")
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    assert segmenter("someone/tiny-segmenter", Session("cpu"))(picture(16, 24)).labels.shape == (16, 24)


def test_a_failure_inside_the_network_is_a_sentence_about_the_picture(
    folders: dict[str, Path], session: Session
) -> None:
    def broken(*_arguments: object) -> None:
        raise ValueError("sides too small")

    name = str(folders["segformer"])
    hook = session.loaded(("segmenter", name), lambda: panoptic._loaded(name, session)).model.register_forward_hook(
        broken
    )
    try:
        with pytest.raises(PictureError, match=r"got one of 24 x 16 pixels \(sides too small\)"):
            segmenter(name, session)(picture(16, 24))
    finally:
        hook.remove()
