"""Depth of a picture behind one interface: `DepthEstimator` = View -> Depth at the view's size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from relook.errors import DepthError, MissingModelError
from relook.io import read_depth
from relook.models import perceiver
from relook.models.store import is_checkpoint
from relook.ops.fill import whole_depth
from relook.perceive.backends import BackEnd, Table
from relook.perceive.depth.full_size import at_full_size
from relook.perceive.depth.models import DepthModel, load_depth_model
from relook.perceive.depth.small import fastdepth, pydnet
from relook.perceive.embedded import perceived
from relook.session import Session
from relook.types import Depth, View

DepthEstimator = Callable[[View], Depth]


def estimator(name: str, session: Session) -> DepthEstimator:
    """The estimator called `name`: one of ESTIMATORS, a depth map, or a transformers model (name, hub id or folder).

    auto: the view's own depth, else the first of the table's order that is on this machine. On photographs fastdepth and pydnet look
    alike, but fastdepth says metres; the embedded network has only seen drawn rooms and must be asked by name.
    Raises InputError for anything else. Weights are looked for when the estimator is first used.
    """
    return ESTIMATORS.find(name, session)


def exact(view: View) -> Depth:
    """The depth that the view already has, the holes of a sensor's filled."""
    whole = None if view.depth is None else whole_depth(view.depth)
    if whole is None:
        raise DepthError("Expected a view with depth, got one without; name a depth estimator or a depth map.")
    return whole


def from_model(view: View, model: str, session: Session) -> Depth:
    """What a transformers depth model says, with the picture's edges: metres or relative, as its configuration tells."""
    network: DepthModel = session.loaded(("depth", model), lambda: load_depth_model(model, session.place))
    coarse, kind = network.coarse(view.image)
    return at_full_size(view.image, coarse[None], kind)


def embedded(view: View, session: Session) -> Depth:
    """Metric depth of the embedded perception network.

    The metres hold for rooms like the dollhouse's only: elsewhere near and far are right at best. Raises MissingModelError where the
    weights are not installed.
    """
    return at_full_size(view.image, perceived(view.image, session).log_depth.exp(), "metric")


def _auto(view: View, session: Session) -> Depth:
    """The best depth on this machine."""
    if view.depth is not None:
        return exact(view)
    try:
        return estimator(ESTIMATORS.chosen("auto"), session)(view)
    except MissingModelError as error:
        raise MissingModelError(
            "Expected a depth map or the checkpoint of a depth estimator, got neither; pass depth, or run `relook models pull fastdepth` "
            "(fastdepth_nyu.onnx (5.8 MB, MIT))."
        ) from error


ESTIMATORS: Table[DepthEstimator] = Table(
    "depth",
    "a depth estimator",
    (
        BackEnd("auto", lambda session: partial(_auto, session=session), "the view's own, else the best one here"),
        BackEnd("exact", lambda session: exact, "the view's own depth"),
        BackEnd(
            "fastdepth", lambda session: partial(fastdepth, session=session), "FastDepth, metres", weights=("fastdepth",)
        ),
        BackEnd("pydnet", lambda session: partial(pydnet, session=session), "PyDNet++, relative", weights=("pydnet",)),
        BackEnd(
            "embedded", lambda session: partial(embedded, session=session), "drawn rooms only, metres",
            shipped=perceiver.SHIPPED, device="session",
        ),
    ),
    order=("depth-anything-v2-small", "fastdepth", "pydnet"),
    files=(".png", ".npy", ".npz"),
    read=lambda path: lambda view: read_depth(path, view.size),
    is_model=partial(is_checkpoint, role="depth"),
    load_model=lambda name, session: partial(from_model, model=name, session=session),
    besides=", a depth map, or a transformers model (a name of `relook models list`, a hub id or a folder)",
)  # fmt: skip
