"""A walk whose scene carries the change: labels agree in all frames, the same surface changes alike, and a stopped run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from relook.config import ViewsConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import GeometryError, InputError, SegmentsError
from relook.gaussians import Gaussians
from relook.io import write_image
from relook.lift import restyle_views
from relook.lift.geometry import found_by
from relook.lift.scene.change import through_scene
from relook.lift.scene.decided import decided
from relook.lift.scene.floor import floor_plane
from relook.lift.scene.joint import TIGHTER, jointly
from relook.lift.scene.labels import scene_labels
from relook.lift.scene.pieces import pieces, surface
from relook.lift.scene.said import regions_of
from relook.lift.scene.strays import without_strays, without_unseen
from relook.perceive.match import exact
from relook.session import Session
from relook.transfer.belief import only_planes
from relook.types import Region, Segments, View
from strolls import frames_done, options, peopled, plain, source, stroll, style

PHOTO = replace(options().photo, segmenter="auto")


@cache
def room(frames: int = 6) -> tuple[View, ...]:
    layout = sample_layout(21)
    return tuple(render(layout, sample_style(22), (96, 128), pose).view() for pose in walk(layout, frames))


def config(**changes: object) -> ViewsConfig:
    return options(**({"carry": "scene", "photo": PHOTO} | changes))


def noisy(view: View, seed: int, share: float = 0.35) -> Segments:
    """Segments of which blocks are called by a wrong name of the same picture."""
    segments, rng = view.segments, np.random.default_rng(seed)
    assert segments is not None
    labels, ids = segments.labels.clone(), sorted(segments.regions)
    for top in range(0, labels.shape[0], 12):
        for left in range(0, labels.shape[1], 12):
            if rng.random() < share:
                labels[top : top + 12, left : left + 12] = int(rng.choice(ids))
    return Segments(labels, {id: Region(region.name, confidence=0.6) for id, region in segments.regions.items()})


def named(segments: Segments) -> np.ndarray:
    """The name at every pixel."""
    table = np.array(
        [segments.regions[id].name if id in segments.regions else "" for id in range(max(segments.regions) + 1)]
    )
    return table[segments.labels.numpy()]


def patch(colours: Sequence[Float[Tensor, " 3"]], normal: Float[Tensor, " 3"], side: int = 20) -> Gaussians:
    """Stripes of surfels on a plane through the origin, one for each colour."""
    grid = torch.stack(torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij"), -1).view(
        -1, 2
    )
    across = torch.linalg.qr(torch.stack([normal, torch.rand(3), torch.rand(3)], 1))[0][:, 1:]
    from relook.lift.scene.surfels import turned_to

    count = len(grid)
    stripe = (grid[:, 0] * len(colours) / side).long()
    shape = Gaussians(
        grid @ across.T, turned_to(normal.expand(count, 3)), torch.tensor([0.65, 0.65, 0.1]).expand(count, 3),
        torch.ones(count), torch.zeros(count, 1, 3),
    )  # fmt: skip
    return shape.coloured(torch.stack(list(colours))[stripe])


def test_labels_of_all_frames_are_better_than_those_of_each() -> None:
    views = room()
    wrong = {id(view): noisy(view, seed) for seed, view in enumerate(views)}
    labels = scene_labels(source(views), lambda view: wrong[id(view)])
    own = np.mean([(named(wrong[id(view)]) == named(view.segments)).mean() for view in views])
    lifted = np.mean([(named(labels.segments(n, view)) == named(view.segments)).mean() for n, view in enumerate(views)])
    assert own < 0.72
    assert lifted > own + 0.15


def test_what_moves_is_known_by_its_own_frame_alone() -> None:
    views = peopled(stroll(3), [(slice(10, 30), slice(20, 36))] * 3)
    labels = scene_labels(source(views), lambda view: view.segments, ("person",))
    for number, view in enumerate(views):
        there, found = view.segments.mask("person"), labels.segments(number, view).mask("person")
        assert float((there & found).sum() / (there | found).sum()) > 0.7


def test_what_one_frame_takes_for_somebody_is_what_stands_there() -> None:
    """A pot that other frames call a pot, and that has its depth: nobody who moves. Somebody before it has another depth, and is."""
    views = list(room(4))
    drawn = views[1].segments
    person = max(drawn.regions) + 1
    place = torch.zeros(views[1].size, dtype=torch.bool)
    place[60:80, 50:80] = True
    called = Segments(torch.where(place, person, drawn.labels), {**drawn.regions, person: Region("person")})
    views[1] = replace(views[1], image=torch.where(place, torch.tensor([0.0, 1, 0])[:, None, None], views[1].image))
    before = replace(views[1].depth, values=torch.where(place, 0.5 * views[1].depth.values, views[1].depth.values))
    for depth, share in ((views[1].depth, 0.0), (before, 1.0)):
        views[1] = replace(views[1], depth=depth, segments=called)
        labels = scene_labels(source(views), lambda view: view.segments, ("person",))
        seen = labels.segments(1, views[1])
        assert abs(float(seen.mask("person")[place].float().mean()) - share) < 0.1


def test_pieces_end_where_colour_or_direction_changes() -> None:
    torch.manual_seed(0)
    red, blue = torch.tensor([0.7, 0.2, 0.2]), torch.tensor([0.2, 0.3, 0.7])
    floor, wall = patch([red, blue], torch.tensor([0.0, 1, 0])), patch([red], torch.tensor([1.0, 0, 0]))
    found = pieces(surface(floor.joined(replace(wall, means=wall.means + 100))))
    assert len(found.unique()) == 3
    assert len({tuple(found[a:b].unique().tolist()) for a, b in ((0, 200), (200, 400), (400, 800))}) == 3


def test_two_floors_of_other_colours_are_two_regions_and_a_wrong_name_on_the_floor_does_nothing() -> None:
    torch.manual_seed(0)
    wood, carpet = torch.tensor([0.6, 0.45, 0.3]), torch.tensor([0.2, 0.3, 0.7])
    floor = patch([wood, carpet], torch.tensor([0.0, 1, 0]))
    votes = torch.tensor([0.0, 5, 1]).repeat(400, 1)
    votes[350:] = torch.tensor([0.0, 1, 2])  # a part of the carpet that most frames call a wall
    found = decided(floor, votes, ("", "floor", "wall"), torch.tensor([[0.0, 50, 0]]))
    assert found.floor is not None
    assert found.names == ("", "floor", "wall", "floor")
    assert [sorted(part.unique().tolist()) for part in (found.region[:200], found.region[200:])] in (
        [[1], [3]],
        [[3], [1]],
    )


@pytest.mark.parametrize(("light", "parts"), [(0.9, 2), (0.2, 1)])
def test_a_black_cabinet_among_light_walls_is_a_doubtful_part_by_itself(light: float, parts: int) -> None:
    torch.manual_seed(0)
    wall = patch([torch.full((3,), light), torch.full((3,), 0.1)], torch.tensor([1.0, 0, 0]))
    said = (wall, torch.tensor([0.0, 5]).repeat(400, 1), ("", "wall"), torch.tensor([[0.0, 50, 0]]))
    assert decided(*said).names == ("", "wall")  # drawn walls are walls
    found = decided(*said, doubted=["wall"])
    assert found.names == ("", *["wall"] * parts)
    assert found.region[:200].unique().tolist() == [1]
    assert found.region[200:].unique().tolist() == [parts]
    assert [one.confidence <= 0.3 for one in regions_of(found, {"wall": 0.8}).values()] == [False, True][:parts]


def test_what_is_level_below_the_cameras_is_no_wall_and_what_stands_is_no_floor() -> None:
    """Half of a table's top is called a wall in most frames, half of a cabinet's front a floor."""
    torch.manual_seed(0)
    brown, up = torch.tensor([0.6, 0.45, 0.3]), torch.tensor([0.0, 1, 0])
    floor, top, front = patch([brown], up), patch([brown], up), patch([brown, brown.flip(0)], torch.tensor([1.0, 0, 0]))
    scene = floor.joined(replace(top, means=top.means + 60 * up)).joined(replace(front, means=front.means + 100))
    names, eyes = ("", "floor", "wall", "table", "cabinet"), torch.tensor([[0.0, 200, 0]])
    said = torch.tensor([[0.0, 5, 1, 0, 0], [0, 0, 2, 8, 0], [0, 1, 8, 1, 0], [0, 0, 1, 0, 9], [0, 9, 0, 0, 0]])
    votes = said[[0, 0, 1, 2, 3, 4]].repeat_interleave(200, 0)
    found = decided(scene, votes, names, eyes)
    assert [part.unique().tolist() for part in found.region.split(400)] == [[1], [3], [4]]
    low = decided(scene, votes, names, torch.tensor([[0.0, 30, 0]]))
    assert low.region[600:800].unique().tolist() == [2], "above the cameras it may be a ceiling's edge"


def test_where_depth_is_estimated_what_lies_level_in_the_floor_is_of_it_though_every_frame_says_wall() -> None:
    torch.manual_seed(0)
    light, dark, up = torch.tensor([0.6, 0.45, 0.3]), torch.tensor([0.25, 0.17, 0.1]), torch.tensor([0.0, 1, 0])
    planks, wall, mat = patch([light, dark], up), patch([dark], torch.tensor([1.0, 0, 0])), patch([light.flip(0)], up)
    scene = planks.joined(replace(wall, means=wall.means + 60)).joined(replace(mat, means=mat.means + 60 * (1 - up)))
    names, eyes = ("", "floor", "wall", "cabinet"), torch.tensor([[0.0, 200, 0]])
    said = torch.tensor([[0.0, 9, 0, 0], [0, 0, 9, 0], [0, 0, 9, 0], [0, 0, 0, 9]])
    votes = said.repeat_interleave(torch.tensor([200, 200, 400, 400]), 0)
    found = decided(scene, votes, names, eyes, measured=False)
    called = [found.names[number] for number in range(len(found.names))]
    assert {called[k] for k in found.region[:400].tolist()} == {"floor"}
    assert {called[k] for k in found.region[400:800].tolist()} == {"wall"}
    assert {called[k] for k in found.region[800:].tolist()} == {"cabinet"}, "a thing may lie there"


def test_what_a_sofa_and_the_wall_behind_are_called_is_decided_over_more_than_a_piece() -> None:
    """Frames call parts of each by the name of the other, the same in all of them; the larger does not take the smaller in."""
    torch.manual_seed(0)
    plane = patch([torch.tensor([0.6, 0.55, 0.45])], torch.tensor([0.0, 1, 0]), 80)
    row, column = torch.arange(6400) // 80, torch.arange(6400) % 80
    sofa, wrong = row >= 40, (torch.rand(14, 14) < 0.2)[row // 6, column // 6]
    votes = torch.where((sofa ^ wrong)[:, None], torch.tensor([0.0, 1, 30]), torch.tensor([0.0, 30, 1]))
    torch.manual_seed(1)
    woven = 0.05 * torch.randn(10, 10, 3)[row // 8, column // 8] - 0.05 * sofa[:, None] * torch.tensor([0.0, 0, 1])
    found = decided(plane.coloured(plane.colours + woven), votes, ("", "wall", "sofa"), torch.tensor([[0.0, 50, 0]]))
    right = found.region == 1 + sofa.long()
    assert float((votes.argmax(1) == 1 + sofa.long()).float().mean()) < 0.8
    assert float(right[~sofa].float().mean()) > 0.95
    assert float(right[sofa].float().mean()) > 0.87


def test_a_picture_on_a_wall_that_all_frames_name_stays_one() -> None:
    """A thing of two hundred surfels that nine of ten pixels name, which is little beside its wall."""
    torch.manual_seed(0)
    plane = patch([torch.tensor([0.6, 0.55, 0.45])], torch.tensor([0.0, 1, 0]), 60)
    row, column = torch.arange(3600) // 60, torch.arange(3600) % 60
    hangs = (row >= 25) & (row < 39) & (column >= 25) & (column < 39)
    votes = torch.where(hangs[:, None], torch.tensor([0.0, 3, 27]), torch.tensor([0.0, 30, 0]))
    framed = plane.coloured(plane.colours - 0.12 * hangs[:, None] * torch.tensor([1.0, 1, 0]))
    found = decided(framed, votes, ("", "wall", "painting"), torch.tensor([[0.0, 50, 0]]))
    assert float((found.region[hangs] == 2).float().mean()) > 0.9
    assert float((found.region[~hangs] == 1).float().mean()) > 0.98


def test_pieces_that_touch_change_together() -> None:
    """Two that are weakly called another name hold each other, and both are given up for the sure ones around; a sure one is not."""
    pairs = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]])
    scores = torch.tensor([[9.0, 0], [0, 1], [0, 1], [9, 0], [0, 9]])
    assert jointly(scores, pairs, torch.tensor([2.0, 5, 2, 2])).tolist() == [0, 0, 0, 0, 1]
    assert jointly(scores, pairs, torch.tensor([0.5, 5, 0.5, 2])).tolist() == [0, 1, 1, 0, 1]


def test_a_piece_leaves_a_part_that_it_hardly_hangs_together_with() -> None:
    """A carpet that is called a wall touches the wall by a pixel, and a floor along its side: it goes alone, which moves of whole parts cannot."""
    pairs, weights = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0.1, 5])
    scores = torch.tensor([[9.0, 0], [1, 0], [0, 9]])
    assert jointly(scores, pairs, weights).tolist() == [0, 0, 1]
    assert jointly(scores, pairs, weights, TIGHTER).tolist() == [0, 1, 1]


def test_where_the_scene_knows_nothing_small_parts_are_of_what_surrounds_them() -> None:
    """Black glass has no depth, and every frame sees another thing in it; what the scene knows is kept, and what moves."""
    wall, other, moving = 1, 2, 3
    seen = torch.full((100, 100), wall)
    seen[20:30, 20:30], seen[50:60, 50:60], seen[80:90, 80:90] = other, other, moving
    unknown = torch.zeros(100, 100, dtype=torch.bool)
    unknown[40:] = True
    found = without_strays(seen, unknown, (moving,))
    assert found[55, 55] == wall
    assert found[25, 25] == other
    assert found[85, 85] == moving


def test_parts_that_nothing_in_a_frame_parts_from_what_is_around_are_of_that() -> None:
    """A door of which the scene knows a part as wall; a half, which the scene knows or not; what has an edge, what is sure and a floor stay."""
    wall, door, shelf, table, floor = 1, 2, 3, 4, 5
    image, labels = torch.full((3, 240, 320), 0.8), torch.full((240, 320), wall)
    image += 0.01 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    parts = {"inside": (20, 20), "dark": (20, 120), "beside": (20, 280)}
    places = {name: (slice(row, row + 60), slice(column, column + 40)) for name, (row, column) in parts.items()}
    for place in places.values():
        labels[place] = door
    image[:, *places["dark"]] -= 0.5
    labels[180:220, 20:60], labels[180:220, 120:160], labels[:, 290:] = table, floor, shelf
    regions = {wall: Region("wall", confidence=0.7), door: Region("door", confidence=0.7), table: Region("table"),
               floor: Region("floor", confidence=0.9), shelf: Region("shelf", confidence=0.7)}  # fmt: skip
    image[:, :, 290:] -= 0.4
    unknown = torch.zeros(labels.shape, dtype=torch.bool)
    known = without_unseen(image, labels, unknown, regions, ())
    assert (known[places["inside"]] == wall).all()
    assert (known[places["dark"]] == door).all()
    assert known[50, 285] == door
    assert [int(known[at]) for at in ((200, 40), (200, 140), (100, 300))] == [table, floor, shelf]
    assert without_unseen(image, labels, ~unknown, regions, ())[50, 285] == wall
    assert (without_unseen(image, labels, unknown, regions, (door,))[places["inside"]] == door).all()


def test_what_a_sensor_cannot_read_is_not_the_floor_that_other_frames_see_behind_it() -> None:
    """A black bed: no frame has its depth, so that the scene shows floor and walls in its place."""
    views = list(room())
    black = [replace(view, depth=replace(view.depth, valid=~view.segments.mask("bed"))) for view in views]
    labels = scene_labels(source(black), lambda view: view.segments)
    found, true = (named(one) == "bed" for one in (labels.segments(0, black[0]), views[0].segments))
    assert (found & true).sum() > 0.7 * true.sum()
    assert (found & ~true).sum() < 0.05 * true.sum()


@pytest.mark.parametrize("name", ["chair", "wall"])
def test_a_black_thing_is_where_its_frame_sees_it_but_what_is_too_far_for_the_sensor_is_of_the_floor(name: str) -> None:
    """One frame sees something on the floor of which no depth is read; all others see the floor there."""
    views = list(room())
    view, drawn = views[0], views[0].segments
    row, column = (avg_pool2d(drawn.mask("floor")[None].float(), 19, 1)[0] == 1).nonzero()[0].tolist()
    place = slice(row + 1, row + 18), slice(column + 1, column + 18)
    labels, image, valid = drawn.labels.clone(), view.image.clone(), torch.ones(view.size, dtype=torch.bool)
    labels[place] = next(id for id, region in drawn.regions.items() if region.name == name)
    valid[place] = False
    image[(slice(None), *place)] = 0.02
    views[0] = replace(
        view, image=image, depth=replace(view.depth, valid=valid), segments=Segments(labels, drawn.regions)
    )
    found = named(scene_labels(source(views), lambda view: view.segments).segments(0, views[0]))[place]
    assert (found == {"chair": "chair", "wall": "floor"}[name]).mean() > 0.8


def test_a_rim_of_floor_that_a_rough_pose_hides_is_of_the_floor() -> None:
    """A frame four pixels off its pose: the scene shows the wall on a strip of floor that the frame itself sees, in the floor's colour."""
    views = list(room())
    view, drawn = views[3], views[3].segments
    unknown = torch.zeros(view.size, dtype=torch.bool)
    off = replace(view, image=view.image.roll(-4, 1), depth=replace(view.depth, valid=unknown))
    views[3] = replace(off, segments=Segments(drawn.labels.roll(-4, 0), drawn.regions))
    labels = scene_labels(source(views), lambda view: view.segments)
    found, true = (named(one) == "floor" for one in (labels.segments(3, views[3]), views[3].segments))
    assert (true & ~found).sum() < 90


def test_a_floor_is_found_among_what_is_wrongly_called_one() -> None:
    torch.manual_seed(0)
    floor = patch([torch.tensor([0.5, 0.5, 0.5])], torch.tensor([0.0, 1, 0]))
    away = patch([torch.tensor([0.5, 0.5, 0.5])], torch.tensor([1.0, 0.2, 0]), 12)
    both = floor.joined(replace(away, means=away.means + 5))
    plane = floor_plane(both, torch.ones(len(both)), torch.tensor([[0.0, 60, 0]]))
    assert plane is not None
    assert float(plane.normal[1]) > 0.999
    assert abs(plane.offset) < 0.05
    scattered = both[torch.randperm(len(both))[:60]]
    lost = replace(scattered, means=100 * torch.rand(60, 3))
    assert floor_plane(lost, torch.ones(60), torch.tensor([[0.0, 60, 0]])) is None


def test_a_surface_changes_alike_in_all_frames(session: Session) -> None:
    """Frames whose labels are wrong in other places still agree along the exact flow, as the frames did before."""
    views = room()
    wrong = [replace(view, segments=noisy(view, seed)) for seed, view in enumerate(views)]
    frames = list(through_scene(source(wrong), style(), config(), session))
    assert [frame.number for frame in frames] == list(range(len(views)))
    change_of = [frame.look.image - view.image for frame, view in zip(frames, views, strict=True)]
    assert min(float(one.abs().mean()) for one in change_of) > 0.02
    from relook.ops.warp import look_up

    matches = exact(views[3], views[2])
    carried = look_up(change_of[2], matches.flow, matches.confidence, None)
    seen = carried.confidence > 0.9
    off = (carried.values - change_of[3]).abs().mean(0)[seen].mean()
    assert float(off) < 0.25 * float(change_of[3].abs().mean())


def test_a_stopped_walk_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    restyle_views(stroll(4), style(), config(), out=tmp_path / "whole")

    def stopped(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restyle_views(stroll(4), style(), config(), out=tmp_path / "stopped", progress=frames_done(stopped))
    assert len(list((tmp_path / "stopped" / "frames").iterdir())) == 2
    restyle_views(stroll(4), style(), config(), out=tmp_path / "stopped")
    for file in sorted((tmp_path / "whole" / "frames").iterdir()):
        assert file.read_bytes() == (tmp_path / "stopped" / "frames" / file.name).read_bytes()


def test_auto_is_the_scene_where_there_are_cameras_depth_and_colours(tmp_path: Path) -> None:
    found = restyle_views(stroll(2), style(), config(carry="auto"), out=tmp_path / "posed")
    assert found.record["configuration"]["carry"] == "scene"
    assert found.points is not None
    found = restyle_views(plain(stroll(2)), style(), options(carry="auto", geometry="dis"), out=tmp_path / "plain")
    assert found.record["configuration"]["carry"] == "relook"


def test_what_the_scene_cannot_carry_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "oak.png", torch.rand(3, 16, 16))
    covered = config(photo=replace(PHOTO, material=(f"wall={tmp_path / 'oak.png'}",)))
    with pytest.raises(InputError, match=r"^Expected materials on floors alone to carry .* got one for wall; "):
        restyle_views(stroll(2), style(), covered, out=tmp_path / "covered")
    with pytest.raises(GeometryError, match=r"^Expected cameras and depth to carry .* got geometry flow \(dis\); "):
        restyle_views(plain(stroll(2)), style(), config(photo=options().photo, geometry="dis"), out=tmp_path)


def test_stated_colours_are_the_same_in_all_frames(session: Session) -> None:
    """Paint has its colour under the main light of the walk; a frame that does not show the thing is left alone."""
    plain_photo = replace(PHOTO, materials=False)
    paint = config(photo=replace(plain_photo, colour=("wall=#3060c0",)))
    painted = list(through_scene(source(room()), style(), paint, session))
    hues = []
    for frame in painted:
        wall = frame.view.segments.mask("wall")
        red, green, blue = frame.look.image[:, wall].median(1).values.tolist()
        assert blue > 1.25 * green > 1.25 * red
        hues.append(red / blue)
    assert max(hues) - min(hues) < 0.08
    with pytest.raises(SegmentsError, match=r"^Expected a thing of the structure picture to cover, got 'piano'; "):
        next(through_scene(source(room()), style(), config(photo=replace(PHOTO, colour=("piano=#ffffff",))), session))


def test_labels_are_looked_for_in_every_frame(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a label finds is lifted as other regions are; the sheet of frames keeps the scene's, whatever the labeller says of it."""
    from relook.perceive.segment import open_vocabulary

    asked = []

    def find(view: View, labels: Sequence[str]) -> list[open_vocabulary.Found]:
        asked.append(view.size)
        assert view.segments is not None
        return [open_vocabulary.Found(labels[0], view.segments.mask("floor"), 1.0)]

    monkeypatch.setattr(open_vocabulary, "labeller", lambda _name, _session: find)
    monkeypatch.setattr("relook.transfer.resolve._revisions", lambda *_: {})
    frames = list(through_scene(source(room(3)), style(), config(photo=replace(PHOTO, label=("Parquet",))), session))
    assert asked == [(96, 128)] * 3 + [style().size]
    for frame, view in zip(frames, room(3), strict=True):
        there, found = view.segments.mask("floor"), frame.view.segments.mask("parquet")
        assert float((there & found).sum() / (there | found).sum()) > 0.8


def test_planes_alone_stay_doubtful() -> None:
    """Where no network sees things, a floor on its plane is no certain thing (`only_planes`); what was drawn is."""
    views = room(3)

    def planes(view: View) -> Segments:
        drawn = view.segments
        regions = {
            id: Region(one.name if one.name == "floor" else "wall", 0, confidence=0.7)
            for id, one in drawn.regions.items()
        }
        return Segments(drawn.labels, regions)

    found = scene_labels(source(views), planes)
    assert found.decided.floor is not None
    assert only_planes(found.segments(0, views[0]))
    assert min(one.confidence for one in found.regions.values() if one.name == "floor") > 0.9
    exactly = scene_labels(source(views), lambda view: view.segments)
    assert all(one.confidence == 1 for one in exactly.regions.values())


def test_a_scene_has_no_first_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.lift.propagation.best_first", lambda *_: pytest.fail("nobody needs to know"))
    restyle_views(stroll(2), style(), config(first=None), out=tmp_path / "whole")
    with pytest.raises(InputError, match=r"^Expected a first frame below 2, got 5; "):
        restyle_views(stroll(2), style(), config(first=5), out=tmp_path / "none")


def test_plain_frames_are_given_a_geometry_with_cameras() -> None:
    view, bare = room(3)[0], View(room(3)[0].image)
    assert found_by(view, "auto") == "auto"
    assert found_by(bare, "auto") in ("colmap", "matches")
    assert found_by(bare, "dis") == "dis"


def test_frames_count_as_painted_where_they_show_something_first(session: Session) -> None:
    frames = list(through_scene(source(room(3)), style(), config(), session))
    shares = [float(frame.look.fresh.float().mean()) for frame in frames]
    assert shares[0] > 0.95
    assert max(shares[1:]) < 0.5
