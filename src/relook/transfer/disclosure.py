"""What a picture says of itself: an XMP packet with the record and IPTC's word for how it was made, read by programs that show such things."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as XML

import relook
from relook.errors import PictureError
from relook.io import read_xmp

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC's vocabulary of how a picture came to be."""
_IPTC, _XMP, _OWN = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "http://ns.adobe.com/xap/1.0/", "urn:relook:record:"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NAMES = {"x": "adobe:ns:meta/", "rdf": _RDF, "Iptc4xmpExt": _IPTC, "xmp": _XMP, "relook": _OWN}


def public(record: Mapping[str, Any]) -> dict[str, Any]:
    """What may be read by everyone who gets the picture: how it was made, from which contents; file names without their folders.

    Nothing that differs when it is made again (seconds, machine), and nothing of who signs.
    """
    shown = {
        name: record[name]
        for name in ("relook", "inputs", "configuration", "preset", "weights", "label")
        if name in record
    }
    return _without_folders(shown | {"configuration": {**shown["configuration"], "certificate": None, "key": None}})


def source_type(record: Mapping[str, Any]) -> str:
    """IPTC's word: by a generative network, or by an algorithm that learned no pictures."""
    generated = record["configuration"]["family"] is not None
    return SOURCE_TYPES + ("compositeWithTrainedAlgorithmicMedia" if generated else "algorithmicallyEnhanced")


def xmp_packet(record: Mapping[str, Any]) -> bytes:
    """The record as an XMP packet (ISO 16684-1) that a picture file carries."""
    for prefix, space in _NAMES.items():
        XML.register_namespace(prefix, space)
    root = XML.Element(f"{{{_NAMES['x']}}}xmpmeta")
    about = XML.SubElement(XML.SubElement(root, f"{{{_RDF}}}RDF"), f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": ""})
    for name, text in (
        (f"{{{_IPTC}}}DigitalSourceType", source_type(record)),
        (f"{{{_XMP}}}CreatorTool", f"Relook {relook.__version__}"),
        (f"{{{_OWN}}}record", json.dumps(public(record), ensure_ascii=False)),
    ):
        XML.SubElement(about, name).text = text
    begin = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'.encode()
    return begin + XML.tostring(root, encoding="utf-8") + b'<?xpacket end="w"?>'


def read_disclosure(path: Path) -> dict[str, Any] | None:
    """The record that a picture file carries; None where it carries none. Raises PictureError for a file that is no picture."""
    packet = read_xmp(path)
    try:
        found = XML.fromstring(packet.strip(b"\0")).find(f".//{{{_OWN}}}record") if packet else None
        return None if found is None else json.loads(found.text or "")
    except (XML.ParseError, ValueError) as error:
        raise PictureError(f"Expected readable XMP in {path}, got none ({error}); the file was damaged.") from error


def _without_folders(value: Any) -> Any:
    """The same with the names of files in place of their paths."""
    if isinstance(value, Mapping):
        return {name: _without_folders(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(one) for one in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
