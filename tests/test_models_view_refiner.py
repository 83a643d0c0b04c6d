"""The view refiner's network: a denoiser that reads more, and says the same until it is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from relook.errors import InputError, MissingModelError, RelookError, ShapeError
from relook.models.families import load_family
from relook.models.view_refiner import (
    CONDITIONS,
    FOLDER,
    IMAGE,
    PAPER,
    PUBLISHED,
    WEIGHTS,
    ViewRefiner,
    condition_pictures,
    encoded,
    find_view_refiner,
    load_view_refiner,
    widened,
)
from relook.types import Depth
from tiny import family, unet, write_family


@pytest.mark.parametrize("count", [1, 3, 4])
def test_an_untrained_one_says_what_the_denoiser_says(count: int) -> None:
    denoiser = family().denoiser
    network = widened(denoiser, count)
    draw = torch.Generator().manual_seed(1)
    latents, conditions = (
        torch.randn(2, 4, 8, 12, generator=draw),
        10 * torch.randn(2, 4 * count, 8, 12, generator=draw),
    )
    states, times = torch.randn(2, 8, 16, generator=draw), torch.tensor([999, 3])
    with torch.no_grad():
        expected = denoiser(latents, times, encoder_hidden_states=states).sample
        found = network(torch.cat([latents, conditions], 1), times, encoder_hidden_states=states).sample
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
        torch.nn.init.ones_(network.conv_in.weight)  # it does read them, and the denoiser is none the worse
        other = network(torch.cat([latents, conditions], 1), times, encoder_hidden_states=states).sample
        assert not torch.allclose(other, expected, atol=1e-3)
        assert torch.equal(denoiser(latents, times, encoder_hidden_states=states).sample, expected)
    assert denoiser.config["in_channels"] == 4
    assert network.config["in_channels"] == network.conv_in.in_channels == 4 * (1 + count)
    assert ViewRefiner(family(), network).conditions == CONDITIONS[:count]


def test_saved_weights_come_back(tmp_path: Path) -> None:
    own = load_family(write_family(tmp_path / "family"))
    network = widened(own.denoiser, len(CONDITIONS))
    with torch.no_grad():
        network.conv_in.weight.normal_()
    network.save_pretrained(tmp_path / "family" / FOLDER)
    network.save_pretrained(tmp_path / "elsewhere")
    for loaded in (load_view_refiner(own), load_view_refiner(own, tmp_path / "elsewhere")):
        assert loaded.conditions == CONDITIONS
        assert not loaded.network.training
        assert not any(parameter.requires_grad for parameter in loaded.network.parameters())
        for name, value in network.state_dict().items():
            assert torch.equal(loaded.network.state_dict()[name], value), name
        assert len(loaded.revision) == 64
    assert ViewRefiner(own, network).revision == ""


def test_what_cannot_be_loaded_is_one_sentence(tmp_path: Path) -> None:
    own = load_family(write_family(tmp_path / "family"))
    with pytest.raises(
        MissingModelError, match=r"^Expected a view refiner of .*, got none; train one with `relook train warp-refine`"
    ):
        load_view_refiner(own)
    place = tmp_path / "family" / FOLDER
    for channels in (4, 4 * (2 + len(CONDITIONS))):
        widened(own.denoiser, channels // 4 - 1).save_pretrained(place)
        with pytest.raises(
            ShapeError, match=rf"^Expected a view refiner of 4 channels and up to 4 conditions, got {channels} inputs"
        ):
            load_view_refiner(own)
    unet(channels=6).save_pretrained(place)
    with pytest.raises(ShapeError, match="take the one of this family"):
        load_view_refiner(own)
    (place / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RelookError, match=r"^Expected [^\n]*; [^\n]*\.$"):
        load_view_refiner(own)
    (place / "diffusion_pytorch_model.safetensors").unlink()
    (place / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(MissingModelError):
        load_view_refiner(own)


def published(network: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """The weights of a widened network as ReStyle3D's authors lay them out: the conditions have a first convolution of their own."""
    weights = network.state_dict()
    whole, bias = weights.pop("conv_in.weight"), weights.pop("conv_in.bias")
    first, second = {"conv_in.weight": whole[:, :4], "conv_in.bias": bias / 4}, {f"{IMAGE}.weight": whole[:, 4:]}
    return {
        key: part.contiguous() for key, part in (weights | first | second | {f"{IMAGE}.bias": 3 * bias / 4}).items()
    }


@pytest.mark.parametrize("place", ["folder", "sharded", "one.safetensors"])
def test_the_published_layout_is_joined(tmp_path: Path, place: str) -> None:
    own = family()
    network, where = widened(own.denoiser, 3), tmp_path / place
    torch.nn.init.normal_(network.conv_in.weight)
    weights = published(network)
    if place == "one.safetensors":
        save_file(weights, where)
    else:
        own.denoiser.save_config(where)
        names = sorted(weights)
        parts = [names] if place == "folder" else [names[::2], names[1::2]]
        for number, part in enumerate(parts):
            ending = "" if place == "folder" else f"-0000{number + 1}-of-00002"
            save_file({name: weights[name] for name in part}, where / f"{WEIGHTS}{ending}.safetensors")
        save_file({"noise": torch.zeros(3)}, where / "another.safetensors")
    found = load_view_refiner(own, find_view_refiner(str(where)))
    assert (found.conditions, found.conventions) == (("warped", "depth", "mask"), PUBLISHED)
    assert len(found.weights) == (2 if place == "sharded" else 1)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(found.network.state_dict()[name], value, msg=name)


def test_a_broken_published_layout_is_one_sentence(tmp_path: Path) -> None:
    weights = published(widened(family().denoiser, 3))
    for change in ({f"{IMAGE}.bias": None}, {"conv_in.weight": None}, {f"{IMAGE}.weight": torch.zeros(5, 12, 3, 3)}):
        save_file(
            {key: part for key, part in (weights | change).items() if part is not None}, tmp_path / "one.safetensors"
        )
        with pytest.raises(
            MissingModelError, match=r"^Expected a loadable model in [^\n]*one.safetensors, got: [^\n]*\.$"
        ):
            load_view_refiner(family(), tmp_path / "one.safetensors")
    with pytest.raises(MissingModelError, match=r"^Expected a view refiner of 'tiny'"):
        load_view_refiner(family(), tmp_path / "none.safetensors")
    with pytest.raises(
        InputError, match=r"^Expected a view refiner as a hub id owner/name or a folder with config.json"
    ):
        find_view_refiner("nowhere")


def test_the_published_conventions_are_black_warps_and_white_masks() -> None:
    warped, holes = torch.rand(3, 20, 24), torch.zeros(20, 24, dtype=torch.bool)
    holes[5:9, 4:20] = True
    found = condition_pictures(warped, holes, None, torch.rand(3, 20, 24), PUBLISHED)
    assert not bool(found["warped"][:, holes].any())
    assert bool(found["guess"][:, holes].any())
    assert torch.equal(found["warped"][:, ~holes], warped[:, ~holes])
    assert torch.equal(found["mask"][0] > 0.5, holes)


def test_conditions_are_pictures() -> None:
    """Known pixels stay, the mask is white where they are, near is white in depth, and what is not known is grey."""
    structure = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
    warped = (structure + 0.1).clamp(0, 1)
    holes = torch.zeros(20, 24, dtype=torch.bool)
    holes[5:9, 4:20] = True
    depth = torch.full((20, 24), 4.0)
    depth[:10] = 1.0
    for before in (None, structure):
        found = condition_pictures(torch.where(holes, 0.0, warped), holes, Depth(depth, "metric"), before)
        assert tuple(found) == ("guess", *CONDITIONS)
        assert found["guess"] is found["warped"]
        assert all(
            picture.shape == (3, 20, 24) and picture.min() >= 0 and picture.max() <= 1 for picture in found.values()
        )
        assert torch.equal(found["warped"][:, ~holes], warped[:, ~holes])
        assert bool((found["warped"][:, holes] > 0).any(0).all())
        assert torch.equal(found["mask"][0] > 0.5, ~holes)
        assert bool((found["depth"][:, :10] == 1).all())
        assert bool((found["depth"][:, 10:] == 0).all())
        assert torch.equal(found["structure"], torch.full_like(warped, 0.5) if before is None else structure)
    assert bool((condition_pictures(warped, holes, None, None)["depth"] == 0.5).all())


def test_conditions_are_encoded_in_their_order() -> None:
    own = family()
    pictures = {name: torch.full((3, 16, 24), value / 4) for value, name in enumerate(CONDITIONS)}
    joined = encoded(own, pictures, PAPER)
    assert joined.shape == (1, 12, 4, 6)
    for place, name in enumerate(PAPER):
        alone = own.encode(pictures[name][None])
        torch.testing.assert_close(joined[:, 4 * place : 4 * place + 4], alone.detach(), atol=1e-5, rtol=1e-4)
