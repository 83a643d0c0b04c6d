"""The networks behind the numbers: VGG19 against its definition, encoders against transformers, Inception as a file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from relook.errors import InputError, MissingModelError, PictureError, ShapeError
from relook.io import as_picture
from relook.models import encoders, store, vgg
from relook.session import Session


def sequential() -> nn.Sequential:
    """The network as its authors list it: a colour conversion, then blocks of padding, convolution, ReLU, with poolings between."""
    layers: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    width = 3
    for channels in (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4):
        if channels == 0:
            layers.append(nn.MaxPool2d(2, 2, 0, ceil_mode=True))
            continue
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, channels, 3), nn.ReLU()]
        width = channels
    return nn.Sequential(*layers).eval()


def check_vgg(network: nn.Sequential, size: tuple[int, int]) -> None:
    """Every layer of the module against the same layer of the Sequential."""
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    found = vgg.features(image, vgg.LAYERS, Session("cpu"))
    expected, x = [], image[None]
    with torch.no_grad():
        for layer in network:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                expected.append(x[0])
    assert list(found) == list(vgg.LAYERS)
    assert len(expected) == 16
    for name, one in zip(vgg.LAYERS, expected, strict=True):
        assert found[name].shape == one.shape
        assert torch.allclose(found[name], one, rtol=1e-3, atol=1e-3 * float(one.abs().max())), name


@pytest.mark.weights
@pytest.mark.parametrize("size", [(33, 50), (17, 17)])
def test_vgg_is_its_definition(shared: Path, size: tuple[int, int]) -> None:
    network = sequential()
    weights = load_file(shared / "weights" / "vgg19_normalised_fp16.safetensors")
    network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    check_vgg(network, size)


@pytest.mark.weights
def test_vgg_has_activations_of_one(shared: Path) -> None:
    """What the normalised network is for; and the reason why KID's kernel is of the right scale on it."""
    from relook.evaluate.sources.dollhouse import Dollhouse

    found = vgg.features(
        Dollhouse(size=64).pair("000").structure.image.clamp(0, 1), ("relu1_1", "relu5_1"), Session("cpu")
    )
    assert all(0.3 < float(one.mean()) < 3 for one in found.values())


def test_vgg_says_what_it_needs(models_folder: Path) -> None:
    with pytest.raises(InputError, match=r"relu1_1.* got relu6_1"):
        vgg.features(torch.rand(3, 32, 32), ("relu6_1",), Session("cpu"))
    with pytest.raises(PictureError, match="17 x 17 pixels for VGG19, got 40 x 16"):
        vgg.features(torch.rand(3, 16, 40), ("relu1_1",), Session("cpu"))
    with pytest.raises(MissingModelError, match="vgg19_normalised_fp16"):
        vgg.features(torch.rand(3, 32, 32), ("relu1_1",), Session("cpu"))
    models_folder.mkdir()
    save_file({"0.weight": torch.zeros(1)}, models_folder / "vgg19_normalised_fp16.safetensors")
    with pytest.raises(MissingModelError, match="another content"):
        vgg.features(torch.rand(3, 32, 32), ("relu1_1",), Session("cpu"))


SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def saved(folder: Path, model: Any, processor: Any) -> Path:
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def clip(folder: Path, seed: int = 0) -> tuple[Path, Any]:
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    torch.manual_seed(seed)
    config = CLIPConfig(
        text_config=SMALL | {"vocab_size": 16, "max_position_embeddings": 8, "eos_token_id": 2, "bos_token_id": 3, "pad_token_id": 0},
        vision_config=SMALL | {"image_size": 32, "patch_size": 8}, projection_dim=12,
    )  # fmt: skip
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    model = CLIPModel(config).eval()
    return saved(folder, model, processor), model


def dino(folder: Path) -> tuple[Path, Any]:
    from transformers import Dinov2Config, Dinov2Model, ViTImageProcessorPil

    torch.manual_seed(1)
    model = Dinov2Model(Dinov2Config(image_size=32, patch_size=8, **SMALL)).eval()
    return saved(folder, model, ViTImageProcessorPil(size={"height": 32, "width": 32})), model


def picture(size: tuple[int, int] = (40, 60), seed: int = 3) -> Tensor:
    return torch.rand(3, *size, generator=torch.Generator().manual_seed(seed))


def test_clip_gives_its_projected_image_embedding(tmp_path: Path) -> None:
    folder, model = clip(tmp_path / "clip")
    session = Session("cpu")
    loaded = encoders.encoder(str(folder), session)
    with torch.no_grad():
        pixels = loaded.processor(images=as_picture(picture()), return_tensors="pt")["pixel_values"]
        assert pixels.shape == (1, 3, 32, 32)
        expected = model.visual_projection(model.vision_model(pixels).pooler_output)[0]
    found = loaded.embedding(picture())
    assert found.shape == (12,)
    assert torch.allclose(found, expected, atol=1e-5)
    assert encoders.encoder(str(folder), session) is loaded


def test_dino_gives_its_class_token(tmp_path: Path) -> None:
    folder, model = dino(tmp_path / "dino")
    session = Session("cpu")
    loaded = encoders.encoder(str(folder), session)
    with torch.no_grad():
        pixels = loaded.processor(images=as_picture(picture()), return_tensors="pt")["pixel_values"]
        expected = model(pixels).last_hidden_state[0, 0]
    assert torch.allclose(loaded.embedding(picture()), expected, atol=1e-5)
    assert loaded.embedding(torch.rand(3, 1, 1)).shape == (16,)
    assert encoders.revision(str(folder)) != encoders.revision(str(clip(tmp_path / "clip")[0]))


def test_an_absent_or_broken_encoder_is_one_sentence(tmp_path: Path, models_folder: Path) -> None:
    assert not store.is_here("nobody/nothing")
    with pytest.raises(MissingModelError, match="image encoder nobody/nothing on this machine, got none"):
        encoders.encoder("nobody/nothing", Session("cpu"))
    folder, _ = clip(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(MissingModelError, match="loadable model"):
        encoders.encoder(str(folder), Session("cpu"))


def _field(number: int, content: bytes | int) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2]) + struct.pack("B", len(content)) + content


def _value(name: bytes, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(
        _field(1, bytes([8]) + (bytes([side]) if side < 128 else bytes([side & 127 | 128, side >> 7])))
        for side in shape
    )
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def onnx_mean(path: Path, axes: tuple[int, ...] = (2, 3)) -> Path:
    """An ONNX file that gives the mean over some axes of 1 x 3 x 299 x 299."""
    ints = b"".join(bytes([8 << 3, axis]) for axis in axes)
    attributes = _field(1, b"axes") + ints + bytes([20 << 3 & 127 | 128, 1, 7])
    keep = _field(1, b"keepdims") + bytes([3 << 3, 0]) + bytes([20 << 3 & 127 | 128, 1, 2])
    node = _field(1, b"x") + _field(2, b"y") + _field(4, b"ReduceMean") + _field(5, attributes) + _field(5, keep)
    out = (1, 3) if axes == (2, 3) else (1, 3, 299)
    graph = (
        _field(1, node) + _field(2, b"g") + _field(11, _value(b"x", (1, 3, 299, 299))) + _field(12, _value(b"y", out))
    )
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(2, 13)))
    return path


class Pooled(nn.Module):
    """What the published TorchScript does: 8-bit pictures, and a flag that asks for features."""

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        assert x.dtype == torch.uint8
        assert return_features
        return x.float().mean((2, 3))


class Plain(nn.Module):
    """A network of one argument, with features as a map of one place."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_inception_reads_pictures_of_0_to_255(tmp_path: Path) -> None:
    image = torch.full((3, 20, 30), 0.5)
    image[0], image[2] = 1.0, 0.0
    for name, network in (("published.pt", Pooled()), ("plain.ts", Plain())):
        torch.jit.save(torch.jit.script(network), str(tmp_path / name))
    for path in (onnx_mean(tmp_path / "mean.onnx"), tmp_path / "published.pt", tmp_path / "plain.ts"):
        found = encoders.inception(image, path, Session("cpu"))
        assert found.tolist() == pytest.approx([255, 127.5, 0], abs=0.6)
    revisions = {store.digest(path) for path in tmp_path.iterdir()}
    assert len(revisions) == 3


def test_a_file_that_is_no_inception_is_one_sentence(tmp_path: Path, models_folder: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nothing")
    with pytest.raises(MissingModelError, match=r"Expected an Inception network in .*broken\.onnx"):
        encoders.inception(picture(), broken, Session("cpu"))
    with pytest.raises(ShapeError, match=r"shape \(1, D\)"):
        encoders.inception(picture(), onnx_mean(tmp_path / "map.onnx", axes=(2,)), Session("cpu"))
    with pytest.raises(InputError, match="as a file"):
        encoders.inception_file("inception_v3")
    assert encoders.inception_file("nothing.onnx") is None
    models_folder.mkdir()
    (models_folder / "there.onnx").write_bytes(b"x")
    assert encoders.inception_file("there.onnx") == models_folder / "there.onnx"
