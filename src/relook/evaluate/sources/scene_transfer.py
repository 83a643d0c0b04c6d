"""The public SceneTransfer benchmark (Zhu et al. 2025, ReStyle3D): rooms filmed from many sides, and pictures of interior design.

Layout of https://github.com/GradientSpaces/ReStyle3D; docs/evaluate.md says what of it is known and what is assumed.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import interpolate

from relook.captures.frames import natural_order
from relook.captures.pictures import pictures_in
from relook.errors import InputError, SegmentsError
from relook.evaluate.sources.disk import PAIRS, Case, OnDisk, Shot, pictures, read_pairs
from relook.files import reason
from relook.io import read_depth, read_image
from relook.perceive.depth.models import depth_of_disparity
from relook.perceive.segment.vocabulary import tidy
from relook.transfer.working import shrunk
from relook.types import UNLABELLED, Depth, Region, Segments, View

INTERIORS, STYLES = "interiors", "design_styles"
"""Folders of the scenes and of the style pictures; in each a folder per kind of room."""
IMAGES, DEPTH, SEGMENTS = "images", "depth", "seg_dict"
"""Folders of a scene."""
REGIONS = "pred_tgt"
"""What the dictionary of a .pth file calls its regions: (map of ids, list of dictionaries with `id` and `label`)."""
METRIC = (".png", ".npy", ".npz")
"""Endings of depth that is read as everywhere in Relook; other pictures are inverse depth in 8 bits, near is bright."""
FINEST = 2048
"""Longer side in pixels to which a picture of inverse depth is shrunk first."""


@dataclass(frozen=True)
class SceneTransfer(OnDisk):
    """DIR/interiors/KIND/SCENE/{images,depth,seg_dict}, DIR/design_styles/KIND/STYLE, perhaps DIR/pairs.csv; or DIR/data/ with these in it."""

    every: int | None = None
    """Take every Nth frame of a scene. Default: the first alone, which is the one that ReStyle3D restyles in 2D."""

    def listing(self) -> Sequence[Case]:
        """Every scene with every style of its kind of room, or the pairs of pairs.csv. Raises InputError where the folder does not have
        the layout."""
        if self.every is not None and self.every < 1:
            raise InputError(f"Expected every first frame or a later one, got {self.every}; choose 1 or more.")
        root = self.path / "data" if (self.path / "data" / INTERIORS).is_dir() else self.path
        scenes, styles = _scenes(root / INTERIORS), _styles(root / STYLES)
        if (root / PAIRS).is_file():
            return [case for chosen in _listed(root / PAIRS, scenes, styles) for case in self._cases(*chosen)]
        cases: list[Case] = []
        for name in scenes:
            kind = name.split("/")[0]
            alike = [style for style in styles if style.split("/")[0] == kind]
            if not alike:
                raise InputError(
                    f"Expected style pictures in {root / STYLES / kind} for {name}, got none; add some, or write {PAIRS}."
                )
            cases += [case for style in alike for case in self._cases(name, scenes[name], style, styles[style], "")]
        return cases

    def read_segments(self, path: Path, size: tuple[int, int]) -> Segments:
        """Regions of a .pth file at `size` = (H, W); see `read_regions`."""
        return read_regions(path, size)

    def read_depth(self, path: Path, size: tuple[int, int]) -> Depth:
        """Depth of a picture of `size` = (H, W): inverse depth in 8 bits (relative), or a file of METRIC."""
        return read_depth(path, size) if path.suffix.lower() in METRIC else read_disparity(path, size)

    def _cases(self, scene: str, folder: Path, style: str, look: Shot, prompt: str) -> list[Case]:
        """The pairs of one scene with one style."""
        kind, number = scene.split("/")
        frames = pictures(folder / IMAGES)
        frames = frames[:: self.every] if self.every else frames[:1]
        prompt, look_name = prompt or f"a photo of a {kind.replace('_', ' ')}", style.split("/")[1]
        return [
            Case(
                f"{kind}-{number}{f'-{frame.stem}' if self.every else ''}--{look_name}",
                _shot(folder, frame),
                look,
                prompt,
            )
            for frame in frames
        ]


def read_regions(path: Path, size: tuple[int, int]) -> Segments:
    """Regions of a dictionary of tensors (.pth, read without running code in it), the nearest id per pixel at `size` = (H, W).

    Ids that the list does not name are no region. Raises SegmentsError for anything else than (map of ids, list of `id` and `label`).
    """
    try:
        ids, entries = torch.load(path, map_location="cpu", weights_only=True)[REGIONS]
        labels, regions = _numbered(ids, entries)
    except (
        OSError,
        EOFError,
        RuntimeError,
        pickle.UnpicklingError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise SegmentsError(
            f"Expected {REGIONS} = (H x W ids, list of id and label) in {path}, got something else ({reason(error)}); "
            "remove the file to have the picture perceived."
        ) from error
    if not bool(labels.any()):
        raise SegmentsError(f"Expected a region in {path}, got none; remove the file to have the picture perceived.")
    return Segments(labels, regions).resized(size)


def read_disparity(path: Path, size: tuple[int, int]) -> Depth:
    """Relative depth at `size` = (H, W) of a grey picture of inverse depth, near is bright."""
    grey = shrunk(View(read_image(path)), FINEST).image.mean(0)
    values = interpolate(depth_of_disparity(grey)[None, None], size, mode="bilinear", align_corners=False)
    return Depth(values[0, 0], "relative")


def _numbered(ids: Any, entries: Iterable[Mapping[str, Any]]) -> tuple[torch.Tensor, dict[int, Region]]:
    """(labels from 1, their regions) of ids as they come."""
    if ids.ndim != 2 or ids.is_floating_point() or ids.numel() == 0:
        raise ValueError(f"a map of {ids.dtype} of shape {tuple(ids.shape)}")
    labels = torch.full(ids.shape, UNLABELLED)
    regions: dict[int, Region] = {}
    for number, entry in enumerate(entries, start=1):
        name = tidy(str(entry["label"])) or f"class {entry['id']}"
        labels[ids == int(entry["id"])] = number
        regions[number] = Region(name, sum(region.name == name for region in regions.values()))
    return labels, regions


def _scenes(folder: Path) -> dict[str, Path]:
    """Scenes by `KIND/SCENE`."""
    found = {f"{kind.name}/{scene.name}": scene for kind in _folders(folder) for scene in _folders(kind)}
    if not found:
        raise InputError(
            f"Expected scenes as {folder}/KIND/SCENE/{IMAGES}, got none; see docs/evaluate.md for the layout."
        )
    return found


def _styles(folder: Path) -> dict[str, Shot]:
    """Style pictures by `KIND/STYLE`: STYLE/image.* with STYLE/seg_dict.pth."""
    found = {}
    for kind in _folders(folder):
        for place in _folders(kind):
            images = [file for file in pictures_in(place) if file.stem == "image"]
            if len(images) != 1:
                raise InputError(f"Expected one image.jpg or image.png in {place}, got {len(images)}; leave one there.")
            found[f"{kind.name}/{place.name}"] = Shot(images[0], _there(place / f"{SEGMENTS}.pth"))
    if not found:
        raise InputError(f"Expected style pictures as {folder}/KIND/STYLE/image.jpg, got none; see docs/evaluate.md.")
    return found


def _listed(
    path: Path, scenes: Mapping[str, Path], styles: Mapping[str, Shot]
) -> list[tuple[str, Path, str, Shot, str]]:
    """(scene, its folder, style, its picture, prompt) of every line of pairs.csv; a style without a kind is one of the scene's kind."""
    chosen = []
    for number, cells in read_pairs(path, ("scene", "style"), ("prompt",)):
        scene, style = cells["scene"], cells["style"]
        style = style if "/" in style else f"{scene.split('/')[0]}/{style}"
        for name, known in ((scene, scenes), (style, styles)):
            if name not in known:
                raise InputError(
                    f"Expected KIND/NAME of a scene and a style, got {name!r} in line {number} of {path}; there are {', '.join(known)}."
                )
        chosen.append((scene, scenes[scene], style, styles[style], cells.get("prompt", "")))
    return chosen


def _shot(scene: Path, frame: Path) -> Shot:
    """A frame with its maps of the same name."""
    depths = (scene / DEPTH / f"{frame.stem}{ending}" for ending in (frame.suffix, ".jpg", *METRIC))
    depth = next((file for file in depths if file.is_file()), None)
    return Shot(frame, _there(scene / SEGMENTS / f"{frame.stem}.pth"), depth)


def _there(file: Path) -> Path | None:
    return file if file.is_file() else None


def _folders(folder: Path) -> list[Path]:
    """Folders in a folder, in natural order, hidden ones left out."""
    inside = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        (place for place in inside if place.is_dir() and not place.name.startswith(".")),
        key=lambda place: natural_order(place.name),
    )
