"""Videos: what is written is what players and another library read; phones' turned videos come upright."""

from __future__ import annotations

import gc
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from films import BLOCKS, read_video, turned
from relook.errors import InputError, PictureError
from relook.io import open_video, video_rate
from relook.io.video import read_frames

av = pytest.importorskip("av")


def write(path: Path, images: list[torch.Tensor], fps: float | int = 25) -> Path:
    with open_video(path, fps) as video:
        for image in images:
            video.add(image)
    return path


def grey(value: float, size: tuple[int, int] = (48, 64)) -> torch.Tensor:
    return torch.full((3, *size), value)


def close(first: torch.Tensor, second: torch.Tensor, apart: float = 0.03) -> bool:
    """Whether two pictures agree, apart from the pixels around the edges of blocks, which 4:2:0 blurs."""
    return first.shape == second.shape and float((first - second).abs().median(0).values.quantile(0.9)) < apart


def test_pictures_come_back_in_their_order_with_their_colours(tmp_path: Path) -> None:
    values = [0.1, 0.9, 0.4, 0.6, 0.2]
    path = write(tmp_path / "a.mp4", [BLOCKS * value for value in values])
    read = list(read_video(path))
    assert len(read) == 5
    for image, value in zip(read, values, strict=True):
        inner = (image - BLOCKS * value).abs()[:, 4:20, 4:28]
        assert float(inner.max()) < 0.03
        assert float((image - BLOCKS * value).abs()[:, 28:44, 36:60].max()) < 0.03
    assert [float(image[0, 40, 60]) for image in read_video(path, every=2, limit=2)] == pytest.approx(
        [0.06, 0.24], abs=0.02
    )


def test_large_pictures_keep_their_colours_too(tmp_path: Path) -> None:
    large = torch.nn.functional.interpolate(BLOCKS[None], (720, 960))[0]
    (read,) = read_video(write(tmp_path / "a.mp4", [large]))
    assert float((read - large).abs()[:, 10:350, 10:470].max()) < 0.03
    assert float((read - large).abs()[:, 370:, 10:470].max()) < 0.03


def test_players_are_told_what_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [grey(0.5)] * 3, fps=29.97)
    with av.open(str(path)) as container:
        (stream,) = container.streams
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.frames) == ("h264", "yuv420p", 3)
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert stream.average_rate == Fraction(2997, 100)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # a browser shows it before it has all of it
    assert video_rate(path) == pytest.approx(29.97)


def test_another_library_reads_it(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    video = cv2.VideoCapture(str(write(tmp_path / "a.mp4", [grey(0.3), grey(0.8)])))
    means = [float(video.read()[1].mean()) / 255 for _ in range(2)]
    assert means == pytest.approx([0.3, 0.8], abs=0.02)
    assert not video.read()[0]


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (47, 64)])
def test_odd_sizes_repeat_their_last_line(tmp_path: Path, size: tuple[int, int]) -> None:
    odd = BLOCKS[:, : size[0], : size[1]]
    (read,) = read_video(write(tmp_path / "a.mp4", [odd]))
    assert read.shape == (3, 48, 64)
    assert close(read, BLOCKS)


def test_equal_pictures_give_equal_bytes(tmp_path: Path) -> None:
    images = [BLOCKS.roll(5 * number, 2) for number in range(20)]
    first, second = (write(tmp_path / name, images).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert first == second


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_turned_videos_come_upright_as_opencv_shows_them(tmp_path: Path, degrees: int) -> None:
    cv2 = pytest.importorskip("cv2")
    path = turned(tmp_path / "a.mp4", degrees)
    shown = cv2.VideoCapture(str(path)).read()[1][..., ::-1].copy()
    first, second = read_video(path)
    assert close(first, torch.from_numpy(shown).permute(2, 0, 1) / 255)
    assert close(first, torch.rot90(BLOCKS, degrees // 90, (1, 2)))
    assert close(second, first)


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_mirrored_videos_too(tmp_path: Path, degrees: int) -> None:
    (read, _) = read_video(turned(tmp_path / "a.mp4", degrees, mirrored=True))
    assert close(read, torch.rot90(BLOCKS, degrees // 90, (1, 2)).flip(2))


def test_pixels_become_square(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        pixels = (BLOCKS * 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    (read,) = read_video(tmp_path / "a.mp4")
    assert close(read, torch.nn.functional.interpolate(BLOCKS[None], (48, 96))[0], 0.05)


@pytest.mark.parametrize(
    ("name", "codec", "kind", "matrix", "range"),
    [
        ("a.webm", "libvpx-vp9", "yuv420p", 1, 1),
        ("a.avi", "mjpeg", "yuvj420p", 5, 2),
        ("a.mkv", "libx264", "yuv444p", 7, 1),
        ("a.m4v", "mpeg4", "yuv420p", 2, 1),
        ("a.mov", "libx264", "yuv420p10le", 9, 1),
    ],
)
def test_every_kind_of_file_keeps_its_colours(
    tmp_path: Path, name: str, codec: str, kind: str, matrix: int, range: int
) -> None:
    pixels = (BLOCKS * 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, kind
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, range
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        seen = 5 if matrix == 2 else matrix  # small videos that do not say are BT.601
        container.mux(stream.encode(frame.reformat(format=kind, dst_colorspace=seen, dst_color_range=range)))
        container.mux(stream.encode(None))
    (read,) = read_video(tmp_path / name)
    centres = read[:, [12, 12, 36, 36], [16, 48, 16, 48]]
    assert float((centres - BLOCKS[:, [12, 12, 36, 36], [16, 48, 16, 48]]).abs().max()) < 0.02


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [grey(number % 10 / 10) for number in range(80)])
    tracemalloc.start()
    count = sum(1 for _ in read_frames(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 80
    assert peak < 20 * 48 * 64 * 3


def sound(path: Path) -> Path:
    """A file with sound and no pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_files_that_are_no_videos(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mp4", [torch.rand(3, 48, 64) for _ in range(30)]).read_bytes()
    contents: dict[str, Any] = {"empty": b"", "text": b"no video at all", "head": whole[:200]}
    for name, content in contents.items():
        (tmp_path / f"{name}.mp4").write_bytes(content)
        for read in (lambda path: list(read_video(path)), video_rate):
            with pytest.raises(PictureError, match=rf"^Expected a .*{name}\.mp4, got .*; .*\.$"):
                read(tmp_path / f"{name}.mp4")
    with pytest.raises(PictureError, match="got one without"):
        list(read_video(sound(tmp_path / "sound.mp4")))
    with pytest.raises(PictureError, match="missing"):
        list(read_video(tmp_path / "missing.mp4"))
    with pytest.raises(PictureError, match="readable video"):
        list(read_video(tmp_path))


def test_a_video_that_breaks_off_says_where(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.mp4", [torch.rand(3, 48, 64) for _ in range(30)]).read_bytes()
    place = whole.index(b"mdat") + (len(whole) - whole.index(b"mdat")) // 2
    (tmp_path / "b.mp4").write_bytes(whole[:place] + bytes(len(whole) - place))
    read = []
    with pytest.raises(PictureError, match=r"picture \d+ of it broken"):
        read.extend(read_video(tmp_path / "b.mp4"))
    assert len(list(read_video(tmp_path / "b.mp4", limit=3))) == 3


def test_videos_that_cannot_be_written_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="at least one picture"), open_video(tmp_path / "a.mp4", 25):
        pass
    with pytest.raises(PictureError, match="64 x 48 pixels as in the video's first picture, got 63 x 48"):
        write(tmp_path / "a.mp4", [grey(0.5), grey(0.5, (48, 63))])
    with pytest.raises(PictureError, match="finite"):
        write(tmp_path / "a.mp4", [grey(0.5), grey(torch.nan)])
    with pytest.raises(PictureError, match=r"end in \.mp4"):
        write(tmp_path / "a.gif", [grey(0.5)])
    for fps in (0, -1, float("nan"), float("inf"), 1e6):
        with pytest.raises(InputError, match="rate between"):
            write(tmp_path / "a.mp4", [grey(0.5)], fps)
    with pytest.raises(InputError, match="at least 1"):
        list(read_video(tmp_path / "a.mp4", every=0))
    assert not list(tmp_path.iterdir())


def test_a_failed_video_leaves_the_old_one(tmp_path: Path) -> None:
    before = write(tmp_path / "a.mp4", [grey(0.5)]).read_bytes()
    with pytest.raises(KeyError), open_video(tmp_path / "a.mp4", 25) as video:  # noqa: PT012
        video.add(grey(0.1))
        raise KeyError("stopped")
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == before


def test_frames_are_given_back_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [grey(0.5)] * 80)
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in read_frames(path)) == 80
        assert gc.collect() < 40  # a cycle per frame would keep every frame's pixels until a collection
    finally:
        gc.enable()
