"""`relook train dollhouse`: every part of the embedded family, from nothing but seeds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from relook.errors import InputError
from relook.evaluate.perception.autoencoder import round_trip
from relook.evaluate.sources.dollhouse import unseen_room
from relook.training.autoencoder import train_autoencoder, train_decoder
from relook.training.cards import write_cards
from relook.training.denoiser import STAGES, train_denoiser
from relook.training.loop import scaled
from relook.training.samples import write_contact_sheet
from relook.training.subjects import TrainDollhouse


def run(config: TrainDollhouse) -> Path:
    """Train, save in half precision in the diffusers layout, and measure; returns the family's folder."""
    family = config.out / "family"
    vae = family / "vae"
    if config.part not in ("all", "autoencoder") and not (vae / "config.json").exists():
        raise InputError(
            f"Expected a trained autoencoder in {vae}, got none; train with --part all or autoencoder first."
        )
    if config.part in ("all", "autoencoder"):
        model = train_autoencoder(config.out / "autoencoder", steps=config.autoencoder_steps, seed=config.seed)
        if config.decoder_steps:
            model = train_decoder(config.out / "decoder", model, steps=config.decoder_steps, seed=config.seed)
        model.half().save_pretrained(vae)
    if config.part in ("all", "denoiser"):
        stages = scaled(STAGES, config.denoiser_scale)
        frozen = AutoencoderKL.from_pretrained(vae, torch_dtype=torch.float32)
        train_denoiser(config.out / "denoiser", frozen, stages=stages, seed=config.seed).save(family)
    _write_papers(config, family)
    return family


def _write_papers(config: TrainDollhouse, family: Path) -> None:
    """Curves, measured quality, a model card per part, and the contact sheet."""
    for curve in sorted(config.out.glob("**/curve.jsonl")):
        name = "-".join(curve.parent.relative_to(config.out).parts)
        (family / "curves").mkdir(exist_ok=True)
        shutil.copy(curve, family / "curves" / f"{name}.jsonl")
    model = AutoencoderKL.from_pretrained(family / "vae", torch_dtype=torch.float32).eval()
    mean = sum(round_trip(model, unseen_room(0, number, 256).image) or 0.0 for number in range(16)) / 16
    about = {
        "name": "dollhouse", "size": 128, "tuned": True, "seed": config.seed, "quality": {"autoencoder_psnr": round(mean, 2)},
    }  # fmt: skip
    (family / "relook.json").write_text(json.dumps(about, indent=1) + "\n")
    write_cards(family)
    if (family / "unet").exists():
        write_contact_sheet(family, config.out / "samples.png")
