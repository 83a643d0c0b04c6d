"""Content credentials (C2PA 2): the record signed into the picture file, so that whoever gets it can check where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import relook
from relook.errors import InputError
from relook.files import reason, replacing
from relook.transfer.disclosure import public, source_type

RECORD = "org.relook.record"
"""Label of the assertion that holds the record."""


@dataclass(frozen=True)
class Credentials:
    """What a picture's content credentials say."""

    state: str
    """`Trusted` (by a known authority), `Valid` (whole, from an unknown one) or `Invalid` (changed since it was signed)."""
    signer: str
    record: Mapping[str, Any] | None
    """None where they are not Relook's."""


def sign(path: Path, record: Mapping[str, Any], certificate: Path, key: Path) -> None:
    """Sign the record into a picture file, with the structure picture as what it was made from.

    certificate: a chain in PEM, the signer's own first; key: its private key in PEM (elliptic curve, Ed25519 or RSA). Raises InputError
    where they cannot sign, or without c2pa-python.
    """
    needs_credentials()
    import c2pa

    structure = record["inputs"]["structure"]["path"]
    parent = None if structure is None or not _known(Path(structure)) else Path(structure)
    try:
        chain, private = certificate.read_bytes(), key.read_bytes()
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(_algorithm(private), chain, private, None))
        builder = c2pa.Builder.from_json(json.dumps(_manifest(path.name, record, opened=parent is not None)))
        if parent is not None:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            with parent.open("rb") as file:
                builder.add_ingredient(
                    json.dumps({"title": parent.name, "relationship": "parentOf"}), _ending(parent), file
                )
        with replacing(path) as temporary:
            temporary.unlink()
            builder.sign_file(path, temporary, signer)
    except (c2pa.C2paError, OSError, ValueError, TypeError) as error:
        raise InputError(
            f"Expected a certificate and a key that can sign, got others ({reason(error)}); give a chain and its key in PEM."
        ) from error


def read_credentials(path: Path) -> Credentials | None:
    """What the content credentials of a file say; None without any, or without c2pa-python."""
    if find_spec("c2pa") is None or not _known(path):
        return None
    import c2pa

    try:
        with c2pa.Reader(path) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError:
        return None
    manifest = store["manifests"][store["active_manifest"]]
    records = [one["data"] for one in manifest.get("assertions", ()) if one["label"] == RECORD]
    signer = manifest.get("signature_info", {})
    return Credentials(
        store.get("validation_state", "Invalid"), signer.get("common_name") or signer.get("issuer", ""),
        records[0] if records else None,
    )  # fmt: skip


def needs_credentials() -> None:
    """Raise InputError unless content credentials can be written here."""
    if find_spec("c2pa") is None:
        raise InputError('Expected c2pa-python to sign, got none; run pip install "relook[credentials]".')


def _manifest(title: str, record: Mapping[str, Any], *, opened: bool) -> dict[str, Any]:
    """What is claimed: who made it, that it was restyled and how, and the record."""
    how = {"description": "virtually restyled", "digitalSourceType": source_type(record)}
    actions = [{"action": "c2pa.edited" if opened else "c2pa.created", **how}]
    return {
        "claim_generator_info": [{"name": "Relook", "version": relook.__version__}],
        "title": title,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": RECORD, "data": public(record)},
        ],
    }


def _algorithm(private: bytes) -> str:
    """C2PA's name of the signature that a private key makes."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(private, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {256: "es256", 384: "es384"}.get(key.key_size, "es512")
    return "ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else "ps256"


def _known(path: Path) -> bool:
    """Whether C2PA has a place for credentials in files of this ending."""
    import c2pa

    return _ending(path) in c2pa.Builder.get_supported_mime_types()


def _ending(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")
