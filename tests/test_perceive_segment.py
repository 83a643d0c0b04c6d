"""Segmenters: one interface, the back ends, and what they answer to bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from relook.errors import InputError, MissingModelError, SegmentsError
from relook.io import read_image, write_segments
from relook.perceive import segment
from relook.perceive.segment import SEGMENTERS, ade20k
from relook.perceive.segment.regions import numbered
from relook.session import Session
from relook.types import Region, Segments, View

IMAGE = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))
OWN = Segments(torch.ones(20, 30, dtype=torch.int64), {1: Region("wall")})


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELOOK_MODELS", raising=False)


def test_exact_gives_the_views_own_segments_or_an_error() -> None:
    assert segment.segmenter("exact", Session("cpu"))(View(IMAGE, OWN)) is OWN
    with pytest.raises(SegmentsError, match="with segments"):
        segment.segmenter("exact", Session("cpu"))(View(IMAGE))


def test_whole_is_one_region() -> None:
    found = segment.segmenter("whole", Session("cpu"))(View(IMAGE))
    assert found.labels.shape == (20, 30)
    assert found.names == ("whole picture",)


def test_a_label_map_must_fit_the_picture(tmp_path: Path) -> None:
    write_segments(tmp_path / "map.png", OWN)
    read = segment.segmenter(str(tmp_path / "map.png"), Session("cpu"))
    assert torch.equal(read(View(IMAGE)).labels, OWN.labels)
    with pytest.raises(SegmentsError, match="Expected 30 x 10 pixels"):
        read(View(IMAGE[:, :10]))


def test_auto_prefers_own_segments_then_ade20k_and_never_the_embedded_network(
    no_models: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert segment.segmenter("auto", Session("cpu"))(View(IMAGE, OWN)) is OWN
    assert segment.segmenter("auto", Session("cpu"))(View(IMAGE)).names == (), (
        "no network and no layout: nothing is known"
    )
    assert SEGMENTERS.chosen("auto") == "layout"
    assert SEGMENTERS.revisions("auto") == {}
    monkeypatch.setattr("relook.models.store.is_here", lambda name: name == "ade20k")
    assert SEGMENTERS.chosen("auto") == "ade20k"
    assert SEGMENTERS.chosen("whole") == "whole"
    assert SEGMENTERS.chosen("embedded") == "embedded"


def test_revisions_name_what_is_learned() -> None:
    from relook.models.catalogue import CATALOGUE

    assert SEGMENTERS.revisions("ade20k") == {"ade20k": CATALOGUE["ade20k"].sha256}
    assert SEGMENTERS.revisions("exact") == SEGMENTERS.revisions("whole") == SEGMENTERS.revisions("map.png") == {}


def test_a_part_that_is_no_class_stays_unlabelled() -> None:
    classes = np.zeros((20, 20), np.int64)
    classes[:5] = -1
    found = numbered(classes, ("sofa",), ("sofa",))
    assert (found.labels[:5] == 0).all()
    assert set(found.regions) == {1}


def test_ade20k_without_its_checkpoint_says_what_to_do(no_models: None) -> None:
    with pytest.raises(MissingModelError, match=r"2\.3 MB, Apache-2\.0.*RELOOK_MODELS"):
        segment.segmenter("ade20k", Session("cpu"))(View(IMAGE))


def test_unknown_segmenter_is_refused() -> None:
    with pytest.raises(InputError, match="auto, exact, embedded, ade20k, layout, whole"):
        segment.segmenter("sam", Session("cpu"))


def test_specks_and_doubtful_parts_join_their_surroundings() -> None:
    classes = np.full((100, 100), 1, np.uint8)
    classes[10:12, 10:12] = 9  # a speck
    classes[40:50, 40:50] = 9  # small and doubtful
    classes[70:80, 70:80] = 9  # small and sure
    scores = np.full((100, 100), 0.9, np.float32)
    scores[40:50, 40:50] = 0.3
    found = ade20k.without_specks(classes, scores)
    assert (found[:60] == 1).all()
    assert (found[70:80, 70:80] == 9).all()


def test_part_of_an_object_joins_a_class_that_it_is_often_taken_for() -> None:
    names = ade20k.VOCABULARY["classes"]
    sofa, armchair, wall = (names.index(name) for name in ("sofa", "armchair", "wall"))
    classes = np.full((100, 100), wall, np.uint8)
    classes[50:90, 10:60] = sofa
    classes[50:90, 60:70] = armchair
    classes[10:30, 70:95] = armchair  # stands alone
    found = ade20k._one_object_one_class(classes)
    assert (found[50:90, 10:70] == sofa).all()
    assert (found[10:30, 70:95] == armchair).all()
    assert (found == wall).sum() == (classes == wall).sum()


def test_countable_classes_split_into_instances_and_surfaces_do_not() -> None:
    names = ade20k.VOCABULARY["classes"]
    classes = np.full((100, 100), names.index("wall"), np.uint8)
    classes[:, 48:52] = names.index("ceiling")
    classes[10:30, 10:30] = classes[60:80, 10:40] = names.index("chair")
    classes[5:8, 90:93] = names.index("chair")  # too small for an instance of its own
    vocabulary = ade20k.VOCABULARY
    found = numbered(classes, vocabulary["classes"], vocabulary["countable"])
    assert sorted((region.name, region.instance) for region in found.regions.values()) == [
        ("ceiling", 0),
        ("chair", 0),
        ("chair", 1),
        ("wall", 0),
    ]
    assert found.labels[6, 91] == found.labels[70, 20] != found.labels[20, 20]


def test_a_region_is_as_sure_as_its_pixels_are_on_average() -> None:
    classes, chances = np.zeros((20, 20), np.int64), np.full((20, 20), 0.9)
    classes[:, 10:], chances[:, 10:15], chances[:, 15:] = 1, 0.2, 0.6
    found = numbered(classes, ("wall", "sofa"), ("sofa",), chances)
    assert {region.name: region.confidence for region in found.regions.values()} == {"wall": 0.9, "sofa": 0.4}
    assert all(region.confidence == 1 for region in numbered(classes, ("wall", "sofa"), ()).regions.values())


def test_vocabulary_has_the_networks_32_classes() -> None:
    vocabulary = ade20k.VOCABULARY
    assert len(set(vocabulary["classes"])) == 32
    named = set(vocabulary["countable"]).union(*vocabulary["alike"])
    assert named <= set(vocabulary["classes"])


ROOMS = {
    "bare-listing_bedroom": {"wall", "floor", "ceiling", "bed", "window", "rug"},
    "new-building_r302-dining": {"wall", "floor", "ceiling", "chair", "table", "cabinet", "shelf"},
}


@pytest.mark.weights
@pytest.mark.parametrize("room", ROOMS)
def test_ade20k_names_what_photographs_show(shared: Path, room: str) -> None:
    image = read_image(shared / "photos" / f"{room}.jpg")
    found = segment.segmenter("auto", Session("cpu"))(View(image))
    assert found.labels.shape == image.shape[1:]
    assert ROOMS[room] <= set(found.names)
    assert found.mask("wall").float().mean() > 0.2


@pytest.mark.weights
@pytest.mark.parametrize("size", [(8, 8), (300, 40), (17, 260), (64, 64)])
def test_ade20k_takes_any_size(shared: Path, size: tuple[int, int]) -> None:
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    assert ade20k.segments(View(image), Session("cpu")).labels.shape == size


def test_revisions_of_what_is_no_segmenter() -> None:
    with pytest.raises(InputError, match="segmenter out of"):
        SEGMENTERS.revisions("magic")
