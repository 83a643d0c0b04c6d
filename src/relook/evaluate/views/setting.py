"""What all parts of the suite of views run with: the family, its view refiner or another one, and how a frame is restyled by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relook.config import PhotoConfig, ViewsConfig
from relook.errors import MissingModelError
from relook.evaluate.records import Number
from relook.evaluate.run import Suite, Trial
from relook.evaluate.sections import Column
from relook.evaluate.weights import checkpoint_weights, family_weights
from relook.lift.propagation import view_refiner
from relook.models.view_refiner import ViewRefiner
from relook.session import Session

SUITE = "dollhouse-views"
"""Name of the suite in its records."""
Score = dict[str, float | None]
"""Numbers of one case by the keys of a part's columns."""


@dataclass(frozen=True)
class Setting:
    """Plain values, from which a session loads what they name."""

    family: str = "dollhouse"
    refiner: Path | None = None
    """Folder of another view refiner than the family's own."""
    steps: int | None = None
    """Of restyling a frame; the preset's if None."""
    refiner_steps: int = 0
    device: str = "cpu"

    def load_refiner(self, session: Session) -> ViewRefiner:
        """The view refiner. Raises MissingModelError where there is none."""
        return view_refiner(self.views(), session)

    def photo(self, prompt: str = "") -> PhotoConfig:
        """How a frame is restyled by itself."""
        return PhotoConfig(family=self.family, steps=self.steps, device=self.device, precision="fp32", prompt=prompt)

    def views(self, prompt: str = "") -> ViewsConfig:
        """How a walk is restyled by default."""
        refiner = None if self.refiner is None else str(self.refiner)
        return ViewsConfig(photo=self.photo(prompt), refiner=refiner, points=False)


@dataclass(frozen=True, kw_only=True)
class ViewsSuite(Suite):
    """A part of the suite."""

    setting: Setting

    def learned(self, session: Session) -> Mapping[str, str]:
        """The family, its view refiner and LPIPS, where they are here."""
        found = family_weights(self.setting.family, session) | checkpoint_weights(["lpips_alex"])
        try:
            return found | {"view refiner": self.setting.load_refiner(session).revision}
        except MissingModelError:
            return found

    def depends(self, trial: Trial) -> Any:
        """Weights and options that all parts share."""
        one = self.config
        return dict(self.weights), one.steps, one.refiner_steps, one.device, one.seed, str(one.family), str(one.refiner)


def numbers_of(score: Score, columns: Mapping[str, Column]) -> list[Number]:
    """One number for each of a score that has a column."""
    return [Number(*columns[key].key, value) for key, value in score.items() if key in columns]
