"""Depth of a picture behind one interface: `DepthEstimator` = View -> Depth at the view's size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.errors import DepthError, InputError, MissingModelError
from relook.io import fill_holes, read_depth
from relook.models.runtime import interpreter
from relook.models.store import is_checkpoint, locate
from relook.ops.fill import whole_depth
from relook.ops.upsample import upsample_depth
from relook.perceive import backends
from relook.types import Depth, View

DepthEstimator = Callable[[View], Depth]

NAMES = ("auto", "exact", "fastdepth", "pydnet", "embedded")
"""Estimators by name; any other name is a depth map's path, or a transformers depth model by the catalogue's name, hub id or folder."""
ORDER = ("depth-anything-v2-small", "fastdepth", "pydnet")
"""What `auto` takes for a view without depth: the first that is on this machine. The embedded network knows drawn rooms only."""
FILES = (".png", ".npy", ".npz")
"""Endings of depth maps."""
_ONE_AT_A_TIME = Lock()
"""A TFLite interpreter is no place for two threads."""
NEAREST = 0.2
"""No estimate is nearer than this, in metres (fastdepth) or as a fraction of the farthest (pydnet)."""


def estimator(name: str = "auto") -> DepthEstimator:
    """The estimator called `name`, one that reads the depth map at the path `name`, or a transformers model (name, hub id or folder).

    auto: the view's own depth, else Depth Anything V2 Small, fastdepth or pydnet, the first that is here. On photographs fastdepth and
    pydnet look alike, but fastdepth says metres; the embedded network has only seen drawn rooms and must be asked by name.
    """
    known: dict[str, DepthEstimator] = {
        "auto": _auto,
        "exact": exact,
        "fastdepth": fastdepth,
        "pydnet": pydnet,
        "embedded": embedded,
    }
    if name in known:
        return known[name]
    if Path(name).suffix.lower() in FILES:
        return partial(from_file, path=Path(name))
    if is_checkpoint(name, "depth"):
        return partial(from_model, model=name)
    raise InputError(
        f"Expected a depth estimator out of {', '.join(NAMES)}, a depth map, or a transformers model (a name of `relook models list`, "
        f"a hub id or a folder), got {name!r}; choose one."
    )


def chosen(name: str) -> str:
    """The name with `auto` resolved for a view without depth."""
    return backends.first_here(ORDER) if name == "auto" else name


def is_here(name: str) -> bool:
    """Whether an estimator (`auto`: the one for a view without depth) can be asked without the network."""
    return backends.is_here(chosen(name))


def revisions(name: str) -> Mapping[str, str]:
    """Name and revision of what is learned in an estimator (`auto`: for a view without depth); empty if nothing is.

    Raises InputError for what is no estimator, MissingModelError when a checkpoint is neither here nor can be fetched.
    """
    estimator(name)
    from relook.perceive.depth.models import folder_of

    return backends.revisions(chosen(name), "depth", plain=NAMES, files=FILES, folder_of=folder_of)


def exact(view: View) -> Depth:
    """The depth that the view already has, the holes of a sensor's filled."""
    whole = None if view.depth is None else whole_depth(view.depth)
    if whole is None:
        raise DepthError("Expected a view with depth, got one without; name a depth estimator or a depth map.")
    return whole


def from_file(view: View, path: Path) -> Depth:
    """A depth map of the picture's size (`relook.io.read_depth` says which files)."""
    return read_depth(path, view.size)


def from_model(view: View, model: str) -> Depth:
    """What a transformers depth model says, with the picture's edges: metres or relative, as its configuration tells."""
    from relook.perceive.depth.models import load_depth_model

    coarse, kind = load_depth_model(model).coarse(view.image)
    return at_full_size(view.image, coarse[None], kind)


def embedded(view: View) -> Depth:
    """What the embedded perception network says (`relook.perceive.embedded`)."""
    from relook.perceive import embedded

    return embedded.depth(view)


def fastdepth(view: View) -> Depth:
    """FastDepth trained on NYU rooms (Wofk et al. 2019): metres, 224 x 224, sharpened along the picture's edges."""
    network = _onnx(str(locate("fastdepth")))
    pixels = _squeeze(view.image, (224, 224))[None].numpy()
    (metres,) = network.run(None, {network.get_inputs()[0].name: pixels})
    return at_full_size(view.image, torch.from_numpy(metres)[0], "metric")


def pydnet(view: View) -> Depth:
    """PyDNet++ (Aleotti et al. 2021): relative depth, 448 x 640, sharpened along the picture's edges.

    Its output grows with distance; it is scaled to [NEAREST, 1] between its 2nd and 98th percentile.
    """
    network = _tflite(str(locate("pydnet")))
    pixels = _squeeze(view.image, (448, 640)).permute(1, 2, 0)[None].contiguous().numpy()
    with _ONE_AT_A_TIME:
        network.set_tensor(network.get_input_details()[0]["index"], pixels)
        network.invoke()
        raw = torch.from_numpy(network.get_tensor(network.get_output_details()[0]["index"]).copy())[..., 0]
    low, high = torch.quantile(raw.flatten(), torch.tensor([0.02, 0.98]))
    scaled = ((raw - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    return at_full_size(view.image, NEAREST + (1 - NEAREST) * scaled, "relative")


def _auto(view: View) -> Depth:
    """The best depth on this machine."""
    if view.depth is not None:
        return exact(view)
    try:
        return estimator(chosen("auto"))(view)
    except MissingModelError as error:
        raise MissingModelError(
            "Expected a depth map or the checkpoint of a depth estimator, got neither; pass depth, or run `relook models pull fastdepth` "
            "(fastdepth_nyu.onnx (5.8 MB, MIT))."
        ) from error


def _squeeze(image: Float[Tensor, "3 H W"], size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """The whole picture at a network's size, aspect ignored."""
    shrunk = functional.interpolate(
        image.detach().cpu()[None], size, mode="bilinear", antialias=True, align_corners=False
    )
    return shrunk[0].clamp(0, 1)


def at_full_size(
    image: Float[Tensor, "3 H W"], depth: Float[Tensor, "1 h w"], kind: Literal["metric", "relative"]
) -> Depth:
    """Coarse depth at the picture's size with the picture's edges, never outside the range of the estimate.

    Holes (not finite, or not positive) take the nearest depth. Raises DepthError where there is no depth at all.
    """
    if not bool((torch.isfinite(depth) & (depth > 0)).any()):
        raise DepthError("Expected finite, positive depth from the estimator, got none; check the picture.")
    coarse = fill_holes(depth[0].float()).clamp_min(NEAREST)
    return Depth(upsample_depth(image.detach().cpu(), coarse), kind)


@lru_cache(maxsize=1)
def _onnx(path: str) -> Any:
    """An ONNX session."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@lru_cache(maxsize=1)
def _tflite(path: str) -> Any:
    """A TFLite interpreter ready to run."""
    return interpreter(Path(path))
