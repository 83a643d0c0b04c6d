"""Working size: a denoiser sees a picture no larger than it can understand; its change is carried to the full size."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.ops.guided import guided_filter
from relook.types import View

TIMES, FINE, FINE_TIMES = 2.0, 512, 1.5
"""Pictures are shrunk to TIMES the length that the family was trained on; families of FINE pixels and more, which begin to repeat
themselves, see FINE_TIMES (768 x 512 in Stable Diffusion 1.5)."""


def working_side(trained: int) -> int:
    """Longer side in pixels of the pictures that a family trained on `trained` pixels sees."""
    return round(trained * (FINE_TIMES if trained >= FINE else TIMES))


def shrunk(view: View, longest: int) -> View:
    """The view with its longer side at most `longest` pixels; depth and labels by nearest neighbour, with its camera and layout."""
    height, width = view.size
    if max(height, width) <= longest:
        return view
    size = (max(1, round(height * longest / max(height, width))), max(1, round(width * longest / max(height, width))))
    image = interpolate(view.image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    segments = None if view.segments is None else view.segments.resized(size)
    depth = None if view.depth is None else view.depth.resized(size)
    layout = None if view.layout is None else view.layout.resized(size)
    camera = None if view.camera is None else view.camera.resized(view.size, size)
    return View(image, segments, depth, camera, layout=layout, pictures=view.pictures)


def carried(
    full: Float[Tensor, "3 H W"], small: Float[Tensor, "3 h w"], restyled: Float[Tensor, "3 h w"]
) -> Float[Tensor, "3 H W"]:
    """A change made at the working size, on the full picture: what changed follows the full picture's edges, its detail stays."""
    if full.shape == restyled.shape:
        return restyled
    if full.shape[-2] < restyled.shape[-2]:  # finer than the picture: nothing of it is lost by shrinking
        return interpolate(restyled[None], full.shape[-2:], mode="bicubic", antialias=True)[0].clamp(0, 1)
    return (full + guided_filter(full, restyled - small, 0.012, 1e-4)).clamp(0, 1)
