"""MicroAST: the network against a twin of modules, classes against crops, any size, and bad input; the look of the real weights."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from moves import texture
from relook.errors import InputError, MissingModelError, PictureError, ShapeError
from relook.evaluate.sources.dollhouse import draw_pair
from relook.io import read_image
from relook.models.catalogue import CATALOGUE
from relook.models.load import tensors
from relook.models.microast import restyled, stylised
from relook.models.store import locate
from relook.session import Session


class Mirrored(nn.Module):
    """A convolution of a picture with mirrored borders."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_layer(x)


class Block(nn.Module):
    """Two convolutions beside a short cut; each may be scaled, with a share of its input added."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = Mirrored(64, 64, 3), Mirrored(64, 64, 3)

    def forward(self, x: Tensor, scale: Tensor | None = None, share: Tensor | None = None) -> Tensor:
        scale = torch.ones(1, 64, 1, 1) if scale is None else scale
        share = torch.zeros(1, 64, 1, 1) if share is None else share
        inner = torch.clamp(self.conv1(x).mul(scale).add(x.mul(share)), min=0)
        return self.conv2(inner).mul(scale).add(inner.mul(share)).add(x)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enc1 = nn.Sequential(
            Mirrored(3, 16, 9), nn.ReLU(), Mirrored(16, 32, 3, 2, 16), nn.ReLU(), Mirrored(32, 32, 1), nn.ReLU(),
            Mirrored(32, 64, 3, 2, 32), nn.ReLU(), Mirrored(64, 64, 1), nn.ReLU(), Block(),
        )  # fmt: skip
        self.enc2 = nn.Sequential(Block())


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dec1, self.dec2 = Block(), Block()
        double = partial(nn.Upsample, scale_factor=2, mode="bilinear")
        self.dec3 = nn.Sequential(
            double(), Mirrored(64, 32, 3, groups=32), nn.ReLU(), Mirrored(32, 32, 1), nn.ReLU(),
            double(), Mirrored(32, 16, 3, groups=16), nn.ReLU(), Mirrored(16, 16, 1), nn.ReLU(), Mirrored(16, 3, 9),
        )  # fmt: skip


class Modulator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name in ("weight1", "bias1", "weight2", "bias2"):
            self.add_module(name, nn.Sequential(Mirrored(64, 64, 3, groups=64), nn.AdaptiveAvgPool2d(1)))


class Twin(nn.Module):
    """MicroAST as the paper draws it, one channel at a time where it can be."""

    def __init__(self) -> None:
        super().__init__()
        self.content_encoder, self.style_encoder = Encoder(), Encoder()
        self.modulator, self.decoder = Modulator(), Decoder()

    @torch.no_grad()
    def forward(self, structure: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
        theirs = [self.style_encoder.enc1(style[None])]
        theirs.append(self.style_encoder.enc2(theirs[0]))
        x = self.content_encoder.enc2(self.content_encoder.enc1(structure[None]))
        signal = {name: module(theirs[int(name[-1]) - 1]) for name, module in self.modulator.named_children()}
        x = self.decoder.dec1(self.mixed(x, theirs[1], alpha), signal["weight2"], signal["bias2"])
        x = self.decoder.dec2(self.mixed(x, theirs[0], alpha), signal["weight1"], signal["bias1"])
        return self.decoder.dec3(x)[0]

    def mixed(self, x: Tensor, theirs: Tensor, alpha: float) -> Tensor:
        channels = []
        for ours, other in zip(x[0], theirs[0], strict=True):
            unit = (ours - ours.mean()) / math.sqrt(float(ours.var()) + 1e-5)
            channels.append(alpha * (unit * math.sqrt(float(other.var()) + 1e-5) + other.mean()) + (1 - alpha) * ours)
        return torch.stack(channels)[None]


def drawn(alpha: float = 1.0) -> Twin:
    """A twin of random weights whose answers at this alpha lie within [0, 1] for the most part."""
    torch.manual_seed(0)
    twin = Twin().eval()
    for convolution in twin.modules():
        if isinstance(convolution, nn.Conv2d):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    last = twin.decoder.dec3[10].conv_layer
    answer = twin(texture(32, 48), texture(40, 28).flip(0), alpha).flatten(1)
    with torch.no_grad():
        scale = 0.15 / answer.std(1)
        last.weight *= scale[:, None, None, None]
        last.bias[:] = 0.5 + (last.bias - answer.mean(1)) * scale
    return twin


def answers(twin: Twin, structure: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
    return stylised(twin.state_dict(), structure, style, alpha)


@pytest.mark.parametrize("alpha", [1.0, 0.3, 0.0])
def test_it_is_the_network_that_the_paper_draws(alpha: float) -> None:
    twin, structure, style = drawn(alpha), texture(32, 48), texture(40, 28).flip(0)
    expected = twin(structure, style, alpha)
    assert ((expected > 0) & (expected < 1)).float().mean() > 0.9, "else the clipping hides what is compared"
    assert expected.std() > 0.01
    assert torch.allclose(answers(twin, structure, style, alpha), expected.clamp(0, 1), atol=1e-5)


def test_the_style_and_the_structure_both_count() -> None:
    twin, first, second = drawn(), texture(32, 32), texture(32, 32).flip(0, 2) * 0.5
    whole = answers(twin, first, second)
    assert not torch.allclose(whole, answers(twin, first, first), atol=1e-3)
    assert not torch.allclose(whole, answers(twin, second, second), atol=1e-3)
    assert torch.equal(whole, answers(twin, first, second))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (4, 5), (5, 5), (17, 30), (33, 2)])
def test_any_size_comes_back_as_it_is(size: tuple[int, int]) -> None:
    twin = drawn()
    for structure, style in ((torch.rand(3, *size), texture(24, 24)), (texture(24, 20), torch.rand(3, *size))):
        found = answers(twin, structure, style)
        assert found.shape == structure.shape
        assert found.isfinite().all()
        assert ((found >= 0) & (found <= 1)).all()


def test_sides_that_are_no_multiple_of_four_are_cut_not_stretched() -> None:
    twin, structure, style = drawn(), texture(34, 47), texture(24, 24)
    assert torch.allclose(answers(twin, structure, style), twin(structure, style)[:, :34, :47].clamp(0, 1), atol=1e-5)


def test_one_class_that_is_everywhere_is_the_whole_picture() -> None:
    weights, structure, style = drawn().state_dict(), texture(32, 40), texture(24, 36)
    ids = torch.ones(32, 40, dtype=torch.int64), torch.ones(24, 36, dtype=torch.int64)
    whole = stylised(weights, structure, style)
    assert torch.allclose(stylised(weights, structure, style, classes=ids), whole, atol=1e-6)
    nowhere = ids[0], 2 * ids[1]
    assert torch.allclose(stylised(weights, structure, style, classes=nowhere), whole, atol=1e-6)
    assert torch.allclose(stylised(weights, structure, style, classes=(0 * ids[0], 0 * ids[1])), whole, atol=1e-6)


def test_a_class_takes_from_its_counterpart_alone() -> None:
    """What the style holds elsewhere counts next to nothing (through the border alone); what it holds in the counterpart does."""
    weights, structure = drawn().state_dict(), texture(32, 128)
    style, other = texture(32, 128), texture(32, 128)
    other[:, :, 80:] = other[:, :, 80:].flip(0) * 0.3
    ids = torch.ones(32, 128, dtype=torch.int64)
    ids[:, 64:] = 2
    away = ids.clone()
    away[:, 32:80] = 0  # far enough that no encoder sees past it
    first, second = (stylised(weights, structure, picture, classes=(ids, away)) for picture in (style, other))
    change = (first - second).abs().mean((0, 1))
    assert change[:48].mean() < 0.15 * change[80:].mean()
    assert change[80:].mean() > 0.01
    whole = (stylised(weights, structure, style) - stylised(weights, structure, other)).abs().mean((0, 1))
    assert change[:48].mean() < 0.15 * whole[:48].mean(), "without classes, everything counts everywhere"


def test_a_class_of_one_pixel_takes_the_whole_pictures_look() -> None:
    weights, structure, style = drawn().state_dict(), texture(24, 24), texture(24, 24).flip(1)
    ids = torch.zeros(24, 24, dtype=torch.int64)
    ids[8, 8] = 1
    assert torch.allclose(
        stylised(weights, structure, style, classes=(ids, ids)), stylised(weights, structure, style), atol=1e-6
    )


def test_grey_and_flat_pictures_are_fine() -> None:
    twin = drawn()
    grey = torch.full((3, 20, 20), 0.5)
    for structure, style in ((grey, texture(20, 20)), (texture(20, 20), grey), (grey, grey)):
        assert answers(twin, structure, style).isfinite().all()


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_restyled_is_refused_in_a_sentence() -> None:
    weights, good = drawn().state_dict(), texture(16, 16)
    nan = good.clone()
    nan[0, 3, 3] = float("nan")
    with pytest.raises(InputError, match=r"alpha from 0 to 1, got 1\.5"):
        stylised(weights, good, good, 1.5)
    for bad in (good[:1], good[None], torch.cat([good, good[:1]]), good[:, :0]):
        with pytest.raises(ShapeError, match="structure of shape"):
            stylised(weights, bad, good)
        with pytest.raises(ShapeError, match="style of shape"):
            stylised(weights, good, bad)
    with pytest.raises(PictureError, match="finite colours in the style"):
        stylised(weights, good, nan)
    with pytest.raises(ShapeError, match="classes of the pictures' sizes"):
        stylised(weights, good, good, classes=(torch.zeros(16, 16).long(), torch.zeros(8, 8).long()))


def test_a_missing_checkpoint_is_said(models_folder: Path) -> None:
    with pytest.raises(MissingModelError, match=r"microast\.safetensors .*github\.com/EndyWon/MicroAST"):
        restyled(texture(16, 16), texture(16, 16), Session("cpu"))
    models_folder.mkdir()
    (models_folder / "microast.safetensors").write_bytes(b"torn")
    with pytest.raises(MissingModelError, match="another content"):
        restyled(texture(16, 16), texture(16, 16), Session("cpu"))


@pytest.mark.weights
def test_the_real_tensors_are_those_of_the_twin(shared: Path) -> None:
    twin = Twin().eval()
    weights = tensors(locate("microast"))
    assert sum(tensor.numel() for tensor in weights.values()) * 4 < CATALOGUE["microast"].size
    twin.load_state_dict(dict(weights))
    pair = draw_pair(7, 0)
    expected = twin(pair.structure.image, pair.style.image).clamp(0, 1)
    assert torch.allclose(restyled(pair.structure.image, pair.style.image, Session("cpu")), expected, atol=1e-4)


@pytest.mark.weights
def test_colours_move_towards_the_style_and_the_room_stays(shared: Path) -> None:
    structure, style = (
        nn.functional.interpolate(read_image(shared / "photos" / name)[None], (160, 240), mode="bilinear", antialias=True)[0].clamp(0, 1)
        for name in ("bare-listing_living.jpg", "family-home_library.jpg")
    )  # fmt: skip
    found = restyled(structure, style, Session("cpu"))

    def away(picture: Tensor) -> float:
        return float(
            (picture.mean((1, 2)) - style.mean((1, 2))).norm() + (picture.std((1, 2)) - style.std((1, 2))).norm()
        )

    assert away(found) < 0.35 * away(structure)
    light = torch.stack([structure.mean(0).flatten(), found.mean(0).flatten()])
    assert torch.corrcoef(light)[0, 1] > 0.8
