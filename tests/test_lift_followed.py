"""A walk of pictures alone: what networks say of some frames is followed to all of them, each thing has one name, and all change alike."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import InputError
from relook.io import write_image
from relook.lift import restyle_views
from relook.lift.followed import followed_labels
from relook.lift.followed.cut import Cut, cut, shrunk
from relook.lift.followed.joined import joined
from relook.lift.followed.kept import Kept
from relook.lift.followed.motion import keyed, motions
from relook.types import Region, Segments, View
from strolls import frames_done, options, plain, source, stroll, style

SIZE = (96, 128)


@cache
def room(frames: int = 7) -> tuple[View, ...]:
    """A walk with exact segments; its pictures alone are what is followed."""
    layout = sample_layout(21)
    return tuple(render(layout, sample_style(22), SIZE, pose).view() for pose in walk(layout, frames))


def picture(size: tuple[int, int], seed: int = 0) -> Float[Tensor, "3 H W"]:
    """Soft spots, which flow and keypoints find again."""
    noise = torch.rand(1, 3, size[0] // 8, size[1] // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size, mode="bicubic")[0].clamp(0, 1)


def overlap(one: Bool[Tensor, "H W"], two: Bool[Tensor, "H W"]) -> float:
    return float((one & two).sum() / (one | two).sum())


def same(found: Segments, true: Segments, names: tuple[str, ...] = ("floor", "wall")) -> float:
    return min(overlap(found.mask(name), true.mask(name)) for name in names)


@pytest.mark.parametrize("shift", [4, 90])
def test_flow_follows_small_moves_and_quick_turns_both_ways(shift: int) -> None:
    wide = picture((160, 340))
    views = [View(wide[..., start : start + 240].contiguous()) for start in (0, shift)]
    forth, back = motions(*(keyed(view.image, view) for view in views))
    for flow, way, seen in ((forth, -shift, slice(shift, None)), (back, shift, slice(0, 240 - shift))):
        inner = flow.flow[:, 20:-20, seen][..., 10:-10]
        assert float((inner[0] - way).abs().median()) < 0.5
        assert float(inner[1].abs().median()) < 0.5
        assert float((flow.confidence[20:-20, seen][:, 10:-10] > 0.25).float().mean()) > 0.8
        hidden = slice(0, shift) if way < 0 else slice(240 - shift, None)
        assert float((flow.confidence[:, hidden] > 0.25).float().mean()) < 0.1


def test_frames_that_nobody_looked_at_are_known_from_those_around() -> None:
    views, asked = room(), list[int]()
    pictures = plain(views)

    def see(view: View) -> Segments:
        number = next(k for k, one in enumerate(pictures) if one.image is view.image)
        asked.append(number)
        found = views[number].segments
        assert found is not None
        return Segments(found.labels, {id: Region(one.name, confidence=0.8) for id, one in found.regions.items()})

    labels = followed_labels(source(pictures), see, every=3)
    assert asked == [0, 3, 6]
    for number in (1, 2, 4, 5):
        true = views[number].segments
        assert true is not None
        assert same(labels.segments(number, pictures[number]), true) > 0.75


def test_wrong_names_in_one_frame_are_outvoted() -> None:
    views = room()
    pictures = plain(views)

    def see(view: View) -> Segments:
        number = next(k for k, one in enumerate(pictures) if one.image is view.image)
        found = views[number].segments
        assert found is not None
        labels = found.labels.clone()
        wall = next(id for id, one in found.regions.items() if one.name == "wall")
        if number == 3:  # half of the floor is called a wall
            labels[:, : SIZE[1] // 2] = torch.where(
                found.mask("floor")[:, : SIZE[1] // 2], wall, labels[:, : SIZE[1] // 2]
            )
        return Segments(labels, {id: Region(one.name, confidence=0.8) for id, one in found.regions.items()})

    true = views[3].segments
    assert true is not None
    assert same(see(pictures[3]), true) < 0.8
    assert same(followed_labels(source(pictures), see).segments(3, pictures[3]), true) > 0.85


def patch(colours: list[tuple[float, float, float]]) -> Cut:
    """A frame of upright stripes, each a superpixel of 200 pixels, with black lines between them."""
    image = torch.tensor(colours).T[:, None].repeat_interleave(10, 2).expand(3, 20, -1)
    numbers = np.arange(len(colours)).repeat(10)[None].repeat(20, 0)
    return cut(image.contiguous(), numbers)


BLUE, WOOD, GREY = (0.2, 0.3, 0.6), (0.6, 0.4, 0.2), (0.5, 0.5, 0.5)


def votes(names: list[str], known: tuple[str, ...]) -> np.ndarray:
    return np.eye(len(known), dtype=np.float32)[[known.index(name) for name in names]] * 200


def test_floors_of_other_colours_are_apart_and_a_colour_is_one_floor_in_the_whole_walk() -> None:
    known = ("", "floor", "wall")
    frames = [*[patch([BLUE, WOOD, GREY]), patch([WOOD, GREY, BLUE])] * 8, patch([BLUE, GREY, GREY])]
    said = [*[["floor", "floor", "wall"], ["floor", "wall", "floor"]] * 8, ["wall", "wall", "wall"]]
    found = joined(frames, [votes(names, known) for names in said], known)
    assert found.names.count("floor") == 2
    one, two, *_, three = found.region
    assert one[0] == two[2] == three[0] != one[1]  # blue, also where a frame calls it a wall
    assert one[1] == two[0]
    assert {found.names[id] for id in (one[0], one[1])} == {"floor"}
    assert [found.names[id] for id in (one[2], two[1], three[2])] == ["wall"] * 3


BLACK, WHITE, DIM = (0.1, 0.1, 0.1), (0.9, 0.9, 0.9), (0.3, 0.3, 0.3)


@pytest.mark.parametrize(
    ("colours", "dark"), [([WHITE, BLACK, WHITE], True), ([DIM, BLACK, DIM], False), ([WHITE, BLUE, WHITE], False)]
)
def test_a_black_cabinet_among_light_walls_is_a_part_by_itself(
    colours: list[tuple[float, float, float]], dark: bool
) -> None:
    known = ("", "wall")
    frames = [patch(colours), patch(colours[::-1])]
    said = [votes(["wall"] * 3, known)] * 2
    found = joined(frames, said, known, known)
    assert joined(frames, said, known).names == known  # drawn walls are walls
    assert found.names.count("wall") == 1 + dark
    assert found.dark == ((2,) if dark else ())
    for region in found.region:
        assert [int(one) for one in region] == [1, 2 if dark else 1, 1]


def test_what_is_too_dark_for_a_wall_stays_as_it_is() -> None:
    image = torch.full((3, *SIZE), 0.9)
    image[:, 20:80, 40:90] = 0.08
    names = {1: Region("wall", confidence=0.8)}
    found = followed_labels(
        source([View(image)] * 3), lambda view: Segments(torch.ones(SIZE, dtype=torch.int64), names)
    ).segments(1, View(image))
    assert found.regions[int(found.labels[5, 5])].confidence > 0.7
    assert found.regions[int(found.labels[50, 60])].confidence <= 0.3
    assert found.regions[int(found.labels[50, 60])].name == "wall"


def test_frames_that_are_decided_later_go_on_from_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.lift.followed.joined.FEW", 2)
    known = ("", "floor", "wall")
    link = np.zeros((2, 1), np.int64)
    frame = patch([GREY])._replace(links=link, shared=np.full(1, 150, np.float32))
    sure, doubt = votes(["floor"], known), np.array([[0.0, 90, 110]], np.float32)
    found = joined([frame] * 4, [sure, sure, doubt, doubt], known)
    assert {found.names[int(region[0])] for region in found.region} == {"floor"}
    assert found.names[int(joined([frame], [doubt], known).region[0][0])] == "wall"


def test_what_is_said_of_neighbouring_pixels_counts_once() -> None:
    """Half of a plain floor that is called a wall three times of four is floor: nothing parts it from the sure half; an edge does."""
    known = ("", "floor", "wall")
    frame = patch([GREY, GREY])
    said = np.array([[0.0, 46, 154], [0, 200, 0]], np.float32)
    for slope, wanted in ((0.0, ["floor", "floor"]), (20.0, ["wall", "floor"])):
        found = joined([frame._replace(slope=np.full_like(frame.slope, slope))], [said], known)
        assert [found.names[int(id)] for id in found.region[0]] == wanted


def test_what_hangs_together_is_one_kind_of_seat() -> None:
    known = ("", "armchair", "sofa", "wall")
    frames = [patch([GREY, GREY, BLUE])] * 3
    links = np.arange(3).repeat(2).reshape(3, 2).T
    frames = [frames[0], *(one._replace(links=links, shared=np.full(3, 150, np.float32)) for one in frames[1:])]
    said = [["armchair", "sofa", "wall"], ["sofa", "sofa", "wall"], ["sofa", "sofa", "wall"]]
    found = joined(frames, [votes(names, known) for names in said], known)
    assert {found.names[id] for region in found.region for id in region[:2]} == {"sofa"}
    assert {found.names[region[2]] for region in found.region} == {"wall"}


def test_small_walls_in_floors_are_floors_and_floors_in_walls_are_walls() -> None:
    known = ("", "floor", "wall")
    image = torch.tensor(GREY)[:, None, None].expand(3, 40, 40)
    numbers = np.zeros((40, 40), np.int64)
    numbers[20:], numbers[4:14, 4:14], numbers[30:, 4:14], numbers[30:, 20:30], numbers[:6, 30:] = 1, 2, 3, 4, 5
    frame = cut(image.contiguous(), numbers)
    frame = frame._replace(slope=np.full_like(frame.slope, 50.0))  # edges all along
    said = ["wall", "floor", "floor", "wall", "wall", "floor"]
    found = joined([frame], [votes(said, known)], known)
    assert [found.names[id] for id in found.region[0]] == ["wall", "floor", "wall", "floor", "floor", "wall"]
    assert found.names.count("floor") == 1


def test_no_superpixel_is_lost_when_frames_shrink() -> None:
    patches = np.zeros((60, 80), np.int64)
    patches[11, 33], patches[59, 79] = 1, 2
    small = shrunk(patches, (15, 20))
    assert sorted(np.unique(small)) == [0, 1, 2]
    assert small[2, 8] == 1
    assert small[14, 19] == 2


def test_what_is_kept_in_a_file_comes_back() -> None:
    kept = Kept[Cut](tuple, Cut)
    frames = [patch([GREY, BLUE]), patch([WOOD]), patch([BLUE, WOOD, GREY])]
    for frame in frames:
        kept.add(frame)
    for frame, again in zip([*frames, *frames[1:], frames[-1]], [*kept, *kept[1:], kept[-1]], strict=True):
        for one, two in zip(frame, again, strict=True):
            assert one.dtype == two.dtype
            np.testing.assert_array_equal(one, two)
    with pytest.raises(IndexError):
        kept[3]


def test_plain_frames_change_together_in_the_pictures_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = PhotoConfig(method="palette", segmenter="embedded", depth_estimator="none")
    config = options(carry="auto", first=None, photo=photo, points=False)
    whole = restyle_views(plain(stroll(4)), style(), config, out=tmp_path / "whole")
    assert whole.record["configuration"]["carry"] == "frames"
    assert whole.record["geometry"] == "flow (dis)"

    def stopped(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restyle_views(plain(stroll(4)), style(), config, out=tmp_path / "stopped", progress=frames_done(stopped))
    again = restyle_views(plain(stroll(4)), style(), config, out=tmp_path / "stopped")
    monkeypatch.setattr("relook.lift.ahead.torch.get_num_threads", lambda: 3)
    several = restyle_views(plain(stroll(4)), style(), config, out=tmp_path / "several")
    for one, two, three in zip(whole.frames, again.frames, several.frames, strict=True):
        assert one.read_bytes() == two.read_bytes() == three.read_bytes()


def test_what_frames_without_cameras_cannot_take_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "oak.png", torch.rand(3, 16, 16))
    photo = replace(options().photo, material=(f"floor={tmp_path / 'oak.png'}",))
    with pytest.raises(InputError, match=r"^Expected method palette, and no materials, .* got one for floor; "):
        restyle_views(plain(stroll(2)), style(), options(carry="frames", photo=photo), out=tmp_path / "oak")
    photo = replace(options().photo, method="restyle3d")
    with pytest.raises(InputError, match=r"got method restyle3d; "):
        restyle_views(plain(stroll(2)), style(), options(carry="frames", photo=photo), out=tmp_path / "denoised")


GROWS = """
import resource
import numpy as np
import torch
from relook.lift.followed import followed_labels, joined
from relook.types import Region, Segments, View

torch.set_num_threads(1)
joined.FEW, joined.MOST = 16, 200
NUMBERS = np.arange(6).repeat(8)[:, None] * 8 + np.arange(8).repeat(8)[None]

class Walk:
    def __init__(self, frames): self.frames = frames
    def __len__(self): return self.frames
    def view(self, number):
        x = torch.arange(64) + 3.0 * (number % 16)
        y = torch.arange(48)[:, None] + 0.0 * x
        return View(torch.stack([(x * 0.21).sin() * (y * 0.3).cos(), (y * 0.17).sin() + 0 * x, (x * 0.1).cos() + 0 * y]) / 2 + 0.5)

def see(view):
    labels = torch.ones(view.size, dtype=torch.long)
    labels[24:] = 2
    return Segments(labels, {1: Region("wall", confidence=0.7), 2: Region("floor", confidence=0.7)})

def peak(frames):
    followed_labels(Walk(frames), see, 2, patches=lambda image: NUMBERS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

first = peak(60)
print(peak(240) - first)
"""


def test_memory_does_not_grow_with_the_walk() -> None:
    """MiB by which a process is larger at most, in its whole life, for 240 frames than for 60: what is known of all of them would be 30."""
    done = subprocess.run([sys.executable, "-c", GROWS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8
