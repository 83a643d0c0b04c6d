"""Every error that Relook raises on purpose, as one tree.

    RelookError
    ├── InputError          a file, picture, option or tensor that cannot be used as given
    │   ├── PictureError    a picture that cannot be read or has no usable pixels
    │   ├── SegmentsError   a label map or its names that do not fit
    │   ├── DepthError      a depth map that does not fit or holds no depth
    │   ├── GeometryError   views, cameras or captures that do not fit together
    │   └── SceneError      a scene of Gaussians that cannot be read, written or shown
    ├── ShapeError          a tensor of the wrong shape (also a ValueError)
    ├── EditError           an attention edit that could not fire, or was left half applied
    ├── MissingModelError   a checkpoint or family that is not on this machine
    ├── CancelledError      a run that was asked to stop
    └── RecordError         a record that cannot be repeated (changed inputs, other weights)

Each message is one sentence: what was expected, what came, what to do. The command line prints it and exits with 2.
"""

from __future__ import annotations


class RelookError(Exception):
    """Base of all errors raised on purpose."""


class InputError(RelookError, ValueError):
    """A file, picture, option or tensor cannot be used as given."""


class PictureError(InputError):
    """A picture cannot be read, or has no usable pixels."""


class SegmentsError(InputError):
    """A label map or its names do not fit the picture or each other."""


class DepthError(InputError):
    """A depth map does not fit the picture, or holds no finite depth."""


class GeometryError(InputError):
    """Views, cameras or a capture do not fit together, or show too little in common."""


class SceneError(InputError):
    """A scene of Gaussians cannot be read, written or shown as given."""


class ShapeError(RelookError, ValueError):
    """A tensor does not have the expected shape."""


class EditError(RelookError):
    """An attention edit that was asked for could not fire."""


class MissingModelError(RelookError):
    """A checkpoint or family is not on this machine."""


class CancelledError(RelookError):
    """A run was asked to stop between two steps."""


class RecordError(RelookError):
    """A record cannot be repeated exactly."""
