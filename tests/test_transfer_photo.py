"""The path of one picture: sizes, locks, records, and what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pictures import Room, write_room
from relook import PhotoConfig, restyle_photo
from relook.errors import CancelledError, InputError, MissingModelError, RecordError, SegmentsError, ShapeError
from relook.io import read_image, read_segments
from relook.models.families import load_family
from relook.progress import SILENT, Progress, Step
from relook.session import Session
from relook.transfer.composite import composite
from relook.transfer.photo import repeat_photo
from relook.transfer.presets import PRESETS
from relook.transfer.resolve import resolve
from relook.transfer.settings import Preset
from relook.types import Region, Segments, View
from tiny import write_adapter, write_family


@pytest.fixture
def rooms(tmp_path: Path) -> tuple[Room, Room]:
    return write_room(tmp_path, "structure"), write_room(tmp_path, "style", (44, 40), seed=1)


def given(rooms: tuple[Room, Room], **options: object) -> PhotoConfig:
    """A config that names both rooms' label maps and depths."""
    ours, theirs = rooms
    files = {
        "segments": ours.segments,
        "style_segments": theirs.segments,
        "depth": ours.depth,
        "style_depth": theirs.depth,
    }
    return PhotoConfig(**{**files, **options})


def test_palette_changes_the_picture_and_keeps_locked_pixels_exactly(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    out = tmp_path / "out" / "new.png"
    result = restyle_photo(rooms[0].image, rooms[1].image, given(rooms, method="palette", keep=("window",)), out=out)
    before, after = read_image(rooms[0].image), read_image(out)
    window = read_segments(rooms[0].segments).mask("window")
    assert torch.equal(before[:, window], after[:, window])
    assert (before - after)[:, ~window].abs().mean() > 0.05
    assert torch.equal((result.image * 255).round(), (after * 255).round())
    assert sorted(path.name for path in out.parent.iterdir()) == ["new.json", "new.png"]


@pytest.mark.parametrize("method", ["restyle3d", "cross-image-attention", "eye-for-an-eye"])
def test_every_method_keeps_the_size_and_repeats_exactly(method: str, rooms: tuple[Room, Room], tmp_path: Path) -> None:
    family = write_family(tmp_path / "family")
    config = given(rooms, method=method, family=str(family), steps=4, seed=3)
    steps: list[Step] = []
    result = restyle_photo(
        rooms[0].image, rooms[1].image, config, out=tmp_path / "new.png", progress=Progress(steps.append)
    )
    assert result.image.shape == (3, 36, 52)
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages == ["loading", "perceiving", "matching", "inverting", "restyling", "finishing"]
    repeat_photo(tmp_path / "new.json", out=tmp_path / "again.png")
    assert (tmp_path / "new.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    other = restyle_photo(
        rooms[0].image, rooms[1].image, given(rooms, method=method, family=str(family), steps=4, seed=4)
    )
    assert not torch.equal(other.image, result.image)


def test_a_record_refuses_other_inputs_and_other_weights(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    family = write_family(tmp_path / "family")
    config = given(rooms, family=str(family), steps=4)
    restyle_photo(rooms[0].image, rooms[1].image, config, out=tmp_path / "new.png")
    record = json.loads((tmp_path / "new.json").read_text())
    assert set(record["inputs"]) == {"structure", "style", "segments", "style_segments", "depth", "style_depth"}
    assert {"read", "load", "perceive", "match", "restyle"} == set(record["timings"])

    record["weights"] = dict.fromkeys(record["weights"], "0" * 64)
    (tmp_path / "other.json").write_text(json.dumps(record))
    with pytest.raises(RecordError, match="revision 0000"):
        repeat_photo(tmp_path / "other.json")
    write_room(tmp_path, "style", (44, 40), seed=2)
    with pytest.raises(RecordError, match="other content"):
        repeat_photo(tmp_path / "new.json")
    rooms[1].image.unlink()
    with pytest.raises(RecordError, match="no file"):
        repeat_photo(tmp_path / "new.json")
    with pytest.raises(RecordError, match="something else"):
        repeat_photo(tmp_path / "structure-map.json")


def test_views_in_memory_are_recorded_by_content(rooms: tuple[Room, Room]) -> None:
    from relook import View

    views = [View(read_image(room.image), read_segments(room.segments)) for room in rooms]
    result = restyle_photo(views[0], views[1], PhotoConfig(method="palette", match=("sofa=floor",)))
    assert result.record["inputs"]["structure"]["path"] is None
    assert result.record["inputs"]["structure"]["sha256"] != result.record["inputs"]["style"]["sha256"]
    assert "output" not in result.record


def test_a_stated_match_changes_only_what_it_names(rooms: tuple[Room, Room]) -> None:
    plain = restyle_photo(rooms[0].image, rooms[1].image, given(rooms, method="palette")).image
    stated = restyle_photo(rooms[0].image, rooms[1].image, given(rooms, method="palette", match=("sofa=window",))).image
    change = (plain - stated).abs().mean(0)
    segments = read_segments(rooms[0].segments)
    assert change[segments.mask("sofa")].mean() > 10 * change[segments.mask("floor")].mean()


def test_strength_zero_is_the_structure(rooms: tuple[Room, Room]) -> None:
    result = restyle_photo(rooms[0].image, rooms[1].image, given(rooms, method="palette", strength=0.0))
    assert (result.image - read_image(rooms[0].image)).abs().max() < 1e-3


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps of at least 1"),
        ({"strength": 1.5}, "strength of 0 to 1"),
        ({"seed": -1}, "seed of 0 to"),
        ({"method": "magic"}, "method out of auto"),
        ({"match": ("sofa",)}, "such as sofa=armchair"),
        ({"match": ("sofa=unicorn",)}, "unicorn"),
        ({"keep": ("unicorn",)}, "unicorn"),
        ({"segmenter": "magic"}, "segmenter out of"),
    ],
)
def test_bad_options_are_one_sentence(
    options: dict[str, object], words: str, rooms: tuple[Room, Room], tmp_path: Path
) -> None:
    files = {} if "segmenter" in options else {"segments": rooms[0].segments, "style_segments": rooms[1].segments}
    with pytest.raises(InputError, match=words) as caught:
        restyle_photo(
            rooms[0].image,
            rooms[1].image,
            PhotoConfig(**{"method": "palette", **files, **options}),
            out=tmp_path / "x.png",
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.png").exists()


def test_a_family_that_is_nowhere_is_one_sentence(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="nowhere"):
        restyle_photo(rooms[0].image, rooms[1].image, given(rooms, family=str(tmp_path / "nowhere")))


def test_outputs_that_would_hurt_are_refused_before_any_work(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for out, words in (
        (rooms[0].image, "no input"),
        (tmp_path / "x.gif", "ending in"),
        (tmp_path / "file" / "x.png", "folder"),
    ):
        with pytest.raises(InputError, match=words):
            restyle_photo(rooms[0].image, rooms[1].image, given(rooms, method="palette"), out=out)


def test_options_survive_a_record() -> None:
    config = PhotoConfig(
        match=("sofa=armchair, bed=sofa",), keep=("window,door",), segments=Path("a.png"), strength=0.5
    )
    assert config.matches == {"sofa": "armchair", "bed": "sofa"}
    assert config.keep == ("window", "door")
    again = PhotoConfig.from_json(json.loads(json.dumps(config.as_json())))
    assert again.segments is not None
    assert again.segments.is_absolute()
    assert again.matches == config.matches
    assert PhotoConfig().chosen_method == "palette"
    assert PhotoConfig(family="sd15").chosen_method == "restyle3d"
    with pytest.raises(InputError, match="strenth"):
        PhotoConfig.from_json({"strenth": 1})


@pytest.mark.usefixtures("unchecked")
def test_composite_is_bit_exact_and_refuses_other_sizes() -> None:
    structure, output = torch.rand(3, 5, 7), torch.rand(3, 5, 7)
    kept = torch.rand(5, 7) > 0.5
    image = composite(structure, output, kept)
    assert torch.equal(image[:, kept], structure[:, kept])
    assert torch.equal(image[:, ~kept], output[:, ~kept])
    with pytest.raises(ShapeError, match="one size"):
        composite(structure, torch.rand(3, 5, 8), kept)


def test_the_style_picture_as_a_prompt_is_recorded_with_its_adapter(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    family = write_family(tmp_path / "family")
    adapter = write_adapter(tmp_path / "adapter", load_family(family).denoiser)
    config = given(rooms, method="ip-adapter", preset="paper", family=str(family), image_prompt=str(adapter), steps=2)
    result = restyle_photo(rooms[0].image, rooms[1].image, config, out=tmp_path / "new.png")
    assert result.image.shape == (3, 36, 52)
    assert "image prompt" in result.record["weights"]
    repeat_photo(tmp_path / "new.json", out=tmp_path / "again.png")
    assert (tmp_path / "new.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    write_adapter(adapter, load_family(family).denoiser, seed=1)
    with pytest.raises(RecordError, match="image prompt"):
        repeat_photo(tmp_path / "new.json")
    with pytest.raises(InputError, match="sd15"):
        restyle_photo(rooms[0].image, rooms[1].image, replace(config, image_prompt="auto"))


def test_a_refined_picture_keeps_its_size_and_is_recorded(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    family, other = write_family(tmp_path / "family"), write_family(tmp_path / "other", seed=1)
    config = given(rooms, method="restyle3d", family=str(family), steps=2)
    plain, same, finer = (
        restyle_photo(rooms[0].image, rooms[1].image, replace(config, refine=name), out=tmp_path / "new.png")
        for name in ("none", "same", str(other))
    )
    assert same.image.shape == finer.image.shape == plain.image.shape
    assert not torch.equal(same.image, plain.image)
    assert not torch.equal(same.image, finer.image)
    assert "family that refines" in finer.record["weights"]
    repeat_photo(tmp_path / "new.json", out=tmp_path / "again.png")
    assert (tmp_path / "new.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    with pytest.raises(InputError, match="palette"):
        restyle_photo(rooms[0].image, rooms[1].image, given(rooms, method="palette", refine="same"))


def test_a_style_is_remembered_for_the_next_structure(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    family = write_family(tmp_path / "family")
    config = given(rooms, method="restyle3d", family=str(family), steps=6, style_memory=tmp_path / "memory")
    plain = restyle_photo(rooms[0].image, rooms[1].image, replace(config, style_memory=None))
    for _ in range(2):
        again = restyle_photo(rooms[0].image, rooms[1].image, config, out=tmp_path / "new.png")
        torch.testing.assert_close(again.image, plain.image, atol=1e-4, rtol=0)
    assert len(list((tmp_path / "memory").iterdir())) > 0
    repeat_photo(tmp_path / "new.json", out=tmp_path / "again.png")


def test_a_preset_stands_in_place_of_the_configurations_and_is_recorded_whole(
    rooms: tuple[Room, Room], tmp_path: Path
) -> None:
    family = write_family(tmp_path / "family")
    config = given(rooms, family=str(family), steps=4)
    preset = replace(PRESETS["cross-image-attention"]["released"].but(start=1.0, edge_share=0.5), minimum_area=0.01)
    plain = restyle_photo(rooms[0].image, rooms[1].image, config)
    result = restyle_photo(rooms[0].image, rooms[1].image, config, out=tmp_path / "new.png", preset=preset)
    assert not torch.equal(result.image, plain.image)
    assert "preset" not in plain.record
    assert Preset.from_json(json.loads((tmp_path / "new.json").read_text())["preset"]) == preset
    repeat_photo(tmp_path / "new.json", out=tmp_path / "again.png")
    assert (tmp_path / "new.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_a_session_loads_a_family_once(
    rooms: tuple[Room, Room], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, loaded = write_family(tmp_path / "family"), []
    monkeypatch.setattr(
        "relook.models.families.load_family",
        lambda *args, **options: (loaded.append(args), load_family(*args, **options))[1],
    )
    config = given(rooms, family=str(family), steps=2)
    with Session("cpu") as session:
        first, second = (restyle_photo(rooms[0].image, rooms[1].image, config, session=session).image for _ in range(2))
        assert len(loaded) == 1
        assert torch.equal(first, second)
    restyle_photo(rooms[0].image, rooms[1].image, config)
    assert len(loaded) == 2


def test_the_embedded_family_warns_of_photographs(
    rooms: tuple[Room, Room], session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    views = [View(read_image(room.image)) for room in rooms]
    own = replace(views[0], segments=read_segments(rooms[0].segments, views[0].size))
    for segmenter, seen, warned in (("layout", views, 1), ("embedded", views, 0), ("layout", [own, own], 0)):
        caplog.clear()
        config = PhotoConfig(family="dollhouse", segmenter=segmenter, depth_estimator="embedded", device="cpu")
        resolve(config, session, seen, SILENT)
        assert len([line for line in caplog.messages if "drawn rooms only" in line]) == warned


def test_a_cancelled_run_leaves_nothing(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    progress = Progress(lambda step: progress.cancel() if step.stage == "perceiving" else None)
    out = tmp_path / "out" / "new.png"
    with pytest.raises(CancelledError):
        restyle_photo(rooms[0].image, rooms[1].image, given(rooms, method="palette"), out=out, progress=progress)
    assert not out.parent.exists()


def test_a_preview_comes_first(rooms: tuple[Room, Room], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.transfer.draft.PREVIEW", 26)
    out, there = tmp_path / "out" / "new.png", []

    def listen(step: Step) -> None:
        if step.stage == "restyling" and step.done == 0:
            there.append((out.parent / "new.preview.png").is_file())

    result = restyle_photo(
        rooms[0].image, rooms[1].image, given(rooms, preview=True), out=out, progress=Progress(listen)
    )
    assert there == [False, True], "it is on the disk before the full picture is begun"
    assert read_image(out.parent / "new.preview.png").shape == (3, 18, 26)
    assert read_image(out).shape == result.image.shape == (3, 36, 52)
    plain = restyle_photo(rooms[0].image, rooms[1].image, given(rooms))
    assert torch.equal(result.image, plain.image), "the full picture is the same without a preview"
    with pytest.raises(InputError, match="no input"):
        restyle_photo(out.parent / "new.preview.png", rooms[1].image, given(rooms, preview=True), out=out)


def test_a_thing_takes_from_the_picture_that_is_named_for_it(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    velvet = write_room(tmp_path, "velvet", (30, 30), seed=7)
    plain = restyle_photo(rooms[0].image, rooms[1].image, given(rooms, segmenter="whole")).image
    named = given(rooms, segmenter="whole", reference=(f"sofa={velvet.image}",))
    result = restyle_photo(rooms[0].image, rooms[1].image, named, out=tmp_path / "new.png")
    change = (plain - result.image).abs().mean(0)
    segments = read_segments(rooms[0].segments)
    inside = segments.mask("sofa")
    assert change[inside].mean() > 10 * change[segments.mask("floor")].mean()
    assert result.record["inputs"]["reference sofa"]["path"] == str(velvet.image.resolve())
    repeat_photo(tmp_path / "new.json", out=tmp_path / "again.png")
    assert (tmp_path / "new.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    write_room(tmp_path, "velvet", (30, 30), seed=8)
    with pytest.raises(RecordError, match=r"reference sofa .* other content"):
        repeat_photo(tmp_path / "new.json")


def test_of_several_styles_the_next_gives_what_the_first_lacks(tmp_path: Path) -> None:
    names = {1: Region("wall"), 2: Region("floor"), 3: Region("sofa")}
    labels = torch.ones(30, 40, dtype=torch.int64)
    labels[20:], labels[10:25, 10:30] = 2, 3
    colours = torch.rand(3, 4, 3, generator=torch.Generator().manual_seed(2)) * 0.6 + 0.2
    room, first, second = (View(colour[labels].permute(2, 0, 1), Segments(labels, names)) for colour in colours)
    bare = replace(first, segments=Segments(torch.where(labels == 3, 1, labels), names))
    config = PhotoConfig(layout="none", style_layout="none")
    together = restyle_photo(room, [bare, second], config)
    sofa = labels == 3
    alone = restyle_photo(room, second, config).image
    close = (together.image - alone).abs().mean(0)
    assert close[sofa].mean() < 0.03, "the first has no sofa"
    assert close[~sofa].mean() > 2 * close[sofa].mean(), "walls and floor are the first's"
    assert set(together.record["inputs"]) == {"structure", "style", "style 2"}


@pytest.mark.parametrize("method", ["restyle3d", "cross-image-attention", "eye-for-an-eye", "style-id"])
def test_every_method_takes_from_several_pictures_and_repeats(
    method: str, rooms: tuple[Room, Room], tmp_path: Path
) -> None:
    family = write_family(tmp_path / "family")
    more = write_room(tmp_path, "more", (30, 50), seed=5)
    config = given(
        rooms, method=method, family=str(family), steps=4, reference=(f"sofa={more.image}",), segmenter="whole"
    )
    restyle_photo(rooms[0].image, [rooms[1].image, more.image], config, out=tmp_path / "new.png")
    repeat_photo(tmp_path / "new.json", out=tmp_path / "again.png")
    assert (tmp_path / "new.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    plain = restyle_photo(rooms[0].image, rooms[1].image, given(rooms, method=method, family=str(family), steps=4))
    assert not torch.equal(plain.image, read_image(tmp_path / "new.png"))


def test_a_thing_has_a_strength_of_its_own(rooms: tuple[Room, Room]) -> None:
    segments, own = read_segments(rooms[0].segments), read_image(rooms[0].image)
    full = restyle_photo(rooms[0].image, rooms[1].image, given(rooms)).image
    sofa, floor = (segments.mask(name) for name in ("sofa", "floor"))
    mixed = restyle_photo(
        rooms[0].image, rooms[1].image, given(rooms, strength=0.5, strengths=("sofa=1,window=0",))
    ).image

    def share(image: torch.Tensor, where: torch.Tensor) -> float:
        return float((image - own)[:, where].abs().mean() / (full - own)[:, where].abs().mean())

    assert share(mixed, sofa) > 0.8
    assert 0.35 < share(mixed, floor) < 0.65
    assert share(mixed, segments.mask("window")) < 0.2


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"reference": ("sofa",)}, "such as sofa=velvet.jpg"),
        ({"reference": ("sofa=nowhere.jpg",)}, "readable file at nowhere.jpg"),
        ({"strengths": ("sofa=2",)}, "0 to 1 for sofa"),
        ({"strengths": ("sofa=much",)}, "0 to 1 for sofa"),
        ({"strengths": ("sofa=1", "sofa=0")}, "once for sofa"),
    ],
)
def test_what_is_said_of_single_things_is_checked(options: dict, part: str) -> None:
    with pytest.raises(InputError, match=part):
        PhotoConfig(**options).check()


def test_a_name_that_no_picture_has_is_refused(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    more = write_room(tmp_path, "more")
    for options in ({"strengths": ("piano=1",)}, {"reference": (f"piano={more.image}",)}):
        with pytest.raises(SegmentsError, match="structure picture, got 'piano'"):
            restyle_photo(rooms[0].image, rooms[1].image, given(rooms, segmenter="whole", **options))
    with pytest.raises(SegmentsError, match="style picture, got 'piano'"):
        restyle_photo(
            rooms[0].image, rooms[1].image, given(rooms, segmenter="whole", reference=(f"sofa={more.image}#piano",))
        )
    with pytest.raises(InputError, match="at least one style"):
        restyle_photo(rooms[0].image, [], given(rooms))
