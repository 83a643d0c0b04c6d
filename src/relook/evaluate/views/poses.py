"""Pose agreement (ReStyle3D's Table 4): cameras that COLMAP finds in restyled frames against those that it finds in the originals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from relook import cache
from relook.errors import GeometryError
from relook.evaluate.metrics.views import camera_errors, rotation_auc, translation_auc
from relook.evaluate.records import Record
from relook.evaluate.sections import column, section
from relook.evaluate.summary import Score
from relook.evaluate.views.rooms import Walk
from relook.evaluate.views.told import Told, records_of
from relook.evaluate.views.walks import EXACT, REFERENCE, Images, Walks
from relook.ops.align import align_cameras
from relook.types import Camera

DEGREES = (5.0, 10.0, 15.0)
"""Limits of the rotation's area under the curve, as in the paper."""
PARTS = (0.01, 0.02, 0.05)
"""Limits of the translation's, in parts of the scene's size: the median depth of all frames, about 2 to 3 m."""
ORIGINAL = "original"
COLUMNS = {
    "placed": column("placed"),
    **{f"rotation {limit:g}": column("rotation_auc", f"{limit:g}°", f"rotation AUC {limit:g}°") for limit in DEGREES},
    **{
        f"translation {limit:g}": column("translation_auc", f"{limit:.0%}", f"translation AUC {limit:.0%}")
        for limit in PARTS
    },
}
"""What is told of every way to restyle."""


@dataclass(frozen=True)
class Cameras:
    """What COLMAP found in the frames of a walk."""

    placed: Mapping[int, Camera]
    """By the number of the frame; empty where it could put nothing together."""


def found_in(images: Images, walk: Walk) -> Cameras:
    """Cameras from the pictures and their intrinsics alone. Raises MissingModelError without pycolmap."""
    from relook.perceive.geometry import colmap

    try:
        sparse = colmap.reconstruct(images, [room.camera.K for room in walk.old])
    except GeometryError:
        return Cameras({})
    return Cameras({number: found.camera for number, found in sorted(sparse.items())})


def score_of(found: Cameras, wanted: Mapping[int, Camera], size: float) -> Score:
    """Share of the wanted cameras that were placed, and the areas under the curves; what was not placed counts as wrong."""
    turns, shifts = camera_errors(found.placed, wanted, size)
    return {
        "placed": 100 * len(set(found.placed) & set(wanted)) / max(1, len(wanted)),
        **{f"rotation {limit:g}": rotation_auc(turns, limit) for limit in DEGREES},
        **{f"translation {limit:g}": translation_auc(shifts, limit) for limit in PARTS},
    }


def in_metres(found: Cameras, truth: Mapping[int, Camera]) -> Mapping[int, Camera]:
    """The cameras brought to the true ones by a similarity; none where fewer than three were placed."""
    numbers = sorted(found.placed)
    if len(numbers) < 3:
        return {}
    change = align_cameras([found.placed[i] for i in numbers], [truth[i] for i in numbers])
    return {i: change.camera(found.placed[i]) for i in numbers}


def evaluate(walks: Walks, tick: Callable[[], None]) -> Told:
    """Every way on every walk: cameras of the restyled frames against those of the originals, and of the originals against the truth."""
    records: list[Record] = []
    lost = 0
    for number in range(walks.walks):
        walk = walks.walk(number)
        truth = {i: room.camera for i, room in enumerate(walk.old)}
        size = float(torch.stack([room.depth for room in walk.old]).median())
        originals = _kept(walks, number, ORIGINAL, walk, [room.image for room in walk.old])
        records += records_of("poses", ORIGINAL, walks.case(number), score_of(originals, truth, size), COLUMNS)
        wanted = in_metres(originals, truth)
        lost += not wanted
        for name in (*walks.ways, EXACT):
            images = [room.image for room in walk.new] if name == EXACT else walks.restyled(name, number, walk).images
            if wanted:
                score = score_of(_kept(walks, number, name, walk, images), wanted, size)
                records += records_of("poses", name, walks.case(number), score, COLUMNS)
            tick()
    lead = (
        f"{walks.walks} walks of {walks.frames} frames, {walks.size} pixels, intrinsics known. Cameras of the restyled frames against those "
        f"of the originals, after a similarity; translation in parts of the median depth. {_sentence(lost)}"
    )
    notes = {name: way.note for name, way in walks.ways.items()} | {
        EXACT: "the answer's frames: how much is due to the new look alone",
        ORIGINAL: "the originals' cameras against the true ones: how much is due to COLMAP",
    }
    made = section(
        records, title="Pose agreement", lead=lead, columns=list(COLUMNS.values()), notes=notes, apart=(EXACT, ORIGINAL),
        reference=REFERENCE,
    )  # fmt: skip
    return Told(tuple(records), (made,))


def _kept(walks: Walks, number: int, name: str, walk: Walk, images: Images) -> Cameras:
    """Cameras found now, or before a stop."""
    place = walks.out / f"{number:03d}" / f"{''.join(c if c.isalnum() else '-' for c in name)}.cameras.json"
    key = cache.key(walks.key, number, torch.stack(images))
    held = cache.recall(place, key)
    if held is None:
        cameras = found_in(images, walk)
        held = {str(i): [camera.K.tolist(), camera.world_to_camera.tolist()] for i, camera in cameras.placed.items()}
        cache.remember(place, key, held)
    return Cameras({int(i): Camera(torch.tensor(K), torch.tensor(pose)) for i, (K, pose) in held.items()})


def _sentence(lost: int) -> str:
    return "" if not lost else f"Left out: {lost} of the walks, whose originals COLMAP could not put together."
