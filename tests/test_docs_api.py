"""The examples of docs/api.md run, in their order, on two small pictures and a folder of frames."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from relook import PhotoConfig, json_schema, write_image

PAGE = Path(__file__).parents[1] / "docs/api.md"


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, the working one, with room.jpg, look.jpg and walk/."""
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0.1, 0.9, 64).expand(3, 48, 64)
    for name, light in (("room.jpg", 1.0), ("look.jpg", 0.6), *((f"walk/{number}.png", 0.9) for number in range(3))):
        Path(name).parent.mkdir(exist_ok=True)
        write_image(name, (light * ramp + 0.05 * torch.rand(3, 48, 64, generator=generator)).clamp(0, 1))
    return tmp_path


def test_the_examples_run(pictures: Path, unchecked: None) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block.replace('keep=("window",)', "keep=()"), str(PAGE), "exec"), names)
    written = {path.name for path in pictures.iterdir()}
    assert {"new.png", "new.json", "again.png", "restyled"} <= written
    assert "stopped.png" not in written, "a cancelled run leaves nothing"
    assert (pictures / "new.png").read_bytes() == (pictures / "again.png").read_bytes()
    assert {"perceiving", "matching", "restyling"} <= {step.stage for step in names["steps"]}


def test_the_page_names_the_schema_as_it_is() -> None:
    strength = json_schema(PhotoConfig)["properties"]["strength"]
    assert {"type": "number", "minimum": 0, "maximum": 1, "default": 1.0}.items() <= strength.items()
