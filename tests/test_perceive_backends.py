"""Tables of back ends: what a name finds, what `auto` is, what is here, what records say; and what every table must keep to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from relook.correspond.features import DESCRIPTORS
from relook.errors import InputError
from relook.models.catalogue import CATALOGUE, known
from relook.models.load import revision
from relook.perceive.backends import BackEnd, Table, parts
from relook.perceive.depth import ESTIMATORS
from relook.perceive.geometry import geometries
from relook.perceive.match import MATCHERS
from relook.perceive.match.keypoints import KEYPOINTS
from relook.perceive.segment import SEGMENTERS
from relook.perceive.segment.open_vocabulary import LABELLERS
from relook.session import Session

TABLES: tuple[Table[Any], ...] = (SEGMENTERS, ESTIMATORS, LABELLERS, MATCHERS, KEYPOINTS, DESCRIPTORS, geometries())
Answer = Callable[[], str]


def said(words: str, session: Session | None = None) -> Answer:
    return lambda: words


def table(shipped: Path) -> Table[Answer]:
    return Table(
        "oracle",
        "an oracle",
        (
            BackEnd("auto", partial(said, "auto"), "the best one here"),
            BackEnd("large", partial(said, "large"), "a file of weights", weights=("raft_sintel",), device="session"),
            BackEnd("ours", partial(said, "shipped"), "comes along", shipped={"shipped oracle": shipped}),
            BackEnd("foreign", partial(said, "foreign"), "another project", package="no_such_package"),
            BackEnd("plain", partial(said, "plain"), "learns nothing"),
        ),
        order=("large", "plain"),
        files=(".png",),
        read=lambda path: said(f"read {path.name}"),
        is_model=lambda name: name.startswith("someone/"),
        load_model=lambda name, session: said(f"model {name} on {session.device}"),
        besides=", a map (.png)",
    )


def test_a_name_finds_an_entry_a_file_or_a_model(tmp_path: Path, session: Session) -> None:
    oracles = table(tmp_path)
    assert oracles.names == ("auto", "large", "ours", "foreign", "plain")
    answers = [oracles.find(name, session)() for name in ("plain", "map.PNG", "someone/model")]
    assert answers == ["plain", "read map.PNG", "model someone/model on cpu"]
    with pytest.raises(
        InputError, match=r"^Expected an oracle out of auto, large, .*, a map \(\.png\), got 'x'; choose one\.$"
    ):
        oracles.find("x", session)
    for ask in (oracles.is_here, oracles.revisions, oracles.entry):
        with pytest.raises(InputError, match="got 'x'"):
            ask("x")


def test_auto_is_the_first_that_is_here(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracles = table(tmp_path)
    assert (oracles.chosen("auto"), oracles.chosen("large")) == ("plain", "large")
    assert oracles.revisions("auto") == {}
    monkeypatch.setattr("relook.models.store.is_here", lambda name: name == "raft_sintel")
    assert oracles.chosen("auto") == "large"
    assert oracles.revisions("auto") == {"raft_sintel": CATALOGUE["raft_sintel"].sha256}


def test_what_is_here_and_what_records_say(tmp_path: Path, models_folder: Path) -> None:
    oracles = table(tmp_path / "weights")
    here = {name: oracles.is_here(name) for name in (*oracles.names, "map.png", "someone/model")}
    assert here == {
        "auto": True, "large": False, "ours": False, "foreign": False, "plain": True, "map.png": True, "someone/model": False
    }  # fmt: skip
    (tmp_path / "weights").mkdir()
    save_file({"one": torch.ones(1)}, tmp_path / "weights" / "model.safetensors")
    assert oracles.is_here("ours")
    assert oracles.revisions("ours") == {"shipped oracle": revision(tmp_path / "weights")}
    assert oracles.revisions("map.png") == {}
    place = models_folder / "someone" / "model"
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    save_file({"one": torch.ones(1)}, place / "model.safetensors")
    assert oracles.revisions("someone/model") == {"oracle someone/model": revision(place)}
    large, ours = oracles.entry("large"), oracles.entry("ours")
    assert large is not None
    assert ours is not None
    assert (large.licence, ours.licence) == ("BSD-3-Clause", "")


def test_two_models_are_joined_by_a_plus_unless_a_folder_is_called_so(tmp_path: Path) -> None:
    assert parts("a/b + c/d") == ("a/b", "c/d")
    (tmp_path / "x+y").mkdir()
    assert parts(str(tmp_path / "x+y")) == (str(tmp_path / "x+y"),)


@pytest.mark.parametrize("asked", TABLES, ids=lambda one: one.question)
def test_every_table_says_what_its_back_ends_are(asked: Table[Any], session: Session) -> None:
    assert len(set(asked.names)) == len(asked.names)
    for entry in asked.entries:
        assert entry.note
        assert entry.device in ("session", "cpu")
        assert callable(entry.load(session)), "made without loading anything"
        if asked.question != "geometry":  # weights of other projects are theirs to list
            assert all(known(name) is not None for name in entry.weights)
    assert session._loaded == {}


@pytest.mark.parametrize("asked", TABLES, ids=lambda one: one.question)
def test_auto_takes_nothing_that_is_not_for_commercial_use_and_no_network_that_knows_drawings_only(
    asked: Table[Any],
) -> None:
    weights = [(name, entry.weights if (entry := asked.entry(name)) else (name,)) for name in asked.order]
    for name, needed in weights:
        assert all((one := known(part)) is None or one.commercial for part in needed), name
    if asked in (SEGMENTERS, ESTIMATORS):
        assert "embedded" not in asked.order
