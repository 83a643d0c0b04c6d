"""A material on the floor of a scene of Gaussians: once in the world, in its true size, in the Gaussians' own colours."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig, RestyleConfig, SceneConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.io import write_image
from relook.lift.restyled import METHODS
from relook.lift.restyled.floor import covered, ground_under
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.restyled.views import scene_of
from relook.lift.scene.covers import GroundCover
from relook.lift.scene.fit import fit
from relook.perceive.segment.regions import ids_named
from relook.progress import SILENT
from relook.session import Session
from relook.transfer.materials.cover import Pattern
from relook.transfer.materials.swatch import of_picture

PHOTO = PhotoConfig(segmenter="whole", depth_estimator="none", materials=False)


@cache
def scene() -> Scene:
    views = [render(sample_layout(21), sample_style(22), (96, 128), pose).view() for pose in walk(sample_layout(21), 4)]
    gaussians = fit(views, SceneConfig(refine=0, held_out=0)).gaussians
    return scene_of(gaussians, views, len(views), lambda view: view.segments, SILENT)


def restyled(**photo: object) -> Float[Tensor, "N 3"]:
    style = replace(render(sample_layout(5), sample_style(5), (96, 128)).view(), depth=None)
    config = RestyleConfig(photo=replace(PHOTO, **photo), method="semantic")  # type: ignore[arg-type]
    return METHODS["semantic"](scene(), style, Settings(config, Session("cpu")))


def checks(path: Path) -> Path:
    """Red and green squares, a quarter as wide as the picture, which goes on over its sides."""
    red, green = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.8, 0.1])
    first = (torch.arange(32) // 8 % 2 == 0)[:, None] ^ (torch.arange(32) // 8 % 2 == 0)
    write_image(path, torch.where(first, red[:, None, None], green[:, None, None]))
    return path


def test_a_material_lies_once_in_the_world_in_its_size(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every square of half a metre of the plane is of one colour, its neighbours of the other, from wall to wall; all else stays."""
    only = {"strength": 0.0, "strengths": ("floor=1",)}
    with caplog.at_level("WARNING", logger="relook"):
        new = restyled(material=(f"floor={checks(tmp_path / 'checks.png')}",), scale=("2",), **only)
    assert "--cell" not in caplog.text
    floor, ground = scene().named(["floor"]), ground_under(scene())
    assert ground is not None
    place = 2 * ground.places(scene().gaussians.means[floor])
    redness = new[floor, 0] - new[floor, 1]
    inside = (place.remainder(1) - 0.5).abs().amax(0) < 0.3
    odd = place.floor().sum(0).remainder(2)[inside] > 0
    agree = float(((redness[inside] > 0) == odd).float().mean())
    assert max(agree, 1 - agree) > 0.97
    assert float(place[:, inside].amax() - place[:, inside].amin()) > 4
    assert torch.equal(new[~floor], scene().gaussians.colours.clamp(0, 1)[~floor])


def test_of_a_pattern_finer_than_the_gaussians_little_is_left() -> None:
    """Squares of 5 mm under Gaussians of 5 cm: their mean."""
    fine = (torch.arange(64) % 2 == 0)[:, None] ^ (torch.arange(64) % 2 == 0)
    pattern = Pattern(of_picture(0.2 + 0.6 * fine.expand(3, -1, -1).float(), 0.32), None)
    assert pattern.left(0.004) == 1.0
    assert pattern.left(0.05) < 0.2


def test_where_gaussians_cannot_show_a_pattern_one_sentence_says_so(caplog: pytest.LogCaptureFixture) -> None:
    ground, fine = ground_under(scene()), torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert ground is not None
    cover = GroundCover(
        ground, Pattern(of_picture(fine, 0.3), None), dict.fromkeys(ids_named(scene().parts, "floor"), -1.0)
    )
    with caplog.at_level("WARNING", logger="relook"):
        covered(scene(), [cover], scene().gaussians.colours, 1.0)
    assert "smaller --cell" in caplog.text
