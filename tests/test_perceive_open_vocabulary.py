"""Labels in the user's own words: what is painted where, and the real classes, small and random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import tinysegment
from pictures import write_room
from relook import PhotoConfig, restyle_photo
from relook.errors import InputError, MissingModelError, RecordError, SegmentsError
from relook.io import read_segments
from relook.perceive.segment import open_vocabulary
from relook.perceive.segment.open_vocabulary import (
    LABELLERS,
    Found,
    clipseg,
    grounded,
    label_views,
    labeller,
    painted,
    pointed,
)
from relook.session import Session
from relook.transfer.photo import repeat_photo
from relook.types import Region, Segments, View

IMAGE = torch.rand(3, 32, 64, generator=torch.Generator().manual_seed(0))
HALVES = Segments(torch.tensor([[1] * 32 + [2] * 32] * 32), {1: Region("wall"), 2: Region("sofa", 0)})


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("labellers")
    kinds = {"clipseg": tinysegment.clipseg, "dino": tinysegment.grounding_dino, "sam": tinysegment.sam}
    return {kind: write(root / kind) for kind, write in kinds.items()}


def box(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    mask = torch.zeros(32, 64, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def test_found_things_are_painted_over_the_regions_the_small_over_the_large() -> None:
    small, large = Found("lamp", box(4, 4, 8, 8), 0.4), Found("sofa", box(0, 0, 32, 20), 0.9)
    result = painted(HALVES, [small, large])
    assert result.regions[int(result.labels[5, 5])] == Region("lamp")
    assert result.regions[int(result.labels[20, 5])] == Region("sofa", 1)
    assert result.labels[0, 63] == 2
    assert (result.labels == 1).sum() == 32 * 12
    covered = painted(HALVES, [Found("ottoman", box(0, 30, 32, 64), 0.5)])
    assert covered.names == ("ottoman", "wall")
    assert HALVES.names == ("sofa", "wall")


def force_clipseg(module: Any, maps: torch.Tensor) -> Any:
    """A hook that makes the network answer with logits of a few places."""
    logits = torch.nn.functional.interpolate(maps[None], (32, 32), mode="nearest")[0]

    def forced(_module: Any, _inputs: Any, outputs: Any) -> Any:
        outputs.logits = logits if len(logits) > 1 else logits[0]  # one label comes without its axis
        return outputs

    return module.register_forward_hook(forced)


def test_clipseg_answers_with_connected_parts(folders: dict[str, Path], session: Session) -> None:
    name = str(folders["clipseg"])
    model = open_vocabulary._network("clipseg", name, session)[0]
    flat = View(torch.full((3, 64, 128), 0.5))
    maps = torch.full((2, 4, 4), -9.0)
    maps[0, 0, 0] = maps[0, 3, 3] = 9.0  # two ottomans in opposite corners
    maps[1, 3, 3], maps[1, 0, 3] = 2.0, 9.0  # a lamp; it is the less likely name for one ottoman
    hook = force_clipseg(model, maps)
    try:
        found = clipseg(flat, ["ottoman", "lamp"], session=session, name=name)
    finally:
        hook.remove()
    assert [one.name for one in found] == ["ottoman", "ottoman", "lamp"]
    corners = {(bool(one.mask[2, 2]), bool(one.mask[61, 125]), bool(one.mask[2, 125])) for one in found}
    assert corners == {(True, False, False), (False, True, False), (False, False, True)}
    assert all(0.5 < int(one.mask.sum()) / (16 * 32) < 1.5 and one.score > 0.7 for one in found)

    hook = force_clipseg(model, maps[:1])
    try:
        assert len(clipseg(flat, ["ottoman"], session=session, name=name)) == 2
    finally:
        hook.remove()


def test_the_real_clipseg_reads_words_and_pictures(folders: dict[str, Path], session: Session) -> None:
    found = labeller(str(folders["clipseg"]), session)(View(IMAGE), ["ottoman", "red chair"])
    assert {one.name for one in found} <= {"ottoman", "red chair"}
    assert all(one.mask.shape == (32, 64) and bool(one.mask.any()) for one in found)
    taken = torch.stack([one.mask for one in found]).sum(0) if found else torch.zeros(1)
    assert taken.max() <= 1


def test_grounding_dino_knows_which_phrase_a_word_belongs_to(folders: dict[str, Path], session: Session) -> None:
    name = f"{folders['dino']}+{folders['sam']}"
    first, second = str(folders["dino"]), str(folders["sam"])
    dino = open_vocabulary._network("dino", first, session)[0]
    sam = open_vocabulary._network("sam", second, session)[0]
    # [CLS] ottoman . red chair . [SEP]
    words = torch.full((1, 6, 256), -9.0)
    words[0, 0, 1] = words[0, 1, 4] = words[0, 2, 3] = words[0, 3, 2] = 9.0  # the last looks at the full stop
    words[0, 4, 4] = 3.0  # the same chair again, less sure
    places = [
        (0.25, 0.5, 0.5, 1.0),
        (0.75, 0.25, 0.25, 0.25),
        (0.75, 0.75, 0.25, 0.25),
        (0.5, 0.5, 1, 1),
        (0.76, 0.25, 0.24, 0.25),
    ]

    def boxes(_module: Any, _inputs: Any, outputs: Any) -> Any:
        outputs.logits, outputs.pred_boxes = words, torch.tensor([[*places, (0.5, 0.5, 0.1, 0.1)]])
        return outputs

    asked: list[torch.Tensor] = []

    def masks(_module: Any, _inputs: Any, options: dict[str, Any], outputs: Any) -> Any:
        """Cut out each box exactly, in the second of the three masks, which the network is surest of."""
        corners = options["input_boxes"][0] / 4  # 64 places to a side of 16 cells
        asked.append(options["input_boxes"][0])
        outputs.pred_masks = torch.full((1, len(corners), 3, 16, 16), -9.0)
        for index, (left, top, right, bottom) in enumerate(corners.round().int().tolist()):
            outputs.pred_masks[0, index, 1, top:bottom, left:right] = 9.0
        outputs.iou_scores = torch.tensor([0.1, 0.9, 0.2]).expand(1, len(corners), 3)
        return outputs

    hooks = [dino.register_forward_hook(boxes), sam.register_forward_hook(masks, with_kwargs=True)]
    try:
        found = labeller(name, session)(View(IMAGE), ["ottoman", "red chair"])
    finally:
        for hook in hooks:
            hook.remove()
    assert [one.name for one in found] == ["ottoman", "red chair", "red chair"]
    wanted = [box(0, 0, 32, 32), box(4, 40, 12, 56), box(20, 40, 28, 56)]
    for one, mask in zip(found, wanted, strict=True):
        assert (one.mask & mask).sum() / (one.mask | mask).sum() > 0.7
    assert asked[0][0].tolist() == [0.0, 0.0, 32.0, 32.0]  # 64 pixels wide already: the picture was not resized


def test_a_point_is_cut_out_by_the_surest_mask(folders: dict[str, Path], session: Session) -> None:
    sam = open_vocabulary._network("sam", str(folders["sam"]), session)[0]
    asked: list[torch.Tensor] = []

    def masks(_module: Any, _inputs: Any, options: dict[str, Any], outputs: Any) -> Any:
        asked.append(options["input_points"])
        outputs.pred_masks = torch.full((1, 1, 3, 16, 16), -9.0)
        outputs.pred_masks[0, 0, 2, :4, :8] = 9.0
        outputs.iou_scores = torch.tensor([[[0.1, 0.2, 0.9]]])
        return outputs

    hook = sam.register_forward_hook(masks, with_kwargs=True)
    try:
        mask = pointed(View(IMAGE), (0.25, 0.5), session=session, cutter=str(folders["sam"]))
    finally:
        hook.remove()
    assert asked[0].flatten().tolist() == [16.0, 16.0]  # a quarter of 64 pixels, half of 32
    wanted = box(0, 0, 16, 32)
    assert (mask & wanted).sum() / (mask | wanted).sum() > 0.7


def test_the_real_grounding_dino_and_sam(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    monkeypatch.setattr(open_vocabulary, "BOX", 0.0)
    found = grounded(View(IMAGE), ["lamp"], session=session, detector=str(folders["dino"]), cutter=str(folders["sam"]))
    assert found
    assert all(one.name == "lamp" and one.mask.shape == (32, 64) and bool(one.mask.any()) for one in found)
    monkeypatch.setattr(open_vocabulary, "BOX", 1.0)
    assert (
        grounded(View(IMAGE), ["lamp"], session=session, detector=str(folders["dino"]), cutter=str(folders["sam"]))
        == []
    )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A labeller that finds an ottoman where the first pixel is red."""

    def find(view: View, labels: Any) -> list[Found]:
        here = torch.zeros(view.size, dtype=torch.bool)
        here[:5, :5] = True
        return [Found(label, here, 0.9) for label in labels if label == "ottoman" and view.image[0, 0, 0] == 1]

    monkeypatch.setattr(open_vocabulary, "labeller", lambda _name, _session: find)


@pytest.mark.usefixtures("fake")
def test_a_label_must_be_in_one_of_the_pictures(session: Session) -> None:
    red, black = View(torch.ones(3, 32, 64), HALVES), View(torch.zeros(3, 32, 64), HALVES)
    first, second = label_views([black, red], ["Ottoman "], "auto", session)
    assert first.segments is not None
    assert first.segments.names == ("sofa", "wall")
    assert second.segments is not None
    assert second.segments.names == ("ottoman", "sofa", "wall")
    assert label_views([black], [" ", ","], "auto", session) == [black]
    with pytest.raises(SegmentsError, match=r"^Expected piano in one of the pictures, got none in any; [^.]*\.$"):
        label_views([black, red], ["ottoman", "piano"], "auto", session)
    (alone,) = label_views([black], ["ottoman"], "auto", session, elsewhere=("ottoman",))
    assert alone.segments.names == HALVES.names
    with pytest.raises(SegmentsError, match="Expected ottoman"):
        label_views([black], ["ottoman"], "auto", session)
    with pytest.raises(SegmentsError, match="Expected a view with segments"):
        label_views([View(torch.ones(3, 32, 64))], ["ottoman"], "auto", session)


def test_names_of_labellers(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    for wrong in ("sam", "a/b+c/d+e/f", "./nowhere"):
        with pytest.raises(InputError, match="auto, grounding-dino, clipseg"):
            labeller(wrong, session)
    with pytest.raises(InputError, match="got a model of type sam"):
        labeller(str(folders["sam"]), session)(View(IMAGE), ["lamp"])
    monkeypatch.setattr(open_vocabulary, "BOX", 0.0)
    with pytest.raises(InputError, match=r"SAM after the \+ as labeller, got a model of type clipseg"):
        labeller(f"{folders['dino']}+{folders['clipseg']}", session)(View(IMAGE), ["lamp"])

    import huggingface_hub

    def offline(*_arguments: object, **_options: object) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.delenv("RELOOK_MODELS", raising=False)
    with pytest.raises(
        MissingModelError, match=r"CIDAS/clipseg-rd64-refined \(605 MB, Apache-2\.0\).*relook models pull clipseg"
    ):
        labeller("auto", session)(View(IMAGE), ["lamp"])
    with pytest.raises(MissingModelError, match="relook models pull grounding-dino"):
        labeller("grounding-dino", session)(View(IMAGE), ["lamp"])


def test_auto_takes_the_best_that_is_here(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    (tmp_path / "CIDAS").mkdir()
    (tmp_path / open_vocabulary.CLIPSEG).symlink_to(folders["clipseg"])
    assert list(LABELLERS.revisions("auto")) == [f"labeller {open_vocabulary.CLIPSEG}"]
    for part, kind in ((open_vocabulary.DINO, "dino"), (open_vocabulary.SAM, "sam")):
        (tmp_path / part).parent.mkdir()
        (tmp_path / part).symlink_to(folders[kind])
    assert len(LABELLERS.revisions("auto")) == 2


def test_a_photo_with_labels_repeats_exactly(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_vocabulary, "LIKELY", 0.0)  # so that the random network finds something
    monkeypatch.chdir(folders["clipseg"].parent)
    structure, style = write_room(tmp_path, "structure"), write_room(tmp_path, "style", (44, 40), seed=1)
    config = PhotoConfig(
        label=("ottoman", "red chair"), labeller="clipseg/", segments=structure.segments, style_segments=style.segments, instances="matched", keep_maps=True
    )  # fmt: skip
    restyle_photo(structure.image, style.image, config, out=tmp_path / "new.png")
    names = {
        *read_segments(tmp_path / "new.maps/structure.png").names,
        *read_segments(tmp_path / "new.maps/style.png").names,
    }
    assert names & {"ottoman", "red chair"}
    record = json.loads((tmp_path / "new.json").read_text())
    assert record["configuration"]["label"] == ["ottoman", "red chair"]
    assert record["configuration"]["labeller"] == str(folders["clipseg"])
    assert PhotoConfig.from_json(record["configuration"]).as_json() == record["configuration"]
    monkeypatch.chdir(tmp_path)
    repeat_photo(tmp_path / "new.json", out=tmp_path / "again.png")
    assert (tmp_path / "new.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    record["weights"] = dict.fromkeys(record["weights"], "0" * 64)
    (tmp_path / "other.json").write_text(json.dumps(record))
    with pytest.raises(RecordError, match="labeller"):
        repeat_photo(tmp_path / "other.json")


@pytest.mark.usefixtures("unchecked")
def test_labels_are_listed_like_kept_names() -> None:
    assert PhotoConfig(label=("ottoman, red chair",)).label == ("ottoman", "red chair")
    assert PhotoConfig(label=("lamp", "a,b")).label == ("lamp", "a", "b")
    with pytest.raises(InputError, match="instances out of shared, matched"):
        PhotoConfig.from_json({"instances": "paired"}).check()
