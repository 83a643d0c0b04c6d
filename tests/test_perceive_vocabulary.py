"""Names that mean the same across vocabularies."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files

import pytest

from relook.dollhouse import CLASSES
from relook.perceive.segment.vocabulary import canonical, countable, tidy

DATA = json.loads(files("relook.perceive.segment").joinpath("synonyms.json").read_text())

# The 150 classes of ADE20K's scene parsing benchmark, as its first names and as model cards write them.
ADE20K = """wall; building; sky; floor; tree; ceiling; road; bed; windowpane; grass; cabinet; sidewalk; person; earth; door; table;
mountain; plant; curtain; chair; car; water; painting; sofa; shelf; house; sea; mirror; rug; field; armchair; seat; fence; desk; rock;
wardrobe; lamp; bathtub; railing; cushion; base; box; column; signboard; chest of drawers; counter; sand; sink; skyscraper; fireplace;
refrigerator; grandstand; path; stairs; runway; case; pool table; pillow; screen door; stairway; river; bridge; bookcase; blind;
coffee table; toilet; flower; book; hill; bench; countertop; stove; palm; kitchen island; computer; swivel chair; boat; bar;
arcade machine; hovel; bus; towel; light; truck; tower; chandelier; awning; streetlight; booth; television receiver; airplane;
dirt track; apparel; pole; land; bannister; escalator; ottoman; bottle; buffet; poster; stage; van; ship; fountain; conveyer belt;
canopy; washer; plaything; swimming pool; stool; barrel; basket; waterfall; tent; bag; minibike; cradle; oven; ball; food; step; tank;
trade name; microwave; pot; animal; bicycle; lake; dishwasher; screen; blanket; sculpture; hood; sconce; vase; traffic light; tray;
ashcan; fan; pier; crt screen; plate; monitor; bulletin board; shower; radiator; glass; clock; flag"""

# The 133 classes of COCO panoptic.
COCO = """person; bicycle; car; motorcycle; airplane; bus; train; truck; boat; traffic light; fire hydrant; stop sign; parking meter; bench;
bird; cat; dog; horse; sheep; cow; elephant; bear; zebra; giraffe; backpack; umbrella; handbag; tie; suitcase; frisbee; skis; snowboard;
sports ball; kite; baseball bat; baseball glove; skateboard; surfboard; tennis racket; bottle; wine glass; cup; fork; knife; spoon; bowl;
banana; apple; sandwich; orange; broccoli; carrot; hot dog; pizza; donut; cake; chair; couch; potted plant; bed; dining table; toilet; tv;
laptop; mouse; remote; keyboard; cell phone; microwave; oven; toaster; sink; refrigerator; book; clock; vase; scissors; teddy bear;
hair drier; toothbrush; banner; blanket; bridge; cardboard; counter; curtain; door-stuff; floor-wood; flower; fruit; gravel; house; light;
mirror-stuff; net; pillow; platform; playingfield; railroad; river; road; roof; sand; sea; shelf; snow; stairs; tent; towel; wall-brick;
wall-stone; wall-tile; wall-wood; water-other; window-blind; window-other; tree-merged; fence-merged; ceiling-merged; sky-other-merged;
cabinet-merged; table-merged; floor-other-merged; pavement-merged; mountain-merged; grass-merged; dirt-merged; paper-merged;
food-other-merged; building-other-merged; rock-merged; wall-other-merged; rug-merged"""


def names(text: str) -> list[str]:
    return [" ".join(word.split()) for word in text.split(";")]


LISTED = {word for common, words in DATA["groups"].items() for word in (common, *words)}


def test_no_name_is_in_two_groups_and_all_are_tidy() -> None:
    counts = Counter(word for common, words in DATA["groups"].items() for word in (common, *words))
    assert [word for word, count in counts.items() if count > 1] == []
    assert [word for word in counts if tidy(word) != word] == []
    assert set(DATA["surfaces"]) <= set(DATA["groups"])


@pytest.mark.parametrize(("vocabulary", "count"), [(names(ADE20K), 150), (names(COCO), 133), (list(CLASSES), 20)])
def test_every_vocabulary_is_covered(vocabulary: list[str], count: int) -> None:
    assert len(set(vocabulary)) == count
    assert sorted(set(vocabulary) - LISTED) == []


def test_the_dollhouses_classes_stay_apart_and_are_the_common_names() -> None:
    assert [canonical(name) for name in CLASSES] == list(CLASSES)
    ade20k = json.loads(files("relook.perceive.segment").joinpath("ade20k.json").read_text())["classes"]
    assert [canonical(name) for name in ade20k] == ade20k


@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("couch", "sofa"), ("settee", "sofa"), ("picture", "painting"), ("fridge", "refrigerator"), ("windowpane", "window"),
        ("TV", "television"), ("carpet", "rug"), ("bookcase", "shelf"), ("table lamp", "lamp"), ("coffee table", "table"),
        ("Floor_Lamp ", "lamp"), ("couch, lounge", "sofa"), ("roller-blind", "blind"), ("wall-other-merged", "wall"),
        ("pouf", "ottoman"), ("zeppelin mast", "zeppelin mast"), ("", ""),
    ],
)  # fmt: skip
def test_common_names(name: str, common: str) -> None:
    assert canonical(name) == common
    assert canonical(common) == common


def test_different_things_stay_different() -> None:
    apart = ["chair", "armchair", "sofa", "stool", "ottoman", "bench", "table", "desk", "nightstand", "cabinet", "wardrobe", "shelf",
             "lamp", "light", "curtain", "blind", "whole picture"]  # fmt: skip
    assert len({canonical(name) for name in apart}) == len(apart)


def test_surfaces_are_not_counted_and_unknown_things_are() -> None:
    assert [name for name in CLASSES if not countable(name)] == ["wall", "floor", "ceiling"]
    assert not countable("floor-wood")
    assert countable("zeppelin mast")
