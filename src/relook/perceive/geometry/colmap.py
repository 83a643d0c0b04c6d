"""Cameras and sparse points from plain pictures with COLMAP (Schönberger and Frahm 2016), through pycolmap: no weights.

SIFT features, matches of all pairs or of those near in a walk, incremental mapping; one thread and a fixed seed, so the same pictures give the same cameras.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.captures.colmap import pose_and_points, pycolmap
from relook.errors import GeometryError
from relook.io import write_image
from relook.types import Camera, Sparse, View

SEED = 0
"""Seed of every random draw."""
GUESS = 1.2
"""Focal length as a part of the longer side where none is known (COLMAP's own guess); the mapping refines it."""
FEATURES = 4096
"""SIFT features per picture at most."""
CONTRAST = 0.002
"""SIFT's peak threshold: lower than usual, since walls have little contrast."""
PAIRED, NEAR = 24, 8
"""Pictures of a walk of which all pairs are matched, at most; of more, each with so many that follow, and those 16, 32, ... places on."""
ANGLES = (16.0, 4.0)
"""Least angle in degrees between the rays of the first pair's points, where COLMAP chooses the first pair; the smaller one also where
the pair is named."""
STARTS = 3
"""Stretches of the pictures whose first and last are named as first pairs, too. A first pair that sees little but one plane has two
solutions, and the wrong one spreads over the whole reconstruction; it shows in the reprojection error, so the best start is taken."""
ALIKE = 0.5
"""Degrees by which the pictures of two reconstructions may be turned from each other: then no other start is tried."""
SURE = 30
"""Matches that agree on one camera move before two pictures may start a reconstruction (COLMAP's default is 100)."""
TRIES = 2000
"""Random draws of one camera move between two pictures at most (COLMAP's default is 10,000). Pairs that show nothing in common take them all."""


def reconstruct(views: Sequence[View], *, in_order: bool = False) -> Mapping[int, Sparse]:
    """The largest reconstruction out of the views: their numbers (those that could be registered) -> camera and points.

    in_order: the views follow each other as in a walk, so that of more than PAIRED only those near in it are matched. Intrinsics of views with a camera stay as they are (poses are not read); views of one size without share one focal length, which is found.
    Raises GeometryError where no two pictures can be reconstructed, MissingModelError without pycolmap.
    """
    colmap = pycolmap()
    if len(views) < 2:
        raise GeometryError(f"Expected at least two pictures to reconstruct, got {len(views)}; add pictures.")
    with TemporaryDirectory(prefix="relook-colmap-") as folder, _quiet(colmap):
        for number, view in enumerate(views):
            write_image(Path(folder) / "images" / _name(number), view.image)
        _match(colmap, Path(folder), views, in_order and len(views) > PAIRED)
        models = _map_from_all_starts(colmap, Path(folder), len(views), any(view.camera is None for view in views))
        found = max(models, key=lambda m: (m.num_reg_images(), -m.compute_mean_reprojection_error()), default=None)
        if found is None or found.num_reg_images() < 2:
            raise GeometryError(
                f"Expected {len(views)} overlapping pictures of one room, got none that COLMAP can put together; "
                "take more pictures with smaller steps, or choose geometry matches."
            )
        return {
            int(image.name.split(".")[0]): _sparse(found, image) for image in found.images.values() if image.has_pose
        }


def guessed_intrinsics(size: tuple[int, int]) -> Float[Tensor, "3 3"]:
    """Intrinsics of a picture of size (H, W) of which nothing is known: the usual focal length, centre in the middle."""
    focal = GUESS * max(size)
    return torch.tensor([[focal, 0.0, size[1] / 2], [0.0, focal, size[0] / 2], [0.0, 0.0, 1.0]])


def _match(colmap: Any, folder: Path, views: Sequence[View], in_order: bool) -> None:
    """Features of every picture, group by group of equal size and intrinsics, and verified matches of every pair, or of those near in a walk."""
    database, pictures = folder / "database.db", folder / "images"
    groups: dict[tuple[Any, ...], list[str]] = {}
    for number, view in enumerate(views):
        key = (*view.size, None if view.camera is None else tuple(view.camera.K.flatten().tolist()))
        groups.setdefault(key, []).append(_name(number))
    features = colmap.FeatureExtractionOptions()
    features.num_threads, features.sift.max_num_features, features.sift.peak_threshold = 1, FEATURES, CONTRAST
    for (_, _, K), names in groups.items():
        reader = colmap.ImageReaderOptions()
        reader.default_focal_length_factor = GUESS
        reader.camera_model = "SIMPLE_PINHOLE" if K is None else "PINHOLE"
        if K is not None:
            reader.camera_params = ",".join(repr(K[place]) for place in (0, 4, 2, 5))
        colmap.extract_features(
            database, pictures, names, colmap.CameraMode.SINGLE, reader, features, device=colmap.Device.cpu
        )
    matching, verification = colmap.FeatureMatchingOptions(), colmap.TwoViewGeometryOptions()
    matching.num_threads, verification.ransac.random_seed, verification.ransac.max_num_trials = 1, SEED, TRIES
    how = {"matching_options": matching, "verification_options": verification, "device": colmap.Device.cpu}
    if in_order:
        near = colmap.SequentialPairingOptions()
        near.overlap, near.quadratic_overlap = NEAR, True
        colmap.match_sequential(database, pairing_options=near, **how)
    else:
        colmap.match_exhaustive(database, **how)


def _map_from_all_starts(colmap: Any, folder: Path, count: int, refine: bool) -> list[Any]:
    """Reconstructions from the first pairs that COLMAP chooses, and from the ends of some stretches of the pictures, until two of all pictures agree."""
    with colmap.Database.open(str(folder / "database.db")) as database:
        ids = {image.name: image.image_id for image in database.read_all_images()}
    ends = [round(place * (count - 1) / STARTS) for place in range(STARTS + 1)]
    pairs = {(ids[_name(i)], ids[_name(j)]) for i, j in pairwise(ends) if i != j}
    starts: list[tuple[float, tuple[int, int] | None]] = [(angle, None) for angle in ANGLES]
    starts += [(ANGLES[-1], pair) for pair in sorted(pairs)]
    models: list[Any] = []
    for number, (angle, pair) in enumerate(starts):
        new = _map(colmap, folder, count, number, angle, pair, refine)
        if any(_agree(one, other, count) for one in new for other in models):
            return models + new
        models += new
    return models


def _agree(one: Any, other: Any, count: int) -> bool:
    """Whether two reconstructions hold all pictures and turn them alike, seen from the first of them."""
    turns = [
        torch.stack(
            [torch.from_numpy(model.images[k].cam_from_world().rotation.matrix()) for k in sorted(model.images)]
        )
        for model in (one, other)
        if model.num_reg_images() == count
    ]
    if len(turns) < 2:
        return False
    first, second = (turn @ turn[0].T for turn in turns)
    cosines = ((first * second).sum((1, 2)) - 1) / 2
    return bool((cosines > math.cos(math.radians(ALIKE))).all())


def _map(
    colmap: Any, folder: Path, count: int, number: int, angle: float, pair: tuple[int, int] | None, refine: bool
) -> list[Any]:
    """Incremental mapping of whatever the database matches."""
    options = colmap.IncrementalPipelineOptions()
    options.num_threads, options.random_seed = 1, SEED
    options.mapper.num_threads, options.mapper.random_seed = 1, SEED
    options.triangulation.random_seed = SEED
    options.extract_colors, options.min_model_size = False, 2
    options.mapper.init_min_tri_angle, options.mapper.init_min_num_inliers = angle, SURE
    options.triangulation.ignore_two_view_tracks = count > 2
    options.ba_refine_focal_length = options.mapper.abs_pose_refine_focal_length = refine
    if pair is not None:
        options.init_image_id1, options.init_image_id2 = pair
        options.multiple_models, options.init_num_trials = False, 1
    colmap.set_random_seed(SEED)
    out = folder / f"models-{number}"
    out.mkdir()
    return list(colmap.incremental_mapping(folder / "database.db", folder / "images", out, options).values())


def _sparse(model: Any, image: Any) -> Sparse:
    """One registered picture of a reconstruction; COLMAP's pixel centres lie at half-integers, as Relook's do."""
    pose, pixels, points = pose_and_points(model, image)
    K = torch.from_numpy(image.camera.calibration_matrix())
    return Sparse(Camera(K.float(), pose.float()), pixels.float(), points.float())


def _name(number: int) -> str:
    return f"{number:05d}.png"


@contextmanager
def _quiet(colmap: Any) -> Iterator[None]:
    """Only fatal messages of COLMAP while the block runs."""
    before = colmap.logging.minloglevel
    colmap.logging.minloglevel = int(colmap.logging.Level.FATAL)
    try:
        yield
    finally:
        colmap.logging.minloglevel = before
