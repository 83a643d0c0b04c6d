"""Modules imported at once."""

from __future__ import annotations

import gc
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
