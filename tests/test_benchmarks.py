"""The benchmarks: their clock and tables, and whole pictures by every method on narrow kinds of both public families."""

from __future__ import annotations

import json
import runpy
from functools import partial
from itertools import product
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from PIL import Image

import ldm_names
from boxes import box_room
from relook.captures import camera_for
from relook.evaluate.sources.folder import Folder
from relook.io import read_image
from relook.models.families import Family
from relook.ops.poses import looking
from relook.ops.splats import render
from relook.session import CPU

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
AHEAD = torch.tensor([1.0, 0.8, -0.4]), torch.tensor([0.0, 0.0, 1.0])
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not in the source distribution")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Name -> what a script defines."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: runpy.run_path(str(BENCHMARKS / f"{name}.py"))


@pytest.fixture(scope="module")
def configurations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of narrow configurations."""
    folder = tmp_path_factory.mktemp("configurations")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return runpy.run_path(str(BENCHMARKS / "randoms.py"))["narrowed"](folder)


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
    pieces = [torch.ones(2**14) for _ in range(2000)]
    last = pieces.pop()
    del pieces  # 125 MiB that the allocator keeps, below a piece in use
    before, highest = peak(lambda: torch.ones(64 * 2**18).sum())  # 64 MiB
    assert 60 < highest - before < 100
    before, highest = peak(lambda: torch.ones(1).sum())
    assert highest - before < 30
    assert last.sum() == 2**14


def test_ways_to_attend_agree_with_their_rivals(scripts: Any) -> None:
    script = scripts("attention")
    every = script["variants"](count=96)
    answers = {variant.name: variant.run() for variant in every}
    pairs = [(answers[variant.name], answers[variant.rival]) for variant in every if variant.same]
    assert len(pairs) == 6
    for found, rival in pairs:
        torch.testing.assert_close(found, rival, atol=1e-5, rtol=1e-5)
    timed = {name: scripts("common")["Timed"](2.0, answer) for name, answer in answers.items()}
    figures = script["figures"](every[3], timed, {every[3].name: 5.0, every[3].rival: 10.0}, calls=4)
    assert (figures["ms"], figures["times less memory"]) == (500.0, 2.0)
    assert figures["apart"] < 1e-5


@pytest.mark.usefixtures("unchecked")  # of the family there is the denoiser alone
def test_schemes_of_the_same_mathematics_agree(scripts: Any, configurations: Path, tmp_path: Path) -> None:
    """The published scheme and Relook's in all three rows, the recorded one with and without the style remembered in the output's."""
    script = scripts("step")
    with torch.no_grad():
        every = script["schemes"](script["alone"](CPU, 64, configurations), 64, tmp_path)
        noises = {scheme.name: scheme.noise() for scheme in every}
        apart = script["differences"](every)
    assert [len(noise) for noise in noises.values()] == [3, 3, 1, 1]
    assert set(apart) == {"same mathematics", "recorded, style remembered"}
    assert max(apart.values()) < 2e-5
    clipped = noises["published"][:1] - noises["recorded"]
    assert clipped.abs().max() > 1e-3, "clipping is no detail"


def test_a_scene_in_more_gaussians_is_the_same_scene(scripts: Any) -> None:
    """Some become four on their own surface, until there are as many as asked."""
    room = box_room()
    resampled = scripts("restyle3d")["resampled"]
    camera = looking(camera_for((48, 64), 70.0).K, torch.tensor([-1.2, -0.9, 1.6]), *AHEAD)
    before = render(room, camera, (48, 64))
    for count in (len(room) + 900, 3 * len(room)):
        many = resampled(room, count)
        assert count - 2 <= len(many) <= count
        assert (render(many, camera, (48, 64)) - before).square().mean() < 1e-4
    assert len(resampled(room, 100)) == 100


def test_tables_are_markdown(scripts: Any) -> None:
    """Words to the left, three digits, nothing where nothing was measured."""
    found = scripts("common")["tabulated"](
        [{"ms": 1234.56, "way": "exact"}, {"ms": 0.012345, "way": "map", "times": 2}]
    )
    assert found == "| way | ms | times |\n|---|---:|---:|\n| exact | 1235 |  |\n| map | 0.0123 | 2 |"


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
    script, out = scripts("methods"), tmp_path / "table.md"
    assert kind != "sd15" or tuple(methods) == script["METHODS"]
    script["main"]([
        "--families", kind, "--methods", ",".join(methods), "--sizes", "64", "--steps", "2", "--repeats", "1", "--compile", "off",
        "--out", str(out), "--configurations", str(configurations), "--threads", str(torch.get_num_threads()),
    ])  # fmt: skip
    columns, _, *rows = [line.strip("| ").split(" | ") for line in out.read_text().splitlines() if line.startswith("|")]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [(one["family"], one["method"], one["pixels"]) for one in records] == [
        (kind, name, "64") for name in methods
    ]
    assert all(float(one["peak MiB"]) > 100 for one in records), "MiB of a process with torch in it"
    assert all(float(one["all steps, extrapolated"]) > float(one["seconds"]) for one in records)
    assert asked[True] == asked[False] == {(f"{kind}, random weights", 8)}


def test_the_embedded_family_has_no_adapter_to_measure(scripts: Any) -> None:
    script = scripts("methods")
    arguments = script["options"]().parse_args(["--steps", "2", "--repeats", "1", "--compile", "off", "--sizes", "64"])
    arguments.methods = ["ip-adapter"]
    assert list(script["measured"]("dollhouse", CPU, arguments)) == []


def test_one_run_for_a_gpu_goes_on_where_it_stopped(scripts: Any, tmp_path: Path) -> None:
    """Failed and skipped parts are listed and tried again, finished ones are not; what would not fit is not begun."""
    script, file, asked = scripts("on_gpu"), tmp_path / "run.json", []
    fails = [True]

    def measure(name: str) -> list[dict[str, Any]]:
        asked.append(name)
        if name == "second" and fails:
            raise ValueError("Expected more memory.")
        return [{"part": name, "ms": 1.5}]

    parts = [
        script["Part"](name, "Numbers", estimate, partial(measure, name))
        for name, estimate in (("first", 1.0), ("second", 1.0), ("long", 1000.0))
    ]
    run = partial(script["run"], parts, file, machine="a machine", device="cpu")
    run(budget=60.0)
    assert asked == ["first", "second"]
    text = file.with_suffix(".md").read_text()
    assert "| first | 1.5 |" in text
    assert "- second: ValueError: Expected more memory." in text
    assert "- long: 1000 s by estimate" in text
    fails.clear()
    run(budget=2000.0)
    assert asked == ["first", "second", "second", "long"]
    assert "| long | 1.5 |" in file.with_suffix(".md").read_text()


def test_parts_for_a_gpu_have_names_of_their_own(scripts: Any, configurations: Path) -> None:
    """Every method of every preset is among them, on both families."""
    names = [part.name for part in scripts("on_gpu")["Bench"]("cpu", configurations).parts()]
    assert len(set(names)) == len(names)
    for kind, method in product(("sd15", "sdxl"), scripts("methods")["METHODS"]):
        for preset in ("released", "paper", "relook"):
            assert any(name.startswith(f"picture {kind} bf16 {method} {preset},") for name in names), (
                kind,
                method,
                preset,
            )


@pytest.mark.filterwarnings("ignore:Dynamo detected a call")  # to a cached function of diffusers that compares versions
@pytest.mark.usefixtures("unchecked")
def test_a_compiled_denoiser_and_a_tiny_decoder_are_measured(
    scripts: Any, configurations: Path, tmp_path: Path
) -> None:
    """A shallow denoiser: one of the public depth takes ten times as long to trace."""
    script = scripts("on_gpu")
    shallow = Path(copytree(configurations, tmp_path / "shallow"))
    denoiser = shallow / "sd15_unet.json"
    changes = {
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "layers_per_block": 1,
    }  # fmt: skip
    written = json.loads(denoiser.read_text())
    denoiser.write_text(json.dumps(written | changes | {"block_out_channels": written["block_out_channels"][:2]}))
    bench = script["Bench"]("cpu", shallow, rehearsal=True)
    plain, compiled = script["compiled"](bench, "sd15")
    assert compiled["compiled"] == "eager"
    assert compiled["apart"] == 0
    assert compiled["seconds of the first call"] > 0
    assert plain["apart"] is None
    assert [one["decoder"] for one in script["decoders"](bench, "sdxl")] == ["whole", "tiny"]


def test_the_tables_of_presets_are_those_of_the_numbers(scripts: Any) -> None:
    """docs/presets.md holds what the benchmark prints."""
    found = scripts("presets")
    _, _, after = (BENCHMARKS.parent / "docs" / "presets.md").read_text().partition(found["START"])
    assert after.partition(found["END"])[0].strip() == found["tables"]().strip()
    assert "| `replay` | yes | no | no | no |" in after


def test_framings_of_a_seed_are_the_same_and_no_picture_meets_itself(scripts: Any, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(5):
        pixels = (torch.rand((3, 60, 80), generator=torch.Generator().manual_seed(number)) * 255).byte()
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(photos / f"{number}.jpg")
    write, found = scripts("framings")["write"], sorted(photos.glob("*.jpg"))
    pairs = [write(found, tmp_path / f"{seed}", seed, 5) for seed in range(12)]
    assert all(1 <= len(one) <= 5 for one in pairs)
    assert not any(room[3:] == look[3:] for one in pairs for room, look in one)
    assert any(len(one) < 5 for one in pairs)  # some draw met itself
    assert write(found, tmp_path / "again", 3, 5) == pairs[3]
    again, first = (sorted((tmp_path / name).rglob("*.*")) for name in ("again", "3"))
    assert [one.read_bytes() for one in again] == [one.read_bytes() for one in first]
    sizes = {read_image(one).shape[1:] for one in first if one.suffix == ".jpg"}
    assert sizes
    assert (60, 80) not in sizes  # parts, all of them
    assert [case.name for case in Folder(tmp_path / "3").listing()] == [f"{room}--{look}" for room, look in pairs[3]]
