"""A walk restyled: the spine from every kind of input, memory, and what moves."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from films import read_video
from relook.captures import read_capture
from relook.config import PhotoConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import InputError
from relook.files import sha256_of
from relook.io import read_image, video_rate
from relook.io.points import POINT
from relook.lift import paint, propagation, restyle_views
from relook.lift import store as stores
from relook.lift.carry import CARRYING, carried
from relook.lift.paint import PAINTING, refined
from relook.models.view_refiner import widened
from relook.perceive.match import exact as exact_matches
from relook.transfer.photo import restyle_photo
from strolls import (
    SIZE,
    frames_done,
    options,
    peopled,
    stroll,
    style,
    write_capture,
    write_film,
    write_frames,
)
from walks import SEED


def eight_bits(image: torch.Tensor) -> torch.Tensor:
    return (image * 255).round()


def points_of(path: Path) -> np.ndarray:
    _, rows = path.read_bytes().split(b"end_header\n", 1)
    return np.frombuffer(rows, POINT)


def inputs(folder: Path, kind: str) -> Any:
    return {
        "views": lambda: list(stroll()),
        "frames": lambda: write_frames(folder / "frames", stroll()),
        "film": lambda: write_film(folder / "film.mp4", stroll()),
        "capture": lambda: write_capture(folder, stroll()),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "geometry", "rate"),
    [("views", "exact", 12), ("frames", "flow", 12), ("film", "flow", 10), ("capture", "sensor", 12)],
)
def test_every_kind_of_walk_gives_everything(tmp_path: Path, kind: str, geometry: str, rate: int) -> None:
    walk, out, steps = inputs(tmp_path / "in", kind), tmp_path / "out", []
    result = restyle_views(walk, style(), options(first=1), out=out, progress=frames_done(steps.append))
    assert steps == [0, 1, 2, 3, 4]
    assert result.frames == tuple(out / "frames" / f"00000{number}.png" for number in range(4))
    assert [tuple(read_image(path).shape) for path in result.frames] == [(3, *SIZE)] * 4
    film = list(read_video(result.video))
    assert [tuple(picture.shape) for picture in film] == [(3, *SIZE)] * 4
    assert video_rate(result.video) == rate
    assert (
        max(float((picture - read_image(path)).abs().mean()) for picture, path in zip(film, result.frames, strict=True))
        < 0.05
    )

    record = json.loads((out / "views.json").read_text())
    assert record == json.loads(json.dumps(result.record))
    assert record["geometry"].startswith(geometry)
    assert record["weights"] == {}
    assert [note["key_frame"] for note in record["frames"]] == [False, True, False, False]
    assert [note["history"][-1:] for note in record["frames"]] == [[1], [], [1], [2]]
    assert all(0 < note["painted"] < 0.3 for note in record["frames"] if not note["key_frame"])

    known = geometry != "flow"
    assert (result.points is not None) == known
    assert (out / "points.ply").exists() == known
    report = result.report.read_text()
    assert f"geometry: {record['geometry']}; restyled from the style picture: frame 1;" in report
    assert ("points.ply" in report) == known
    assert report.count("data:image/jpeg") == 4

    first = stroll()[1] if kind == "views" else read_capture(walk, workspace=out / "input")[1].view()
    expected = restyle_photo(first, style(), options().photo).image
    assert torch.equal(eight_bits(read_image(result.frames[1])), eight_bits(expected))


def test_known_pixels_are_the_carried_ones_and_points_those_painted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propagation, "mended", lambda view, image: image)
    result = restyle_views(stroll(), style(), options(), out=tmp_path)
    store = stores.WalkStore(tmp_path)
    painted = 0
    for number in range(4):
        notes = result.record["frames"][number]
        past = [store.frame(other, stroll().__getitem__) for other in notes["history"]]
        look = carried(past, stroll()[number], exact_matches, CARRYING["relook"])
        assert float(look.holes.float().mean()) == pytest.approx(notes["painted"], abs=1e-5)
        kept = (eight_bits(look.image) - eight_bits(store.image(number))).abs()[:, ~look.holes]
        assert not kept.numel() or float(kept.max()) == 0
        painted += int(look.holes.sum())
    cloud = points_of(tmp_path / "points.ply")
    assert len(cloud) == painted
    exact = torch.from_numpy(np.stack([cloud[axis][: 48 * 64] for axis in "xyz"], 1).copy())
    camera = stroll()[0].camera
    assert camera is not None
    z = (exact @ camera.world_to_camera[:3, :3].T + camera.world_to_camera[:3, 3])[:, 2]
    torch.testing.assert_close(z.view(SIZE), stroll()[0].depth.values, atol=1e-4, rtol=1e-4)


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    result = restyle_views(
        write_frames(tmp_path / "in", stroll()), style(), options(geometry="dis"), out=tmp_path / "out"
    )
    for number, path in enumerate(result.frames):  # each is most like the grey of its own frame
        grey = read_image(path).mean(0)
        off = [float((grey - view.image.mean(0)).std()) for view in stroll()]
        assert off.index(min(off)) == number


def test_memory_does_not_grow_with_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert propagation.CANDIDATES + 1 <= stores.KEPT  # all that one frame looks back on fits
    monkeypatch.setattr(stores, "KEPT", 4)
    monkeypatch.setattr(propagation, "CANDIDATES", 3)
    monkeypatch.setattr(propagation, "NEW", 0.0)  # every frame is looked back on
    seen: list[weakref.ref] = []
    real = propagation.RestyledFrame

    def counted(*words: Any) -> Any:
        made = real(*words)
        seen.append(weakref.ref(made))
        return made

    for module in (propagation, stores):
        monkeypatch.setattr(module, "RestyledFrame", counted)

    def most(count: int) -> tuple[int, int]:
        """Finished frames and tensors of a frame's size that are alive at most between two frames."""
        folder = tmp_path / str(count)
        walk, held, tensors = write_capture(folder, stroll(count), holes=False), [], []

        def look(done: int) -> None:
            held.append(sum(ref() is not None for ref in seen))
            if done == count - 1:
                gc.collect()
                tensors.extend(
                    each.shape for each in gc.get_objects() if type(each) is torch.Tensor and each.shape[-2:] == SIZE
                )

        restyle_views(walk, style(), options(points=False), out=folder / "out", progress=frames_done(look))
        return max(held), len(tensors)

    stroll(6), stroll(12)  # held by the test itself: the same in both
    short, long = most(6), most(12)
    assert short[0] == long[0] == 4
    assert 0 < long[1] <= short[1] + 4


BOXES = [(slice(10, 34), slice(6 + 14 * number, 16 + 14 * number)) for number in range(3)]


def green(image: torch.Tensor) -> torch.Tensor:
    return (image[1] - image[0].maximum(image[2])) > 0.4


@pytest.mark.parametrize("carry", ["relook", "paper"])
def test_people_are_left_and_never_carried(tmp_path: Path, carry: str) -> None:
    walk = peopled(stroll(3), BOXES)
    result = restyle_views(walk, style(), options(carry=carry), out=tmp_path / "people")
    alone = restyle_views(
        peopled(stroll(3), [(slice(0, 0), slice(0, 0))] * 3), style(), options(carry=carry), out=tmp_path / "alone"
    )
    for number, (view, box) in enumerate(zip(walk, BOXES, strict=True)):
        image = read_image(result.frames[number])
        person = (slice(None), *box)
        assert torch.equal(eight_bits(image[person]), eight_bits(view.image[person]))
        around = torch.ones(SIZE, dtype=torch.bool)
        around[box[0].start - 2 : box[0].stop + 2, box[1].start - 2 : box[1].stop + 2] = False
        assert not bool(green(image)[around].any())
        assert result.record["frames"][number]["moving"] == pytest.approx(1 - float(around.float().mean()), abs=1e-4)
    for number in (1, 2):  # what the first person hid is painted as its surroundings
        box = (slice(None), *BOXES[0])
        hidden, expected = (read_image(found.frames[number])[box] for found in (result, alone))
        assert float((hidden - expected).abs().mean()) < 0.12
    cloud = points_of(tmp_path / "people" / "points.ply")
    colours = torch.from_numpy(np.stack([cloud[name] for name in ("red", "green", "blue")]).astype(np.float32) / 255)
    assert len(cloud) > 48 * 64 / 2
    assert not bool(green(colours).any())


def test_people_may_be_restyled_on_request(tmp_path: Path) -> None:
    walk = peopled(stroll(2), BOXES[:2])
    result = restyle_views(walk, style(), options(leave=()), out=tmp_path)
    assert [note["moving"] for note in result.record["frames"]] == [0, 0]


def test_what_was_only_filled_takes_the_style_pictures_look_once_too_little_is_left_of_it(tmp_path: Path) -> None:
    """Frame by frame less comes from the key frame; below the share another one follows, and repaints all that was filled."""
    layout, look = sample_layout(SEED), sample_style(SEED)
    walked = [render(layout, look, SIZE, pose).view() for pose in walk(layout, 5, stride=1.6, turn=1.2)]
    result = restyle_views(walked, style(), options(key_frame_below=0.6), out=tmp_path)
    shares = [float((read_image(tmp_path / "work" / f"{i:06d}.png")[2] > 0.5).float().mean()) for i in range(5)]
    key_frames = [note["number"] for note in result.record["frames"] if note["key_frame"]]
    assert key_frames[0] == 0
    assert 2 <= len(key_frames) <= 4
    assert all(shares[number] == 1 for number in key_frames)
    assert 0.59 < min(shares) < 1


def test_the_released_way_paints_every_frame_but_the_first_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the refiner that is named, in every pixel, from the frame before alone; its weights are recorded."""
    family = tiny.write_family(tmp_path / "family")
    widened(tiny.unet(), 3).save_pretrained(tmp_path / "refiner")
    monkeypatch.setitem(PAINTING, "released", replace(PAINTING["released"], steps=2))
    config = options(carry="released", refiner=str(tmp_path / "refiner"), points=False)
    config = replace(config, fill=None, photo=replace(config.photo, family=str(family)))
    seen = []
    monkeypatch.setattr(paint, "refined", lambda *words, **named: seen.append(refined(*words, **named)) or seen[-1])
    result = restyle_views(stroll(3), style(), config, out=tmp_path / "out")
    notes = result.record["frames"]
    assert [note["key_frame"] for note in notes] == [True, False, False]
    assert [note["history"] for note in notes] == [[], [0], [1]]
    for number, expected in zip((1, 2), seen, strict=True):
        assert torch.equal(eight_bits(read_image(result.frames[number])), eight_bits(expected))
    files = (tmp_path / "refiner").glob("*.safetensors")
    assert result.record["weights"]["view refiner"] == sha256_of(files)
    assert result.record["configuration"]["refiner"] == str(tmp_path / "refiner")


def test_the_released_way_needs_a_family(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^Expected a family with a view refiner to carry as released, got none; "):
        restyle_views(stroll(2), style(), replace(options(carry="released"), fill=None), out=tmp_path)
    named = options(carry="released", fill="refiner", refiner="nowhere", photo=PhotoConfig(family=str(tmp_path)))
    with pytest.raises(InputError, match=r"^Expected a view refiner as a hub id .*, got 'nowhere'; "):
        restyle_views(stroll(2), style(), named, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(restyle_views(stroll(2), style(), options(carry="released", fill="inpaint"), out=tmp_path).frames) == 2
