"""A scene in a new look: geometry stays to the last bit, colours change as the views do, and a stopped run goes on to the same bytes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from plyfile import PlyData

from relook.config import Dependence, PhotoConfig, RestyleConfig, SceneConfig, SceneMethod
from relook.dollhouse import render as render_room
from relook.dollhouse import sample_layout, sample_style, walk
from relook.errors import InputError, PictureError, SceneError, SegmentsError
from relook.gaussians import Gaussians
from relook.io import read_gaussians, write_gaussians, write_image, write_recoloured, write_segments
from relook.lift.key_view import of_view
from relook.lift.restyled import METHODS, restyle_scene
from relook.lift.restyled.broad import broad
from relook.lift.restyled.dependence import SHADING, recoloured
from relook.lift.restyled.distill import added
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.restyled.task import new_look
from relook.lift.restyled.views import rendered, scene_of
from relook.lift.scene.fit import fit
from relook.lift.scene.saving import own_cameras
from relook.ops.splats import Blends, render
from relook.options import check
from relook.progress import SILENT, Progress
from relook.session import Session
from relook.types import Camera, Region, Segments, View
from strolls import SIZE, stroll, style, write_capture
from walks import SEED

PHOTO = PhotoConfig(segmenter="whole", depth_estimator="none")
GEOMETRY = ("x", "y", "z", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")


def config(**changes: object) -> RestyleConfig:
    return RestyleConfig(**({"photo": PHOTO, "key_views": 2, "size": 64, "method": "distill"} | changes))


@cache
def room(degree: int = 0) -> Gaussians:
    torch.manual_seed(0)
    gaussians = fit(stroll(), SceneConfig(refine=0, held_out=0)).gaussians
    more = 0.05 * torch.randn(len(gaussians), (degree + 1) ** 2 - 1, 3)
    return replace(gaussians, sh=torch.cat([gaussians.sh, more], 1))


@cache
def scene() -> Scene:
    return scene_of(room(), stroll(), len(stroll()), lambda view: view.segments, SILENT)


def files(folder: Path, degree: int = 0) -> tuple[Path, Path, Path]:
    """A scene, its capture and a style picture."""
    write_gaussians(folder / "room.ply", room(degree))
    write_image(folder / "style.png", style().image)
    return folder / "room.ply", write_capture(folder / "capture", stroll()), folder / "style.png"


def test_geometry_is_the_same_to_the_last_bit_and_the_look_is_new(tmp_path: Path) -> None:
    path, capture, look = files(tmp_path, 1)
    record = restyle_scene(path, look, tmp_path / "new.ply", config(cameras=capture))
    old, new = (PlyData.read(name)["vertex"] for name in (path, tmp_path / "new.ply"))
    assert all(np.array_equal(old[name], new[name]) for name in GEOMETRY)
    assert old.data.dtype.names == new.data.dtype.names
    change = np.abs(old["f_dc_0"] - new["f_dc_0"])
    assert np.median(change) > 0.05
    assert record["gaussians"] == len(old.data)
    assert not (tmp_path / "new.ply.work").exists()


def test_a_capture_is_fitted_first(tmp_path: Path) -> None:
    _, capture, look = files(tmp_path)
    wanted = config(fit=SceneConfig(refine=0, held_out=0))
    restyle_scene(capture, look, tmp_path / "new.spz", wanted)
    assert len(read_gaussians(tmp_path / "new.spz")) > 100
    known = own_cameras(tmp_path / "new.spz")
    assert known is not None
    assert len(known.cameras) == len(stroll())
    assert torch.allclose(known.cameras[0].world_to_camera, stroll()[0].camera.world_to_camera, atol=1e-4)


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    _, capture, look = files(tmp_path)
    wanted = config(fit=SceneConfig(refine=0, held_out=0, views=2))
    restyle_scene(capture, look, tmp_path / "once.ply", wanted)

    def listen(step: object) -> None:
        if step.stage == "key views" and step.done == 1:
            progress.cancel()

    progress = Progress(listen)
    with pytest.raises(Exception, match="request to stop"):
        restyle_scene(capture, look, tmp_path / "twice.ply", wanted, progress=progress)
    work = tmp_path / "twice.ply.work"
    assert not (tmp_path / "twice.ply").exists()
    assert {path.name for path in work.iterdir()} == {"run.json", "fitted.ply", "view000.png", "view001.png"}
    times = {path.name: path.stat().st_mtime_ns for path in work.iterdir()}
    kept = {}

    def look_on(step: object) -> None:
        if step.stage == "solving" and not kept:
            kept.update({path.name: path.stat().st_mtime_ns for path in work.iterdir()})

    restyle_scene(capture, look, tmp_path / "twice.ply", wanted, progress=Progress(look_on))
    assert {name: kept[name] for name in ("fitted.ply", "view000.png")} == {
        name: times[name] for name in ("fitted.ply", "view000.png")
    }
    assert (tmp_path / "once.ply").read_bytes() == (tmp_path / "twice.ply").read_bytes()


def test_the_exact_new_look_of_the_views_becomes_the_scenes() -> None:
    target = scene().gaussians.colours.flip(1)
    changes = [blend.render(target - scene().gaussians.colours) for blend in scene().blends]
    found = added(scene(), changes)
    shown = [blend.render(found) for blend in scene().blends]
    for blend, picture in zip(scene().blends, shown, strict=True):
        error = (picture - blend.render(target))[:, blend.seen].square().mean()
        assert -10 * error.log10() > 35


def test_only_named_things_change(tmp_path: Path) -> None:
    parts = scene().parts
    name = next(name for name in parts.names if name != "floor")
    chosen = scene().named([name])
    new = recoloured(room(1), torch.rand(len(room()), 3), chosen, "scale")
    assert bool((new.sh[~chosen] == room(1).sh[~chosen]).all())
    assert bool((new.sh[chosen] != room(1).sh[chosen]).any())
    with pytest.raises(SegmentsError, match="got 'spaceship'"):
        scene().named(["spaceship"])


def test_whatever_a_method_says_what_is_not_named_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(name for name in scene().parts.names if name != "floor")
    monkeypatch.setitem(METHODS, "distill", lambda given, *_: torch.rand(len(given.gaussians), 3))  # type: ignore[index]
    for config, stays in (
        (RestyleConfig(method="distill", only=(name,)), ~scene().named([name])),
        (RestyleConfig(method="distill", photo=PhotoConfig(keep=(name,))), scene().named([name])),
    ):
        new = new_look(scene(), style(), Settings(config, Session("cpu")))
        same = (new.sh == scene().gaussians.sh).flatten(1).all(1)
        assert bool(same[stays].all())
        assert not bool(same[~stays].any())


def test_the_scenes_regions_are_those_of_its_views() -> None:
    views, parts, right = stroll(), scene().parts, 0.0
    for view, blend in zip(views, scene().blends, strict=True):
        for name in parts.names:
            mask = blend.render(scene().named([name]).float()[:, None])[0] > 0.5
            right += float((mask & view.segments.mask(name)).sum())
    assert right / sum(view.segments.labels.numel() for view in views) > 0.85


def test_of_what_is_said_of_things_a_view_takes_what_it_shows() -> None:
    view = View(
        torch.rand(3, 4, 4),
        Segments(
            torch.ones(4, 4, dtype=torch.int64), {1: stroll()[0].segments.regions[min(stroll()[0].segments.regions)]}
        ),
    )
    name = view.segments.names[0]
    photo = PhotoConfig(keep=("piano",), match=(f"{name}=sofa", "piano=sofa"), strengths=("piano=.5",))
    found = of_view(photo, (), view)
    assert (found.keep, found.match, found.strengths) == ((), (f"{name}=sofa",), ())
    assert of_view(photo, ("piano",), view).keep == (name,)


def coloured(base: list[float], change: list[float]) -> Gaussians:
    """One Gaussian with a colour and a coefficient of degree 1."""
    sh = torch.zeros(1, 4, 3)
    sh[0, 2] = torch.tensor(change)
    one = Gaussians(torch.zeros(1, 3), torch.tensor([[1.0, 0, 0, 0]]), torch.ones(1, 3), torch.ones(1), sh[:, :1])
    return replace(one, sh=torch.cat([one.coloured(torch.tensor([base])).sh, sh[:, 1:]], 1))


def test_shading_takes_the_new_colour_and_highlights_stay_grey() -> None:
    blue, new, all_of_it = [0.1, 0.2, 0.8], torch.tensor([[0.8, 0.4, 0.2]]), torch.tensor([True])
    shading = recoloured(coloured(blue, [0.01, 0.02, 0.08]), new, all_of_it, "scale").sh[0, 2]
    assert torch.allclose(shading, 0.1 * new[0], atol=1e-5)
    mixed = recoloured(coloured(blue, [0.3, 0.3, 0.3]), new, all_of_it, "scale").sh[0, 2]
    share = min(SHADING, 0.3 * sum(blue) / sum(part * part for part in blue))
    grey = mixed - share * new[0]
    assert float(grey.amax() - grey.amin()) < 1e-5
    kept = recoloured(coloured(blue, [0.3, 0.2, 0.1]), new, all_of_it, "keep").sh[0, 2]
    assert kept.tolist() == pytest.approx([0.3, 0.2, 0.1])
    assert recoloured(coloured(blue, [0.3, 0.2, 0.1]), new, all_of_it, "none").degree == 0


@pytest.mark.parametrize("how", get_args(Dependence))
def test_what_stays_keeps_its_highlights_whatever_becomes_of_those_of_others(how: Dependence) -> None:
    both = room(1)[torch.tensor([0, 1])]
    found = recoloured(both, 1 - both.colours, torch.tensor([True, False]), how)
    assert torch.equal(found.sh[1], both.sh[1])
    assert not torch.equal(found.sh[0], both.sh[0])
    assert how != "none" or not bool(found.sh[0, 1:].any())


def test_a_highlight_on_black_is_no_fog_of_the_new_colour() -> None:
    """A glossy black wall becomes orange: seen from where it shines, what the highlight adds stays about as strong, and about grey."""
    count, draw = 400, torch.Generator().manual_seed(0)
    places = torch.rand(count, 3, generator=draw) * torch.tensor([2.4, 2.0, 0.1]) + torch.tensor([-1.2, -1.0, 2.0])
    sh = torch.zeros(count, 4, 3)
    sh[:, 2] = 0.5  # brighter where one looks along z
    turn = torch.tensor([[1.0, 0, 0, 0]]).expand(count, 4)
    wall = Gaussians(places, turn, torch.full((count, 3), 0.12), torch.full((count,), 0.9), sh)
    wall = replace(wall, sh=torch.cat([wall.coloured(torch.full((count, 3), 0.06)).sh[:, :1], sh[:, 1:]], 1))
    camera, all_of_it = (
        Camera(torch.tensor([[26.0, 0, 12], [0, 26, 10], [0, 0, 1]]), torch.eye(4)),
        torch.ones(count) > 0,
    )
    orange = torch.tensor([0.8, 0.4, 0.1]).expand(count, 3)

    def shine(gaussians: Gaussians) -> torch.Tensor:
        """What is added to the picture in its middle."""
        plain = replace(gaussians, sh=gaussians.sh[:, :1])
        return (render(gaussians, camera, (20, 24)) - render(plain, camera, (20, 24)))[:, 6:14, 8:16].mean((1, 2))

    before, after = shine(wall), shine(recoloured(wall, orange, all_of_it, "scale"))
    assert float(before.mean()) > 0.1
    assert 0.7 < float(after.mean() / before.mean()) < 1.5
    assert float(after.amin() / after.amax()) > 0.5
    assert torch.allclose(shine(recoloured(wall, orange, all_of_it, "keep")), before, atol=1e-3)
    assert float(shine(recoloured(wall, orange, all_of_it, "none")).abs().max()) == 0


def test_other_elements_and_properties_of_a_file_are_copied(tmp_path: Path) -> None:
    path = tmp_path / "odd.ply"
    row = np.dtype(
        [("opacity", "<f4"), ("confidence", "u1")]
        + [(n, "<f4") for n in GEOMETRY if n != "opacity"]
        + [(f"f_dc_{k}", "<f4") for k in range(3)]
        + [(f"f_rest_{k}", "<f4") for k in range(9)]
    )
    rows = np.frombuffer(np.random.default_rng(0).integers(1, 60, 5 * row.itemsize, dtype=np.uint8).tobytes(), row)
    names = "".join(f"property {'uchar' if n == 'confidence' else 'float'} {n}\n" for n in row.names)
    path.write_bytes(
        b"ply\nformat binary_little_endian 1.0\ncomment mine\nelement camera 2\nproperty int id\nelement vertex 5\n"
        + names.encode()
        + b"end_header\n"
        + b"abcdefgh"
        + rows.tobytes()
        + b"tail"
    )
    new = read_gaussians(path).coloured(torch.full((5, 3), 0.5))
    write_recoloured(tmp_path / "new.ply", path, new)
    found = PlyData.read(tmp_path / "new.ply")
    assert found["camera"].data.tobytes() == b"abcdefgh"
    assert "f_rest_0" not in found["vertex"].data.dtype.names
    assert all(found["vertex"][name].tobytes() == rows[name].tobytes() for name in (*GEOMETRY, "confidence"))
    assert np.abs(found["vertex"]["f_dc_1"]).max() == 0
    assert (tmp_path / "new.ply").read_bytes().endswith(b"tail")
    with pytest.raises(SceneError, match="Expected 5 Gaussians"):
        write_recoloured(tmp_path / "other.ply", path, new[torch.tensor([0, 1])])


PICTURES = (torch.rand(3, 1, 1), torch.full((3, 40, 40), 0.4), torch.rand(1, 40, 40).expand(3, -1, -1))
"""Of one pixel, of one colour, grey."""


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("method", METHODS)
def test_any_style_picture_gives_finite_colours(method: SceneMethod, picture: torch.Tensor, tmp_path: Path) -> None:
    photo = replace(PHOTO, steps=2)
    wanted = config(method=method, key_views=1, photo=photo, losses=("descriptor", "quality"))
    new = new_look(scene(), View(picture.contiguous()), Settings(wanted, Session("cpu")))
    assert bool(((new.colours > -0.01) & (new.colours < 1.01)).all())
    assert torch.equal(new.means, scene().gaussians.means)


@pytest.mark.parametrize(("method", "stage", "done"), [("semantic", "solving", 0), ("styleme3d", "descending", 22)])
def test_other_methods_go_on_to_the_same_bytes_too(method: SceneMethod, stage: str, done: int, tmp_path: Path) -> None:
    path, capture, look = files(tmp_path)
    photo = replace(PHOTO, steps=24)
    losses = ("descriptor",) if method == "styleme3d" else ()
    wanted = config(method=method, photo=photo, cameras=capture, key_views=1, losses=losses)
    restyle_scene(path, look, tmp_path / "once.ply", wanted)
    progress = Progress(lambda step: progress.cancel() if (step.stage, step.done) == (stage, done) else None)
    with pytest.raises(Exception, match="request to stop"):
        restyle_scene(path, look, tmp_path / "twice.ply", wanted, progress=progress)
    assert not (tmp_path / "twice.ply").exists()
    assert (tmp_path / "twice.ply.work" / "descent.safetensors").exists() == (method == "styleme3d")
    restyle_scene(path, look, tmp_path / "twice.ply", wanted)
    assert (tmp_path / "once.ply").read_bytes() == (tmp_path / "twice.ply").read_bytes()


def test_what_cannot_be_used_is_said_before_anything_is_written(tmp_path: Path) -> None:
    path, capture, look = files(tmp_path)
    before = set(tmp_path.rglob("*"))
    for change, out, kind, words in (
        ({"cameras": capture}, "new.obj", SceneError, "end in"),
        ({"cameras": capture}, "room.ply", InputError, "another name"),
        ({"cameras": capture, "only": ("floor",), "photo": replace(PHOTO, keep=("wall",))}, "new.ply", InputError, "got both"),
        ({"cameras": capture, "only": ("piano",)}, "new.ply", SegmentsError, "piano"),
        ({"cameras": capture, "photo": replace(PHOTO, preview=True)}, "new.ply", InputError, "preview"),
        ({"losses": ("statistics",)}, "new.ply", InputError, "method styleme3d for losses"),
        ({"losses": ("beauty",), "method": "styleme3d"}, "new.ply", InputError, "got 80 and beauty"),
        ({"losses": ("distillation",), "method": "styleme3d"}, "new.ply", InputError, "family whose denoiser distils"),
    ):  # fmt: skip
        with pytest.raises(kind, match=words):
            restyle_scene(path, look, tmp_path / out, config(**change))
        assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("broken", ["style", "reference", "material"])
def test_a_broken_picture_is_refused_before_the_scene_is_looked_at(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, capture, look = files(tmp_path)
    torn = tmp_path / "torn.png"
    torn.write_bytes(look.read_bytes()[:20])
    options = {"reference": (f"wall={torn}",), "material": (f"floor={torn}",)}
    photo = PHOTO if broken == "style" else replace(PHOTO, **{broken: options[broken]})
    looked: list[str] = []
    monkeypatch.setattr("relook.lift.restyled.task.scene_of", lambda *_: looked.append("scene"))
    monkeypatch.setattr("relook.lift.restyled.task.scene_views", lambda *_: looked.append("capture"))
    for scene in (path, capture):
        with pytest.raises(PictureError, match=r"torn\.png"):
            restyle_scene(
                scene, torn if broken == "style" else look, tmp_path / "new.ply", config(photo=photo, method="semantic")
            )
    assert not looked
    assert not list(tmp_path.glob("new*"))


def test_methods_have_the_names_that_options_offer() -> None:
    assert set(METHODS) == set(get_args(SceneMethod))
    check(RestyleConfig())


def test_renderings_are_what_the_rasteriser_shows() -> None:
    view = stroll()[0]
    found, blend = rendered(room(1), [view.camera], view.size)[0], Blends(room(1), [view.camera], view.size)[0]
    known = render(room(1), view.camera, view.size).clamp(0, 1)
    assert float((found.image - known)[:, blend.coverage > 0.99].abs().mean()) < 0.02


def test_every_thing_takes_the_colours_of_its_counterpart() -> None:
    layout, look = sample_layout(SEED), sample_style(SEED + 1)
    exact = [render_room(layout, look, SIZE, pose).image for pose in walk(layout, 4)]
    picture = render_room(sample_layout(SEED + 1), look, (96, 128)).view()
    settings = Settings(config(method="semantic"), Session("cpu"))
    new = METHODS["semantic"](scene(), picture, settings)
    colours = METHODS["semantic"](scene(), replace(picture, depth=None), settings)
    errors = {}
    for name, values in (("copy", room().colours), ("colours", colours), ("materials", new)):
        shown = [blend.render(values) for blend in scene().blends]
        errors[name] = float(sum((a - b).square().mean() for a, b in zip(shown, exact, strict=True)))
    assert errors["colours"] < 0.5 * errors["copy"]
    assert errors["materials"] < 0.8 * errors["colours"]


def test_means_are_over_what_is_near_and_of_the_same_group() -> None:
    points = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 2, 0])
    groups, stripes = (points[:, 0] > 1).long(), (points[:, 1] * 20).floor() % 2
    values = torch.stack([stripes, points[:, 1], groups.float()], 1)
    found = broad(points, values, groups, 0.12)
    inside = ((points[:, 1] - 1).abs() < 0.7) & ((points[:, 0] - 0.5).abs() < 0.3)
    assert float(values[inside, 0].std()) > 0.45
    assert float((found[inside, 0] - 0.5).abs().max()) < 0.15
    assert float((found - values)[inside, 1].abs().max()) < 0.1
    assert torch.allclose(found[:, 2], values[:, 2], atol=1e-6)


def test_things_are_painted_kept_and_weakened() -> None:
    wall, cabinet = scene().named(["wall"]), scene().named(["cabinet"])

    def restyled(**photo: object) -> torch.Tensor:
        wanted = config(method="semantic", photo=replace(PHOTO, **photo))
        return METHODS["semantic"](scene(), replace(style(), depth=None), Settings(wanted, Session("cpu")))

    old, full = room().colours.clamp(0, 1), restyled()
    half = restyled(strengths=("wall=.5",))
    assert torch.allclose(half[wall], (old[wall] + full[wall]) / 2, atol=1e-3)
    assert torch.allclose(half[cabinet], full[cabinet], atol=1e-5)
    red = restyled(colour=("wall=#b02020",))[wall].median(0).values
    assert float(red[0]) > 2 * float(red[1:].max())
    assert torch.equal(restyled(strength=0.0), old)


def test_a_scene_alone_is_seen_from_a_way_that_is_found(tmp_path: Path) -> None:
    path, _, look = files(tmp_path)
    record = restyle_scene(path, look, tmp_path / "new.splat", config(method="semantic"))
    assert record["method"] == "semantic"
    assert len(read_gaussians(tmp_path / "new.splat")) == len(room())


def test_label_maps_of_a_capture_say_what_things_are(tmp_path: Path) -> None:
    path, capture, look = files(tmp_path)
    halves = torch.where(torch.arange(SIZE[1]) < SIZE[1] // 2, 1, 2).expand(SIZE)
    for number in range(len(stroll())):
        write_segments(tmp_path / "maps" / f"{number}.png", Segments(halves, {1: Region("sofa"), 2: Region("wall")}))
    wanted = config(cameras=capture, method="semantic", photo=replace(PHOTO, segments=tmp_path / "maps"))
    assert restyle_scene(path, look, tmp_path / "new.ply", wanted)["things"] == ["sofa", "wall"]


@pytest.mark.parametrize(
    ("material", "method", "words"),
    [
        ("wall=checks.png", "semantic", "got one for wall"),
        ("floor=checks.png", "distill", "method semantic"),
    ],
)
def test_materials_that_a_scene_cannot_take_are_refused(material: str, method: str, words: str, tmp_path: Path) -> None:
    path, capture, look = files(tmp_path)
    write_image(tmp_path / "checks.png", torch.rand(3, 8, 8))
    thing, name = material.split("=")
    photo = replace(PHOTO, material=(f"{thing}={tmp_path / name}",))
    with pytest.raises(InputError, match=words):
        restyle_scene(path, look, tmp_path / "new.ply", config(cameras=capture, method=method, photo=photo))
    assert not (tmp_path / "new.ply").exists()
