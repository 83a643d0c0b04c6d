"""What users state about single things' materials and colours."""

from __future__ import annotations

from pathlib import Path

import pytest

from relook.config import PhotoConfig
from relook.covers import Cover, covers
from relook.errors import InputError
from relook.transfer.materials import check_covers


def test_materials_with_scales_and_turns_and_colours() -> None:
    found = covers(["floor=oak.jpg", "wall = brick.png"], ["1.2", "wall=.5"], ["floor=45"], ["sofa=#d8cfc0"])
    assert found == (
        Cover("floor", Path("oak.jpg"), 1.2, 45.0), Cover("wall", Path("brick.png"), 0.5),
        Cover("sofa", colour=(0xD8 / 255, 0xCF / 255, 0xC0 / 255)),
    )  # fmt: skip
    assert covers([], [], [], []) == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((["floor"], [], [], []), "Expected a material such as floor=oak.jpg, got 'floor'; write it so."),
        ((["floor=a", "floor=b"], [], [], []), "once for floor, got a and b"),
        ((["floor=a"], ["0"], [], []), "a scale in metres"),
        ((["floor=a"], ["wide"], [], []), "got 'wide' for floor"),
        ((["floor=a"], ["1", "2"], [], []), "got 1 and 2 for everything"),
        ((["floor=a"], ["wall=2"], [], []), "Expected a material for wall"),
        (([], ["2"], [], []), "add --material"),
        ((["floor=a"], [], ["floor=400"], []), "Expected degrees"),
        (([], [], [], ["wall=beige"]), "#d8cfc0 for wall, got 'beige'"),
        ((["wall=a"], [], [], ["wall=#ffffff"]), "got both"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(options: tuple[list[str], ...], words: str) -> None:
    with pytest.raises(InputError) as error:
        covers(*options)
    assert words in str(error.value)
    assert str(error.value).startswith("Expected ")


def test_only_what_lies_on_a_plane_takes_a_material() -> None:
    check_covers(covers(["carpet=a", "wall=b", "flooring=c", "ceiling=d"], [], [], []))
    with pytest.raises(InputError, match="got one for sofa"):
        check_covers(covers(["sofa=velvet.jpg"], [], [], []))


def test_a_configuration_checks_its_covers_and_lists_their_files(tmp_path: Path) -> None:
    oak = tmp_path / "oak.jpg"
    with pytest.raises(InputError, match="oak"):
        PhotoConfig(material=(f"floor={oak}",)).check()
    oak.write_bytes(b"")
    config = PhotoConfig(material=(f"floor={oak}",), scale=("2",))
    config.check()
    assert config.files() == {"material floor": oak}
    with pytest.raises(InputError, match="palette"):
        PhotoConfig(colour=("wall=#ffffff",), method="restyle3d").check()
