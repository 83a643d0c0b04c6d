"""What an autoencoder loses: the round trip of unseen rooms and of one's own photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from relook.engine import Engine
from relook.evaluate.metrics.truth import psnr
from relook.evaluate.records import WHOLE, Number
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Part
from relook.evaluate.sources.disk import photographs
from relook.evaluate.sources.dollhouse import unseen_room
from relook.evaluate.weights import family, family_weights
from relook.files import sha256
from relook.io import read_image
from relook.models.families import padded
from relook.ops.resize import resized, scaled
from relook.session import Session


@dataclass(frozen=True)
class Config:
    """PSNR of the autoencoder's round trip on unseen rooms and on a folder of photographs."""

    out: Path = Path("runs/autoencoder")
    """Folder of the results; a run that was stopped resumes there."""
    rooms: int = 16
    """Number of unseen rooms."""
    photos: Path | None = None
    """Folder of photographs, read at any depth; none are scored without it."""
    size: int = 256
    """Side of the rooms, and shorter side of the photographs, in pixels."""
    family: str = "dollhouse"
    """Model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """Every picture. Raises InputError for a folder without pictures."""
    files = {str(file.relative_to(config.photos or file)): file for file in photographs(config.photos)}
    lead = f"Round trips through the autoencoder at {config.size} pixels."
    return Autoencoder("autoencoder", config, config.device, lead, asked=(config.family,), photos=files)


@dataclass(frozen=True, kw_only=True)
class Autoencoder(Suite):
    """One row, the family, on rooms and photographs."""

    photos: Mapping[str, Path]
    """By name."""

    def trials(self) -> Sequence[Trial]:
        """Rooms, then photographs."""
        cases = [("rooms", str(number)) for number in range(self.config.rooms)]
        return [Trial(part, self.config.family, case) for part, case in (*cases, *(("photos", n) for n in self.photos))]

    def learned(self, session: Session) -> Mapping[str, str]:
        """The family."""
        return family_weights(self.config.family, session)

    def depends(self, trial: Trial) -> Any:
        """The picture and the family."""
        photo = sha256(self.photos[trial.case]) if trial.part == "photos" else ""
        return dict(self.weights), self.config.size, self.config.device, photo

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """PSNR of one picture."""
        size, model = self.config.size, family(self.config.family, session).autoencoder
        if trial.part == "rooms":
            image = unseen_room(0, int(trial.case), size).image
        else:
            photo = read_image(self.photos[trial.case])
            image = resized(photo, scaled(photo.shape[1:], min(1.0, size / min(photo.shape[1:]))), "bicubic")
        return Outcome([Number("psnr", WHOLE, round_trip(model, image))])

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """Rooms, and photographs where there are any."""
        return [Part(name) for name in ("rooms", "photos") if results.rows(name)]


@torch.no_grad()
def round_trip(model: AutoencoderKL, image: Float[Tensor, "3 H W"]) -> float | None:
    """PSNR in dB of a picture's way through an autoencoder (the posterior's mean)."""
    framed, (height, width) = padded(image, 2 ** (len(model.config["block_out_channels"]) - 1))
    latents = model.encode(framed[None].to(model.device, model.dtype) * 2 - 1).latent_dist.mean
    again = model.decode(latents).sample[0, :, :height, :width].float().cpu() / 2 + 0.5
    return psnr(again.clamp(0, 1), image)
