"""`relook scene fit`: a capture as a scene of 3D Gaussians."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from relook.config import FILES, SceneConfig
from relook.errors import InputError
from relook.files import check_there, check_writable
from relook.options import POSITIONAL
from relook.present.terminal import OUT, drawn


@dataclass(frozen=True)
class FitScene:
    """Make a scene of 3D Gaussians from a capture: writes OUT.ply, which every viewer of Gaussian splats opens, and OUT.json, how good it is."""

    capture: Annotated[Path, POSITIONAL, FILES]
    """A folder of frames, a video, a COLMAP project, a nerfstudio transforms.json, or a capture.json."""
    out: Annotated[Path, FILES]
    """File to write, ending in .ply."""
    config: SceneConfig = field(default_factory=SceneConfig)


def fit_scene(options: FitScene) -> int:
    """relook scene fit."""
    check_there(options.capture)
    check_writable(options.out)
    if options.out.suffix.lower() != ".ply":
        raise InputError(f"Expected a scene's name that ends in .ply, got {options.out}; choose such a name.")
    from relook.lift.scene import fit
    from relook.lift.scene.saving import write_scene

    with drawn() as progress:
        found = fit(options.capture, options.config, progress=progress)
        write_scene(options.out, found)
    measured = (
        ("nothing held out" if not found.held else "nothing of the views held out is shown")
        if found.psnr is None
        else f"{found.psnr:.1f} dB on {len(found.held)} views held out"
    )
    seconds = sum(found.record["timings"].values())
    OUT.print(
        f"{options.out}: {len(found.gaussians)} Gaussians in {seconds:.0f} s, {measured}, {found.seen:.0%} of them seen, "
        f"geometry {found.record['geometry']}",
        markup=False,
    )
    return 0
