"""An operator's answers for all views of a capture, on a way to every view: predictions that agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from relook.lift.lifted.contrast import contrast, with_contrast
from relook.lift.lifted.sources import Posed
from relook.lift.lifted.ways import Carrier, points_of
from relook.lift.operators import Operator
from relook.ops.fill import smoothly_filled
from relook.types import Camera

RIM = 0.02
"""Half the width, in longer sides of the picture, over which what is carried goes over into a view's own prediction."""


@dataclass(frozen=True)
class Target:
    """A view that is written."""

    name: str
    camera: Camera
    number: int | None
    """Of the capture's view that it is; None for a new one."""


@dataclass(frozen=True)
class Lifted:
    """One prediction that agrees with the others."""

    target: Target
    prediction: Float[Tensor, "D H W"]
    known: Bool[Tensor, "H W"]
    """Where the sources say something; elsewhere it is the view's own prediction, or what is around."""


@dataclass(frozen=True)
class Job:
    """An operator's answers for all sources, on a way to new views."""

    operator: Operator
    lift: str
    source: Posed
    answers: Sequence[tuple[Tensor, Tensor]]
    """Features and prediction of every view."""
    carrier: Carrier

    @property
    def decodes(self) -> bool:
        """Whether features are carried, which the operator decodes in each view."""
        return self.lift == "features" and self.operator.kind != "depth"

    def predictions(self, targets: Sequence[Target]) -> Iterator[Lifted]:
        """One after another."""
        features = self.answers[0][0]
        size = (features.shape[1], features.shape[2]) if self.decodes else self.source.size
        for target in targets:
            camera = target.camera.resized(self.source.size, size)
            found = self.carrier.at(camera, size, target.number)
            yield Lifted(
                target, self._finished(target, found.values, found.known), _enlarged(found.known, self.source.size)
            )

    def _finished(self, target: Target, values: Tensor, known: Tensor) -> Float[Tensor, "D H W"]:
        """What was carried as a prediction, with the view's own or what is around where nothing was."""
        if self.operator.kind == "depth":
            pose = target.camera.world_to_camera
            values = torch.einsum("c,chw->hw", pose[2, :3], values)[None] + pose[2, 3]
        if target.number is None:
            values = smoothly_filled(values, ~known) if bool(known.any()) else values
        else:
            values = torch.lerp(self._own(target.number), values, inner(known))
        if self.decodes:
            return self.operator.decode(values, self.source.size)
        if self.lift in ("change", "contrast"):
            image = None if target.number is None else self.source.views[target.number].image
            base = values[-3:] if image is None else self.operator.base(image)
            new = base + values[:3]
            return (new if self.lift == "change" else with_contrast(new, base, values[3:4])).clamp(0, 1)
        return values

    def _own(self, number: int) -> Tensor:
        """What the operator says of that view alone, as it is carried."""
        features, prediction = self.answers[number]
        if self.operator.kind == "depth":
            return prediction
        return _carried(self.lift, self.operator.base(self.source.views[number].image), features, prediction)


def held(
    operator: Operator, lift: str, source: Posed, answers: Sequence[tuple[Tensor, Tensor]]
) -> Float[Tensor, "V _ _ _"]:
    """What is carried of every view: points for depth, else as `lift` says."""
    if operator.kind == "depth":
        cameras = [view.camera for view in source.views if view.camera is not None]
        return torch.stack([points_of(depth, one) for (_, depth), one in zip(answers, cameras, strict=True)])
    bases = [operator.base(view.image) for view in source.views]
    return torch.stack([_carried(lift, base, *one) for base, one in zip(bases, answers, strict=True)])


def _carried(lift: str, base: Tensor, features: Tensor, prediction: Tensor) -> Tensor:
    """Features, the prediction, or what it changes of the picture (with its contrast, and with the picture, for new views)."""
    if lift in ("features", "probabilities", "picture"):
        return features if lift == "features" else prediction
    besides = [contrast(prediction)] if lift == "contrast" else []
    return torch.cat([prediction - base, *besides, base])


def inner(known: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """1 well inside of what is known, falling to 0 at its rim: no seam where a view's own prediction begins. The picture's border is no rim."""
    reach = 2 * round(RIM * max(known.shape)) + 1
    around = avg_pool2d(known[None].float(), reach, 1, reach // 2, count_include_pad=False)[0]
    return (2 * around - 1).clamp_min(0) * known


def _enlarged(mask: Bool[Tensor, "h w"], size: tuple[int, int]) -> Bool[Tensor, "H W"]:
    """By the nearest cell."""
    return interpolate(mask[None, None].float(), size, mode="nearest-exact")[0, 0] > 0.5
