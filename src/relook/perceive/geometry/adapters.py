"""Learned geometry of other projects, where their packages are installed: MapAnything, VGGT, DUSt3R and MASt3R.

Each adapter gives the network its pictures and hands on what it documents: world points, camera-to-world poses and confidence at the
network's own size. What becomes of that here is the same for all: intrinsics are fitted to the points (so no project's idea of where
a pixel's centre lies matters), depth is taken to the views' size with their edges, and the first camera becomes the world's origin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.errors import GeometryError, MissingModelError
from relook.models.store import find
from relook.ops.align import relative_to_first
from relook.ops.geometry import pixel_centres, unproject
from relook.ops.resize import resized, scaled
from relook.ops.upsample import upsample_depth
from relook.types import Camera, Pointmaps, View

ALIGNMENT_STEPS, ALIGNMENT_RATE = 300, 0.01
"""DUSt3R's documented global alignment."""


@dataclass(frozen=True)
class Found:
    """What a network says of one view, at its own size, in one world for all views."""

    points: Float[Tensor, "h w 3"]
    """World points; NaN where the network masks them."""
    camera_to_world: Float[Tensor, "4 4"]
    confidence: Float[Tensor, "h w"]
    """From 0 to 1."""


@dataclass(frozen=True)
class Adapter:
    """One project: its package, its weights, its licence, and how it is run."""

    package: str
    weights: str
    """Hub id."""
    note: str
    """Size and licence of code and weights."""
    install: str
    kind: Literal["metric", "relative"]
    side: int
    """Longer side of the pictures that the network reads."""
    multiple: int
    """Its sides are multiples of this."""
    run: Callable[[str, Sequence[Float[Tensor, "3 h w"]]], list[Found]]
    """Folder of weights, pictures at the network's size -> one answer per picture."""


def reconstruct(views: Sequence[View], name: str) -> Pointmaps:
    """What the network called `name` sees in the views. Raises MissingModelError, in one sentence, if its package or weights are not here."""
    adapter = ADAPTERS[name]
    if len(views) < 1:
        raise GeometryError("Expected at least one view, got none; pass views of one room.")
    if find_spec(adapter.package) is None:
        raise MissingModelError(
            f"Expected the package {adapter.package} and {adapter.weights} ({adapter.note}), got no such package; "
            f"install it with `{adapter.install}`."
        )
    folder = find(adapter.weights, "the geometry model")
    pictures = [at_network_size(view.image, adapter.side, adapter.multiple) for view in views]
    with torch.inference_mode(name not in ("dust3r", "mast3r")):  # their alignment needs gradients
        found = adapter.run(str(folder), pictures)
    return to_pointmaps(views, found, adapter.kind, name)


def to_pointmaps(
    views: Sequence[View], found: Sequence[Found], kind: Literal["metric", "relative"], source: str
) -> Pointmaps:
    """Answers at a network's size as points at the views' size, the first camera at the world's origin."""
    if len(found) != len(views):
        raise GeometryError(f"Expected an answer for each of {len(views)} views, got {len(found)}; report this.")
    cameras, depths, confidences = [], [], []
    for view, answer in zip(views, found, strict=True):
        camera, depth = _camera_and_depth(answer)
        known = torch.isfinite(depth) & (depth > 0)
        if not bool(known.any()):
            raise GeometryError(f"Expected points from {source}, got none for a view; leave it out.")
        height, width = view.size
        stretch = torch.tensor([width / depth.shape[1], height / depth.shape[0], 1.0])
        full = upsample_depth(view.image, torch.where(known, depth, depth[known].median()))
        maps = torch.stack([torch.where(known, answer.confidence, 0.0), known.float()])
        sure, there = functional.interpolate(maps[None], view.size, mode="bilinear", align_corners=False)[0]
        cameras.append(Camera(camera.K * stretch[:, None], camera.world_to_camera))
        depths.append(torch.where(there > 0.5, full, torch.full_like(full, math.nan)))
        confidences.append(torch.where(there > 0.5, sure, 0.0).clamp(0, 1))
    change = relative_to_first(cameras)
    moved = [change.camera(camera) for camera in cameras]
    points = tuple(unproject(depth, camera) for depth, camera in zip(depths, moved, strict=True))
    return Pointmaps(points, tuple(moved), tuple(confidences), kind, source)


def fitted_intrinsics(local: Float[Tensor, "h w 3"]) -> Float[Tensor, "3 3"]:
    """The pinhole that sees each point (in the camera's axes) at its pixel's centre, by least squares of x on X / Z and y on Y / Z."""
    good = torch.isfinite(local).all(-1) & (local[..., 2] > 1e-6)
    if int(good.sum()) < 4:
        raise GeometryError(f"Expected points before the camera, got {int(good.sum())}; leave that view out.")
    centres, points = pixel_centres((local.shape[0], local.shape[1]))[good].double(), local[good].double()
    K = torch.eye(3, dtype=torch.float64)
    for axis in (0, 1):
        slope = points[:, axis] / points[:, 2]
        around = slope - slope.mean()
        K[axis, axis] = (around * centres[:, axis]).sum() / around.square().sum().clamp_min(1e-12)
        K[axis, 2] = centres[:, axis].mean() - K[axis, axis] * slope.mean()
    return K.float()


def at_network_size(image: Float[Tensor, "3 H W"], side: int, multiple: int) -> Float[Tensor, "3 h w"]:
    """The whole picture with a longer side of about `side`, both sides multiples of `multiple`; nothing is cut off."""
    return resized(image.float(), scaled(image.shape[1:], side / max(image.shape[1:]), multiple))


def _camera_and_depth(answer: Found) -> tuple[Camera, Float[Tensor, "h w"]]:
    """The camera at the network's size and the depth of its points."""
    pose = torch.linalg.inv(answer.camera_to_world.double())
    local = (answer.points.double() @ pose[:3, :3].T + pose[:3, 3]).float()
    return Camera(fitted_intrinsics(local), pose.float()), local[..., 2]


def _of_one_up(confidence: Tensor) -> Tensor:
    """Confidences that start at 1 (1 + exp, as these networks are trained with) as numbers from 0 to 1."""
    return (1 - 1 / confidence.float().clamp_min(1)).clamp(0, 1)


def _mapanything(folder: str, pictures: Sequence[Tensor]) -> list[Found]:
    """MapAnything: `infer` gives world points, OpenCV camera-to-world poses, a mask, and confidences from 1 up."""
    from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

    model = import_module("mapanything.models").MapAnything.from_pretrained(folder).eval()
    mean, deviation = (torch.tensor(x)[:, None, None] for x in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    views = [{"img": ((picture - mean) / deviation)[None], "data_norm_type": ["dinov2"]} for picture in pictures]
    answers = model.infer(views, memory_efficient_inference=False, use_amp=False, apply_mask=False, mask_edges=False)
    found = []
    for answer in answers:
        points = answer["pts3d"][0].float().cpu().clone()
        if "mask" in answer:
            points[~answer["mask"][0, ..., 0].bool().cpu()] = math.nan
        found.append(Found(points, answer["camera_poses"][0].float().cpu(), _of_one_up(answer["conf"][0].cpu())))
    return found


def _vggt(folder: str, pictures: Sequence[Tensor]) -> list[Found]:
    """VGGT: depth, and a pose encoding that stands for world-to-camera 3 x 4 and intrinsics; its pixels are counted from 0, 0.

    Points come from depth and cameras, which its authors find more accurate than the point head. All pictures need one size.
    """
    if len({tuple(picture.shape) for picture in pictures}) > 1:
        raise GeometryError("Expected views of one size for vggt, got several; crop or scale them to one.")
    model = import_module("vggt.models.vggt").VGGT.from_pretrained(folder).eval()
    stacked = torch.stack(list(pictures))
    answer = model(stacked)
    size = (stacked.shape[-2], stacked.shape[-1])
    decode = import_module("vggt.utils.pose_enc").pose_encoding_to_extri_intri
    poses, intrinsics = (values[0].float().cpu() for values in decode(answer["pose_enc"], size))
    found = []
    for number in range(len(pictures)):
        world_to_camera = torch.eye(4)
        world_to_camera[:3] = poses[number]
        K = intrinsics[number].clone()
        K[:2, 2] += 0.5  # from pixels whose centres are whole numbers
        points = unproject(answer["depth"][0, number, ..., 0].float().cpu(), Camera(K, world_to_camera))
        confidence = _of_one_up(answer["depth_conf"][0, number].cpu())
        found.append(Found(points, torch.linalg.inv(world_to_camera), confidence))
    return found


def _dust3r(folder: str, pictures: Sequence[Tensor]) -> list[Found]:
    """DUSt3R: pairs of pictures, then its global alignment (for two pictures, its PairViewer)."""
    return _aligned(import_module("dust3r.model").AsymmetricCroCo3DStereo.from_pretrained(folder).eval(), pictures)


def _mast3r(folder: str, pictures: Sequence[Tensor]) -> list[Found]:
    """MASt3R's network, which gives DUSt3R's pairs in metres, with DUSt3R's global alignment (as in its demo_dust3r_ga)."""
    model = import_module("mast3r.model").AsymmetricMASt3R.from_pretrained(folder).eval()
    import_module("mast3r.utils.path_to_dust3r")
    return _aligned(model, pictures)


def _aligned(model: Any, pictures: Sequence[Tensor]) -> list[Found]:
    """Pairwise answers of a DUSt3R-type network in one world: points, camera-to-world poses, confidences from 1 up (0: never seen)."""
    if len(pictures) < 2:
        raise GeometryError("Expected at least two views for dust3r and mast3r, got one; add a view.")
    views = [
        {
            "img": (picture * 2 - 1)[None],
            "true_shape": np.array([[picture.shape[1], picture.shape[2]]], np.int32),
            "idx": number,
            "instance": str(number),
        }
        for number, picture in enumerate(pictures)
    ]
    pairs = import_module("dust3r.image_pairs").make_pairs(
        views, scene_graph="complete", prefilter=None, symmetrize=True
    )
    output = import_module("dust3r.inference").inference(pairs, model, "cpu", batch_size=1, verbose=False)
    alignment = import_module("dust3r.cloud_opt")
    modes = alignment.GlobalAlignerMode
    mode = modes.PairViewer if len(pictures) == 2 else modes.PointCloudOptimizer
    with torch.enable_grad():
        scene = alignment.global_aligner(output, device="cpu", mode=mode, verbose=False)
        if len(pictures) > 2:
            scene.compute_global_alignment(init="mst", niter=ALIGNMENT_STEPS, schedule="cosine", lr=ALIGNMENT_RATE)
    poses = scene.get_im_poses().detach().float().cpu()
    return [
        Found(points.detach().float().cpu(), pose, _of_one_up(confidence.detach().cpu()))
        for points, pose, confidence in zip(scene.get_pts3d(), poses, scene.im_conf, strict=True)
    ]


ADAPTERS: Mapping[str, Adapter] = {
    "mapanything": Adapter(
        "mapanything", "facebook/map-anything-apache", "2.3 GB, code and weights Apache-2.0",
        "pip install git+https://github.com/facebookresearch/map-anything", "metric", 518, 14, _mapanything,
    ),
    "vggt": Adapter(
        "vggt", "facebook/VGGT-1B", "5 GB; weights for non-commercial use only, facebook/VGGT-1B-Commercial allows more",
        "pip install git+https://github.com/facebookresearch/vggt", "relative", 518, 14, _vggt,
    ),
    "dust3r": Adapter(
        "dust3r", "naver/DUSt3R_ViTLarge_BaseDecoder_512_dpt", "2.3 GB, CC-BY-NC-SA-4.0: not for commercial use",
        "git clone --recursive https://github.com/naver/dust3r, and its folder on PYTHONPATH", "relative", 512, 16, _dust3r,
    ),
    "mast3r": Adapter(
        "mast3r", "naver/MASt3R_ViTLarge_BaseDecoder_512_catmlpdpt_metric", "2.8 GB, CC-BY-NC-SA-4.0: not for commercial use",
        "git clone --recursive https://github.com/naver/mast3r, and its folder on PYTHONPATH", "relative", 512, 16, _mast3r,
    ),
}  # fmt: skip
"""The projects by name."""
