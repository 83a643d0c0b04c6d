"""What a user may choose, as frozen dataclasses: the command line and the Python API read the same fields and help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from relook.errors import InputError

Method = Literal["auto", "restyle3d", "cross-image-attention", "eye-for-an-eye", "style-id", "ip-adapter", "palette"]
Preset = Literal["relook", "paper", "released"]
Unmatched = Literal["everything", "keep", "colour"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
Instances = Literal["shared", "matched"]
Carry = Literal["relook", "paper"]
Fill = Literal["recolour", "refiner", "inpaint", "none"]
CHOICES = {"precision": Precision, "method": Method, "preset": Preset, "unmatched": Unmatched, "instances": Instances}
"""Options that are one of a few words."""
FILES = ("segments", "style_segments", "depth", "style_depth")
"""Options that name files; they are inputs too."""


@dataclass(frozen=True)
class PhotoConfig:
    """How one structure picture takes the look of one style picture."""

    method: Method = "auto"
    """How to restyle. `auto`: restyle3d if a family is named, else palette, which needs no weights and suits photographs."""
    preset: Preset = "relook"
    """The method's settings: `paper` (its formulas), `released` (what its authors' code does) or Relook's own default."""
    family: str | None = None
    """Model family: `dollhouse` (embedded, for its own rooms), a folder or a hub id. Default: dollhouse."""
    steps: int | None = None
    """Denoising steps. Default: the preset's."""
    size: int | None = None
    """Longer side in pixels at which a denoiser works; the change is carried to the full size. Default: twice the family's own."""
    refine: str = "none"
    """Paint finer detail afterwards at twice the working size: `same`, by the family itself; a family (`sdxl` after `sd15`, as ReStyle3D
    does); or `none`."""
    strength: float = 1.0
    """How much of the new look arrives, 0 (none) to 1 (all)."""
    seed: int = 0
    """Seed of every random draw; the same seed and inputs give the same picture."""
    match: tuple[str, ...] = ()
    """Correspondences that you state, structure=style, e.g. `sofa=armchair`; separate several by commas or spaces."""
    keep: tuple[str, ...] = ()
    """Names of structure regions whose pixels stay exactly as they are, e.g. `window,door`."""
    unmatched: Unmatched = "everything"
    """Regions without a counterpart: take from `everything`, `keep` their look, or take only the overall `colour`."""
    instances: Instances = "shared"
    """Several objects of one class: `shared`, each takes from all counterparts; `matched`, each from one, by place, size and outline."""
    prompt: str = ""
    """Words for the picture, for families that read them, e.g. `a bedroom with wooden furniture`."""
    segmenter: str = "auto"
    """Which segmenter finds the regions when no segments are given: `ade20k`, `embedded`, `whole`, or a panoptic or semantic model of
    transformers (folder or hub id). `auto`: the best one on this machine."""
    image_prompt: str = "auto"
    """For `ip-adapter`: which adapter, `ip-adapter-sd15`, `ip-adapter-sdxl`, or a folder or file in their format with its image encoder.
    `auto`: the one for the family."""
    label: tuple[str, ...] = ()
    """Things to find by your own words in both pictures, over the regions there are, e.g. `ottoman,red chair`."""
    labeller: str = "auto"
    """What finds them: `clipseg`, `grounding-dino`, a CLIPSeg model, or DETECTOR+SAM (folders or hub ids). `auto`: the best one on this
    machine."""
    depth_estimator: str = "auto"
    """Which model estimates depth when no depth is given, by name, hub id or folder; `none`: no depth. `auto`: the best one here."""
    segments: Path | None = None
    """Label map of the structure picture: PNG of region ids, with a JSON of names beside it."""
    style_segments: Path | None = None
    """Label map of the style picture."""
    depth: Path | None = None
    """Depth of the structure picture: 16-bit PNG (millimetres), .npy or .npz."""
    style_depth: Path | None = None
    """Depth of the style picture."""
    device: str = "auto"
    """Where the denoiser runs: `cpu`, `cuda`, `mps`; `auto`: the first of cuda, mps and cpu that is here."""
    precision: Precision = "auto"
    """In which numbers: `fp32`, `fp16` or `bf16`; `auto`: fp32 on the CPU, fp16 elsewhere."""
    low_vram: bool = False
    """Weights visit the device layer by layer and pictures are decoded in tiles: slow, for large families on small devices."""
    style_memory: Path | None = None
    """Folder that keeps what the denoiser makes of the style picture: the next structure of the same working size in that style takes
    less time. It grows by some hundred megabytes a style for large families; delete it when you like."""
    preview: bool = False
    """Decode with the family's tiny decoder (TAESD): quick and a little soft, to look at."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "match", _listed(self.match))
        object.__setattr__(self, "keep", _listed(self.keep))
        object.__setattr__(self, "label", _listed(self.label))

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use; every run calls this first."""
        for name, choices in CHOICES.items():
            _one_of(name, getattr(self, name), get_args(choices))
        if self.steps is not None and self.steps < 1:
            raise InputError(f"Expected at least 1 step, got {self.steps}; 20 is a good number.")
        if self.size is not None and self.size < 32:
            raise InputError(f"Expected a working size of at least 32 pixels, got {self.size}; choose a larger one.")
        if not 0 <= self.strength <= 1:
            raise InputError(f"Expected a strength from 0 to 1, got {self.strength}; 1 is the full new look.")
        if self.refine != "none" and self.chosen_method == "palette":
            raise InputError(
                f"Expected a method that denoises before refining, got palette and {self.refine!r}; name a family."
            )
        if not 0 <= self.seed < 2**63:
            raise InputError(f"Expected a seed from 0 to 2^63 - 1, got {self.seed}; choose such a number.")
        self.matches  # noqa: B018  raises for what is no correspondence

    @property
    def chosen_method(self) -> str:
        """The method with `auto` resolved."""
        if self.method != "auto":
            return self.method
        return "palette" if self.family is None else "restyle3d"

    @property
    def matches(self) -> Mapping[str, str]:
        """Structure name -> style name, as the user stated them."""
        stated: dict[str, str] = {}
        for words in self.match:
            ours, equals, theirs = (part.strip() for part in words.partition("="))
            if not (ours and equals and theirs) or "=" in theirs:
                raise InputError(
                    f"Expected a correspondence such as sofa=armchair, got {words!r}; write structure=style."
                )
            stated[ours] = theirs
        return stated

    def as_json(self) -> dict[str, Any]:
        """Plain values for a record; paths are absolute."""
        plain = {
            name: str(value.resolve()) if isinstance(value, Path) else value for name, value in asdict(self).items()
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> PhotoConfig:
        """The inverse of `as_json`; InputError for names that this version does not know."""
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError(
                f"Expected options that this version knows, got {', '.join(unknown)}; install the version of the record."
            )
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(
            **plain | {name: Path(plain[name]) for name in (*FILES, "style_memory") if plain.get(name) is not None}
        )


@dataclass(frozen=True)
class ViewsConfig:
    """How a walk through a room takes the look of one style picture."""

    photo: PhotoConfig = field(default_factory=PhotoConfig)
    """How its first frame is restyled, and others that show too little of what came before."""
    geometry: str = "auto"
    """What says where frames show the same: `exact`, `sensor`, `sparse`, `flow`, a matcher (`raft`, `sift`, ...), or a geometry from
    plain pictures (`colmap`, `matches`, `mapanything`, ...). `auto`: the best that the input and this machine allow."""
    carry: Carry = "relook"
    """How the look is carried: `relook`, fetched from where it was painted; `paper`, splatted from the previous frame and two random ones."""
    history: int = 3
    """How many earlier frames each frame looks back on: the previous one, and others."""
    fill: Fill = "recolour"
    """What paints what no earlier frame shows: `recolour`, the frame itself, its colours moved as those of like pixels; the family's view
    `refiner`, a network that begins there; `inpaint`, the rims alone; `none`."""
    anchor: float = 0.2
    """A frame of which less than this share has its look from the style picture, carried there from earlier frames, is restyled like the first."""
    first: int | None = None
    """Number of the frame that is restyled first, from 0. Default: the one that shows most of the others."""
    leave: tuple[str, ...] = ("person",)
    """Things that move: left as they are and never carried on. Needs a segmenter that knows them."""
    histogram: bool = False
    """Give what is painted the colour histogram of what is known, as the paper does."""
    every: int = 1
    """Take every so manieth frame."""
    limit: int | None = None
    """Take at most so many frames."""
    fps: float | None = None
    """Frames per second of the video that is written. Default: the input's, else 12."""
    points: bool = True
    """Write a coloured point cloud (points.ply), where the geometry is known."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "leave", _listed(self.leave))

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use."""
        self.photo.check()
        _one_of("carry", self.carry, get_args(Carry))
        _one_of("fill", self.fill, get_args(Fill))
        if self.history < 1 or not 0 <= self.anchor <= 1 or (self.first is not None and self.first < 0):
            raise InputError(
                f"Expected a history of at least 1 frame, an anchor share from 0 to 1 and a first frame from 0, got {self.history}, "
                f"{self.anchor} and {self.first}; the defaults are a good start."
            )
        if self.fps is not None and not 0 < self.fps <= 240:
            raise InputError(f"Expected up to 240 frames per second, got {self.fps}; 12 to 30 are usual.")
        if given := [name for name in ("segments", "depth") if getattr(self.photo, name) is not None]:
            raise InputError(
                f"Expected no map of one picture for a walk, got {' and '.join(given)}; name a segmenter or an estimator."
            )

    def as_json(self) -> dict[str, Any]:
        """Plain values for a record."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "photo"}
        return plain | {"leave": list(self.leave), "photo": self.photo.as_json()}


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise unless `value` is one of the choices."""
    if value not in choices:
        raise InputError(f"Expected a {name} out of {', '.join(choices)}, got {value!r}; choose one of them.")


def _listed(words: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Words separated by commas, in one string or in several."""
    words = (words,) if isinstance(words, str) else words
    return tuple(part.strip() for word in words for part in word.split(",") if part.strip())
