"""What a user may choose for a walk through a room (`relook views`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Interval

from relook.config.photo import PhotoConfig
from relook.config.words import (
    ONE_PICTURE,
    USED,
    WALK,
    Carry,
    Fill,
    Names,
)
from relook.errors import InputError
from relook.options import Configuration, Formerly, Without


@dataclass(frozen=True)
class ViewsConfig(Configuration):
    """How a walk through a room takes the look of one style picture."""

    photo: Annotated[PhotoConfig, Without(ONE_PICTURE)] = field(default_factory=PhotoConfig)
    """How its first frame is restyled, and others that show too little of what came before."""
    every: Annotated[int, Ge(1), USED] = 1
    """Take every n-th frame."""
    limit: Annotated[int | None, Ge(1), USED] = None
    """Take at most so many frames."""
    fps: Annotated[float | None, Interval(gt=0, le=240), WALK] = None
    """Frames per second of the video that is written. Default: the input's, else 12."""
    leave: Annotated[Names, WALK] = ("person",)
    """Things that move: left as they are and never carried on. Needs a segmenter that knows them."""
    first: Annotated[int | None, Ge(0), WALK] = None
    """Number of the frame that is restyled first, from 0. Default: the one that shows most of the others."""
    key_frame_below: Annotated[float | None, Interval(ge=0, le=1), Formerly("anchor"), WALK] = None
    """A frame of which less than this share has its look from the style picture, carried there from earlier frames, becomes a key frame:
    it is restyled like the first. Default: .2; 0 where `released` carries."""
    geometry: Annotated[str, WALK] = "auto"
    """What says where frames show the same: `exact`, `sensor`, `sparse`, `flow`, a matcher (`raft`, `sift`, ...), or a geometry from
    plain pictures (`colmap`, `matches`, `mapanything`, ...). `auto`: the best that the input and this machine allow."""
    carry: Annotated[Carry, WALK] = "auto"
    """How the look is carried: `scene`, what changes is decided once in a scene of all frames and applied to each, which needs cameras
    and depth (of plain frames COLMAP finds them); `frames`, the same without cameras: regions are followed in the pictures, and floors take the material of the style where the pictures hold them in place; `relook`, fetched from where it was painted; `auto`, for method palette the scene where there are cameras and depth and `frames` where there are pictures alone, else `relook`; `paper`, splatted from the previous frame and two random ones;
    `released`, as ReStyle3D's code does: the previous frame splatted, then all of the frame painted anew by the view refiner in 100 steps."""
    key_views: Annotated[int, Interval(ge=1, le=64), WALK] = 4
    """How many frames are restyled from the style picture where the scene carries what a denoising method changes: those that together show most."""
    history: Annotated[int | None, Ge(1), WALK] = None
    """How many earlier frames each frame looks back on: the previous one, and others. Default: 3; 1 where `released` carries."""
    fill: Annotated[Fill | None, WALK] = None
    """What paints what no earlier frame shows: `recolour`, the frame itself, its colours moved as those of like pixels; the family's view
    `refiner`, a network that begins there; `inpaint`, the rims alone; `none`. Default: recolour; refiner where `released` carries."""
    refiner: Annotated[str | None, WALK] = None
    """The view refiner: a folder, a .safetensors file or a hub id, e.g. ReStyle3D's published one with `--family sdxl`. Default: the one in
    the family's folder."""
    histogram: Annotated[bool, WALK] = False
    """Give what is painted the colour histogram of what is known, as the paper does."""
    points: Annotated[bool, WALK] = True
    """Write a coloured point cloud (points.ply), where the geometry is known."""

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use."""
        if named := [name for name in ONE_PICTURE if getattr(self.photo, name) != getattr(PhotoConfig, name)]:
            raise InputError(f"Expected no option of one picture for a walk, got {' and '.join(named)}; leave it out.")
        if self.photo.segments is not None and not self.photo.has_maps:
            raise InputError(
                f"Expected a folder with a label map for every frame of a walk, got the file {self.photo.segments}; make one with `relook lift`."
            )
        if self.carry == "released" and self.fill in (None, "refiner") and self.photo.family is None:
            raise InputError(
                "Expected a family with a view refiner to carry as released, got none; name one, e.g. --family sdxl --refiner PATH."
            )
        super().check()
