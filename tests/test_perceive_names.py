"""Names that no region can have are refused before anything is perceived."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tinysegment
from relook import PhotoConfig, restyle_photo
from relook.errors import SegmentsError
from relook.perceive.segment import panoptic
from relook.perceive.segment.names import check_names, possible
from relook.types import Region, Segments, View

IMAGE = torch.zeros(3, 8, 8)
PAINTED = View(IMAGE, segments=Segments(torch.ones(8, 8, dtype=torch.int64), {1: Region("bar stool")}))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"keep": ("unicorn",)}, "structure picture, got 'unicorn'; it can have: mountain, mirror, curtain, car,"),
        ({"keep": ("unicorn",)}, "person and 22 more."),
        ({"keep": ("windwo",)}, "got 'windwo'; did you mean window"),
        ({"match": ("unicorn=sofa",)}, "structure picture, got 'unicorn'"),
        ({"match": ("sofa=unicorn",)}, "style picture, got 'unicorn'"),
        ({"segmenter": "whole", "keep": ("window",)}, "got 'window'; it can have: whole picture"),
        ({"segmenter": "embedded", "keep": ("sky",)}, "got 'sky'"),
    ],
)
def test_a_name_that_cannot_occur_is_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(SegmentsError) as error:
        check_names(PhotoConfig(**({"segmenter": "ade20k"} | options)), View(IMAGE), View(IMAGE))
    assert says in str(error.value)


def test_names_of_the_same_meaning_labels_and_label_maps_pass() -> None:
    view = View(IMAGE)
    check_names(PhotoConfig(segmenter="ade20k", keep=("couch", "wall"), match=("Sofa=rug",)), view, view)
    check_names(PhotoConfig(segmenter="ade20k", keep=("ottoman",), label=("ottoman",)), view, view)
    check_names(PhotoConfig(segmenter="ade20k", match=("sofa=bar stool",)), view, PAINTED)
    check_names(PhotoConfig(segmenter="map.png", keep=("unicorn",)), view, view)
    with pytest.raises(SegmentsError, match="it can have: bar stool"):
        check_names(PhotoConfig(segmenter="ade20k", keep=("window",)), PAINTED, view)


def test_a_checkpoint_is_not_loaded_for_a_name_that_it_cannot_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tinysegment.mask2former(tmp_path / "tiny")
    assert set(possible(str(folder)) or ()) == {
        "whole picture", "wall", "floor", "sofa", "potted plant", "lamp", "sky-other-merged",
    }  # fmt: skip
    monkeypatch.setattr(panoptic, "_loaded", lambda *words: pytest.fail("the network was loaded"))
    config = PhotoConfig(segmenter=str(folder), keep=("unicorn",), depth_estimator="none")
    with pytest.raises(SegmentsError, match="unicorn"):
        restyle_photo(View(IMAGE), View(IMAGE), config)
