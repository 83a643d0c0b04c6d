"""A style of several pictures."""

from __future__ import annotations

import pytest
import torch

from relook.errors import SegmentsError, ShapeError
from relook.ops.mosaic import mosaic
from relook.transfer.references import joined
from relook.types import Depth, Region, Segments, View


def plain(size: tuple[int, int], colour: float, **regions: int) -> View:
    """A picture of one colour, divided into regions from left to right; what is left over belongs to none."""
    labels = torch.zeros(size, dtype=torch.int64)
    for place, id in enumerate(regions.values()):
        labels[:, place * 4 : place * 4 + 4] = id
    names = {id: Region(name) for name, id in regions.items()}
    return View(torch.full((3, *size), float(colour)), Segments(labels, names))


@pytest.mark.parametrize(
    "sizes",
    [
        [(20, 30)],
        [(20, 30), (40, 60)],
        [(30, 20), (10, 40)],
        [(20, 30), (7, 9), (50, 20), (11, 11)],
        [(8, 8), *[(5, 50)] * 8],
    ],
)
def test_pictures_fill_a_mosaic_without_gaps_and_the_first_keeps_its_size(sizes: list[tuple[int, int]]) -> None:
    found = mosaic(sizes)
    covered = torch.zeros(found.size)
    for place in found.places:
        covered[place.top : place.top + place.height, place.left : place.left + place.width] += 1
    assert torch.equal(covered, torch.ones(found.size))
    assert (found.places[0].height, found.places[0].width) == sizes[0]


def test_the_others_keep_their_aspect_to_a_pixel() -> None:
    for place, (height, width) in zip(
        mosaic([(300, 450), (70, 90), (500, 200)]).places[1:], [(70, 90), (500, 200)], strict=True
    ):
        assert abs(place.width / place.height - width / height) < 0.02 * width / height


def test_a_mosaic_needs_a_map_for_every_place() -> None:
    with pytest.raises(ShapeError, match="2 maps"):
        mosaic([(4, 4), (4, 4)]).pasted([torch.zeros(1, 4, 4)])


def test_joined_pictures_lie_side_by_side_with_their_regions() -> None:
    first, second = plain((12, 12), 0.2, wall=1, sofa=2), plain((24, 24), 0.8, wall=1, lamp=5)
    style = joined([first, second])
    assert style.segments is not None
    assert {id: (region.name, region.picture) for id, region in style.segments.regions.items()} == {
        1: ("wall", 0), 2: ("sofa", 0), 3: ("wall", 1), 7: ("lamp", 1),
    }  # fmt: skip
    for id, region in style.segments.regions.items():
        seen = style.image[:, style.segments.labels == id]
        assert torch.allclose(seen, torch.full_like(seen, (0.2, 0.8)[region.picture]), atol=1e-5)
        shown = style.showing(id)
        assert shown is style.pictures[region.picture]
        assert shown.segments is not None
        assert bool((shown.segments.labels == id).any())
    assert torch.equal(style.pictures[1].image, second.image), "in its own size"


def test_one_picture_alone_is_the_style() -> None:
    view = plain((12, 12), 0.2, wall=1)
    assert joined([view]) is view
    assert view.showing(1) is view


def test_depth_is_joined_where_all_have_it() -> None:
    ramp = torch.linspace(1, 4, 12).expand(12, 12).contiguous()
    views = [
        View(torch.rand(3, 12, 12), plain((12, 12), 0, wall=1).segments, Depth(scale * ramp, "metric"))
        for scale in (1, 30)
    ]
    style = joined(views)
    assert style.depth is not None
    assert style.depth.kind == "relative"
    near, far = style.depth.values[:, 0], style.depth.values[:, 11]
    assert bool((near < far).all())
    assert torch.allclose(style.depth.values[:, :12], style.depth.values[:, 12:], rtol=1e-4), "each by its own range"
    assert joined([views[0], View(views[1].image, views[1].segments)]).depth is None


def test_every_picture_needs_segments() -> None:
    with pytest.raises(SegmentsError, match="every style picture"):
        joined([plain((4, 4), 0, wall=1), View(torch.rand(3, 4, 4))])
