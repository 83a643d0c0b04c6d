"""What an autoencoder loses: the round trip of unseen rooms and of one's own photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from relook.dollhouse import render, sample_layout, sample_style
from relook.errors import InputError
from relook.evaluate.metrics import psnr
from relook.evaluate.sources.dollhouse import HELD_OUT
from relook.evaluate.suite import Report
from relook.files import write_json
from relook.io import read_image
from relook.models.families import load_family, padded
from relook.session import placement

if TYPE_CHECKING:
    from rich.table import Table

READABLE = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Config:
    """PSNR of the autoencoder's round trip on unseen rooms and on a folder of photographs: writes summary.json."""

    out: Path = Path("runs/autoencoder")
    """Folder of the results."""
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


def run(config: Config, report: Report) -> Table:
    """Score every picture; returns the table of means. Raises InputError for a folder without pictures."""
    from rich.table import Table

    files = [] if config.photos is None else sorted(f for f in config.photos.rglob("*") if f.suffix.lower() in READABLE)
    if config.photos is not None and not files:
        raise InputError(
            f"Expected pictures ({', '.join(READABLE)}) under {config.photos}, got none; name their folder."
        )
    model = load_family(config.family, placement(config.device, "fp32")).autoencoder
    scores: dict[str, dict[str, float]] = {"rooms": {}, "photos": {}}
    for number in range(config.rooms):
        scores["rooms"][str(number)] = round_trip(model, unseen_room(number, config.size))
        report(number + 1, config.rooms + len(files))
    for number, file in enumerate(files):
        scores["photos"][str(file.relative_to(config.photos or Path()))] = round_trip(model, _sized(file, config.size))
        report(config.rooms + number + 1, config.rooms + len(files))
    means = {kind: round(sum(found.values()) / len(found), 2) for kind, found in scores.items() if found}
    rounded = {
        kind: {name: round(value, 2) for name, value in found.items()} for kind, found in scores.items() if found
    }
    write_json(config.out / "summary.json", {"mean": means, "pictures": rounded})
    table = Table(
        "pictures", "number", "PSNR dB, mean", "lowest", "highest", title=f"autoencoder: {config.size} pixels"
    )
    for kind in means:
        found = rounded[kind].values()
        table.add_row(kind, str(len(found)), f"{means[kind]:.2f}", f"{min(found):.2f}", f"{max(found):.2f}")
    return table


@torch.no_grad()
def round_trip(model: AutoencoderKL, image: Float[Tensor, "3 H W"]) -> float:
    """PSNR in dB of a picture's way through an autoencoder (the posterior's mean)."""
    framed, (height, width) = padded(image, 2 ** (len(model.config["block_out_channels"]) - 1))
    latents = model.encode(framed[None].to(model.device, model.dtype) * 2 - 1).latent_dist.mean
    again = model.decode(latents).sample[0, :, :height, :width].float().cpu() / 2 + 0.5
    score = psnr(again.clamp(0, 1), image)
    assert score is not None
    return score


def unseen_room(number: int, size: int) -> Float[Tensor, "3 S S"]:
    """A room that no training has seen."""
    seed = HELD_OUT + number
    return render(sample_layout(seed), sample_style(seed), (size, size)).image


def _sized(file: Path, side: int) -> Float[Tensor, "3 H W"]:
    """A picture with the given shorter side, if it is larger."""
    image = read_image(file)
    scale = min(1.0, side / min(image.shape[-2:]))
    size = [max(1, round(length * scale)) for length in image.shape[-2:]]
    return torch.nn.functional.interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
