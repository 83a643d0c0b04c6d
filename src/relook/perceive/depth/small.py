"""Depth by two small networks in single files, which run on the CPU."""

from __future__ import annotations

import torch

from relook.models.runtime import Interpreters, onnx
from relook.models.store import locate
from relook.ops.resize import resized
from relook.perceive.depth.full_size import NEAREST, at_full_size
from relook.session import Session
from relook.types import Depth, View


def fastdepth(view: View, session: Session) -> Depth:
    """FastDepth trained on NYU rooms (Wofk et al. 2019): metres, 224 x 224, sharpened along the picture's edges."""
    network = session.loaded("fastdepth", lambda: onnx(locate("fastdepth")))
    pixels = resized(view.image.detach().cpu(), (224, 224))[None].numpy()
    (metres,) = network.run(None, {network.get_inputs()[0].name: pixels})
    return at_full_size(view.image, torch.from_numpy(metres)[0], "metric")


def pydnet(view: View, session: Session) -> Depth:
    """PyDNet++ (Aleotti et al. 2021): relative depth, 448 x 640, sharpened along the picture's edges.

    Its output grows with distance; it is scaled to [NEAREST, 1] between its 2nd and 98th percentile.
    """
    network = session.loaded("pydnet", lambda: Interpreters(locate("pydnet")))
    pixels = resized(view.image.detach().cpu(), (448, 640)).permute(1, 2, 0)[None].contiguous().numpy()
    raw = torch.from_numpy(network.answer(pixels, network.first.get_output_details()[0]["index"]))[..., 0]
    low, high = torch.quantile(raw.flatten(), torch.tensor([0.02, 0.98]))
    scaled = ((raw - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    return at_full_size(view.image, NEAREST + (1 - NEAREST) * scaled, "relative")
