"""2D models that are lifted: every one keeps the same contract, and what breaks it is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

import tinysegment
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import InputError, PictureError, RelookError, ShapeError
from relook.io import write_image
from relook.lift.lifted import posed, way_for
from relook.lift.lifted.job import Job, Target, held
from relook.lift.operators import OPERATORS, Operator, asked, load_operator
from relook.lift.operators import words as operator_words
from relook.lift.operators.looks import grey
from relook.models.store import is_here
from relook.ops.oklab import rgb_to_oklab
from relook.perceive.embedded import network, perceived
from relook.perceive.segment.open_vocabulary import LIKELY, Found
from relook.session import Session

LAYOUT = sample_layout(31, "living")
IMAGE = render(LAYOUT, sample_style(31), (96, 128)).image
NEEDED = {"segments": "ade20k", "depth": "fastdepth", "microast": "microast", "vgg:relu3_1": "vgg19_normalised"}
OWN = """
from torch.nn.functional import avg_pool2d, interpolate
from relook.lift.operators import Operator

class Brightness(Operator):
    kind, stride = "map", 4

    def encode(self, image):
        return avg_pool2d(image.mean(0, keepdim=True), 4)

    def decode(self, features, size):
        return interpolate(features[None], size, mode="bilinear")[0]
"""


@pytest.mark.parametrize("name", [*OPERATORS, "microast", "palette", "vgg:relu3_1"])
def test_every_operator_keeps_the_contract(name: str, tmp_path: Path) -> None:
    if name in NEEDED and not is_here(NEEDED[name]):
        pytest.skip(f"the weights {NEEDED[name]} are not on this machine")
    write_image(tmp_path / "style.png", IMAGE.flip(0))
    with Session("cpu") as session:
        operator, identity = load_operator(name, session, tmp_path / "style.png")
        features, prediction = asked(operator, IMAGE)
        torch.testing.assert_close(operator.decode(features, (96, 128)), prediction, atol=1e-5, rtol=1e-4)
        assert identity.startswith(name)
        if operator.kind == "labels":
            torch.testing.assert_close(prediction.sum(0), torch.ones(96, 128), atol=1e-4, rtol=1e-4)
        if name == "colourise":
            assert float((rgb_to_oklab(prediction)[0] - rgb_to_oklab(IMAGE)[0]).abs().mean()) < 0.02
            torch.testing.assert_close(asked(operator, grey(IMAGE))[1], prediction, atol=2e-3, rtol=1e-2)
        if operator.kind == "picture":
            assert 0.0 <= float(prediction.min()) <= float(prediction.max()) <= 1.0


def test_the_embedded_segmenter_is_split_where_its_scores_are_made() -> None:
    with Session("cpu") as session:
        operator, _ = load_operator("embedded", session)
        features, prediction = asked(operator, IMAGE)
        names = network(session).names
        scores = perceived(IMAGE, session).scores[0]
        agreed = (operator.decode(features, scores.shape[1:]).argmax(0) == scores.argmax(0)).float().mean()
        assert float(agreed) > 0.9  # the scores are the mean of the picture's and its mirror image's
        assert tuple(operator.names) == names
        assert len(prediction) == len(names)


def test_a_users_own_operator_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    with Session("cpu") as session:
        operator, _ = load_operator(f"{tmp_path / 'mine.py'}:Brightness", session)
        assert asked(operator, IMAGE)[1].shape == (1, 96, 128)
        for name in (f"{tmp_path / 'mine.py'}:Darkness", f"{tmp_path / 'none.py'}:Brightness", "segmenst", "microast"):
            with pytest.raises(InputError, match="Expected"):
                load_operator(name, session)


@pytest.mark.parametrize(
    ("declared", "words"), [('kind = "smell"', "kind of Brightness .* got 'smell'"), ('kind = "labels"', "set `names`")]
)
def test_what_an_operator_says_of_itself_is_checked_when_it_is_read(declared: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"{OWN}\nBrightness.{declared}\n")
    with Session("cpu") as session, pytest.raises(InputError, match=words):
        load_operator(f"{tmp_path / 'mine.py'}:Brightness", session)


class Painter(Operator):
    """Writes into what it is shown."""

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        return image.zero_()

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        return features[:1]


def test_an_operator_cannot_write_into_a_view() -> None:
    before = IMAGE.clone()
    asked(Painter(), IMAGE)
    assert torch.equal(before, IMAGE)


class Broken(Operator):
    """Wrong in one way or another."""

    def __init__(self, cells: tuple[int, int], channels: int, value: float) -> None:
        self.cells, self.channels, self.value = cells, channels, value

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        return torch.full((2, *self.cells), self.value)

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        return torch.full((self.channels, *size), self.value)


class Flat(Broken):
    """One number for a whole picture."""

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Tensor:
        return features.mean()


class Fails(Broken):
    """Dies, or says something that is no tensor."""

    def __init__(self, words: str | None) -> None:
        super().__init__((24, 32), 1, 0.5)
        self.words = words

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        if self.words is None:
            return [0.5]  # type: ignore[return-value]
        raise ValueError(self.words)


@pytest.mark.parametrize(
    ("operator", "error", "words"),
    [
        (Fails("no such layer"), InputError, r"Fails to answer for a picture, got ValueError \(no such layer\)"),
        (Fails(None), InputError, "tensor from Fails|Fails to answer"),
        (Broken((24, 24), 1, 0.5), ShapeError, "span a picture"),
        (Broken((24, 32), 2, 0.5), ShapeError, "prediction of Broken"),
        (Flat((24, 32), 1, 0.5), ShapeError, r"got \(\)"),
        (Broken((24, 32), 1, float("nan")), PictureError, "finite numbers"),
    ],
)
def test_broken_operators_are_refused(operator: Operator, error: type[RelookError], words: str) -> None:
    with pytest.raises(error, match=words):
        asked(operator, IMAGE)


@pytest.fixture(scope="module")
def clipseg(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tinysegment.clipseg(tmp_path_factory.mktemp("words") / "clipseg"))


def test_words_are_looked_for_by_a_real_class_small_and_random(clipseg: str) -> None:
    with Session("cpu") as session:
        operator, identity = load_operator(clipseg, session, words=("Sofa", "floor lamp"))
        features, prediction = asked(operator, IMAGE)
        assert operator.names == ("background", "sofa", "floor lamp")
        assert "floor lamp" in identity
        assert features.shape == (2, 24, 32)
        torch.testing.assert_close(prediction.sum(0), torch.ones(96, 128), atol=1e-4, rtol=1e-4)
        features = torch.tensor([LIKELY - 0.1, LIKELY + 0.1]).logit()[:, None, None].expand(2, 4, 4).contiguous()
        assert bool((operator.decode(features, (8, 8)).argmax(0) == 2).all())
        assert bool((operator.decode(features[:1].expand(2, 4, 4), (8, 8)).argmax(0) == 0).all())


def test_what_a_detector_finds_is_a_chance_in_its_mask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mask = torch.zeros(96, 128, dtype=torch.bool)
    mask[:48] = True
    monkeypatch.setattr(
        operator_words, "labeller", lambda name, session: lambda view, words: [Found("sofa", mask, 0.9)]
    )
    with Session("cpu") as session:
        operator, _ = load_operator("grounding-dino", session, words=("sofa", "lamp"))
        labels = asked(operator, IMAGE)[1].argmax(0)
        assert bool((labels[:44] == 1).all())
        assert bool((labels[52:] == 0).all())
        for name, words, message in (("words", (), "Expected --words"), ("edges", ("sofa",), "--operator words")):
            with pytest.raises(InputError, match=message):
                load_operator(name, session, words=words)


class Sevenths(Operator):
    """A stride that divides nothing."""

    kind, stride = "map", 7

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        return torch.nn.functional.avg_pool2d(image.mean(0, keepdim=True)[None], 7, ceil_mode=True)[0]

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        return torch.nn.functional.interpolate(features[None], size, mode="bilinear")[0]


def test_a_stride_that_does_not_divide_is_no_hindrance(tmp_path: Path) -> None:
    views = [render(LAYOUT, sample_style(31), (96, 128), pose).view() for pose in walk(LAYOUT, 3, stride=0.3)]
    source = posed(views, 128)
    answers = [asked(Sevenths(), view.image) for view in source.views]
    assert answers[0][0].shape == (1, 14, 19)
    way = way_for("scene", source, 2)[1].holding(held(Sevenths(), "features", source, answers))
    found = next(Job(Sevenths(), "features", source, answers, way).predictions([Target("", views[1].camera, 1)]))
    assert float((found.prediction - answers[1][1]).abs().mean()) < 0.05
