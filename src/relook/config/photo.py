"""What a user may choose for one photograph (`relook photo`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Interval

from relook.config.words import (
    DENOISING,
    FILES,
    LOOK,
    MACHINE,
    SEEING,
    USED,
    File,
    Instances,
    Maps,
    Method,
    Names,
    Precision,
    Preset,
    Unmatched,
)
from relook.covers import Cover, covers
from relook.errors import InputError
from relook.files import label_map, label_maps
from relook.options import REPEATED, Configuration, PerThing, check_file
from relook.stated import Reference, references, stated, strengths


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
    segments: Annotated[Maps, USED] = None
    """Label map of the structure picture: PNG of region ids, with a JSON of names beside it, as `relook perceive` writes it; or a folder with one
    of every picture's name, as `relook lift CAPTURE --out lifted` writes it: things have one label in all frames of a walk."""
    preview: Annotated[bool, USED] = False
    """First write a draft of at most 512 pixels, OUT.preview.png, in a few seconds: the look's colours after a glance at the pictures. Then the full one."""
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
        if self.segments is not None and not self.segments.suffix:
            label_maps(self.segments)
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
        files = super().files()
        maps = {f"segments {one.stem}": one for one in label_maps(files.pop("segments"))} if self.has_maps else {}
        return files | maps | taken | covering

    @property
    def has_maps(self) -> bool:
        """Whether `segments` is a folder of label maps."""
        return self.segments is not None and self.segments.is_dir()

    def of_picture(self, picture: object) -> PhotoConfig:
        """The same for one picture: where `segments` is a folder, the map of the picture's name. Raises InputError where there is none."""
        if self.segments is None or not self.has_maps:
            return self
        if not isinstance(picture, str | Path):
            raise InputError(
                f"Expected one label map for a picture in memory, got the folder {self.segments}; name a file."
            )
        return replace(self, segments=label_map(self.segments, Path(picture).stem))

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
