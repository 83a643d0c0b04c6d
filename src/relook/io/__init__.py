"""Pictures, label maps, depth, videos, points and Gaussian scenes in and out. The only package that knows uint8 and H x W x C."""

from relook.io.maps import fill_holes, read_depth, read_segments, write_depth, write_segments
from relook.io.pictures import (
    ENDINGS,
    MINIMUM_SIDE,
    as_picture,
    as_pixels,
    read_image,
    read_picture,
    read_size,
    read_xmp,
)
from relook.io.points import open_points
from relook.io.splats import read_gaussians, write_gaussians, write_recoloured
from relook.io.video import open_video, video_rate
from relook.io.writing import check_format, write_image

__all__ = [
    "ENDINGS", "MINIMUM_SIDE", "as_picture", "as_pixels", "check_format", "fill_holes", "open_points", "open_video", "read_depth",
    "read_gaussians", "read_image", "read_picture", "read_segments", "read_size", "read_xmp", "video_rate", "write_depth",
    "write_gaussians", "write_image", "write_recoloured", "write_segments",
]  # fmt: skip
