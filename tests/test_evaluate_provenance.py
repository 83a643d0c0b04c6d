"""What a result was measured with is kept, and comes back."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import relook
import tiny
from relook import cache
from relook.errors import InputError
from relook.evaluate import provenance as module
from relook.evaluate.provenance import described, provenance, read_provenance, write_provenance
from relook.evaluate.records import RUN
from relook.evaluate.weights import checkpoint_weights, family_weights
from relook.files import sha256
from relook.models.families import load_family
from relook.session import Session


@dataclass(frozen=True)
class Part:
    depth: str | None = None


@dataclass(frozen=True)
class Settings:
    out: Path = Path("runs/x")
    seed: int = 7
    counts: tuple[int, ...] = (1, 2)
    part: Part = Part()


def test_it_is_written_and_read_back(tmp_path: Path) -> None:
    made = provenance("suite", Settings(), cases="seed 7", weights={"vae": "ab"})
    write_provenance(tmp_path, made)
    assert read_provenance(tmp_path) == made
    assert made.settings == {"out": "runs/x", "seed": 7, "counts": [1, 2], "part": {"depth": None}}
    assert made.seed == 7
    assert made.relook == relook.__version__
    assert made.code == cache.code_revision()
    assert made.packages["numpy"] == np.__version__
    assert str(made.packages["torch"]).partition("+")[0] == torch.__version__.partition("+")[0]
    assert made.cores >= 1
    facts = dict(described(made))
    assert facts["weights of vae"] == "ab"
    assert json.loads(facts["settings"])["counts"] == [1, 2]
    assert dict(described(replace(made, commit=None, seed=None, cases=None)))["seed"] == "-"


def test_settings_of_any_kind_become_json() -> None:
    made = provenance("suite", {"device": torch.device("cpu"), 3: [Path("a"), None, True], "seed": 1})
    assert made.settings == {"device": "cpu", "3": ["a", None, True], "seed": 1}
    assert made.seed == 1
    assert provenance("suite", {}).seed is None


def test_the_commit_is_gits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "src" / "relook"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("one = 1\n")
    monkeypatch.setattr(relook, "__file__", str(package / "__init__.py"))
    assert provenance("suite", {}).commit is None  # no checkout

    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "before")
    assert provenance("suite", {}).commit is None  # somebody else's checkout
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    assert provenance("suite", {}).commit == git("rev-parse", "HEAD")
    (package / "__init__.py").write_text("one = 2\n")
    assert provenance("suite", {}).commit == git("rev-parse", "HEAD") + "+"
    monkeypatch.setattr(module, "_git", lambda *_: None)  # no git at all
    assert provenance("suite", {}).commit is None


def test_every_file_of_weights_has_its_hash(tmp_path: Path) -> None:
    family = load_family(str(tiny.write_family(tmp_path / "family")))
    found = family_weights(str(tmp_path / "family"), Session("cpu"))
    assert family_weights(str(tmp_path / "nothing"), Session("cpu")) == {}
    assert len(found) == len(family.weights)
    assert set(found.values()) == {sha256(file) for file in family.weights}
    assert any("unet" in name for name in found)


def test_checkpoints_that_are_not_here_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert checkpoint_weights(["lpips_alex"]) == {}
    with pytest.raises(InputError):
        checkpoint_weights(["no such thing"])


@pytest.mark.weights
def test_checkpoints_have_the_hash_of_their_file(shared: Path) -> None:
    (name, digest), *rest = checkpoint_weights(["lpips_alex"]).items()
    assert not rest
    assert digest in {sha256(file) for file in (shared / "weights").glob(f"{name}*")}


def test_a_broken_run_is_one_sentence(tmp_path: Path) -> None:
    for content in ("", "[]", "{}", '{"suite": "x"}'):
        (tmp_path / RUN).write_text(content)
        with pytest.raises(InputError, match=r"^Expected .*; "):
            read_provenance(tmp_path)
    write_provenance(tmp_path, provenance("suite", {}))
    broken = json.loads((tmp_path / RUN).read_text()) | {"weights": None}
    (tmp_path / RUN).write_text(json.dumps(broken))
    with pytest.raises(InputError, match=r"^Expected .*; "):
        read_provenance(tmp_path)
