"""Restyled walks through unseen rooms: do neighbouring frames agree, does the look drift, do cameras come out the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from relook import cache
from relook.config import Carry, Fill, ViewsConfig
from relook.dollhouse import exact_flow
from relook.evaluate.gallery import contact_sheet
from relook.evaluate.metrics import psnr
from relook.evaluate.metrics.views import detail, drift, warp_lpips, warp_rmse
from relook.evaluate.records import EVERY, Record
from relook.evaluate.sections import column, section
from relook.evaluate.summary import Score, mean_score
from relook.evaluate.views.rooms import Walk, draw_walk
from relook.evaluate.views.told import Told, records_of
from relook.io import read_image, write_image
from relook.lift.look import Look, RestyledFrame
from relook.lift.propagation import order
from relook.lift.source import key_of, read_walk
from relook.lift.store import WalkStore
from relook.lift.views import restyle_views
from relook.types import View

Images = list[Float[Tensor, "3 H W"]]
NEAR, FAR = 1, 8
"""Frames between the two of a near pair, and of a far one."""
ALONE, EXACT = "per-frame", "exact"
REFERENCE = "relook"
"""The way that the others are compared with, where it was run."""
PARTS = ("near_part", "far_part", "near_lpips_part", "far_lpips_part")
"""What is told of all walks together."""
COLUMNS = {
    "near_rmse": column("warp_rmse", "near", "RMSE near"), "far_rmse": column("warp_rmse", "far", "RMSE far"),
    "near_lpips": column("warp_lpips", "near", "LPIPS near", digits=4), "far_lpips": column("warp_lpips", "far", "LPIPS far", digits=4),
    "near_part": column("warp_rmse_part", "near", "RMSE near / per-frame's", digits=2),
    "far_part": column("warp_rmse_part", "far", "RMSE far / per-frame's", digits=2),
    "near_lpips_part": column("warp_lpips_part", "near", "LPIPS near / per-frame's", digits=2),
    "far_lpips_part": column("warp_lpips_part", "far", "LPIPS far / per-frame's", digits=2),
    "psnr": column("psnr"), "psnr_second": column("psnr", "second frame", "PSNR dB second frame"),
    "psnr_last": column("psnr", "last frame", "PSNR dB last frame"), "drift": column("drift", digits=2),
    "detail": column("detail", title="detail last frame", digits=2, judged=False), "painted": column("painted"),
}  # fmt: skip
"""What is told of every way to restyle a walk."""


@dataclass(frozen=True)
class Way:
    """One way to restyle a walk."""

    note: str
    """What it is, for readers of the report."""
    carry: Carry | None = "relook"
    """None: every frame by itself."""
    first: int | None = 0
    """Number of the frame that is restyled from the style picture; None: chosen."""
    fill: Fill = "recolour"
    """What paints the holes."""
    given: bool = False
    """The first frame is the exact answer, so that only what comes after it is judged."""
    history: int = ViewsConfig.history
    """Most earlier frames that a frame takes its look from."""


WAYS: dict[str, Way] = {
    ALONE: Way("every frame restyled by itself, from the same style picture", None),
    "paper": Way(
        "carried as the paper has it: splatted from the previous frame and two random ones, holes by the network",
        "paper",
        fill="refiner",
    ),
    "relook": Way("Relook's own way: fetched from where it was painted, holes recoloured; frame 1 restyled first"),
    "relook/refiner": Way("the same, holes by the network", fill="refiner"),
    "relook/key frame": Way("the same; the frame that shows most of the others restyled first", first=None),
    "paper/exact first frame": Way(
        "the paper's way from the exact frame 1: how much the carrying alone loses", "paper", fill="refiner", given=True
    ),
    "relook/exact first frame": Way("Relook's way from the exact frame 1", given=True),
}
"""Every way, in the table's order."""
BY_HISTORY: dict[str, Way] = {
    f"{name}/history {count}": replace(
        WAYS[name], note=f"as {name}, from at most {count} earlier frames", history=count
    )
    for name in ("paper", "relook")
    for count in (1, 2, 3)
}
"""The same two ways from fewer earlier frames or as many (the paper's code takes one, its text three); run where they are named."""
NOTE = "the answer itself: how much of the numbers is due to the measuring"


@dataclass(frozen=True)
class Restyled:
    """A walk in its new look."""

    images: Images
    first: int = 0
    """The frame that was painted first."""
    painted: float | None = None
    """Mean share that was painted anew in the frames that were not restyled from the style picture; None for no such frame."""


@dataclass(frozen=True)
class Walks:
    """Walks, how they are restyled, and where the results lie."""

    out: Path
    ways: Mapping[str, Way]
    base: ViewsConfig
    walks: int
    frames: int
    seed: int
    size: int
    key: str
    """Hashes everything else that the results depend on."""

    @property
    def count(self) -> int:
        """Number of walks to restyle."""
        return self.walks * len(self.ways)

    def walk(self, number: int) -> Walk:
        """A walk by its number."""
        return draw_walk(self.seed, number, self.frames, self.size)

    def case(self, number: int) -> str:
        """Name of a walk in the records: another length is another walk."""
        return f"walk {number} of {self.frames} frames"

    def restyled(self, name: str, number: int, walk: Walk) -> Restyled:
        """The walk in its new look; what is on disk is not made again."""
        key = cache.key(self.key, name, number, self.seed, self.size, self.frames)
        folder = self.out / f"{number:03d}" / "".join(c if c.isalnum() else "-" for c in name) / key[:12]
        return restyled(
            folder, self.ways[name], [r.view() for r in walk.old], walk.style, self.base, walk.prompt, walk.new[0].image
        )


def restyled(
    folder: Path,
    way: Way,
    views: Sequence[View],
    style: View,
    base: ViewsConfig,
    prompt: str,
    answer: Float[Tensor, "3 H W"],
) -> Restyled:
    """Views restyled in one way, in a folder where a stopped run goes on; answer: the exact first frame, for ways that are given it."""
    photo = replace(base.photo, prompt=prompt)
    if way.carry is None:
        return Restyled(per_frame(folder, views, style, replace(base, photo=photo)))
    config = replace(
        base, photo=photo, carry=way.carry, fill=way.fill, first=way.first, history=way.history, points=False
    )
    if way.given:
        _give_first(folder, views, style, config, answer)
    result = restyle_views(views, style, config, out=folder)
    notes = result.record["frames"]
    shares = [float(note["painted"]) for note in notes if not note["key_frame"]]
    first = next(i for i, note in enumerate(notes) if not note["history"])
    return Restyled(
        [read_image(frame) for frame in result.frames], first, sum(shares) / len(shares) if shares else None
    )


def _give_first(
    folder: Path, views: Sequence[View], style: View, config: ViewsConfig, image: Float[Tensor, "3 H W"]
) -> None:
    """Begin the run in the folder with its first frame finished as this picture, if it has not begun."""
    source, _ = read_walk(views, style, config, folder)
    store = WalkStore(folder)
    store.open(key_of(views, source, style, config), lambda: {"first": 0, "geometry": "exact"})
    if store.notes(0) is None:
        notes = {
            "number": 0, "key_frame": True, "history": [], "painted": 1.0, "moving": 0.0, "candidates": [0], "weights": {}, "seconds": 0.0,
        }  # fmt: skip
        store.add(RestyledFrame(0, views[0], Look.painted(image, views[0]), notes))


def per_frame(folder: Path, views: Sequence[View], style: View, config: ViewsConfig) -> Images:
    """Every view restyled by itself; finished ones are read from the folder."""
    from relook.transfer.photo import restyle_photo

    images = []
    for number, view in enumerate(views):
        place = folder / "frames" / f"{number:06d}.png"
        if not place.is_file():
            result = restyle_photo(view, style, config.photo)
            style = result.style
            write_image(place, result.image)
        images.append(read_image(place))
    return images


def score_of(found: Restyled, walk: Walk) -> Score:
    """Every number of one restyled walk."""
    images, painted = found.images, found.painted
    exact = [psnr(image, room.image) for image, room in zip(images, walk.new, strict=True)]
    path = order(found.first, len(images))
    ordered, last = [exact[number] for number in path], path[-1]
    return {
        **_agreement(images, walk, NEAR, "near"), **_agreement(images, walk, min(FAR, len(images) - 1), "far"),
        "psnr": mean_score({"psnr": value} for value in exact)["psnr"], "psnr_second": ordered[min(1, len(ordered) - 1)],
        "psnr_last": ordered[-1], "drift": drift(ordered), "detail": detail(images[last], walk.new[last].image), "painted": None if painted is None else 100 * painted,
    }  # fmt: skip


def _agreement(images: Images, walk: Walk, gap: int, name: str) -> Score:
    """Mean over all pairs `gap` apart: the later frame against the earlier one fetched along the exact flow."""
    scores: list[Score] = []
    for i in range(len(images) - gap):
        flow, visible = exact_flow(walk.old[i + gap], walk.old[i])
        pair = images[i + gap], images[i]
        scores.append(
            {f"{name}_rmse": warp_rmse(*pair, flow, visible), f"{name}_lpips": warp_lpips(*pair, flow, visible)}
        )
    return mean_score(scores) or {f"{name}_rmse": None, f"{name}_lpips": None}


def evaluate(walks: Walks, tick: Callable[[], None]) -> Told:
    """Every way on every walk: the numbers, and a sheet of frames per walk."""
    records: list[Record] = []
    sheets = []
    for number in range(walks.walks):
        walk = walks.walk(number)
        shown = sorted({round(i * (walks.frames - 1) / 6) for i in range(7)})
        lines = [[walk.old[i].image for i in shown]]
        for name in walks.ways:
            found = walks.restyled(name, number, walk)
            records += records_of("walks", name, walks.case(number), score_of(found, walk), COLUMNS)
            lines.append([found.images[i] for i in shown])
            tick()
        answer = [room.image for room in walk.new]
        records += records_of("walks", EXACT, walks.case(number), score_of(Restyled(answer), walk), COLUMNS)
        lines.append([answer[i] for i in shown])
        caption = f"Walk {number}, from top to bottom: as it was, {', '.join(walks.ways)}, the answer."
        sheets.append((caption, contact_sheet(lines, [f"frame {i + 1}" for i in shown])))
    records += _parts(records)
    lead = (
        f"{walks.walks} walks of {walks.frames} frames, {walks.size} pixels. Near: frames {NEAR} apart, far: "
        f"{min(FAR, walks.frames - 1)} apart, over the pixels that both show, by exact flow. PSNR against the exact answer; drift: second "
        "frame painted - last one. The answer does not agree with itself exactly either: fetching between pixels blurs what is sharp. Detail: mean gradient as a "
        "part of the answer's, since blur agrees easily."
    )
    notes = {name: way.note for name, way in walks.ways.items()} | {EXACT: NOTE}
    made = section(
        records, title="Restyled walks", lead=lead, columns=list(COLUMNS.values()), notes=notes, reference=REFERENCE,
        apart=(EXACT, *_given(walks.ways)), sheets=sheets,
    )  # fmt: skip
    return Told(tuple(records), (made,))


def _parts(records: Sequence[Record]) -> list[Record]:
    """Every way's disagreement as a part of that of frames restyled each by itself, means over all walks."""
    means = mean_score({f"{r.row}|{r.metric}|{r.region}": r.value} for r in records)
    found: list[Record] = []
    for row in dict.fromkeys(record.row for record in records):
        score: Score = {}
        for key in PARTS:
            metric, region = COLUMNS[key].metric.removesuffix("_part"), COLUMNS[key].region
            score[key] = _part(means.get(f"{row}|{metric}|{region}"), means.get(f"{ALONE}|{metric}|{region}"))
        found += records_of("walks", row, EVERY, score, COLUMNS)
    return found


def _given(ways: Mapping[str, Way]) -> list[str]:
    """Ways that are told the exact first frame: they are compared with each other only."""
    return [name for name, way in ways.items() if way.given]


def _part(value: float | None, whole: float | None) -> float | None:
    return value / whole if value is not None and whole else None
