"""Modules imported at once."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from relook.present.loading import loading


def test_nothing_is_collected_while_torch_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[bool] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    with loading():  # torch is here
        assert gc.isenabled()
    monkeypatch.delitem(sys.modules, "torch")
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert frozen == [False]
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()
    assert frozen == [False]


def test_torch_is_imported_without_what_only_models_ask_for() -> None:
    """And whoever asks for it later gets it; numbers can be drawn without it, as grown materials do."""
    code = """
import sys
from relook.present.loading import loading
with loading(values_only=True):
    import torch
name = "torch._meta_registrations"
torch.randn(2, generator=torch.Generator().manual_seed(0))
assert name not in sys.modules and "torch._decomp.decompositions" not in sys.modules, name
import torch._meta_registrations as found
assert len(dir(found)) > 100 and torch._meta_registrations is found
"""
    subprocess.run([sys.executable, "-c", code], check=True)
