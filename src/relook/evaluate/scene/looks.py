"""The ways of the suite to a scene in a new look, from restyled key views or without any."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from relook.evaluate.perception.segments_depth import class_map
from relook.evaluate.scene.rooms import Room, Scene, exact_classes
from relook.gaussians import Gaussians
from relook.lift.scene import distil
from relook.ops.statistics import adain_by_class, lab_to_rgb, rgb_to_lab

ELSE = 1e-3
"""How much a frame counts for classes of which another shows more: all of them together must stay far below one."""


def statistics(scene: Scene, room: Room) -> Gaussians:
    """Every class of the scene with the mean and deviation, in CIE Lab, of the style picture's."""
    style, classes = room.walk.style, exact_classes(scene, room) + 1
    if style.segments is None:
        return scene.gaussians
    lab = rgb_to_lab(scene.gaussians.colours.T[..., None])
    new = adain_by_class(lab, rgb_to_lab(style.image), classes[:, None], class_map(style.segments) + 1)
    return scene.gaussians.coloured(lab_to_rgb(new)[..., 0].T.contiguous())


def distilled(scene: Scene, room: Room, keys: Mapping[int, Tensor]) -> Gaussians:
    """Key views distilled; what they do not show takes the look of what is like it, in its class."""
    blends = [scene.blends[number] for number in keys]
    return distil(scene.gaussians, blends, list(keys.values()), groups=exact_classes(scene, room))


def one_view_per_region(scene: Scene, room: Room, keys: Mapping[int, Tensor]) -> Gaussians:
    """The same, but every class from the one key view that shows most of it: patterns of several views are not averaged."""
    shown = {number: room.old[number].classes for number in keys}
    most = {
        name: max(shown, key=lambda number: int((shown[number] == name).sum()))
        for name in torch.cat([one.flatten() for one in shown.values()]).unique().tolist()
    }
    trust = []
    for number, classes in shown.items():
        chosen = torch.tensor([name for name, best in most.items() if best == number], dtype=classes.dtype)
        trust.append(torch.where(torch.isin(classes, chosen), 1.0, ELSE))
    blends = [scene.blends[number] for number in keys]
    return distil(scene.gaussians, blends, list(keys.values()), trust, groups=exact_classes(scene, room))
