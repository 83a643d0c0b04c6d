"""The benchmarks: their clock and tables, and whole pictures by every method on narrow kinds of both public families."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

import ldm_names
from relook.models.families import Family
from relook.session import CPU

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not in the source distribution")
UNET = {"norm_num_groups": 4, "layers_per_block": 1}
SD15 = UNET | {"block_out_channels": [8, 8, 16, 16], "cross_attention_dim": 16, "attention_head_dim": 2}
SDXL = UNET | {
    "block_out_channels": [8, 8, 16], "cross_attention_dim": 28, "attention_head_dim": [2, 2, 4],
    "transformer_layers_per_block": [1, 1, 2], "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 34,
}  # fmt: skip
CONTROL = {"conditioning_embedding_out_channels": [8, 8, 8, 8]}
VAE = {"block_out_channels": [4, 4, 8, 8], "norm_num_groups": 2, "layers_per_block": 1}
CLIP = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
NARROW: dict[str, dict[str, Any]] = {
    "sd15_unet": SD15, "sd15_controlnet": SD15 | CONTROL, "sd15_vae": VAE, "sd15_text_encoder": CLIP,
    "sdxl_unet": SDXL, "sdxl_controlnet": SDXL | CONTROL, "sdxl_vae": VAE, "sdxl_text_encoder": CLIP,
    "sdxl_text_encoder_2": CLIP | {"hidden_size": 12, "projection_dim": 10},
    "ip_adapter_image_encoder": CLIP | {"projection_dim": 12},
}  # fmt: skip
"""What makes the published configurations small."""


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Name -> what a script defines."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: runpy.run_path(str(BENCHMARKS / f"{name}.py"))


@pytest.fixture(scope="module")
def configurations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of narrow configurations."""
    folder = tmp_path_factory.mktemp("configurations")
    for file in ldm_names.PUBLISHED.glob("*.json"):
        (folder / file.name).write_text(json.dumps(ldm_names.config(file.stem) | NARROW.get(file.stem, {})))
    return folder


def test_medians_are_of_whole_rounds(scripts: Any) -> None:
    """Two runs, three rounds, on a clock that they move themselves."""
    now, order = [0.0], []

    def moves(name: str, *times: float) -> Any:
        left = list(times)

        def run() -> str:
            order.append(name)
            now[0] += left.pop(0)
            return f"{name} {len(left)}"

        return run

    runs = {"one": moves("one", 9, 1, 3), "two": moves("two", 5, 5, 4)}
    found = scripts("common")["rounds"](runs, 3, clock=lambda: now[0])
    assert order == ["one", "two"] * 3
    assert {name: (timed.seconds, timed.answer) for name, timed in found.items()} == {
        "one": (3.0, "one 0"), "two": (5.0, "two 0"),
    }  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux's count of resident memory")
def test_the_peak_is_seen_after_it_is_gone(scripts: Any) -> None:
    peak = scripts("common")["peak"]
    before, highest = peak(lambda: torch.ones(64 * 2**18).sum())  # 64 MiB
    assert 60 < highest - before < 100
    before, highest = peak(lambda: torch.ones(1).sum())
    assert highest - before < 30


def test_ways_to_attend_agree_with_their_rivals(scripts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripts("attention")
    monkeypatch.setitem(script["variants"].__globals__, "TOKENS", 96)
    every = script["variants"]()
    answers = {variant.name: variant.run() for variant in every}
    pairs = [(answers[variant.name], answers[variant.rival]) for variant in every if variant.same]
    assert len(pairs) == 6
    for found, rival in pairs:
        torch.testing.assert_close(found, rival, atol=1e-5, rtol=1e-5)
    figures = [script["Figures"](variant, 2.0, 10.0, 3e-7) for variant in every]
    assert script["in_words"](figures).splitlines()[4] == (
        "| matrix: its map, 1024 rows at a time | 2000 | 10 | 1.0 | 1.0 | 1 | 3e-07 |"
    )


@pytest.mark.usefixtures("unchecked")  # of the family there is the denoiser alone
def test_a_step_with_the_style_remembered_is_the_same_step(scripts: Any, configurations: Path, tmp_path: Path) -> None:
    """And every scheme's noise has the size of the output's latents."""
    script = scripts("step")
    with torch.no_grad():
        found = script["variants"](script["alone"](CPU, 64, configurations), 64, tmp_path)
        noises = {name: run() for name, run in found.items()}
    assert {tuple(noise.shape) for noise in noises.values()} == {(1, 4, 8, 8)}
    torch.testing.assert_close(noises["relook"], noises["relook, style remembered"], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(noises["relook"], torch.zeros(1), atol=1e-4)


def test_tables_are_markdown(scripts: Any) -> None:
    assert scripts("common")["table"](("way", "s"), [("exact", "1.0")]) == "| way | s |\n|---|---:|\n| exact | 1.0 |"


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_a_random_family_is_whole(scripts: Any, configurations: Path, kind: str) -> None:
    """Every part answers, finite and not constant; the weights are the same every time."""
    script = scripts("randoms")
    family: Family = script["random_family"](kind, CPU, configurations)
    assert family.size == {"sd15": 512, "sdxl": 1024}[kind]
    again = script["model"](f"{kind}_vae", CPU, configurations).state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in family.autoencoder.state_dict().items())
    found = ldm_names.said(family)
    assert ("pooled" in found) == (kind == "sdxl")
    for name, value in found.items():
        assert value.isfinite().all(), name
        assert value.std() > 1e-4 or name in ("states", "pooled"), name


@pytest.mark.usefixtures("unchecked")  # for speed: restyling is checked elsewhere
@pytest.mark.parametrize(
    ("kind", "methods"),
    [
        ("sd15", ["restyle3d", "cross-image-attention", "eye-for-an-eye", "style-id", "ip-adapter"]),
        ("sdxl", ["restyle3d", "ip-adapter"]),
    ],
)
def test_whole_pictures_of_public_families(
    scripts: Any, configurations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, methods: list[str]
) -> None:
    """The table has a row for each; the denoiser is asked at the size, with the picture as a prompt where that is the method."""
    asked: dict[bool, set[tuple[str, int]]] = {False: set(), True: set()}
    real = Family.denoise

    def seen(self: Family, latents: Any, *rest: Any, image: Any = None, **options: Any) -> Any:
        asked[image is not None].add((self.name, latents.shape[-1]))
        return real(self, latents, *rest, image=image, **options)

    monkeypatch.setattr(Family, "denoise", seen)
    script, out = scripts("pictures"), tmp_path / "table.md"
    assert kind != "sd15" or tuple(methods) == script["METHODS"]
    script["main"]([
        "--families", kind, "--methods", ",".join(methods), "--sizes", "64", "--steps", "2", "--repeats", "1", "--compile", "off",
        "--out", str(out), "--configurations", str(configurations), "--threads", str(torch.get_num_threads()),
    ])  # fmt: skip
    rows = [line.strip("| ").split(" | ") for line in out.read_text().splitlines() if line.startswith("| sd")]
    assert [row[:4] for row in rows] == [[kind, "64", method, "off"] for method in methods]
    assert all(float(row[6]) > 100 for row in rows), "MiB of a process with torch in it"
    assert asked[True] == asked[False] == {(f"{kind}, random weights", 8)}


def test_the_embedded_family_has_no_adapter_to_measure(scripts: Any) -> None:
    script = scripts("pictures")
    arguments = script["options"]().parse_args(["--steps", "2", "--repeats", "1", "--compile", "off", "--sizes", "64"])
    arguments.methods = ["ip-adapter"]
    assert list(script["measured"]("dollhouse", CPU, arguments)) == []
