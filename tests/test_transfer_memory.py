"""The style's hidden states on disk: the same picture with and without them, and a miss when anything that they depend on changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from relook.correspond.semantic import match_segments
from relook.models.families import Family, load_family
from relook.transfer.memory import StyleMemory
from relook.transfer.presets import preset_of
from tiny import restyle

VIEW, STYLE, OTHER = tiny.view(32, 48), tiny.view(32, 48, seed=1), tiny.view(32, 48, seed=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """A family whose files stay, so that its weights can be hashed."""
    return load_family(tiny.write_family(tmp_path_factory.mktemp("family")))


def passes(family, call) -> list[int]:
    """Rows in every pass of the denoiser while `call` runs."""
    seen: list[int] = []
    handle = family.denoiser.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    try:
        call()
    finally:
        handle.remove()
    return seen


@pytest.mark.parametrize(("method", "preset"), [
    ("restyle3d", "relook"), ("restyle3d", "paper"), ("cross-image-attention", "paper"), ("eye-for-an-eye", "paper"),
])  # fmt: skip
def test_a_remembered_style_gives_the_same_picture_in_fewer_rows(
    whole: Family, tmp_path: Path, method: str, preset: str
) -> None:
    family, memory = whole, StyleMemory(tmp_path)
    matches = match_segments(VIEW.segments, STYLE.segments)
    numbers = preset_of(method, preset)
    options = {"steps": 4, "seed": 3, "prompt": "a room"}
    plain = restyle(family, VIEW, STYLE, matches, numbers, **options)
    first = passes(family, lambda: restyle(family, VIEW, STYLE, matches, numbers, **options, memory=memory))
    assert len(list(tmp_path.iterdir())) > 0
    pictures: list[torch.Tensor] = []
    second = passes(
        family, lambda: pictures.append(restyle(family, VIEW, STYLE, matches, numbers, **options, memory=memory))
    )
    assert sum(second) < sum(first)
    torch.testing.assert_close(pictures[0], plain, atol=2e-5, rtol=1e-4)


def test_one_style_serves_another_structure_and_nothing_else_is_mistaken_for_it(whole: Family, tmp_path: Path) -> None:
    family, memory = whole, StyleMemory(tmp_path)
    preset = preset_of("restyle3d")

    def files(structure=VIEW, style=STYLE, **options) -> int:
        """New files that a run leaves behind."""
        before = len(list(tmp_path.iterdir()))
        matches = match_segments(structure.segments, style.segments)
        restyle(
            family,
            structure,
            style,
            matches,
            preset,
            **{"steps": 4, "seed": 3, "prompt": "a room"} | options,
            memory=memory,
        )
        return len(list(tmp_path.iterdir())) - before

    made = files()
    assert made > 0
    assert files() == 0
    assert files(structure=OTHER) == 0
    assert files(seed=4) == made
    assert files(prompt="a bedroom") == made
    assert files(steps=5) > 0
    assert files(style=OTHER) == made


def test_a_broken_file_is_made_again(whole: Family, tmp_path: Path) -> None:
    family, memory = whole, StyleMemory(tmp_path)
    matches = match_segments(VIEW.segments, STYLE.segments)
    run = lambda: restyle(family, VIEW, STYLE, matches, preset_of("restyle3d"), steps=3, memory=memory)  # noqa: E731
    expected = run()
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:40])
    torch.testing.assert_close(run(), expected)
    assert all(file.stat().st_size > 40 for file in tmp_path.iterdir())
