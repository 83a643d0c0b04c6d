"""The embedded network's answers made into segments and depth; the answers here are made by hand, with known truth."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from relook.dollhouse import CLASSES, render, sample_layout, sample_style
from relook.evaluate.metrics.segments import confusion, mean_iou, mean_of, panoptic_counts
from relook.models import perceiver
from relook.models.perceiver import Perceived, Perceiver
from relook.perceive import depth as depths
from relook.perceive import embedded
from relook.perceive.depth.full_size import at_full_size
from relook.perceive.segment import embedded as found_segments
from relook.perceive.segment import votes
from relook.session import Session
from relook.training.perceiver import to_centres
from relook.types import View

WALL, FLOOR, CHAIR = (CLASSES.index(name) for name in ("wall", "floor", "chair"))


def answers(classes: torch.Tensor, ids: torch.Tensor, depth: torch.Tensor) -> Perceived:
    """What a perfect network would say at a quarter of the side."""
    one_hot = F.one_hot(classes, len(CLASSES)).permute(2, 0, 1).float()[None]
    scores = (F.avg_pool2d(one_hot, 4) + 1e-4).log()
    log_depth = F.avg_pool2d(depth.log()[None, None], 4)[:, 0]
    height, width = scores.shape[2:]
    return Perceived(scores, log_depth, to_centres(ids[None, 2::4, 2::4]), torch.zeros(1, 48, height, width))


def three_chairs() -> tuple[torch.Tensor, torch.Tensor]:
    """Class and object ids of a wall with three chairs: two touch, one is cut in two by a bar of floor."""
    classes, ids = torch.full((128, 160), WALL), torch.zeros(128, 160, dtype=torch.int64)
    for number, (rows, columns) in enumerate(
        [((20, 60), (12, 44)), ((20, 60), (44, 76)), ((40, 112), (100, 148))], start=1
    ):
        classes[slice(*rows), slice(*columns)], ids[slice(*rows), slice(*columns)] = CHAIR, number
    classes[68:80, 90:160], ids[68:80, 90:160] = FLOOR, 0
    return classes, ids


def test_exact_votes_give_three_chairs() -> None:
    classes, ids = three_chairs()
    image = torch.rand(len(CLASSES), 3, generator=torch.Generator().manual_seed(1))[classes].permute(2, 0, 1)
    found = found_segments.segments_of(image, answers(classes, classes * 64 + ids, torch.ones(128, 160)), CLASSES)
    assert sorted((region.name, region.instance) for region in found.regions.values()) == [
        ("chair", 0), ("chair", 1), ("chair", 2), ("floor", 0), ("wall", 0),
    ]  # fmt: skip
    counts = panoptic_counts(found.labels * found.mask("chair"), ids)
    assert (counts.matched, counts.invented, counts.missed) == (3, 0, 0)
    assert counts.quality is not None
    assert counts.quality > 0.93
    largest = next(id for id, region in found.regions.items() if (region.name, region.instance) == ("chair", 0))
    assert (found.labels[84:108, 104:144] == largest).all(), "the larger part below the bar"
    assert (found.labels[44:64, 104:144] == largest).all(), "and the part above it are one chair, the largest"


def test_noisy_votes_still_find_the_chairs() -> None:
    classes, ids = three_chairs()
    exact = answers(classes, classes * 64 + ids, torch.ones(128, 160))
    noise = torch.randn(exact.centres.shape, generator=torch.Generator().manual_seed(2))
    smooth = F.avg_pool2d(F.pad(noise, (2, 2, 2, 2), mode="reflect"), 5, 1) * 5
    middles = votes.middles(exact.scores[0].softmax(0)[CHAIR].round(), exact.centres[0] + 0.03 * smooth[0])
    assert len(middles) == 3
    truth = torch.tensor([[28 / 160, 40 / 128], [60 / 160, 40 / 128], [124 / 160, 77 / 128]])
    assert torch.cdist(truth, middles).amin(1).max() < 0.05


def test_votes_without_a_peak_have_no_middle() -> None:
    """All places point to themselves: the heap is as flat as it is high."""
    assert votes.middles(torch.ones(12, 12), torch.zeros(2, 12, 12)).shape == (0, 2)


def test_without_votes_parts_are_objects() -> None:
    cells = torch.zeros(20, 20, dtype=torch.bool)
    cells[2:5, 2:5] = cells[10:18, 10:18] = True
    numbers = votes.objects(cells, torch.zeros(20, 20), torch.zeros(2, 20, 20))
    assert numbers[12, 12] == 1
    assert numbers[3, 3] == 2
    assert ((numbers > 0) == cells).all()


def test_a_thing_smaller_than_a_cell_keeps_its_pixels() -> None:
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[10:13, 20:22] = True
    assert torch.equal(votes.grown(torch.zeros(10, 10, dtype=torch.int64), mask), mask.long())


def test_post_processing_of_a_room_loses_little() -> None:
    room = render(sample_layout(1_000_004), sample_style(1_000_004), (256, 256))
    found = answers(room.classes, room.classes * 64 + room.instances, room.depth)
    segments = found_segments.segments_of(room.image, found, CLASSES)
    classes = torch.zeros_like(room.classes)
    for id, region in segments.regions.items():
        classes[segments.labels == id] = CLASSES.index(region.name)
    plain = F.interpolate(found.scores.softmax(1), (256, 256), mode="nearest")[0].argmax(0)
    ours, theirs = (mean_iou(confusion(answer, room.classes, len(CLASSES))) for answer in (classes, plain))
    assert ours is not None
    assert theirs is not None
    assert ours > max(0.95, theirs), "better than the cells themselves"
    qualities = []
    for id in range(3, len(CLASSES)):
        mine = segments.labels * segments.mask(CLASSES[id])
        qualities.append(panoptic_counts(mine, torch.where(room.classes == id, room.instances + 1, 0)).quality)
    quality = mean_of(qualities)
    assert quality is not None
    assert quality > 0.9
    depth = at_full_size(room.image, found.log_depth.exp(), "metric")
    assert depth.kind == "metric"
    assert ((depth.values - room.depth).abs() / room.depth).mean() < 0.03


@pytest.mark.parametrize(
    ("size", "working"), [((256, 256), (256, 256)), ((128, 128), (256, 256)), ((853, 1280), (224, 320)), ((9, 900), (32, 2560))]
)  # fmt: skip
def test_working_sizes_keep_area_and_aspect(size: tuple[int, int], working: tuple[int, int]) -> None:
    assert embedded.at_working_size(torch.zeros(3, *size)).shape[1:] == working


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """An untrained network in place of the shipped one; what it is shown."""
    torch.manual_seed(0)
    network, shown = Perceiver.fresh(CLASSES).eval().requires_grad_(False), []
    network.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0].shape))
    monkeypatch.setattr(perceiver, "load_perceiver", lambda folder: network)
    return shown


@pytest.mark.parametrize("size", [(40, 70), (33, 9)])
def test_segments_and_depth_of_a_picture_run_the_network_once(
    untrained: list[torch.Size], size: tuple[int, int], session: Session
) -> None:
    draw = torch.Generator().manual_seed(3)
    first, second = torch.rand(2, 3, *size, generator=draw)
    segments, depth = found_segments.segments(View(first), session), depths.embedded(View(first.clone()), session)
    assert segments.labels.shape == depth.values.shape == size
    assert set(segments.names) <= set(CLASSES)
    assert (segments.labels > 0).all()
    assert (depth.values > 0).all()
    assert torch.isfinite(depth.values).all()
    assert len(untrained) == 1
    depths.embedded(View(second), session)
    found_segments.segments(View(first), session)
    assert len(untrained) == 2, "another picture runs it again, and the first is still remembered"


def test_the_frames_of_a_short_walk_are_seen_once(
    untrained: list[torch.Size], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Round after round, as rows of a suite ask for them; what lies far back is forgotten. Of three, for speed."""
    assert embedded.REMEMBERED >= 12
    monkeypatch.setattr(embedded, "REMEMBERED", 3)
    frames = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    for number in (1, 2, 3, 1, 2, 3):
        embedded.perceived(frames[number], session)
    assert len(untrained) == 3
    embedded.perceived(frames[0], session)
    embedded.perceived(frames[1], session)
    assert len(untrained) == 5


def test_missing_weights_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, session: Session) -> None:
    from relook.errors import MissingModelError

    monkeypatch.setattr(perceiver, "FOLDER", tmp_path)
    with pytest.raises(MissingModelError, match="relook train perceiver"):
        found_segments.segments(View(torch.zeros(3, 16, 16)), session)


def test_a_mirror_image_has_mirrored_answers(untrained: list[torch.Size], session: Session) -> None:
    image = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(4))
    one, other = embedded.perceived(image, session), embedded.perceived(image.flip(-1), session)
    assert torch.allclose(one.scores.softmax(1), other.scores.softmax(1).flip(-1), atol=1e-5)
    assert torch.allclose(one.log_depth, other.log_depth.flip(-1), atol=1e-5)
    assert torch.allclose(one.centres[:, 0], -other.centres[:, 0].flip(-1), atol=1e-5)
    assert torch.allclose(one.centres[:, 1], other.centres[:, 1].flip(-1), atol=1e-5)
    assert one.scores.shape[0] == 1


def test_the_shipped_network_sees_an_unseen_room(session: Session) -> None:
    room = render(sample_layout(1_000_004), sample_style(1_000_004), (256, 256))
    found = found_segments.segments(View(room.image), session)
    classes = torch.zeros_like(room.classes)
    for id, region in found.regions.items():
        classes[found.labels == id] = CLASSES.index(region.name)
    assert (classes == room.classes).float().mean() > 0.9
    depth = depths.embedded(View(room.image), session).values
    assert ((depth - room.depth).abs() / room.depth).mean() < 0.15


def test_parts_smaller_than_a_cell_join_what_surrounds_them() -> None:
    classes = torch.full((40, 40), WALL)
    classes[:, 20:] = FLOOR
    classes[5:8, 5:8] = classes[30:34, 30:34] = CHAIR  # 9 and 16 pixels; a cell has 16
    found = found_segments._without_specks(classes, 100)
    assert (found[:, :20] == WALL).all()
    assert (found[30:34, 30:34] == CHAIR).all()
    assert torch.equal(found[:, 20:], classes[:, 20:])


def test_two_threads_ask_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network hears its own layers; at the same time it would answer about the other thread's picture."""
    inside: list[int] = []
    seen: list[int] = []

    def slow(network: object, image: torch.Tensor) -> Perceived:
        inside.append(1)
        time.sleep(0.05)
        seen.append(len(inside))
        inside.pop()
        answer = image.mean() * torch.ones(1, 1, 8, 8)
        return Perceived(answer, answer[0], answer.expand(1, 2, 8, 8), answer.expand(1, 48, 8, 8))

    monkeypatch.setattr(embedded, "answers", slow)
    monkeypatch.setattr(embedded, "network", lambda session: None)
    pictures = [torch.full((3, 32, 32), shade) for shade in (0.2, 0.4, 0.6)]
    with Session("cpu") as session, ThreadPoolExecutor(3) as threads:
        found = list(threads.map(partial(embedded.perceived, session=session), pictures))
    assert seen == [1, 1, 1]
    assert [float(one.log_depth.mean()) for one in found] == pytest.approx([0.2, 0.4, 0.6])
