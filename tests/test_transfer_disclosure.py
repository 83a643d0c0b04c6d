"""What a restyled picture says of itself: a mark, a record in the file, content credentials; and what an audit finds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from certificates import write_certificate
from pictures import Room, write_room
from relook import PhotoConfig, Result, View, restyle_photo
from relook.errors import InputError, PictureError, RecordError
from relook.io import read_image, read_picture, read_segments, read_xmp, write_image
from relook.present.cli import main
from relook.transfer.audit import audit_photo
from relook.transfer.credentials import read_credentials
from relook.transfer.disclosure import read_disclosure
from relook.transfer.label import TEXT, labelled, marked
from relook.transfer.photo import repeat_photo
from relook.types import Metadata


@pytest.fixture
def rooms(tmp_path: Path) -> tuple[Room, Room]:
    return write_room(tmp_path, "structure", (96, 128)), write_room(tmp_path, "style", (88, 80), seed=1)


def restyled(rooms: tuple[Room, Room], out: Path, **options: object) -> Path:
    files = {
        "segments": rooms[0].segments,
        "style_segments": rooms[1].segments,
        "layout": "none",
        "style_layout": "none",
    }
    config = PhotoConfig(**{"method": "palette", "keep": ("window",), **files, **options})
    restyle_photo(rooms[0].image, rooms[1].image, config, out=out)
    return out


@pytest.mark.parametrize("size", [(8, 8), (40, 30), (96, 128), (900, 1600)])
def test_the_mark_is_legible_at_any_size(size: tuple[int, int]) -> None:
    image, (top, left, bottom, right) = marked(torch.full((3, *size), 0.5))
    assert (bottom, right) == size
    plate, outside = image[:, top:bottom, left:right], image.clone()
    outside[:, top:bottom, left:right] = 0.5
    assert (outside == 0.5).all()
    assert plate.min() < 0.2
    assert plate.max() > (0.9 if min(size) > 90 else 0.6), "letters of five pixels are grey"
    if min(size) > 90:
        assert bottom - top >= 12
        assert (bottom - top) * (right - left) < 0.25 * size[0] * size[1]


def test_the_mark_is_opaque_and_its_place_is_recorded() -> None:
    view = View(torch.zeros(3, 96, 128))
    before = Result(view.image, {}, view, view, Metadata(alpha=torch.zeros(96, 128)))
    after = labelled(before)
    top, left, bottom, right = after.record["label"]["box"]
    alpha = after.metadata.alpha
    assert alpha is not None
    assert (alpha[top:bottom, left:right] == 1).all()
    assert float(alpha.sum()) == (bottom - top) * (right - left)
    assert before.metadata.alpha is not None
    assert not before.metadata.alpha.any()


def test_a_marked_picture_comes_with_both_side_by_side(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    out = restyled(rooms, tmp_path / "out/new.png", label_edited=True)
    assert sorted(path.name for path in out.parent.iterdir()) == ["new.before-after.jpg", "new.json", "new.png"]
    sheet = np.asarray(Image.open(tmp_path / "out/new.before-after.jpg"), np.float32) / 255
    old, new = (np.asarray(Image.open(path).convert("RGB"), np.float32) / 255 for path in (rooms[0].image, out))
    top = sheet.shape[0] - 96 - 4
    assert np.abs(sheet[top : top + 96, 4:132] - old).mean() < 0.06 < np.abs(new - old).mean()
    assert np.abs(sheet[top : top + 96, 136:264] - new).mean() < 0.06
    assert json.loads((tmp_path / "out/new.json").read_text())["label"]["text"] == TEXT


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "avif"])
def test_the_file_carries_its_record_but_no_folder(ending: str, rooms: tuple[Room, Room], tmp_path: Path) -> None:
    out = restyled(rooms, tmp_path / f"new.{ending}")
    found = read_disclosure(out)
    assert found is not None
    assert found["inputs"]["structure"]["path"] == "structure.png"
    assert found["configuration"]["keep"] == ["window"]
    packet = read_xmp(out).decode()
    assert str(tmp_path) not in packet
    assert "digitalsourcetype/algorithmicallyEnhanced" in packet
    repeat_photo(out.with_suffix(".json"), out=tmp_path / f"again.{ending}")
    assert (tmp_path / f"again.{ending}").read_bytes() == out.read_bytes()


def test_an_audit_says_what_changed_and_that_the_rest_is_identical(
    rooms: tuple[Room, Room], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = restyled(rooms, tmp_path / "new.png", label_edited=True)
    found = audit_photo(out)
    things = {one.name: one for one in found.things}
    assert (found.unchanged, found.embedded, found.credentials, found.kept_differ) == (True, True, None, 0)
    assert (things["window"].changed, things["window"].kept) == (0, 1)
    assert things["sofa"].changed > 0.9
    assert things["sofa"].difference > 5
    shares = {name: float(read_segments(rooms[0].segments).mask(name).float().mean()) for name in things}
    assert things["window"].share == pytest.approx(shares["window"])
    assert main(["audit", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the one that was written" in said
    assert "to be kept are identical" in said
    assert "under the corner mark" in said


def test_an_audit_finds_a_pixel_that_was_painted_over(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    out = restyled(rooms, tmp_path / "new.png")
    image, metadata = read_picture(out)
    place = read_segments(rooms[0].segments).mask("window").nonzero()[0]
    image[0, place[0], place[1]] = (image[0, place[0], place[1]] + 0.5) % 1
    write_image(out, image, metadata)
    found = audit_photo(out)
    assert (found.unchanged, found.embedded, found.kept_differ) == (False, False, 1)
    assert main(["audit", str(out)]) == 1


def test_an_audit_of_a_format_that_loses_detail_says_so(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    found = audit_photo(restyled(rooms, tmp_path / "new.jpg", quality=60))
    assert found.unchanged
    assert found.kept_differ > 0
    assert "A jpg loses detail everywhere" in found.notes[0]


def test_an_audit_refuses_what_it_cannot_compare(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    out = restyled(rooms, tmp_path / "new.png")
    write_image(out, read_image(out)[:, :50])
    with pytest.raises(PictureError, match="cut or resized"):
        audit_photo(out)
    write_image(rooms[0].image, 1 - read_image(rooms[0].image))
    with pytest.raises(RecordError, match="other content"):
        audit_photo(out)
    rooms[0].image.unlink()
    with pytest.raises(RecordError, match="got no file"):
        audit_photo(out)
    out.with_suffix(".json").unlink()
    with pytest.raises(RecordError, match="Expected the record of"):
        audit_photo(out)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_signed_picture_says_so_until_it_is_changed(ending: str, rooms: tuple[Room, Room], tmp_path: Path) -> None:
    chain, key = write_certificate(tmp_path)
    out = restyled(rooms, tmp_path / f"new.{ending}", certificate=chain, key=key)
    found = read_credentials(out)
    assert found is not None
    assert (found.state, found.signer) == ("Valid", "Test studio")
    assert found.record is not None
    assert found.record["configuration"]["keep"] == ["window"]
    assert found.record["configuration"]["key"] is None
    plain = restyled(rooms, tmp_path / f"plain.{ending}")
    assert torch.equal(read_image(out), read_image(plain))
    audited = audit_photo(out)
    assert audited.unchanged
    assert audited.credentials == found
    content = bytearray(out.read_bytes())
    content[-40] ^= 1
    out.write_bytes(content)
    spoiled = read_credentials(out)
    assert spoiled is not None
    assert spoiled.state == "Invalid"
    assert read_credentials(plain) is None


def test_what_cannot_sign_leaves_nothing(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    chain, key = write_certificate(tmp_path)
    with pytest.raises(InputError, match="Expected a certificate and its key, got one"):
        restyled(rooms, tmp_path / "out/new.png", certificate=chain)
    with pytest.raises(InputError, match=re.escape(f"Expected a readable file at {tmp_path / 'absent.pem'}")):
        restyled(rooms, tmp_path / "out/new.png", certificate=chain, key=tmp_path / "absent.pem")
    with pytest.raises(InputError, match="Expected a certificate and a key that can sign"):
        restyled(rooms, tmp_path / "out/new.png", certificate=key, key=key)
    assert not (tmp_path / "out").exists()
