"""What all parts of the suite of scenes share: rooms, the scene that is made of one, and numbers of its held-out pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from relook.config import Method, PhotoConfig, SceneConfig
from relook.errors import InputError
from relook.evaluate.metrics.segments import mean_of
from relook.evaluate.metrics.truth import lpips, psnr, ssim
from relook.evaluate.run import Suite, Trial
from relook.evaluate.scene.rooms import Images, Room, Scene, draw_room, scene_of
from relook.evaluate.views.setting import Score
from relook.evaluate.weights import NO_LPIPS, checkpoint_weights
from relook.gaussians import Gaussians
from relook.lift.scene.fit import fit
from relook.models.store import is_here
from relook.session import Session

SUITE = "dollhouse-scene"
"""Name of the suite in its records."""


def check_numbers(config: Any) -> None:
    """Raise InputError for numbers of rooms, cameras, steps, frames or pixels that cannot be."""
    least = {"rooms": 1, "held": 1, "steps": 1, "frames": 3, "size": 32, "seed": 0}
    if any(getattr(config, name) is not None and getattr(config, name) < low for name, low in least.items()):
        raise InputError(
            "Expected at least 1 room, held-out camera and step, 3 frames, 32 pixels and a seed from 0, got less of one; choose more."
        )


def described(config: Any) -> dict[str, Any]:
    """What a suite of scenes says of its cases, and of what is missing."""
    cases = f"seed {config.seed}, {config.size} pixels, {config.frames} frames and {config.held} beside"
    return {"cases": cases, "missing": () if is_here("lpips_alex") else (NO_LPIPS,)}


@dataclass(frozen=True, kw_only=True)
class SceneSuite(Suite):
    """A part of the suite."""

    def learned(self, session: Session) -> Mapping[str, str]:
        """LPIPS, where it is here."""
        return checkpoint_weights(["lpips_alex"])

    def depends(self, trial: Trial) -> Any:
        """Weights and options that all parts share."""
        one = self.config
        return dict(self.weights), one.seed, one.frames, one.held, one.size, one.device

    def case(self, number: int) -> str:
        """Name of a room in the records."""
        return f"walk {number} of {self.config.frames} frames"

    @property
    def cases_of_all(self) -> list[str]:
        """All of them."""
        return [self.case(number) for number in range(self.config.rooms)]

    def room(self, case: str, session: Session) -> Room:
        """A room by its name."""
        one, number = self.config, int(case.split()[1])
        key = one.seed, number, one.frames, one.held, one.size
        return session.remembered("room with a scene", key, lambda: draw_room(*key), 1)

    def scene(self, case: str, session: Session) -> Scene:
        """The product's scene of it: `relook scene fit` on the walk's frames, with their exact depth and cameras."""
        room = self.room(case, session)
        return session.remembered("scene", (self.config, case), lambda: scene_of(fitted(room, session), room), 1)

    @property
    def about(self) -> str:
        """What the walks are."""
        one = self.config
        return (
            f"{one.rooms} walks of {one.frames} frames through unseen rooms, {one.size} pixels, exact depth and cameras; held out: "
            f"{one.held} cameras beside each path, 12 cm higher or lower and turned by 3 degrees."
        )


def fitted(room: Room, session: Session) -> Gaussians:
    """Gaussians of a room by the product."""
    config = SceneConfig(size=max(room.views[0].size), held_out=0, views=len(room.views), geometry="exact")
    return fit(room.views, config, session).gaussians


def photo_of(config: Any, method: Method, prompt: str) -> PhotoConfig:
    """How a frame is restyled by itself."""
    family = None if method == "palette" else config.family
    return PhotoConfig(
        method=method, family=family, steps=config.steps, device=config.device, precision="fp32", prompt=prompt
    )


def picture_score(images: Images, exact: Sequence[Float[Tensor, "3 H W"]], session: Session, name: str = "") -> Score:
    """Means over pictures."""
    pairs = list(zip(images, exact, strict=True))
    return {
        f"{name}psnr": mean_of([psnr(a, b) for a, b in pairs]), f"{name}ssim": mean_of([ssim(a, b) for a, b in pairs]),
        f"{name}lpips": mean_of([lpips(a, b, session=session) for a, b in pairs]),
    }  # fmt: skip
