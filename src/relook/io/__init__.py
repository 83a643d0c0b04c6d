"""Pictures, label maps, depth, videos and points in and out. The only package that knows uint8 and H x W x C."""

from relook.io.maps import (
    MILLIMETRES,
    fill_holes,
    read_depth,
    read_segments,
    write_depth,
    write_segments,
)  # fmt: skip
from relook.io.pictures import (
    ENDINGS,
    MAXIMUM_PIXELS,
    MINIMUM_SIDE,
    check_format,
    read_image,
    read_picture,
    read_size,
    write_image,
)  # fmt: skip
from relook.io.points import PointWriter, open_points, write_points
from relook.io.video import VideoWriter, open_video, read_video, video_rate

__all__ = [
    "ENDINGS", "MAXIMUM_PIXELS", "MILLIMETRES", "MINIMUM_SIDE", "PointWriter", "VideoWriter", "check_format", "fill_holes",
    "open_points", "open_video", "read_depth", "read_image", "read_picture", "read_segments", "read_size", "read_video", "video_rate",
    "write_depth", "write_image", "write_points", "write_segments",
]  # fmt: skip
