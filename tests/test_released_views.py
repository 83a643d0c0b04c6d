"""ReStyle3D's second stage as released, against recorded numbers of its authors' code (../shared/parity)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from relook.lift.paint import PAINTING, euler, euler_step, painted
from relook.models.families import Family
from relook.models.text import Text, TextReader
from relook.models.view_refiner import PUBLISHED, ViewRefiner, condition_pictures, load_view_refiner
from relook.ops.geometry import pixel_centres, project
from relook.ops.released_views import eight_bits, released_flow, released_histogram, released_importance, released_splat
from relook.ops.warp import Warped, blended
from relook.types import Camera

STEPS = (0, 1, 2, 3, 25, 50, 75, 99)
"""Those that are recorded."""
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def parity(shared: Path) -> Path:
    if not (shared / "parity").is_dir():
        pytest.skip(f"needs the recorded numbers, and {shared} has none")
    return shared / "parity"


@pytest.fixture
def pieces(parity: Path) -> Tensors:
    return load_file(parity / "pieces.safetensors")


@pytest.fixture
def recorded(parity: Path) -> Tensors:
    return load_file(parity / "stage2" / "stage2.safetensors")


@pytest.fixture
def refiner(parity: Path) -> ViewRefiner:
    """The recorded network, loaded from its folder, with a family that has its schedule and eight pixels a latent, and no text encoder."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    folder = parity / "stage2"
    with torch.device("meta"):
        denoiser = UNet2DConditionModel.from_config(json.loads((folder / "config.json").read_text()))
        autoencoder = AutoencoderKL(block_out_channels=(8,) * 4, norm_num_groups=4, **{
            "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
        })  # fmt: skip
    family = Family(
        "recorded",
        autoencoder,
        denoiser,
        None,
        TextReader((), ()),
        DDIMScheduler.from_pretrained(folder / "scheduler"),
        (),
    )
    return load_view_refiner(family, folder)


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Distance as a part of the length of what was expected."""
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.weights
@pytest.mark.parametrize("name", ["splat", "splat_behind"])
def test_splatting_is_the_released_one(pieces: Tensors, name: str) -> None:
    one = {key.removeprefix(f"{name}."): value for key, value in pieces.items() if key.startswith(f"{name}.")}
    # recorded pixels count from the centre of the first one, not from its corner
    corner = torch.tensor([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    camera = Camera(one["intrinsics"][0] + corner, one["world_to_camera"])
    pixels, depth = project(one["points"][0].permute(1, 2, 0), camera)
    flow = released_flow((pixels - pixel_centres((48, 48))).permute(2, 0, 1), depth)
    importance = released_importance(depth)
    # float32 knows coordinates of a million only to a sixteenth of a pixel
    torch.testing.assert_close(flow, one["flow"][0], atol=1e-4, rtol=1e-7)
    torch.testing.assert_close(importance, one["importance"][0, 0], atol=1e-4, rtol=0)
    assert bool((depth < 0).any()) == (name == "splat_behind")
    found = released_splat(one["image"][0], one["flow"][0], one["importance"][0, 0], (48, 48))
    assert torch.equal(found.holes, one["hole"][0].bool())
    torch.testing.assert_close(found.values, one["warped"][0], atol=1e-5, rtol=0)
    shown = condition_pictures(eight_bits(found.values), found.holes, None, None, PUBLISHED)
    for key in ("warped", "mask"):
        assert torch.equal((shown[key] * 255).round().byte().permute(1, 2, 0), one[f"{key}_picture"]), key


@pytest.mark.weights
def test_several_pictures_are_merged_as_released(pieces: Tensors) -> None:
    pictures, holes = pieces["merge.pictures"], pieces["merge.holes"].bool()
    warps = [Warped(picture, (~gone).float()) for picture, gone in zip(pictures, holes, strict=True)]
    found = blended(warps, 0.0)
    assert torch.equal(found.holes, pieces["merge.hole_out"].bool())
    assert off(found.values, pieces["merge.out"]) < 1e-5


@pytest.mark.weights
def test_histograms_are_matched_as_released(pieces: Tensors) -> None:
    source, reference = (pieces[f"histogram.{name}"].permute(2, 0, 1) / 255 for name in ("source", "reference"))
    found = released_histogram(source, reference, pieces["histogram.hole"].bool())
    assert torch.equal((found * 255).round().byte().permute(1, 2, 0), pieces["histogram.out"])


@pytest.mark.weights
def test_the_published_layout_says_the_same(refiner: ViewRefiner, recorded: Tensors) -> None:
    assert refiner.conditions == ("warped", "depth", "mask")
    text = Text(recorded["text_prompt"], recorded["pooled_prompt"])
    with torch.no_grad():
        found = refiner.denoise(
            recorded["single.sample"], recorded["condition"], int(recorded["single.timestep"]), text
        )
    assert off(found, recorded["single.out"]) < 2e-5


@pytest.mark.weights
def test_conditions_are_shown_as_released(recorded: Tensors) -> None:
    """Black holes in the warp, white ones in the mask, on the scale of the encoder."""
    warped = recorded["picture_warped"].permute(2, 0, 1) / 255
    holes = recorded["picture_mask"][..., 0] == 255
    assert 0 < float(holes.float().mean()) < 1
    shown = condition_pictures(torch.where(holes, 0.7, warped), holes, None, None, PUBLISHED)
    for name in ("warped", "mask"):
        torch.testing.assert_close(shown[name][None] * 2 - 1, recorded[f"encoder_input_{name}"], atol=1e-6, rtol=0)


@pytest.mark.weights
def test_every_recorded_step_is_the_released_one(refiner: ViewRefiner, recorded: Tensors) -> None:
    painting, text = PAINTING["released"], Text(recorded["text_rows"], recorded["pooled_rows"])
    for index in STEPS:
        step = {key.removeprefix(f"step_{index:02}."): value for key, value in recorded.items()}
        scheduler = euler(refiner.family, painting.steps)
        timestep = scheduler.timesteps[index]
        assert torch.equal(timestep[None], step["timestep"])
        seen: Tensors = {}

        def said(latents: torch.Tensor, timestep: int, seen: Tensors = seen) -> torch.Tensor:
            rows = refiner.denoise(latents, recorded["condition"], timestep, text)
            seen |= {"sample": latents, "rows": rows, "guided": rows[:1] + painting.guidance * (rows[1:] - rows[:1])}
            return seen["guided"]

        with torch.no_grad():
            latents = euler_step(scheduler, step["latents_in"], timestep, said)
        assert off(seen["sample"].expand(2, -1, -1, -1), step["sample_rows"]) < 2e-5
        assert off(seen["rows"], step["noise_rows"]) < 2e-5
        assert off(seen["guided"], step["noise_guided"]) < 2e-5
        assert off(latents, step["latents_out"]) < 2e-5


@pytest.mark.weights
def test_the_whole_run_is_the_released_one(refiner: ViewRefiner, recorded: Tensors) -> None:
    text, noise = Text(recorded["text_rows"], recorded["pooled_rows"]), recorded["noise"]
    with torch.no_grad():
        found = painted(refiner, recorded["condition"], recorded["latents_warped"], text, noise, PAINTING["released"])
    assert off(found, recorded["final"]) < 2e-5
