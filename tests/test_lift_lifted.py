"""Lifting over a capture: every way shows what the room exactly shows, files are whole, bad input is one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import LiftConfig
from relook.dollhouse import CLASSES, Pose, render, sample_layout, sample_style, walk
from relook.errors import DepthError, GeometryError, InputError, PictureError
from relook.io import read_segments
from relook.io.video import read_frames
from relook.lift.lifted import lift_capture, posed, way_for
from relook.lift.lifted.contrast import contrast, with_contrast
from relook.lift.lifted.job import Job, Target, held, inner
from relook.lift.lifted.strokes import Strokes
from relook.lift.lifted.task import chosen_lift, chosen_way, targets_of
from relook.lift.lifted.ways import _tiles
from relook.lift.operators import Operator, asked, load_operator
from relook.lift.operators.regions import likeliest
from relook.models.lifter import FOLDER
from relook.ops.geometry import pixel_centres
from relook.ops.lifting import cast
from relook.session import Session
from relook.types import View

LAYOUT, STYLE = sample_layout(31, "living"), sample_style(31)
ROOM = [render(LAYOUT, STYLE, (64, 64), pose) for pose in walk(LAYOUT, 5, stride=0.5)]
VIEWS = [one.view() for one in ROOM]
WITHOUT = [replace(view, depth=None) for view in VIEWS]
NOTHING_TOLD = """
from relook.lift.operators import Operator

class Broken(Operator):
    def encode(self, image):
        return image * float("nan")

    def decode(self, features, size):
        return features[:1]
"""


@pytest.mark.parametrize("name", ["scene", "blending", "lift3d"])
def test_every_way_carries_classes_to_a_view_that_is_left_out(name: str) -> None:
    if name == "lift3d" and not (FOLDER / "model.safetensors").is_file():
        pytest.skip("the learned lifter is not installed")
    source = posed([*VIEWS[:2], *VIEWS[3:]], 64)
    _, way = way_for(name, source, 4)
    classes = torch.stack(
        [torch.nn.functional.one_hot(one.classes, 20).permute(2, 0, 1).float() for one in (*ROOM[:2], *ROOM[3:])]
    )
    found = way.holding(classes).at(ROOM[2].camera, (64, 64))
    assert float(found.known.float().mean()) > 0.8
    right = (found.values.argmax(0) == ROOM[2].classes)[found.known].float().mean()
    assert float(right) > (0.8 if name == "lift3d" else 0.93)


def test_a_correction_changes_features_and_is_for_the_network_alone(tmp_path: Path) -> None:
    if not (FOLDER / "model.safetensors").is_file():
        pytest.skip("the learned lifter is not installed")
    source, wide = posed(VIEWS, 64), torch.rand(5, 70, 16, 16, generator=torch.Generator().manual_seed(0))
    plain, mended = (
        way_for("lift3d", source, 4, one)[1].holding(wide).at(ROOM[2].camera, (16, 16), 2) for one in (False, True)
    )
    assert torch.equal(plain.known, mended.known)
    both = [one.values[:, plain.known] for one in (plain, mended)]
    assert not torch.allclose(both[0][:64], both[1][:64], atol=1e-2)
    torch.testing.assert_close(
        both[0][64:], both[1][64:], atol=0.05, rtol=0.05
    )  # beyond the trained width: blended as it is
    with pytest.raises(InputError, match="lift3d for --correction"):
        way_for("scene", source, 4, True)
    with pytest.raises(InputError, match="features for --correction"):
        lift_capture(VIEWS, LiftConfig("embedded", size=64, correction=True), tmp_path)


def test_sources_of_a_small_map_are_those_of_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    source, asked = posed(VIEWS, 64), []
    monkeypatch.setattr(type(source), "nearest", lambda self, camera, *rest: asked.append(camera) or [0, 1])
    small = ROOM[2].camera.resized((64, 64), (16, 16))
    way_for("blending", source, 4)[1].holding(torch.rand(5, 3, 16, 16)).at(small, (16, 16))
    torch.testing.assert_close(asked[0].K, ROOM[2].camera.K)


def test_auto_takes_depth_where_there_is_some() -> None:
    assert way_for("auto", posed(VIEWS, 64), 4)[0] == "scene"
    with pytest.raises(DepthError, match="lift3d"):
        way_for("blending", posed(WITHOUT, 64, 0.5, 8.0), 4)


def test_auto_is_what_the_tables_found_for_each_operator() -> None:
    deep, flat = posed(VIEWS, 64), posed(WITHOUT, 64, 0.5, 8.0)
    with Session("cpu") as session:
        for name, way, lift in (
            ("embedded", "auto", "probabilities"),
            ("sharpen", "blending", "picture"),
            ("colourise", "auto", "change"),
            ("edges", "auto", "features"),
        ):
            operator, config = load_operator(name, session)[0], LiftConfig(name)
            assert (chosen_way(config, operator, deep), chosen_lift(config, operator)) == (way, lift)
            assert chosen_way(config, operator, flat) == "auto"
            assert chosen_way(replace(config, method="lift3d"), operator, deep) == "lift3d"
    assert chosen_lift(LiftConfig("mine", lift="picture"), load_operator("colourise", session)[0]) == "picture"


def test_a_lifted_capture_is_written_and_depth_agrees_with_the_room(tmp_path: Path) -> None:
    record = lift_capture(VIEWS, LiftConfig("edges", size=64, between=1), tmp_path)
    assert record["method"] == "scene"
    assert len(record["frames"]) == 9
    assert len(list((tmp_path / "frames").glob("*.png"))) == 9
    assert sum(1 for _ in read_frames(tmp_path / "lifted.mp4")) == 9
    with np.load(tmp_path / "predictions" / "0001-01.npz") as kept:
        assert kept["prediction"].shape == (1, 64, 64)
        assert kept["known"].mean() > 0.8
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "work").iterdir()}
    lift_capture(VIEWS, LiftConfig("edges", size=64), tmp_path)
    assert before == {file.name: file.stat().st_mtime_ns for file in (tmp_path / "work").iterdir()}


def test_strokes_mark_what_is_alike(tmp_path: Path) -> None:
    ys, xs = (ROOM[0].classes == ROOM[0].classes[60, 32]).nonzero(as_tuple=True)
    middle = len(ys) // 2
    stroke = f"{int(xs[middle])}:{int(ys[middle])}"
    lift_capture(VIEWS, LiftConfig("descriptors", size=64, stroke=(stroke,)), tmp_path)
    with np.load(tmp_path / "predictions" / "0004.npz") as kept:
        mark = torch.from_numpy(kept["prediction"][0].astype(np.float32))
    wanted = ROOM[4].classes == ROOM[0].classes[60, 32]
    assert float(mark[wanted].mean()) > float(mark[~wanted].mean()) + 0.2


@pytest.mark.parametrize(
    ("operator", "stroke", "words"),
    [
        ("descriptors", "64:3", "strokes within"),
        ("descriptors", "3:64", "strokes within"),
        ("descriptors", "3:3:5", "5 frames"),
        ("edges", "3:3", "features or labels"),
    ],
)
def test_strokes_that_mark_nothing_are_refused_before_the_operator_is_asked(
    operator: str, stroke: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        lift_capture(VIEWS, LiftConfig(operator, size=64, stroke=(stroke,)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_a_little_like_the_stroke_is_no_part_of_the_thing() -> None:
    """A wall, a thing of two shades, and another one that is rather like it: .7 of cosine, above halfway between the thing and the wall."""
    wall, thing = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    shade, akin = torch.tensor([0.0, 0.9, 0.436]), torch.tensor([0.0, 0.7, -0.714])
    features = wall[:, None, None].repeat(1, 64, 64)
    features[:, :20, :20], features[:, :20, 20:40], features[:, 40:, 40:] = (
        one[:, None, None] for one in (thing, shade, akin)
    )
    features = features + 0.02 * torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    answers = [(features, features)] * len(VIEWS)
    mark = Strokes.of([(5, 5, 0)], answers).mark(features)[0] > 0.5
    wanted = torch.zeros(64, 64, dtype=torch.bool)
    wanted[:20, :40] = True
    assert float((mark & wanted).sum() / (mark | wanted).sum()) > 0.9
    alone = Strokes.of([(5, 5, 0)], [(f, f) for f in [thing[:, None, None].repeat(1, 64, 64)] * 5])
    assert bool((alone.mark(features)[0, :20, :20] > 0.5).all())  # a capture of one thing


def test_new_views_lie_between() -> None:
    source = posed(VIEWS, 64)
    middle = targets_of(source, 1)[1].camera
    centres = [
        -(c.world_to_camera[:3, :3].T @ c.world_to_camera[:3, 3]) for c in (ROOM[0].camera, middle, ROOM[1].camera)
    ]
    torch.testing.assert_close(centres[1], (centres[0] + centres[2]) / 2, atol=1e-4, rtol=1e-4)


def test_bad_captures_and_options_are_refused(tmp_path: Path) -> None:
    edges = LiftConfig("edges", size=64)
    for views, words in (
        (VIEWS[:1], "at least 2 posed views"),
        ([replace(view, camera=None) for view in VIEWS], "a camera for each"),
        (WITHOUT, "state --near and --far"),
    ):
        with pytest.raises(GeometryError, match=words):
            lift_capture(views, edges, tmp_path)
    with pytest.raises(InputError, match="--lift features for map"):
        lift_capture(VIEWS, replace(edges, lift="change"), tmp_path)
    with pytest.raises(InputError, match="near below far"):
        lift_capture(VIEWS, replace(edges, near=3.0, far=2.0), tmp_path)
    for beyond in ({"near": 99.0}, {"far": 0.01}):
        with pytest.raises(GeometryError, match=r"near below far.*as depth says"):
            lift_capture(VIEWS, replace(edges, **beyond), tmp_path)
    back = Pose((0.0, 1.4, 1.0), LAYOUT.pose.yaw + np.pi, 0.0, LAYOUT.pose.fov)
    with pytest.raises(GeometryError, match="views that overlap, got 2"):
        lift_capture([VIEWS[0], render(LAYOUT, STYLE, (64, 64), back).view()], edges, tmp_path)


def test_a_broken_operator_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NOTHING_TOLD)
    with pytest.raises(PictureError, match="finite numbers from Broken"):
        lift_capture(VIEWS, LiftConfig(f"{tmp_path / 'mine.py'}:Broken", size=64), tmp_path / "lifted")
    assert not (tmp_path / "lifted").exists()


def test_a_view_that_shares_nothing_keeps_its_own_prediction() -> None:
    back = Pose((0.0, 1.4, 1.0), LAYOUT.pose.yaw + np.pi, 0.0, LAYOUT.pose.fov).camera((64, 64))
    found = way_for("blending", posed(VIEWS, 64), 4)[1].holding(torch.ones(5, 2, 64, 64)).at(back, (64, 64))
    assert not bool(found.known.any())
    assert found.values.shape == (2, 64, 64)


def test_view_without_depth_still_says_how_deep_it_is() -> None:
    assert not posed([*VIEWS[:2], View(VIEWS[2].image, camera=VIEWS[2].camera)], 64).deep


def test_what_is_carried_fades_at_the_rim_of_what_is_known() -> None:
    assert torch.equal(inner(torch.ones(40, 100, dtype=torch.bool)), torch.ones(40, 100))
    known = torch.zeros(40, 100, dtype=torch.bool)
    known[:, :50] = True
    share = inner(known)
    assert float(share[:, 50:].max()) == 0.0
    assert float(share[20, 0]) == 1.0
    assert bool((share[20, 44:50].diff() < 0).any())
    assert float(share[20, 49]) < 0.3


def test_lifted_labels_are_label_maps_with_one_id_for_a_thing_in_all_frames(tmp_path: Path) -> None:
    lift_capture(VIEWS, LiftConfig("embedded", size=64), tmp_path)
    maps = [read_segments(tmp_path / "segments" / f"{number:04d}.png", (64, 64)) for number in range(len(VIEWS))]
    named = [{id: (region.name, region.instance) for id, region in one.regions.items()} for one in maps]
    assert len(maps) == 5
    assert all(one[id] == named[0][id] for one in named for id in one.keys() & named[0].keys())
    assert "floor" in maps[0].names
    truth = torch.tensor([name == "floor" for name in CLASSES])[ROOM[2].classes]
    assert float((maps[2].mask("floor") == truth).float().mean()) > 0.9


def test_without_a_scene_label_maps_are_the_likeliest_class() -> None:
    chances = torch.full((3, 8, 8), 0.1)
    chances[0, :, :2], chances[1, :4], chances[2, 4:] = 0.9, 0.7, 0.8
    found = likeliest(chances, ("background", "wall", "floor"), torch.full((3, 64, 64), 0.5))
    assert {id: region.name for id, region in found.regions.items()} == {2: "wall", 3: "floor"}
    assert bool((found.labels[:28] == 2).all() and (found.labels[36:] == 3).all())
    assert found.regions[3].confidence == pytest.approx(0.8, abs=0.05)


def test_contrast_is_set_right_by_the_pictures_own_detail() -> None:
    draw = torch.Generator().manual_seed(0)
    picture = 0.5 + 0.1 * torch.randn(3, 64, 64, generator=draw)
    looked = 0.3 + 1.4 * (picture - 0.5)
    flat = picture * 0.4 + 0.1  # the same, blurred
    back = with_contrast(flat, picture, contrast(looked))
    assert float(contrast(flat).mean()) < 0.35 * float(contrast(looked).mean())
    torch.testing.assert_close(contrast(back).mean(), contrast(looked).mean(), atol=0.01, rtol=0.05)
    less = with_contrast(picture, picture, contrast(flat))  # a look that has less of the picture's detail
    torch.testing.assert_close(contrast(less).mean(), contrast(flat).mean(), atol=0.01, rtol=0.05)
    torch.testing.assert_close(with_contrast(looked, picture, contrast(looked)), looked)


def test_of_a_picture_with_colours_a_colouriser_changes_its_greys() -> None:
    class Sepia(Operator):
        kind, stride = "picture", 1

        def base(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
            return image.mean(0).expand(3, -1, -1)

        def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
            return self.base(image)

        def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
            return (features * torch.tensor([1.0, 0.8, 0.6])[:, None, None]).clamp(0, 1)

    source, operator = posed(VIEWS, 64), Sepia()
    answers = [asked(operator, view.image) for view in source.views]
    way = way_for("scene", source, 4)[1].holding(held(operator, "contrast", source, answers))
    job = Job(operator, "contrast", source, answers, way)
    for target in (Target("", ROOM[2].camera, 2), Target("", ROOM[2].camera, None)):
        found = next(iter(job.predictions([target]))).prediction
        shares = (found / found[:1].clamp_min(0.05)).flatten(1).median(1).values
        torch.testing.assert_close(shares, torch.tensor([1.0, 0.8, 0.6]), atol=0.05, rtol=0.0)
        assert float((found - answers[2][1]).abs().mean()) < 0.04


def test_tiles_hold_every_pixel_once_and_share_looks_with_their_neighbours() -> None:
    size, camera = (37, 21), ROOM[0].camera
    tiles = list(_tiles(camera, size, 2))
    assert torch.cat([tile.places for tile in tiles]).sort().values.tolist() == list(range(37 * 21))
    every = cast(camera, pixel_centres(size).reshape(-1, 2)).directions
    for tile in tiles:
        torch.testing.assert_close(tile.rays.directions, every[tile.places])
        away = (tile.rays.directions - tile.shared.directions[tile.owner]) @ torch.diag(camera.K.diagonal())
        assert float(away.abs().max()) < 0.51 * camera.K.diagonal().max() / camera.K[0, 0]
