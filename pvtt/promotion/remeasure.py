"""Figures of samples are measured once more, from their clips and photos and from the films that were kept.

    clips, masks, photos ──► the contenders that need no network, the ground truth ──► to a few thousandths
    kept films ──► the model's own figures, those of other photos ──► as near as the encoder lets tell

A metric that looks at what nobody keeps, such as the film before compositing, is left out and named. How far a figure
may be off is in `near.py`.

Samples are drawn twice. Before a person is asked, by the run and its data: another commit of the same figures draws no
others. After they approve, by a word that their command has made up by then, of those not measured before: whoever
committed the figures could not know it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.errors import PvttError
from pvtt.files.hashing import sha256_bytes
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.promotion.kept_videos import Kept, read_kept, root_error
from pvtt.promotion.near import Moved, is_near, is_same
from pvtt.promotion.scene import KeptScenes, NotKeptError
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.parts import Part

if TYPE_CHECKING:
    from pvtt.evaluation.contenders.contender import Contender
    from pvtt.evaluation.metrics.metric import Measure, Metric, Scene
    from pvtt.evaluation.samples import Chosen

MAX_TRUTH_ERROR = 12.0  # levels of 255; more is another film, not the encoder's loss
MOST_FLIPS = 1  # samples of which a figure that jumps may come out otherwise: a share, 0 or 1 each, and what is read
JUMPS = ("text_distance",)
IN_TURN: tuple[Part, ...] = ("transfer", "test", "train", "val")  # what criteria are of first


@dataclass(frozen=True)
class Remeasured:
    """What came of it.

    Args:
        keys: The samples, part and key.
        metrics: That were measured again in at least one of them.
        left: That have figures and were not.
        faults: What does not agree, a phrase each.
    """

    keys: tuple[str, ...]
    metrics: tuple[str, ...]
    left: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass
class _Found:
    """Collected over samples."""

    metrics: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    flips: dict[str, list[str]] = field(default_factory=dict)  # of figures that jump


def remeasure(
    workspace: Workspace,
    params: Params,
    samples: Sequence[EvaluatedSample],
    chosen: Sequence[Chosen],
    routes: Sequence[Contender],
    seed: str,
    but: Collection[str] = (),
) -> Remeasured:
    """Measure `promote.audited_videos` samples again whose films were kept.

    Args:
        workspace: The project's folders.
        params: All of params.yaml.
        samples: All that were evaluated.
        chosen: All that were to be.
        routes: Contenders beside those of every run.
        seed: Which samples are drawn depends on it.
        but: Samples that are not, part and key.

    Raises:
        PvttError: A measuring network cannot be loaded.
    """
    from pvtt.evaluation.samples import Windows
    from pvtt.evaluation.scores import all_scores

    drawn = draw(samples, chosen, params.promote.audited_videos, seed, but)
    if not drawn:
        return Remeasured((), (), (), ())
    windows, kept_scenes = Windows(workspace, params), KeptScenes(workspace, params, chosen)
    own = [one for one in all_scores(routes=routes) if one.difference is None]
    found, scores = _Found(), [one for one in own if one.measure is not None]
    for sample, one in drawn:
        place = f"{sample.part} {sample.key}"
        window = windows.read(one.entry)
        try:
            paths = {name: _path(workspace, sample, name) for name in _films(sample, scores)}
            kept = {name: read_kept(path, window.pixels) for name, path in paths.items()}
        except (PvttError, FileNotFoundError) as error:
            found.faults.append(f"{place}: a kept film cannot be read: {error}")
            continue
        loss = root_error(kept["ground_truth"].film, window.pixels)
        if loss > MAX_TRUTH_ERROR:
            found.faults.append(f"{place}: the kept ground truth is not its clip: {loss:.1f} levels of 255 off")
            continue
        scene = kept_scenes.of(one, window, kept["generated"].film)
        _compare(place, sample, scene, kept, scores, found)
    faults = [*found.faults, *(fault for flips in found.flips.values() if len(flips) > MOST_FLIPS for fault in flips)]
    keys = tuple(f"{sample.part} {sample.key}" for sample, _ in drawn)
    return Remeasured(keys, tuple(found.metrics), _left(drawn, own, found), tuple(faults))


def _left(drawn: Sequence[tuple[EvaluatedSample, Chosen]], scores: Sequence[Metric], found: _Found) -> tuple[str, ...]:
    with_figures = [one for one in scores if any(_own(sample).get(one.name) is not None for sample, _ in drawn)]
    seen = {one.subject for one in scores if one.name in found.metrics}
    names = [one.name if one.subject in seen else f"all of {one.subject}" for one in with_figures]
    return tuple(name for name in dict.fromkeys(names) if name not in found.metrics)


def draw(
    samples: Sequence[EvaluatedSample],
    chosen: Sequence[Chosen],
    number: int,
    seed: str,
    but: Collection[str] = (),
) -> list[tuple[EvaluatedSample, Chosen]]:
    """Samples whose films were kept, of each part in turn, in an order that nobody can choose who does not know the
    seed.

    Args:
        samples: All that were evaluated.
        chosen: All that were to be.
        number: How many, at most.
        seed: Of the draw.
        but: Samples that are not drawn, part and key.
    """
    by_place = {(one.part, one.entry.key): one for one in chosen}
    kept = [sample for sample in samples if sample.videos and (sample.part, sample.key) in by_place]
    kept = [sample for sample in kept if f"{sample.part} {sample.key}" not in but]
    order = sorted(kept, key=lambda one: sha256_bytes(f"{seed} {one.part} {one.key}".encode()))
    turns = Counter[Part]()
    taken = []
    for sample in order:
        taken.append((turns[sample.part], IN_TURN.index(sample.part), sample))
        turns[sample.part] += 1
    taken.sort(key=lambda one: one[:2])
    return [(sample, by_place[sample.part, sample.key]) for _, _, sample in taken[:number]]


def _own(sample: EvaluatedSample) -> Mapping[str, float | None]:
    """The figures of the generation whose film is kept: the first."""
    return sample.generations[0] if sample.generations else sample.metrics


def _path(workspace: Workspace, sample: EvaluatedSample, name: str) -> Path:
    if name not in sample.videos:
        raise PvttError(f"no {name}.mp4 is recorded")
    return workspace.out("evaluate") / sample.videos[name]


def _films(sample: EvaluatedSample, scores: Sequence[Metric]) -> list[str]:
    """The kept films that are looked at. A film whose figures stand there but for which no file does is one of them."""
    from pvtt.evaluation.contenders.model import MODEL, SWAPPED, UNTRAINED

    own = _own(sample)
    asked = [SWAPPED.name, *([UNTRAINED.name] if sample.part == "transfer" else [])]
    measured = {score.subject for score in scores if own.get(score.name) is not None}
    return [MODEL.name, "ground_truth", *(name for name in asked if name in measured)]


def _compare(
    place: str,
    sample: EvaluatedSample,
    scene: Scene,
    kept: Mapping[str, Kept],
    scores: Sequence[Metric],
    found: _Found,
) -> None:
    """Hold a sample's figures against what its films and its clip give."""
    truth = _Truth(scene, kept["ground_truth"])
    own = _own(sample)
    for score in scores:
        if score.name not in own:
            continue
        recorded = own[score.name]
        try:
            fault = _fault(score, recorded, scene, kept, truth)
        except NotKeptError:
            continue
        if fault is None or (fault == "" and recorded is None):
            continue
        found.metrics[score.name] = None
        if fault:
            jumps = score.chance or score.name in JUMPS
            faults = found.flips.setdefault(score.name, []) if jumps else found.faults
            faults.append(f"{place}: {score.name} is {_shown(recorded)}, {fault}")


class _Truth:
    """What metrics say of the true film, and of it as it was kept: each once."""

    def __init__(self, scene: Scene, kept: Kept) -> None:
        self._scene, self._kept, self._known = scene, kept, dict[Any, tuple[float | None, float | None]]()

    def of(self, measure: Measure) -> tuple[float | None, float | None]:
        if measure not in self._known:
            self._known[measure] = measure(self._scene, self._scene.truth), measure(self._scene, self._kept.film)
        return self._known[measure]


def _fault(score: Metric, recorded: float | None, scene: Scene, kept: Mapping[str, Kept], truth: _Truth) -> str | None:
    """What speaks against a figure; empty: nothing; None: it cannot be measured again.

    Raises:
        NotKeptError: The same.
    """
    from pvtt.evaluation.contenders.model import MODEL
    from pvtt.evaluation.scores import GROUND_TRUTH

    assert score.measure is not None
    subject = score.subject or MODEL.name
    if subject == GROUND_TRUTH or subject in scene.others:
        film = scene.truth if subject == GROUND_TRUTH else scene.others[subject]
        value = score.measure(scene, film)
        return "" if is_same(recorded, value) else f"its clip and photos give {_shown(value)}"
    if subject not in kept or not _tells(score):
        return None
    value = score.measure(scene, kept[subject].film)

    def moved() -> Moved:
        assert score.measure is not None
        true, kept_true = truth.of(score.measure)
        return Moved(score.measure(scene, kept[subject].again), true, kept_true)

    near = is_near(score, recorded, value, moved)
    return "" if near else f"the kept {subject}.mp4 gives {_shown(value)}"


def _tells(score: Metric) -> bool:
    """Whether a film says enough of a figure: of others' films, what says who is better."""
    return score.group != "The other contenders" or score.ranks or bool(score.beside)


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.6g}"
