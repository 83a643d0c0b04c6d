"""What a user may choose when a scene of Gaussians takes a new look (`relook scene restyle`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Interval

from relook.config.photo import PhotoConfig
from relook.config.scene import SceneConfig
from relook.config.words import LOOK, ONE_PICTURE, SEEING, USED, Method, Names
from relook.errors import InputError
from relook.options import Configuration, Without

SceneMethod = Literal["semantic", "distill", "styleme3d"]
Dependence = Literal["keep", "scale", "none"]
NO_USE = (*ONE_PICTURE, "method", "size", "style_memory")
"""Options of one picture that say nothing of a scene, or that a scene has itself."""


@dataclass(frozen=True)
class RestyleConfig(Configuration):
    """How a scene of Gaussians takes the look of one style picture: colours change, geometry does not."""

    photo: Annotated[PhotoConfig, Without(NO_USE)] = field(default_factory=PhotoConfig)
    """How its key views take the look."""
    fit: Annotated[SceneConfig, Without(("size", "held_out", "device", "depth_estimator"))] = field(
        default_factory=SceneConfig
    )
    """How a capture first becomes a scene."""
    method: Annotated[SceneMethod, USED] = "semantic"
    """How the scene is restyled: `semantic`, every thing takes the colours of its counterpart, by one change for the whole scene; `distill`, key
    views by `relook photo`, whose change is solved into the Gaussians; `styleme3d`, whose colours descend on four losses of the style picture
    (`--preset paper` or `relook`, `--steps`, `--family`)."""
    only: Annotated[Names, USED] = ()
    """Names of things that take the look; all others stay exactly as they are, e.g. `sofa,rug`."""
    view_dependence: Annotated[Dependence, LOOK] = "scale"
    """Of colours that change with where one looks from (spherical harmonics): `keep` what is added to a colour, `scale` shading with the new
    colour and leave highlights grey, or `none`: one colour from everywhere."""
    by: Annotated[Method, LOOK] = "auto"
    """The method of `relook photo` by which key views are restyled."""
    key_views: Annotated[int, Interval(ge=1, le=512), LOOK] = 24
    """Views that are restyled and distilled, or in which regions are looked for: those that together show most."""
    size: Annotated[int, Interval(ge=32, le=2048), LOOK] = 384
    """Longer side of these in pixels."""
    losses: Annotated[Names, LOOK] = ()
    """For `styleme3d`: some of `statistics`, `descriptor`, `quality`, `distillation`, e.g. `statistics,descriptor`; or of other works `nearest`
    features of the style picture (ARF), or those of each thing's `counterpart` alone (StyleSplat).
    Default: all whose networks know what is shown: all four with `--family dollhouse` (drawn rooms), else `statistics` and those named here."""
    style_descriptor: Annotated[str, SEEING] = "embedded"
    """For `styleme3d`: what says how alike two styles are, `embedded` or a CLIP vision model (folder or hub id)."""
    judge: Annotated[str, SEEING] = "embedded"
    """For `styleme3d`: what says how good a picture looks, `embedded` or a CLIP model (folder or hub id)."""
    cameras: Annotated[Path | None, SEEING] = None
    """Where a scene is seen from: the capture that it was fitted to (its pictures are used too), or a file of cameras. Default: those in the
    record beside the scene, else a way that is found in the scene."""

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use."""
        if named := [name for name in NO_USE if getattr(self.photo, name) != getattr(PhotoConfig, name)]:
            raise InputError(
                f"Expected no option of one picture for a scene, got {' and '.join(named)}; leave it out, or name the method as `by`."
            )
        if self.only and self.photo.keep:
            raise InputError("Expected things that change (only) or things that stay (keep), got both; leave one out.")
        super().check()

    @property
    def picture(self) -> PhotoConfig:
        """How one key view is restyled; it has the scene's segments."""
        return replace(self.photo, method=self.by, segments=None)
