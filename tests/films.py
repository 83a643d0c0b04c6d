"""Videos with known pictures, for tests."""

from __future__ import annotations

from pathlib import Path

import torch

BLOCKS = torch.zeros(3, 48, 64)
BLOCKS[:, :24, :32] = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)
BLOCKS[:, :24, 32:] = torch.tensor([0.1, 0.8, 0.2]).view(3, 1, 1)
BLOCKS[:, 24:, :32] = torch.tensor([0.2, 0.2, 0.9]).view(3, 1, 1)
BLOCKS[:, 24:, 32:] = 0.6
"""Red, green; blue, grey."""


def turned(path: Path, degrees: int, *, mirrored: bool = False) -> Path:
    """A video of BLOCKS as a phone writes it: pixels as they lie on the chip, and a note how to turn them."""
    import av

    pixels = (BLOCKS * 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.set_display_rotation(degrees, hflip=mirrored)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path
