"""Where the files of a family lie: by its name, folder, hub id, or in one .safetensors file as its authors published it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from relook.errors import MissingModelError
from relook.models import store
from relook.models.catalogue import CATALOGUE, Checkpoint, entry, is_hub_id, known
from relook.models.fetch import variant

EMBEDDED = Path(__file__).parent / "weights"
"""Where the families that ship with Relook lie."""
PARTS = ("unet", "text_encoder", "tokenizer", "scheduler")
"""Folders that every family has, beside its autoencoder."""
WEIGHTS = ("vae", "unet", "text_encoder", "text_encoder_2")
"""Folders with weights."""
SMALL = ("model_index.json", "relook.json", "tokenizer/*", "tokenizer_2/*", "scheduler/*", *(f"{part}/config.json" for part in WEIGHTS))  # fmt: skip
"""Everything of a repository but weights."""
LARGE = tuple(f"{part}/{file}" for part in WEIGHTS for file in ("*model.safetensors", "*model-0*.safetensors", "*index.json"))  # fmt: skip
"""Its weights: safetensors only."""
DENOISER = "model.diffusion_model."
"""What the names of a denoiser's tensors begin with in a single file."""
PREFIXES = {
    "sdxl": (DENOISER, "first_stage_model.", "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."),
    "sd15": (DENOISER, "first_stage_model.", "cond_stage_model.transformer."),
}  # fmt: skip
"""What the names of tensors begin with, by the kind of single file (Podell et al. 2023, Rombach et al. 2022)."""


@dataclass(frozen=True)
class FamilyFiles:
    """Where the parts of one family lie on this machine."""

    folder: Path
    """The diffusers folder: configurations, tokenizers, scheduler, and the weights that are not elsewhere."""
    control: Path | None = None
    autoencoder: Path | None = None
    """In place of the folder's."""
    tiny_decoder: Path | None = None
    single: Path | None = None
    """One .safetensors file with the weights of denoiser, autoencoder and text encoders, as their authors published them."""
    half: bool = False
    """Whether files in half precision are preferred."""

    @property
    def weights(self) -> tuple[Path, ...]:
        """Every file of weights that is read, in the order of parts and names."""
        own = [self.folder / part for part in WEIGHTS if part != "vae" or self.autoencoder is None]
        folders = [*([] if self.single else own), self.autoencoder, self.control, self.tiny_decoder]
        found = [file for folder in folders if folder is not None for file in weights_in(folder, self.half)]
        return (self.single, *found) if self.single else tuple(found)


def find(name: str, *, half: bool = False, tiny_decoder: bool = False) -> FamilyFiles:
    """The files of a family by its name, folder, hub id or .safetensors file; a hub repository that is not here is fetched.

    half: prefer weights in half precision. tiny_decoder: also that, if there is one.
    Raises MissingModelError, one sentence, when the family or one of its parts is nowhere to be found.
    """
    path = Path(name).expanduser()
    single = path if path.suffix == ".safetensors" else None
    one = known(name) or Checkpoint(name, "family", repository=name, role="family")
    if single is not None:
        one = replace(entry(kind_of(single)), autoencoder="", patterns=SMALL, needs=("unet/config.json",))
        folder = store.obtain(one)
    else:
        folder = _here(one, path) or store.obtain(_repository(one, half))
    if absent := [part for part in PARTS if not (folder / part).is_dir()]:
        raise MissingModelError(
            f"Expected a family with the folders {', '.join(PARTS)} in {folder}, got none of {', '.join(absent)}; "
            f"give a folder in the diffusers layout."
        )

    def part(named: str, inside: str = "") -> Path | None:
        """A part that lies inside the family's folder, or in a repository of its own."""
        if inside and (folder / inside).is_dir():
            return folder / inside
        return store.obtain(_repository(entry(named), half)) if named else None

    return FamilyFiles(
        folder,
        control=part(one.control, "controlnet"),
        autoencoder=part(one.autoencoder),
        tiny_decoder=part(one.tiny_decoder, "tiny_decoder") if tiny_decoder else None,
        single=single,
        half=half,
    )


def weights_in(folder: Path, half: bool) -> list[Path]:
    """The files of weights in a folder: those in half precision where half is wanted or nothing else is there."""
    files = sorted(folder.glob("*.safetensors"))
    halves = [file for file in files if ".fp16" in file.name]
    wholes = [file for file in files if ".fp16" not in file.name]
    return halves if halves and (half or not wholes) else wholes


def tensor_names(file: Path) -> set[str]:
    """Names of the tensors in a safetensors file. Raises MissingModelError for one that is missing or broken."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise MissingModelError(f"Expected a .safetensors file at {file}, got none; check the path.")
    try:
        with safe_open(file, framework="pt") as opened:
            return set(opened.keys())
    except (SafetensorError, OSError) as error:
        raise MissingModelError(f"Expected weights in {file}, got a broken file; fetch it again.") from error


def kind_of(file: Path) -> str:
    """The public family (`sd15` or `sdxl`) that the tensors of a single file belong to. Raises MissingModelError for another layout."""
    names = tensor_names(file)
    for kind, prefixes in PREFIXES.items():
        if all(any(name.startswith(prefix) for name in names) for prefix in prefixes):
            return kind
    raise MissingModelError(
        f"Expected a whole checkpoint of Stable Diffusion 1 or SDXL base (denoiser, autoencoder and text encoders) in {file}, got "
        f"tensors of another layout; give such a file, or a folder in the diffusers layout."
    )


def _here(one: Checkpoint, path: Path) -> Path | None:
    """The family's folder: that path, one that ships with Relook, or in a folder of models by its name or hub id.

    Raises MissingModelError for a folder without a denoiser, and for a name that means no family.
    """
    named = [folder / name for folder in store.roots() for name in (one.name, one.repository)]
    for place in (path, EMBEDDED / one.name, *named):
        if (place / "unet").is_dir():
            return place
    if path.is_dir():
        raise MissingModelError(f"Expected a family with the folder unet in {path}, got none; give a diffusers folder.")
    if one.role != "family" or not is_hub_id(one.repository):
        shipped = {place.parent.name for place in EMBEDDED.glob("*/unet")}
        families = sorted(shipped | {name for name, other in CATALOGUE.items() if other.role == "family"})
        raise MissingModelError(
            f"Expected a family's name ({', '.join(families)}), a folder, a hub id owner/name or a .safetensors file, got {one.name!r}; "
            f"name one."
        )
    return None


def _repository(one: Checkpoint, half: bool) -> Checkpoint:
    """The repository with the files that are read: in half precision where that is wanted and published.

    One that the catalogue does not have is a family's, and perhaps has its weights in half precision.
    """
    listed = known(one.name) is not None
    if not listed:
        one = replace(one, patterns=(*SMALL, *LARGE), needs=("unet/config.json",))
    return replace(one, patterns=tuple(map(variant, one.patterns))) if half and (one.half or not listed) else one
