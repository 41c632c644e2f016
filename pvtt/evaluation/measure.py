"""All scores of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pvtt.evaluation.contenders.all import others
from pvtt.evaluation.contenders.contender import Contender
from pvtt.evaluation.fingerprint import weights_path
from pvtt.evaluation.metrics.consistency import TextEmbedder
from pvtt.evaluation.metrics.fvd import VideoEmbedder
from pvtt.evaluation.metrics.lettering import load_reader
from pvtt.evaluation.metrics.metric import Metric, Networks, Scene
from pvtt.evaluation.metrics.perceptual import Lpips
from pvtt.evaluation.metrics.similarity import ImageEmbedder
from pvtt.evaluation.scores import GROUND_TRUTH, all_scores
from pvtt.params.evaluate import EvaluateParams


def load_networks(root: Path, params: EvaluateParams, device: str) -> Networks:
    """Load the networks that the params name. Raises `PvttError` where one is named but cannot be loaded."""
    lpips, clip, dino, fvd = (
        weights_path(root, name, getattr(params, f"{name}_weights")) for name in ("lpips", "clip", "dino", "fvd")
    )
    return Networks(
        reader=load_reader() if params.read_text else None,
        clip_text=None if clip is None else TextEmbedder.load(clip, device),
        lpips=None if lpips is None else Lpips.load(lpips, device),
        clip=None if clip is None else ImageEmbedder.load(clip, "clip", device),
        dino=None if dino is None else ImageEmbedder.load(dino, "dino", device),
        fvd=None if fvd is None else VideoEmbedder.load(fvd, device),
    )


def measure_sample(scene: Scene, routes: Sequence[Contender] = ()) -> dict[str, float | None]:
    """Every score of one sample, but for those of optional contenders that made no video; None: not measured.

    Args:
        scene: The sample.
        routes: Contenders beside those of every run.
    """
    absent = {contender.name for contender in others(routes) if contender.optional} - set(scene.others)
    scores = [score for score in all_scores(routes=routes) if score.subject not in absent]
    values = {score.name: _measure(score, scene) for score in scores if score.measure is not None}
    for score in scores:
        if score.difference is not None and values.keys() >= set(score.difference):
            value, other = (values[name] for name in score.difference)
            values[score.name] = None if value is None or other is None else value - other
    return values


def _measure(score: Metric, scene: Scene) -> float | None:
    assert score.measure is not None
    own = {None: scene.output, GROUND_TRUTH: scene.truth}
    video = own[score.subject] if score.subject in own else scene.others.get(score.subject or "")
    return None if video is None else score.measure(scene, video)
