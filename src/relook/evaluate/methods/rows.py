"""The rows of the photo suites: the product with every method and preset, and baselines, as functions that make a picture of a pair.

A row of the product is `restyle_photo` called with a `PhotoConfig`, as `relook photo` calls it; what the suite shares (family, device,
steps) is put into it. Everything here can be pickled: rows are sent to the processes that paint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from relook.config import PerceiveConfig, PhotoConfig
from relook.errors import InputError
from relook.evaluate.methods import baselines
from relook.evaluate.row import Image, Row
from relook.evaluate.sections import CEILING
from relook.evaluate.sources.pair import Pair
from relook.evaluate.weights import family, through_autoencoder
from relook.perceive.perceive import perceive_photo
from relook.session import Session
from relook.transfer.presets import preset_of
from relook.transfer.settings import Preset
from relook.types import View

DEFAULT = "relook"
"""Relook's default."""
ALONE = "pictures alone"
"""How rows are called that see the pictures alone, without the pair's own segments and depth."""
MAPS = ("segments", "depth")
"""What a pair knows of its pictures exactly."""


@dataclass(frozen=True)
class Setting:
    """What the rows of a run share."""

    family: str = "dollhouse"
    """Name or folder of the model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    steps: int | None = None
    """Denoising steps of every diffusion row; the preset's if None."""
    seed: int = 0
    """Seed of the draws within a method."""


PhotoRow = Row[Pair, Setting]
"""A row of the photo suites."""


@dataclass(frozen=True)
class Product:
    """The product as a row."""

    note: str
    """What it is, for readers of the report."""
    config: PhotoConfig
    """Its own options; the suite's are put into it."""
    preset: Preset | None = None
    """In place of the configuration's."""
    given: tuple[str, ...] = MAPS
    """Maps of the pair that it gets, of MAPS; the others it perceives, as a user has to. With depth comes its camera."""

    @property
    def numbers(self) -> Preset:
        """The preset that it runs with."""
        if self.preset is not None or self.config.chosen_method == "palette":
            return self.preset or Preset()
        return preset_of(self.config.chosen_method, self.config.preset)

    @property
    def row(self) -> PhotoRow:
        """As suites run it."""
        learned, prompted = self.config.chosen_method != "palette", self.numbers.denoising.image_scale > 0
        return Row(self.note, self.paint, learned=learned, prompted=prompted)

    def options(self, pair: Pair, setting: Setting) -> PhotoConfig:
        """The options of `relook photo`: the row's options with the suite's; the row's steps, else the suite's, else the preset's."""
        shared = replace(self.config, seed=setting.seed, prompt=pair.prompt, device=setting.device, precision="fp32")
        if self.given == MAPS:
            shared = replace(shared, depth_estimator="none")
        if self.config.chosen_method == "palette":
            return shared
        return replace(shared, family=setting.family, steps=self.config.steps or setting.steps)

    def paint(self, pair: Pair, setting: Setting, session: Session) -> Image:
        """The pair's structure in its style's look."""
        from relook.transfer.photo import restyle_photo

        structure, style = (self._shown(view) for view in (pair.structure, pair.style))
        options = self.options(pair, setting)
        return restyle_photo(structure, style, options, session=session, preset=self.preset).image.cpu()

    def _shown(self, view: View) -> View:
        """A view of the pair with the maps that the row gets."""
        if self.given == MAPS:
            return view
        shown = View(view.image, view.segments if "segments" in self.given else None)
        return replace(shown, depth=view.depth, camera=view.camera) if "depth" in self.given else shown

    def on_pictures_alone(self, segmenter: str, depth: str) -> Product:
        """The same without the pair's own segments and depth: these back ends perceive them."""
        config = replace(self.config, segmenter=segmenter, depth_estimator=depth)
        return replace(self, note=f"{self.note}; segments and depth perceived", config=config, given=())


def _copy(pair: Pair, setting: Setting, session: Session) -> Image:
    return baselines.copy(pair.structure.image)


def _reinhard(pair: Pair, setting: Setting, session: Session) -> Image:
    return baselines.reinhard(pair.structure.image, pair.style.image)


def _statistics(pair: Pair, setting: Setting, session: Session) -> Image:
    return baselines.statistics(pair.structure.image, pair.style.image, pair.correspondence())


def _statistics_alone(pair: Pair, setting: Setting, session: Session, segmenter: str) -> Image:
    seen = PerceiveConfig(segmenter, "none", "none")
    structure, style = (perceive_photo(View(one.image), seen, session=session) for one in (pair.structure, pair.style))
    return _statistics(replace(pair, structure=structure, style=style), setting, session)


def _transport(pair: Pair, setting: Setting, session: Session) -> Image:
    return baselines.transport(pair.structure.image, pair.style.image, pair.correspondence())


def _microast(pair: Pair, setting: Setting, session: Session) -> Image:
    return baselines.microast(pair.structure.image, pair.style.image, session)


def _microast_by_class(pair: Pair, setting: Setting, session: Session) -> Image:
    return baselines.microast_by_class(pair.structure.image, pair.style.image, pair.correspondence(), session)


def _exact(pair: Pair, setting: Setting, session: Session) -> Image:
    if pair.exact is None:
        raise InputError(f"Expected an exact answer to {pair.name}, got none; leave the row `exact` out.")
    return through_autoencoder(pair.exact, family(setting.family, session))


WORDS = {"paper": "as published", "released": "as its code runs", "relook": "Relook's settings"}
METHODS = ("restyle3d", "cross-image-attention", "eye-for-an-eye", "style-id", "ip-adapter")
RESTYLE3D, EYE = PhotoConfig(method="restyle3d"), PhotoConfig(method="eye-for-an-eye")

PRODUCTS: Mapping[str, Product] = {
    "palette": Product("Relook without weights: colours and light by optimal transport per class", PhotoConfig(method="palette", restyle=("all",))),
    "adain": Product("AdaIN per class in latents, and nothing else", RESTYLE3D, preset_of("restyle3d", "adain")),
    DEFAULT: Product("Relook's default: materials, light and textures of the style, and semantic attention", RESTYLE3D),
    **{
        f"{method}/{name}": Product(f"{method}, {words}", PhotoConfig(method=method, preset=name))  # type: ignore[arg-type]
        for method in METHODS
        for name, words in WORDS.items()
        if f"{method}/{name}" != "restyle3d/relook"
    },
    "eye-for-an-eye/matched": Product(
        "as published, matches by the descriptor of dense correspondence", EYE, preset_of("eye-for-an-eye", "matched")
    ),
}  # fmt: skip
"""The rows that are the product: `restyle_photo` with a `PhotoConfig`."""

ROWS: Mapping[str, PhotoRow] = {
    "copy": Row("the structure as it is", _copy),
    "reinhard": Row("colour statistics of the whole picture (Reinhard et al. 2001)", _reinhard),
    "statistics": Row("colour statistics per class", _statistics),
    "transport": Row("entropic optimal transport of colours per class (Cuturi 2013)", _transport),
    "microast": Row("MicroAST (Wang et al. 2023): arbitrary style transfer, no classes", _microast, weights=("microast",)),
    "microast/by-class": Row("the same with its statistics per class (our addition)", _microast_by_class, weights=("microast",)),
    **{name: product.row for name, product in PRODUCTS.items()},
    CEILING: Row("the exact answer through the autoencoder: the most that a latent method can reach", _exact, learned=True),
}  # fmt: skip
"""Every row of the photo suites, in the table's order."""


def pictures_alone(segmenter: str = "embedded", depth: str = "embedded") -> dict[str, PhotoRow]:
    """Every method's main row on the pictures alone, seen by these back ends; the embedded networks know drawn rooms only."""
    main = ("palette", DEFAULT, *(f"{method}/released" for method in METHODS))
    rows = {name: PRODUCTS[name].on_pictures_alone(segmenter, depth).row for name in main}
    note = f"{ROWS['statistics'].note}; segments perceived"
    rows = {"statistics": Row(note, partial(_statistics_alone, segmenter=segmenter))} | rows
    return {f"{name}, {ALONE}": row for name, row in rows.items()}
