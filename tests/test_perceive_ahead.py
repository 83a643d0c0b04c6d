"""What a run begins before torch is there, and what a preview shares with its picture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from relook.config import PhotoConfig
from relook.io import as_pixels, read_image
from relook.models import ade20k as network
from relook.models.ade20k import ANSWER, Network, glances, looks
from relook.perceive import ahead
from relook.perceive.layout import frame, known_layout, lines
from relook.perceive.perception import Perception
from relook.perceive.segment import ade20k
from relook.perceive.whole import stands_for, whole_of
from relook.session import Session
from relook.transfer.draft import PREVIEW
from relook.transfer.working import shrunk
from relook.types import View


class _Answers:
    """Interpreters that answer with what they see, and count; a look at it waits for `free`."""

    def __init__(self, *_: object, **__: object) -> None:
        self.first, self.asked, self.free = self, 0, Event()
        self.free.set()

    def get_tensor_details(self) -> list[dict[str, object]]:
        return [{"name": "logits/semantic/BiasAdd", "index": 7, "quantization": (0.5, 3)}]

    def answer(self, square: np.ndarray, index: int) -> np.ndarray:
        assert index == 7
        assert self.free.wait(20)
        self.asked += 1
        return square[:, ::4, ::4]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[_Answers]:
    """The interpreters that are made."""
    made: list[_Answers] = []

    def new(*_: object, **__: object) -> _Answers:
        made.append(_Answers())
        return made[-1]

    monkeypatch.setattr(network, "Interpreters", new)
    return made


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (64, 64), (33, 200)])
def test_a_picture_is_looked_at_whole_mirrored_in_its_shape_and_in_crops(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = looks(pixels)
    assert all(one.square.shape == (512, 512, 3) for one in found)
    assert np.array_equal(looks(np.ascontiguousarray(pixels[:, ::-1]))[0].square, found[1].square)
    assert [one.mirrored for one in found] == [False, True, *[False] * (len(found) - 2)]
    crops = [one.place for one in found if one.place is not None]
    if size[0] == size[1]:
        assert len(found) == 2
        return
    shape = found[2]
    assert crops[0] == 0
    assert crops[-1] == max(size) - min(size)
    height, width = (part.stop - part.start for part in (shape.rows, shape.columns))
    assert max(height, width) == 512
    assert abs(height / width - size[0] / size[1]) < 0.02
    assert (shape.square[[0, -1]][:, [0, -1]] == 128).all()  # grey beside it
    assert (shape.square[shape.rows, shape.columns] == 128).mean() < 0.1


def test_a_picture_in_its_own_shape_comes_back_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is sure of one class on the right: so are the chances, in every look and in all of them together."""

    class Right:
        def answer(self, square: np.ndarray) -> np.ndarray:
            seen = square[::4, ::4, :1].astype(np.float32) / 255
            return np.concatenate([20 * seen, 20 * (1 - seen)], -1)

    monkeypatch.setattr(Session, "loaded", lambda *_: Right())
    for size in ((40, 60), (60, 40)):
        image = torch.zeros(3, *size)
        image[..., size[1] // 2 :] = 1
        found = ade20k.class_chances(image, Session("cpu"))
        right = torch.nn.functional.interpolate(image[None], found.shape[1:])[0, 0]
        assert min(found.shape[1:]) == ANSWER
        assert (found[0] - right).abs().mean() < 0.02
        assert torch.allclose(found.sum(0), torch.ones(found.shape[1:]), atol=1e-5)


def test_what_is_foreseen_is_asked_once(answers: list[_Answers]) -> None:
    squares = [np.full((512, 512, 3), value, np.uint8) for value in range(4)]
    asked = Network(Path("any"), 2)
    with ThreadPoolExecutor(1) as threads:
        answers[0].free.clear()
        asked.foresee(squares[:3], threads)
        with ThreadPoolExecutor(2) as others:
            waiting = others.map(asked.answer, squares)
            answers[0].free.set()
            found = list(waiting)
    assert answers[0].asked == 4
    for number, one in enumerate(found):
        assert one.shape == (ANSWER, ANSWER, 3)
        assert (one == (number - 3) * 0.5).all()
    assert (asked.answer(squares[0]) == -1.5).all()
    assert answers[0].asked == 5


def _begun(paths: Sequence[Path], config: PhotoConfig) -> list[Any]:
    """What a session has been given."""
    with ahead.begun(paths, config) as found, Session("cpu") as session:
        for _ in range(200):
            if found._network is not None and len(found._network._foreseen) == (2 if config.preview else 5) * len(
                paths
            ):
                break
            Event().wait(0.02)
        found.give(session)
        return list(session._loaded.values())


def test_a_run_begins_where_the_small_network_will_look(
    answers: list[_Answers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"ade20k"}
    monkeypatch.setattr(ahead, "is_here", lambda name: name in here)
    monkeypatch.setattr(ahead, "locate", lambda name: tmp_path / name)
    monkeypatch.setattr(ahead, "_cores", lambda: 2)
    path = tmp_path / "room.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path)
    (begun,) = _begun([path], PhotoConfig())
    for look in looks(as_pixels(read_image(path))):
        begun.answer(look.square)
    assert answers[0].asked == 5  # each of them had been foreseen
    assert not begun._foreseen
    (begun,) = _begun([path], PhotoConfig(preview=True))
    assert len(begun._foreseen) == 2  # a glance
    for look in glances(as_pixels(read_image(path))):
        begun.answer(look.square)
    assert not begun._foreseen
    (broken,) = _begun([tmp_path / "none.png"], PhotoConfig(segmenter="ade20k"))
    assert not broken._foreseen
    assert not _at_once(path, PhotoConfig(segmenter="whole"))
    here.add("eomt-ade20k")
    assert not _at_once(path, PhotoConfig())
    here.clear()
    assert not _at_once(path, PhotoConfig(segmenter="ade20k"))
    here.add("ade20k")
    monkeypatch.setattr(ahead, "_cores", lambda: 1)
    assert not _at_once(path, PhotoConfig())


def _at_once(path: Path, config: PhotoConfig) -> list[Any]:
    """What a session has been given where nothing is begun."""
    with ahead.begun([path], config) as found, Session("cpu") as session:
        found.give(session)
        return list(session._loaded.values())


def test_as_many_cores_as_torch_has_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert ahead._cores() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert ahead._cores() >= 1


def test_what_is_begun_needs_no_torch() -> None:
    code = "import sys, relook.perceive.ahead, relook.models.ade20k; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _room(size: tuple[int, int]) -> torch.Tensor:
    """A picture with lines."""
    image = torch.full((3, *size), 0.8)
    height, width = size
    for share in (0.2, 0.35, 0.5, 0.65, 0.8):
        image[:, int(height * share) : int(height * share) + 4, 10:-10] = 0.1
        image[:, 10:-10, int(width * share) : int(width * share) + 4] = 0.3
    return image


def test_a_preview_finds_lines_and_room_once_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []
    find, search = lines.find_lines, frame.find_frames

    def found_lines(image: torch.Tensor) -> lines.Lines:
        asked.append(tuple(image.shape[1:]))
        return find(image)

    def found_frames(of: lines.Lines, size: tuple[int, int], focal: float | None) -> list[frame.Frame]:
        asked.append(size)
        return search(of, size, focal)

    monkeypatch.setattr(lines, "find_lines", found_lines)
    monkeypatch.setattr("relook.perceive.layout.find_frames", found_frames)
    with Session("cpu") as session:
        whole = View(_room((600, 900)))
        small = shrunk(whole, PREVIEW)
        stands_for(small.image, whole.image, session)
        assert whole_of(small.image, session).image is whole.image
        assert whole_of(whole.image, session).image is whole.image
        of_small = known_layout(small, "auto", session, focal=300.0)
        of_whole = known_layout(whole, "auto", session, focal=300.0 * 900 / 512)
        assert asked == [(600, 900), (600, 900)]
        assert np.allclose(
            lines.lines_of(small.image, session).ends * 900 / 512, lines.lines_of(whole.image, session).ends, atol=0.9
        )
    assert of_small is not None
    assert of_whole is not None
    assert float(of_small.camera.K[0, 0]) == pytest.approx(float(of_whole.camera.K[0, 0]) * 512 / 900, rel=1e-3)
    assert float(of_small.camera.K[1, 2]) == pytest.approx(float(of_whole.camera.K[1, 2]) * 341 / 600, rel=1e-3)


def test_a_glance_is_two_of_the_looks_at_its_picture(answers: list[_Answers], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ade20k, "locate", Path)
    with Session("cpu") as session:
        whole = torch.rand(3, 300, 700, generator=torch.Generator().manual_seed(0))
        small = shrunk(View(whole), PREVIEW)
        found = Perception(session, "ade20k").glanced(View(whole), small)
        assert answers[0].asked == 2
        assert found.segments is not None
        assert found.segments.labels.shape == small.image.shape[1:]
        ade20k.class_chances(whole, session)
        assert answers[0].asked == 7
        own = replace(small, segments=found.segments)
        assert Perception(session, "ade20k").glanced(View(whole), own) is own
        stands_for(whole, whole, session)
        assert whole_of(whole, session).image is whole
