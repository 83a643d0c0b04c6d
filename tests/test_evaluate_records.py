"""Records come back as they were, and a broken file is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relook.errors import InputError
from relook.evaluate.records import EVERY, HEAD, RECORDS, WHOLE, Record, read_records, write_records

WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.builds(Record, *[WORDS] * 6, NUMBERS), max_size=5))
def test_records_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    folder = tmp_path_factory.mktemp("records")
    assert write_records(folder, records) == folder / RECORDS
    assert read_records(folder) == read_records(folder / RECORDS) == records


def test_names_with_commas_quotes_and_lines_come_back(tmp_path: Path) -> None:
    hard = Record("suite", "part", 'say "relook", please', "line\nbreak", "psnr", EVERY, -0.1 + 0.3)
    write_records(tmp_path, [hard, Record("s", "p", "r", "ü.png", "psnr", WHOLE, None)])
    assert read_records(tmp_path)[0] == hard
    assert read_records(tmp_path)[1].value is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"suite,row\n",
        ",".join(HEAD).encode() + b"\na,b,c,d,e,f,much\n",
        ",".join(HEAD).encode() + b"\na,b,c\n",
        b"\xff\xfe\x00",
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RECORDS).write_bytes(content)
    with pytest.raises(InputError, match=r"^Expected .*; "):
        read_records(tmp_path)


def test_no_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="relook evaluate wrote"):
        read_records(tmp_path)
    with pytest.raises(InputError, match="relook evaluate wrote"):
        read_records(tmp_path / "nothing")
