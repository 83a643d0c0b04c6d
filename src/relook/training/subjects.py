"""What `relook train` can train, and its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt

Count = Annotated[int, Ge(1)]
Factor = Annotated[float, Gt(0)]


@dataclass(frozen=True)
class TrainDollhouse:
    """Train the embedded family on the dollhouse; a stopped run goes on where its last checkpoint was."""

    out: Path = Path("runs/dollhouse")
    """Folder for checkpoints, curves and the finished family (`family/`)."""
    part: Literal["all", "autoencoder", "denoiser", "papers"] = "all"
    """`denoiser` takes the autoencoder that lies in `out/family/vae`; `papers` only measures and writes cards and samples."""
    autoencoder_steps: Count = 500
    """Optimiser steps of the autoencoder."""
    decoder_steps: Annotated[int, Ge(0)] = 0
    """Further steps of its decoder alone, on larger crops (the latents stay as they are)."""
    denoiser_scale: Factor = 1.0
    """Factor on the steps of the denoiser's stages; 0.01 is a dry run."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainPerceiver:
    """Train the network for classes, depth, object centres and descriptors; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/perceiver")
    """Folder for checkpoints, the curve and the finished network (`perceiver/`)."""
    scale: Factor = 1.0
    """Factor on the steps of both stages; 0.01 is a dry run."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainWarpRefine:
    """Train a family's view refiner (ReStyle3D's warp-and-refine network); a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/warp-refine")
    """Folder for checkpoints, curves and the finished network (`view_refiner/`)."""
    family: str = "dollhouse"
    """The family whose denoiser is widened: its name, folder or hub id."""
    captures: tuple[Path, ...] = ()
    """Captures (posed RGB-D, folders of frames, videos) to train on; they are recoloured at random. Default: the dollhouse."""
    matcher: str = "auto"
    """What says where frames of captures show the same."""
    scale: Factor = 1.0
    """Factor on the steps of every stage; 0.01 is a dry run."""
    size: int | None = None
    """Side of the pictures, in one stage. Default: the stages of the shipped network for the dollhouse, else the family's size."""
    steps: Count = 20000
    """Optimiser steps where a size or captures are named (the paper's number)."""
    batch: Count = 8
    """Quadruplets per step and process where a size or captures are named (the paper: 256 in all)."""
    rate: Factor = 1e-4
    """Learning rate of AdamW where a size or captures are named (the paper's)."""
    device: str = "auto"
    """Where to train."""
    precision: Literal["no", "bf16"] = "no"
    """Mixed precision."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainFlow:
    """Train the network that mends optical flow; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/flow")
    """Folder for checkpoints, the curve and the finished network (`flow/`)."""
    steps: Count = 1600
    """Optimiser steps."""
    batch: Count = 4
    """Pairs of pictures per step."""
    pool: Count = 1600
    """Pairs that are drawn once, before the training; a quarter are dead leaves."""
    rooms: Count = 400
    """Rooms, each seen from two positions."""
    styles: Count = 800
    """Styles that colour them."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainLift3d:
    """Train the network that lifts any 2D model's maps to new views (Lift3D); a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/lift3d")
    """Folder for rooms, checkpoints, the curve and the finished network (`lifter/`)."""
    captures: tuple[Path, ...] = ()
    """Posed captures to train on, with depth or reconstructed points. Default: rooms of the dollhouse."""
    rooms: Count = 120
    """Rooms of the dollhouse, ten views each."""
    encoders: tuple[str, ...] = ("vgg", "perceiver")
    """Whose features are learned from, one at random in each step: `vgg`, `perceiver`, or backbones of transformers by folder or hub id (the
    paper: DINO ViT-B/8 and CLIP ViT-B/16)."""
    width: Count = 64
    """Features of a 2D model that are corrected (the paper's encoders have 768); of wider ones the first, narrower ones are padded."""
    steps: Count = 6000
    """Optimiser steps (the paper: 250000)."""
    rays: Count = 256
    """Rays per step (the paper: 2048)."""
    coarse: Count = 24
    """Samples per ray of the first stage (the paper: 64)."""
    fine: Count = 24
    """Samples per ray of the second stage (the paper: 128)."""
    sources: tuple[int, int] = (4, 7)
    """Fewest and most source views of a step (the paper: 8 and 12)."""
    rate: Factor = 5e-4
    """Highest learning rate; it falls to 2 % (the paper's)."""
    correction: bool = True
    """Correct foreign features as colours suggest (the paper's equation 3)."""
    feature_loss: Annotated[float, Ge(0)] = 1.0
    """Weight of the error of features (the paper's)."""
    depth_loss: Annotated[float, Ge(0)] = 0.1
    """Weight of the error of disparity where depth is known (the paper has none)."""
    every: Count = 100
    """Steps between checkpoints and lines of the curve."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainStyleDescriptor:
    """Train the network that says what style a picture has; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/style-descriptor")
    """Folder for checkpoints, the curve and the finished network (`style_descriptor/`)."""
    steps: Count = 500
    """Optimiser steps."""
    batch: Annotated[int, Ge(2)] = 40
    """Styles per step, two pictures each."""
    rooms: Annotated[int, Ge(3)] = 240
    """Rooms of the dollhouse that styles colour."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainQuality:
    """Train the network that says how clean, sharp and colourful a picture is; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/quality")
    """Folder for checkpoints, the curve and the finished network (`quality/`)."""
    steps: Count = 400
    """Optimiser steps."""
    batch: Count = 48
    """Pictures per step."""
    rooms: Count = 240
    """Rooms of the dollhouse."""
    styles: Count = 1000
    """Styles that colour them."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainSharpener:
    """Train the small network that sharpens soft pictures, to be lifted; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/sharpener")
    """Folder for checkpoints, the curve and the finished network (`sharpener/`)."""
    steps: Count = 1600
    """Optimiser steps."""
    batch: Count = 16
    """Crops per step."""
    side: Annotated[int, Ge(16)] = 96
    """Side of the crops in pixels, a multiple of 16."""
    rate: Factor = 2e-3
    """Highest learning rate; it falls to 2 %."""
    every: Count = 100
    """Steps between checkpoints and lines of the curve."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainColouriser:
    """Train the small network that gives grey pictures colours, to be lifted; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/colouriser")
    """Folder for checkpoints, the curve and the finished network (`colouriser/`)."""
    steps: Count = 900
    """Optimiser steps."""
    batch: Count = 8
    """Pictures per step."""
    side: Annotated[int, Ge(16)] = 128
    """Side of the pictures in pixels, a multiple of 16."""
    rate: Factor = 2e-3
    """Highest learning rate; it falls to 2 %."""
    every: Count = 100
    """Steps between checkpoints and lines of the curve."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


SUBJECTS: Mapping[str, type] = {
    "dollhouse": TrainDollhouse, "perceiver": TrainPerceiver, "warp-refine": TrainWarpRefine, "flow": TrainFlow,
    "lift3d": TrainLift3d, "style-descriptor": TrainStyleDescriptor, "quality": TrainQuality, "sharpener": TrainSharpener,
    "colouriser": TrainColouriser,
}  # fmt: skip
"""What can be trained -> its options; `run` of the module of that name trains it."""
