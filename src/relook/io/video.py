"""Videos in and out, one picture after the other, so that memory does not grow with their length.

What is read is upright and has square pixels, as a player shows it; what is written is H.264 that browsers play.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relook.errors import InputError, MissingModelError, PictureError
from relook.files import PathLike, reason, replacing
from relook.io.pictures import as_pixels

QUALITY = 16
"""x264's constant rate factor: 0 is lossless, 23 its default, 18 hard to tell from the original."""
THREADS = 2
"""Encoding threads; fixed, since x264's bytes depend on their number."""
STEADY = "mbtree=0"
"""x264's macroblock tree reads memory that nobody wrote (with B-frames, small pictures): equal pictures would not give equal bytes."""
_BT601, _BT709, _UNKNOWN, _TV_RANGE = 5, 1, 2, 1
_HD = 720
"""Lines from which a video that does not name its colour matrix is taken to use BT.709, as players do."""


class VideoWriter:
    """Takes pictures of one size, one after the other; see `open_video`."""

    def __init__(self, container: Any, rate: Fraction) -> None:
        self._container, self._rate = container, rate
        self._stream: Any = None
        self._size: tuple[int, int] | None = None
        self.count = 0
        """Pictures written so far."""

    def add(self, image: Float[Tensor, "*shape"]) -> None:
        """Append RGB in [0, 1] of shape (3, H, W); values outside are clipped.

        Raises PictureError for another shape, for a size other than the first picture's, and for NaN.
        """
        if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0 or not bool(torch.isfinite(image).all()):
            raise PictureError(
                f"Expected a picture of shape (3, H, W) with finite colours, got {tuple(image.shape)}; pass RGB."
            )
        size = (image.shape[1], image.shape[2])
        if self._size is not None and size != self._size:
            raise PictureError(
                f"Expected {self._size[1]} x {self._size[0]} pixels as in the video's first picture, got {size[1]} x {size[0]}; "
                "give all pictures one size."
            )
        self._size = size
        import av

        pixels = as_pixels(image)
        even = np.pad(pixels, ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709)
        frame.pts = self.count
        if self._stream is None:
            self._stream = _h264(self._container, self._rate, even.shape[:2])
        self._container.mux(self._stream.encode(frame))
        self.count += 1

    def finish(self) -> None:
        """Write what the encoder still holds. Raises PictureError if there are no pictures."""
        if self._stream is None:
            raise PictureError("Expected at least one picture for a video, got none; add pictures.")
        self._container.mux(self._stream.encode(None))


@contextmanager
def open_video(path: PathLike, fps: float | int | Fraction) -> Iterator[VideoWriter]:
    """An H.264 mp4 of `fps` pictures per second that takes them one by one; complete when the block ends, absent if it fails.

    Odd sizes repeat their last row or column, since the format wants even ones. Equal pictures give equal bytes.
    """
    if Path(path).suffix.lower() != ".mp4":
        raise PictureError(f"Expected a video's name to end in .mp4, got {Path(path).name!r}; rename it.")
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise InputError(f"Expected a rate between 0 and 1000 pictures per second, got {fps}; choose another.")
    av = _av()
    options = {"movflags": "+faststart"}
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4", options=options) as container:
        writer = VideoWriter(container, Fraction(fps).limit_denominator(1001))
        yield writer
        writer.finish()


def read_frames(
    path: PathLike, *, every: int = 1, limit: int | None = None
) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]]:
    """The pictures of a video, RGB of 8 bits, upright, each with its number in the video: every `every`-th, `limit` at most.

    Raises PictureError for a file that is missing, broken, no video, or without pictures.
    """
    check_thinning(every, limit)
    av, number = _av(), -1
    try:
        with av.open(str(path)) as container:
            stream = _stream(container, path)
            turn = None
            for number, frame in enumerate(container.decode(stream)):
                turn = turn or _turn(frame)  # once: a frame whose side data were read lives until a garbage collection
                if number % every == 0:
                    yield number, _upright(frame, stream.sample_aspect_ratio, turn)
                if limit is not None and number == (limit - 1) * every:
                    return
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        what = f"picture {number + 1} of it broken" if number >= 0 else "none"
        raise PictureError(
            f"Expected a readable video at {path}, got {what} ({reason(error)}); check the file or convert it again."
        ) from error
    if number < 0:
        raise PictureError(f"Expected a video with pictures at {path}, got one without; check the file.")


def video_rate(path: PathLike) -> float | None:
    """Pictures per second of a video; None where the file does not say. Raises PictureError for a file that is no video."""
    av = _av()
    try:
        with av.open(str(path)) as container:
            stream = _stream(container, path)
            rate = stream.average_rate or stream.guessed_rate
            return float(rate) if rate else None
    except av.error.FFmpegError as error:
        raise PictureError(
            f"Expected a readable video at {path}, got none ({reason(error)}); check the file or convert it again."
        ) from error


def check_thinning(every: int, limit: int | None) -> None:
    """Raise InputError unless `every` is at least 1, and `limit` too where there is one."""
    if every < 1 or (limit is not None and limit < 1):
        raise InputError(
            f"Expected every and limit of at least 1, got every {every}, limit {limit}; choose larger ones."
        )


def _h264(container: Any, rate: Fraction, size: tuple[int, ...]) -> Any:
    """A stream of the kind that every browser plays: 4:2:0, 8 bits, BT.709 and said so."""
    stream = container.add_stream(
        "libx264", rate=rate, options={"crf": str(QUALITY), "preset": "medium", "x264-params": STEADY}
    )
    stream.height, stream.width = size
    context = stream.codec_context
    context.pix_fmt, context.thread_count = "yuv420p", THREADS
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _TV_RANGE
    return stream


def _stream(container: Any, path: PathLike) -> Any:
    """The first stream of moving pictures, decoded with all cores."""
    if not container.streams.video:
        raise PictureError(f"Expected a video with pictures at {path}, got one without; check the file.")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def _upright(frame: Any, aspect: Fraction | None, turn: tuple[int, int, int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """A decoded frame as RGB bytes, as a player shows it: its colour matrix, square pixels, turned and mirrored as the file says."""
    matrix = frame.colorspace
    if matrix == _UNKNOWN:
        matrix = _BT709 if min(frame.height, frame.width) >= _HD else _BT601
    width = round(frame.width * aspect) if aspect else frame.width
    pixels = frame.reformat(width=width, format="rgb24", src_colorspace=matrix).to_ndarray()
    a, b, c, d = turn
    if a == d == 0:
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _turn(frame: Any) -> tuple[int, int, int, int]:
    """Signs (a, b, c, d) of the display matrix, which shows (x, y) at (a x + c y, b x + d y): 16.16 numbers, in rows of three."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    values = np.frombuffer(bytes(data), np.int32)
    a, b, c, d = (int(np.sign(round(values[place] / 65536))) for place in (0, 1, 3, 4))
    return (a, b, c, d) if abs(a * d - b * c) == 1 else (1, 0, 0, 1)


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingModelError(
            "Expected the package av (36 MB, BSD-3-Clause, with FFmpeg inside), got none; install it with `pip install relook[views]`."
        ) from error
    return av
