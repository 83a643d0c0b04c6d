"""Model cards of the embedded family, written from what was measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Protocol, runtime_checkable

PARTS = {
    "vae": ("AutoencoderKL", "Latents of 8 channels at a quarter of the side; trained on crops of restyled dollhouse rooms and dead leaves."),
    "unet": ("UNet2DConditionModel", "Predicts v; its decoder's self-attention learned, on pairs of one style, to fetch a look class by class."),
    "controlnet": ("ControlNetModel", "Reads disparity in [0, 1] (near = 1) on three channels."),
    "text_encoder": ("CLIPTextModel", "Two layers over some ninety words of rooms, colours and themes; see tokenizer/."),
}  # fmt: skip
"""Folder -> class and what it is for."""


def write_cards(family: Path) -> None:
    """One README.md per part that is there."""
    about = json.loads((family / "relook.json").read_text())
    for part, (name, purpose) in PARTS.items():
        folder = family / part
        weights = sorted(folder.glob("*.safetensors"))
        if weights:
            (folder / "README.md").write_text(_card(part, name, purpose, weights[0].stat().st_size, about))


def _card(part: str, name: str, purpose: str, size: int, about: dict) -> str:
    measured = ", ".join(f"{key} {value}" for key, value in about["quality"].items()) if part == "vae" else (
        "see docs/results.md, printed by `relook evaluate dollhouse-photo --pairs 48`"
    )  # fmt: skip
    return f"""# dollhouse / {part}

{name} (diffusers / transformers format), {size / 2**20:.1f} MiB in half precision, Apache-2.0.

{purpose}

- Data: the procedural world `relook.dollhouse` only, layout and style seeds below 1,000,000; no photograph was used.
- Recipe: `relook train dollhouse --seed {about["seed"]}`; learning curves lie in ../curves.
- The shipped weights were made stage by stage in separate runs while the first stages' data changed, so this recipe makes their like, not their bytes.
- Measured: {measured}.
- Limits: it knows these rooms at about {about["size"]} pixels; it is a test bed for methods, not a model of photographs.
"""


@runtime_checkable
class Saved(Protocol):
    """A network that writes itself."""

    def save(self, folder: Path) -> None:
        """Write it in half precision."""


def write_network(network: Saved, out: Path, name: str, card: str) -> Path:
    """A trained network with its papers (`write_papers`); returns its folder, `name` in `out`. The run's curves lie in `out`/run."""
    folder = out / name
    network.save(folder)
    write_papers(out / "run", folder, card)
    return folder


def write_papers(run: Path, folder: Path, card: str) -> None:
    """The learning curves of a run and the model card, which ends with the last line of the last curve, beside the weights."""
    curves = sorted(run.glob("**/curve.jsonl"))
    for curve in curves:
        shutil.copy(curve, folder / f"curve-{curve.parent.name}.jsonl")
    last = json.loads(curves[-1].read_text().splitlines()[-1])
    reached = ", ".join(f"{name} {value}" for name, value in last.items() if name not in ("step", "seconds"))
    (folder / "README.md").write_text(card + f"- Last line of the curve (training data): {reached}.\n")
