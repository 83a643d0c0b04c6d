"""The designer's certificate and key, one for all projects: tried when they are dropped, kept where nothing is served from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from relook.files import read_json, together, write_json

FOLDER, CHAIN, KEY, FACTS = "signature", "certificate.pem", "key.pem", "signature.json"
"""Beside the projects: a folder, its files, and whose they are."""
EMPTY: Mapping[str, Any] = {"inputs": {"structure": {"path": None}}, "configuration": {"family": None}}
"""The record of no picture."""


def signer(root: Path) -> str:
    """Whose signature there is; empty for none."""
    path = root / FOLDER / FACTS
    return str(read_json(path)["signer"]) if path.is_file() else ""


def keep_signature(root: Path, certificate: Path, key: Path) -> str:
    """Keep a certificate and its key in place of those before, and forget the files that were dropped. Returns the signer's name.

    Raises InputError where they cannot sign, which is tried, or without c2pa-python.
    """
    from PIL import Image

    from relook.transfer.credentials import read_credentials, sign

    with TemporaryDirectory() as folder:
        picture = Path(folder) / "tried.png"
        Image.new("RGB", (16, 16)).save(picture)
        sign(picture, EMPTY, certificate, key)
        found = read_credentials(picture)
    name = (found.signer if found is not None else "") or "somebody"
    with together(root / FOLDER) as place:
        for source, target in ((certificate, CHAIN), (key, KEY)):
            copyfile(source, place / target)
            (place / target).chmod(0o600)
        write_json(place / FACTS, {"signer": name})
    (root / FOLDER).chmod(0o700)
    for dropped in (certificate, key):
        dropped.unlink(missing_ok=True)
    return name
