"""The networks that are there, on their real weights: nothing for equal images, more for worse ones."""

from __future__ import annotations

from collections.abc import Iterator

from pvtt.evaluation.certification.check import near, require
from pvtt.evaluation.certification.drawn import grain, to_levels
from pvtt.evaluation.metrics.metric import Embedder, Networks, Scene, VideoDistance
from pvtt.evaluation.metrics.similarity import crop_product

NOISE_LEVELS = (0.0, 24.0, 96.0)


def checks(scene: Scene, there: Networks) -> Iterator[str]:
    """The names of the checks that passed. Raises `PvttError` where one failed."""
    if there.lpips is not None:
        yield _distance(scene, there.lpips)
    for name, embedder in (("CLIP", there.clip), ("DINO", there.dino)):
        if embedder is not None:
            yield _likeness(scene, name, embedder)


def _distance(scene: Scene, lpips: VideoDistance) -> str:
    truth = scene.truth[:2]
    values = [lpips(to_levels(truth + grain(truth.shape, level)), truth) for level in NOISE_LEVELS]
    first, second, third = (-1.0 if value is None else value for value in values)
    return require(near(first, 0.0, 1e-5) and first < second < third, "LPIPS is 0 for equal frames and rises", values)


def _likeness(scene: Scene, name: str, embedder: Embedder) -> str:
    (crop,) = crop_product(scene.truth[:1], scene.product[:1])
    worse = [to_levels(crop + grain(crop.shape, level)) for level in NOISE_LEVELS]
    cosines = (embedder(worse) @ embedder([crop]).T).flatten().tolist()
    fits = near(cosines[0], 1.0, 1e-4) and cosines[0] > cosines[1] > cosines[2]
    return require(fits, f"{name} likens an image to itself most", cosines)
