"""What a user may choose, as frozen dataclasses: the command line, the Python API, the checks and forms read the same fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Interval

from relook.covers import Cover, covers
from relook.errors import InputError
from relook.options import EXISTING, LISTED, REPEATED, Configuration, Formerly, Group, PerThing, Without, check_file
from relook.stated import Reference, references, stated, strengths

Method = Literal["auto", "restyle3d", "cross-image-attention", "eye-for-an-eye", "style-id", "ip-adapter", "palette"]
Preset = Literal["relook", "paper", "released"]
Unmatched = Literal["everything", "keep", "colour"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
Instances = Literal["shared", "matched"]
Carry = Literal["auto", "scene", "relook", "paper", "released"]
Fill = Literal["recolour", "refiner", "inpaint", "none"]
Names = Annotated[tuple[str, ...], LISTED]
"""Words, separated by commas or spaces."""
File = Annotated[Path | None, EXISTING]
"""A file that is read."""
ONE_PICTURE = (
    "segments", "depth", "layout", "preview", "quality", "keep_maps", "layers", "label_edited", "certificate", "key",
)  # fmt: skip
"""Options that say something of one picture or of its file."""
USED, LOOK, DENOISING = Group("most used"), Group("look"), Group("denoising")
SEEING, MACHINE, WALK, FILES = Group("seeing"), Group("machine"), Group("walk"), Group("files")


@dataclass(frozen=True)
class PhotoConfig(Configuration):
    """How one structure picture takes the look of one style picture."""

    match: Annotated[Names, USED] = ()
    """Correspondences that you state, structure=style, e.g. `sofa=armchair`; separate several by commas or spaces."""
    keep: Annotated[Names, USED] = ()
    """Names of structure regions whose pixels stay exactly as they are, e.g. `window,door`."""
    strength: Annotated[float, Interval(ge=0, le=1), PerThing("strengths"), USED] = 1.0
    """How much of the new look arrives: 0 none, 1 all; and besides, for single things of the structure, e.g. `sofa=.6`."""
    unmatched: Annotated[Unmatched, USED] = "everything"
    """Regions without a counterpart: take from `everything`, `keep` their look, or take only the overall `colour`."""
    restyle: Annotated[Names, USED] = ()
    """By palette, lamps, windows, mirrors, pictures, plants, people and screens stay as they are (`docs/segments.md` lists them) unless you
    name them here or in `match`, e.g. `lamp,painting`; `all`: all of them."""
    segments: Annotated[File, USED] = None
    """Label map of the structure picture: PNG of region ids, with a JSON of names beside it, as `relook perceive` writes it."""
    preview: Annotated[bool, USED] = False
    """First write a picture of at most 512 pixels, OUT.preview.png, in a few seconds; then the full one."""
    method: Annotated[Method, LOOK] = "auto"
    """How to restyle. `auto`: restyle3d if a family is named, else palette, which needs no weights and suits photographs."""
    preset: Annotated[Preset, LOOK] = "relook"
    """The method's settings: `paper` (its formulas), `released` (what its authors' code does) or Relook's own default."""
    instances: Annotated[Instances, LOOK] = "shared"
    """Several objects of one class: `shared`, each takes from all counterparts; `matched`, each from one, by position, size and outline."""
    materials: Annotated[bool, LOOK] = True
    """For `palette`: floors and planked ceilings take the style's own material, in its true size, where both pictures show their planes."""
    material: Annotated[Names, LOOK] = ()
    """For `palette`: flat pictures, as from a shop's page, that cover floor, rug, ceiling or wall, e.g. `floor=oak.jpg,wall=brick.png`."""
    scale: Annotated[Names, LOOK] = ()
    """Metres that such a picture is wide: `1.2`, or `floor=1.2,wall=.5`. Default: 1."""
    turn: Annotated[Names, LOOK] = ()
    """Degrees by which it is turned against the clock, in the same way."""
    colour: Annotated[Names, LOOK] = ()
    """For `palette`: paint for things of the structure, e.g. `wall=#d8cfc0`: the sRGB colour that they have in the room's main light."""
    seed: Annotated[int, Interval(ge=0, le=2**63 - 1), LOOK] = 0
    """Seed of every random draw; the same seed and inputs give the same picture."""
    reference: Annotated[tuple[str, ...], REPEATED, LOOK] = ()
    """The picture that one thing takes from, thing=picture, e.g. `sofa=velvet.jpg`, or a region of it, `sofa=velvet.jpg#armchair`; once
    for each thing."""
    strengths: Annotated[Names, LOOK] = ()
    """The strength for single things, e.g. `sofa=.6,rug=0`; the same as `--strength sofa=.6`."""
    family: Annotated[str | None, DENOISING] = None
    """Model family: `dollhouse` (embedded, for its own rooms), a folder or a hub id. Default: dollhouse."""
    steps: Annotated[int | None, Ge(1), DENOISING] = None
    """Denoising steps. Default: the preset's."""
    size: Annotated[int | None, Ge(32), DENOISING] = None
    """Longer side in pixels at which a denoiser works; the change is carried to the full size. Default: twice the family's own."""
    refine: Annotated[str, DENOISING] = "none"
    """Paint finer detail afterwards at twice the working size: `same`, by the family itself; a family (`sdxl` after `sd15`, as ReStyle3D
    does); or `none`."""
    prompt: Annotated[str, DENOISING] = ""
    """Words for the picture, for families that read them, e.g. `a bedroom with wooden furniture`."""
    image_prompt: Annotated[str, DENOISING] = "auto"
    """For `ip-adapter`: which adapter, `ip-adapter-sd15`, `ip-adapter-sdxl`, or a folder or file in their format with its image encoder.
    `auto`: the one for the family."""
    style_memory: Annotated[Path | None, DENOISING] = None
    """Folder that keeps what the denoiser makes of the style picture: the next structure of the same working size in that style takes
    less time. It grows by some hundred megabytes a style for large families; delete it when you like."""
    tiny_decoder: Annotated[bool, DENOISING] = False
    """Decode with the family's tiny decoder (TAESD): quick and a little soft, to look at."""
    segmenter: Annotated[str, SEEING] = "auto"
    """Which segmenter finds the regions where there is no label map: `ade20k`, `embedded`, `layout` (the room's planes, no network), `whole`, or
    a panoptic or semantic model of transformers (folder or hub id). `auto`: the best one on this machine."""
    label: Annotated[Names, SEEING] = ()
    """Things to find by your own words in both pictures, over the regions there are, e.g. `ottoman,red chair`."""
    labeller: Annotated[str, SEEING] = "auto"
    """What finds them: `clipseg`, `grounding-dino`, a CLIPSeg model, or DETECTOR+SAM (folders or hub ids). `auto`: the best one on this
    machine."""
    style_segments: Annotated[File, SEEING] = None
    """Label map of the style picture."""
    depth_estimator: Annotated[str, SEEING] = "auto"
    """Which model estimates depth where there is no depth map, by name, hub id or folder; `none`: no depth. `auto`: the best one here."""
    depth: Annotated[File, SEEING] = None
    """Depth of the structure picture: 16-bit PNG (millimetres), .npy or .npz."""
    style_depth: Annotated[File, SEEING] = None
    """Depth of the style picture."""
    layout: Annotated[str, SEEING] = "auto"
    """The room's floor, walls and ceiling: `auto`, from lines and regions; a layout.json as `relook perceive` writes it; or `none`."""
    style_layout: Annotated[str, SEEING] = "auto"
    """The same of the style picture."""
    device: Annotated[str, MACHINE] = "auto"
    """Where networks run: `cpu`, `cuda`, `mps`; `auto`: the first of cuda, mps and cpu that is here."""
    precision: Annotated[Precision, MACHINE] = "auto"
    """In which numbers: `fp32`, `fp16` or `bf16`; `auto`: fp32 on the CPU, fp16 elsewhere."""
    low_vram: Annotated[bool, MACHINE] = False
    """Weights visit the device layer by layer and pictures are decoded in tiles: slow, for large families on small devices."""
    quality: Annotated[int | None, Interval(ge=1, le=100), FILES] = None
    """Of a jpg, webp, avif or heic: 100 is best and largest. Default: jpg 95, avif and heic 90, webp without loss."""
    keep_maps: Annotated[bool, FILES] = False
    """Write what was seen into a folder OUT.maps: regions (to repaint and give back), depth and layout of both pictures."""
    layers: Annotated[bool, FILES] = False
    """Write OUT.psd too: the structure picture below, on top each thing's new look as a layer with a mask. Needs `relook[psd]`."""
    label_edited: Annotated[bool, FILES] = False
    """Put a mark into the lower right corner, "virtually restyled", and write OUT.before-after.jpg: both pictures side by side."""
    certificate: Annotated[Path | None, FILES] = None
    """Sign the record into the picture as C2PA content credentials: the signer's chain of certificates (PEM). Needs `relook[credentials]`."""
    key: Annotated[Path | None, FILES] = None
    """The private key of the certificate (PEM)."""

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use; every run calls this first."""
        super().check()
        if self.refine != "none" and self.chosen_method == "palette":
            raise InputError(
                f"Expected a method that denoises before refining, got palette and {self.refine!r}; name a family."
            )
        signing = [path for path in (self.certificate, self.key) if path is not None]
        if len(signing) == 1:
            raise InputError("Expected a certificate and its key, got one of them; give both or none.")
        self.matches, self.thing_strengths  # noqa: B018  raise for what is none
        for path in (*signing, *self.reference_files, *(one.picture for one in self.covers if one.picture is not None)):
            check_file(path)
        if self.covers and self.chosen_method != "palette":
            raise InputError(
                f"Expected the palette for stated materials and colours, got {self.chosen_method}; leave one of them out."
            )

    def files(self) -> dict[str, Path]:
        """The files that a run reads, by the option that names them, or by the thing that takes from them."""
        taken = {f"reference {name}": one.path for name, one in self.references.items()}
        covering = {f"material {one.thing}": one.picture for one in self.covers if one.picture is not None}
        return super().files() | taken | covering

    @property
    def covers(self) -> tuple[Cover, ...]:
        """What single things are covered with, as the user stated it."""
        return covers(self.material, self.scale, self.turn, self.colour)

    @property
    def chosen_method(self) -> str:
        """The method with `auto` resolved."""
        if self.method != "auto":
            return self.method
        return "palette" if self.family is None else "restyle3d"

    @property
    def matches(self) -> Mapping[str, str]:
        """Structure name -> style name, as the user stated them."""
        return stated(self.match, "a correspondence such as sofa=armchair")

    @property
    def references(self) -> Mapping[str, Reference]:
        """Structure name -> the picture that it takes from."""
        return references(self.reference)

    @property
    def reference_files(self) -> tuple[Path, ...]:
        """The pictures that single things take from, each once."""
        return tuple(dict.fromkeys(one.path for one in self.references.values()))

    @property
    def thing_strengths(self) -> Mapping[str, float]:
        """Structure name -> its own strength."""
        return strengths(self.strengths)

    @property
    def strongest(self) -> float:
        """The largest strength with which anything takes the new look."""
        return max(self.strength, *self.thing_strengths.values(), 0.0)


@dataclass(frozen=True)
class ViewsConfig(Configuration):
    """How a walk through a room takes the look of one style picture."""

    photo: Annotated[PhotoConfig, Without(ONE_PICTURE)] = field(default_factory=PhotoConfig)
    """How its first frame is restyled, and others that show too little of what came before."""
    every: Annotated[int, Ge(1), USED] = 1
    """Take every n-th frame."""
    limit: Annotated[int | None, Ge(1), USED] = None
    """Take at most so many frames."""
    fps: Annotated[float | None, Interval(gt=0, le=240), WALK] = None
    """Frames per second of the video that is written. Default: the input's, else 12."""
    leave: Annotated[Names, WALK] = ("person",)
    """Things that move: left as they are and never carried on. Needs a segmenter that knows them."""
    first: Annotated[int | None, Ge(0), WALK] = None
    """Number of the frame that is restyled first, from 0. Default: the one that shows most of the others."""
    key_frame_below: Annotated[float | None, Interval(ge=0, le=1), Formerly("anchor"), WALK] = None
    """A frame of which less than this share has its look from the style picture, carried there from earlier frames, becomes a key frame:
    it is restyled like the first. Default: .2; 0 where `released` carries."""
    geometry: Annotated[str, WALK] = "auto"
    """What says where frames show the same: `exact`, `sensor`, `sparse`, `flow`, a matcher (`raft`, `sift`, ...), or a geometry from
    plain pictures (`colmap`, `matches`, `mapanything`, ...). `auto`: the best that the input and this machine allow."""
    carry: Annotated[Carry, WALK] = "auto"
    """How the look is carried: `scene`, what changes is decided once in a scene of all frames and applied to each, which needs cameras
    and depth (of plain frames COLMAP finds them) and method palette; `relook`, fetched from where it was painted; `auto`, the first of both that can be; `paper`, splatted from the previous frame and two random ones;
    `released`, as ReStyle3D's code does: the previous frame splatted, then all of the frame painted anew by the view refiner in 100 steps."""
    history: Annotated[int | None, Ge(1), WALK] = None
    """How many earlier frames each frame looks back on: the previous one, and others. Default: 3; 1 where `released` carries."""
    fill: Annotated[Fill | None, WALK] = None
    """What paints what no earlier frame shows: `recolour`, the frame itself, its colours moved as those of like pixels; the family's view
    `refiner`, a network that begins there; `inpaint`, the rims alone; `none`. Default: recolour; refiner where `released` carries."""
    refiner: Annotated[str | None, WALK] = None
    """The view refiner: a folder, a .safetensors file or a hub id, e.g. ReStyle3D's published one with `--family sdxl`. Default: the one in
    the family's folder."""
    histogram: Annotated[bool, WALK] = False
    """Give what is painted the colour histogram of what is known, as the paper does."""
    points: Annotated[bool, WALK] = True
    """Write a coloured point cloud (points.ply), where the geometry is known."""

    def check(self) -> None:
        """Raise InputError, one sentence, for a value that no run can use."""
        if named := [name for name in ONE_PICTURE if getattr(self.photo, name) != getattr(PhotoConfig, name)]:
            raise InputError(f"Expected no option of one picture for a walk, got {' and '.join(named)}; leave it out.")
        if self.carry == "released" and self.fill in (None, "refiner") and self.photo.family is None:
            raise InputError(
                "Expected a family with a view refiner to carry as released, got none; name one, e.g. --family sdxl --refiner PATH."
            )
        super().check()


@dataclass(frozen=True)
class PerceiveConfig(Configuration):
    """What looks at the picture."""

    segmenter: str = "auto"
    """Which segmenter finds the regions: `embedded`, `ade20k`, a hub id or folder, or a label map. `auto`: the best one here."""
    depth_estimator: str = "auto"
    """Which model estimates depth, or a depth map, or `none`. `auto`: the best one here."""
    layout: str = "auto"
    """The room's floor, walls and ceiling: `auto`, from lines and segments; a layout.json, perhaps edited; or `none`."""
    label: Names = ()
    """Names of things to look for besides, e.g. `ottoman`; separate several by commas or spaces. Needs an open-vocabulary model."""
    labeller: str = "auto"
    """Which open-vocabulary model looks for them, by name, hub id or folder."""
    device: Annotated[str, MACHINE] = "auto"
    """Where networks run: `cpu`, `cuda`, `mps`; `auto`: the first of cuda, mps and cpu that is here."""


@dataclass(frozen=True)
class SceneConfig(Configuration):
    """How a capture becomes a scene of Gaussians."""

    size: Annotated[int, Ge(32), USED] = 512
    """Longer side in pixels of the pictures that the scene is fitted to; larger ones are shrunk."""
    views: Annotated[int, Ge(1), USED] = 120
    """Take at most so many views, evenly spread over the capture; 64 where cameras have to be found."""
    held_out: Annotated[int, Interval(ge=0), USED] = 8
    """Every n-th view is not shown to the fit, which is measured there; 0: none."""
    cell: Annotated[float, Interval(ge=0.5, le=16), USED] = 1.5
    """Side of a Gaussian's place in pixels of the views that see it: less is finer and slower."""
    refine: Annotated[int, Interval(ge=0, le=100), USED] = 2
    """How many times every view corrects positions, sizes and opacities by a step of gradient; 0: the solution in closed form alone."""
    geometry: Annotated[str, SEEING] = "auto"
    """Where cameras and depth are from: `exact`, `sensor`, `sparse`, or found in plain pictures by `colmap`, `matches`, `mapanything`, ...
    `auto`: what the capture brings, else COLMAP where it is installed, else matches."""
    depth_estimator: Annotated[str, SEEING] = "auto"
    """Which model estimates depth where none was measured. `auto`: the best one on this machine; `none`: none."""
    device: Annotated[str, MACHINE] = "auto"
    """Where networks run: `cpu`, `cuda`, `mps`; `auto`: the first of cuda, mps and cpu that is here."""
