"""The figures that certification holds metrics to, computed again by other implementations and from formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from pvtt.evaluation.certification import figures, summaries
from pvtt.evaluation.certification.drawn import drawn_scene
from pvtt.evaluation.certification.regions import LOOKS
from pvtt.evaluation.metrics.all import METRICS
from pvtt.evaluation.metrics.metric import Scene


def skimage_psnr(scene: Scene, region: np.ndarray) -> float:
    from skimage.metrics import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(scene.truth[region], scene.output[region], data_range=255))


def skimage_ssim(scene: Scene, region: np.ndarray) -> float:
    """The settings of Wang et al. 2004. At the frame's edge torchmetrics pads otherwise: 4e-7 in the mean."""
    from skimage.metrics import structural_similarity

    options = {"channel_axis": -1, "data_range": 255, "gaussian_weights": True, "sigma": 1.5, "full": True}
    maps = [
        structural_similarity(truth, output, use_sample_covariance=False, **options)[1].mean(-1)
        for truth, output in zip(scene.truth, scene.output, strict=True)
    ]
    return float(np.stack(maps)[region].mean())


def probe_distance(scene: Scene, region: np.ndarray) -> float:
    given, expected = (video / 127.5 - 0.5 for video in (scene.output, scene.truth))
    return float((np.abs(given**2 - expected**2) @ [1, 2, 4])[region].mean())


def probe_cosine(scene: Scene, power: int) -> float:
    photo = vectors([on_white(scene.photos[0])], power)
    return float((vectors(boxes(scene, scene.output), power) @ photo.T).mean())


def step_across(video: np.ndarray, hole: np.ndarray) -> float:
    """Pixel by pixel."""
    steps = []
    for frame, inside in zip(video.astype(int), hole, strict=True):
        for y in range(inside.shape[0]):
            for x in range(inside.shape[1]):
                for other in ((y, x + 1), (y + 1, x)):
                    if other[0] < inside.shape[0] and other[1] < inside.shape[1] and inside[y, x] != inside[other]:
                        steps += np.abs(frame[y, x] - frame[other]).tolist()
    return float(np.mean(steps))


def blinking(scene: Scene) -> float:
    both = scene.product[1:] & scene.product[:-1]
    own, true = (video[1:].astype(float) - video[:-1] for video in (scene.output, scene.truth))
    return float(np.abs(own - true)[both].mean())


def changed(scene: Scene, name: str) -> float:
    return float(np.abs(scene.others[name].astype(float) - scene.output)[scene.product].mean())


def boxes(scene: Scene, video: np.ndarray) -> list[np.ndarray]:
    """With a tenth of the longer side around."""
    found = []
    for frame, inside in zip(video, scene.product, strict=True):
        rows, columns = np.nonzero(inside)
        margin = round(0.1 * max(np.ptp(rows), np.ptp(columns)))
        found.append(
            frame[rows.min() - margin : rows.max() + margin + 1, columns.min() - margin : columns.max() + margin + 1]
        )
    return found


def vectors(images: Sequence[np.ndarray], power: int = 1) -> np.ndarray:
    """What the probes make of images: mean colours and sizes, for DINO squared."""
    made = np.array([[*one.reshape(-1, 3).mean(0) / 255, one.shape[0] / 100, one.shape[1] / 100] for one in images])
    made = made**power
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def on_white(photo: np.ndarray) -> np.ndarray:
    alpha = photo[..., 3:] / 255
    return np.asarray(photo[..., :3] * alpha + 255 * (1 - alpha))


def alone(scene: Scene, power: int) -> float:
    shown = boxes(scene, np.where(scene.product[..., None], scene.output, 255))
    return float((vectors(shown, power) @ vectors([on_white(scene.photos[0])], power).T).mean())


def as_captioned(scene: Scene) -> float:
    text = np.array([scene.caption.count(letter) for letter in "adeit"], float)
    return float((vectors(list(scene.output)) @ text).mean() / np.linalg.norm(text))


def one_after_another(scene: Scene) -> float:
    seen = vectors(list(scene.output))
    return float(np.mean([seen[index] @ seen[index + 1] for index in range(len(seen) - 1)]))


def same_subject(scene: Scene) -> float:
    seen = vectors(boxes(scene, scene.output), 2)
    pairs = [(seen[index] @ seen[0] + seen[index] @ seen[index - 1]) / 2 for index in range(1, len(seen))]
    return float(np.mean(pairs))


UPSTREAM: Mapping[str, Callable[[Scene], float]] = {
    "psnr": lambda scene: skimage_psnr(scene, scene.product | True),
    "product_psnr": lambda scene: skimage_psnr(scene, scene.product),
    "ssim": lambda scene: skimage_ssim(scene, scene.product | True),
    "product_ssim": lambda scene: skimage_ssim(scene, scene.product),
    "lpips": lambda scene: probe_distance(scene, scene.product | True),
    "product_lpips": lambda scene: probe_distance(scene, scene.product),
    "seam": lambda scene: step_across(scene.output, scene.hole) / step_across(scene.truth, scene.hole),
    "border_gradient": lambda scene: step_across(scene.output, scene.hole),
    "border_gradient_ground_truth": lambda scene: step_across(scene.truth, scene.hole),
    "flicker": blinking,
    "clip_i": lambda scene: probe_cosine(scene, 1),
    "dino": lambda scene: probe_cosine(scene, 2),
    "r_clip": lambda scene: alone(scene, 1),
    "r_dino": lambda scene: alone(scene, 2),
    "clip_text": as_captioned,
    "clip_consistency": one_after_another,
    "subject_consistency": same_subject,
    "cut_errors": lambda scene: 0.0,
    "leak_change": lambda scene: changed(scene, "swapped"),
    "blank_change": lambda scene: changed(scene, "blank"),
}


@pytest.mark.parametrize("name", UPSTREAM)
def test_a_reference_is_what_another_implementation_gives(name: str) -> None:
    reference = figures.REFERENCES[name]
    assert reference.source != "this"
    assert UPSTREAM[name](drawn_scene()) == pytest.approx(reference.value, abs=reference.tolerance / 2)


def test_every_metric_of_a_sample_has_a_reference_and_a_place() -> None:
    measured = {metric.name for metric in METRICS if metric.measure is not None}
    assert measured <= set(figures.REFERENCES)
    assert measured == set(LOOKS)
    assert {name for name, one in figures.REFERENCES.items() if one.source != "this"} == set(UPSTREAM)


def test_frechet_distance_is_that_of_scipys_square_root() -> None:
    """As clean-fid has it: `np.trace(s1 + s2 - 2 sqrtm(s1 s2))`."""
    from scipy.linalg import sqrtm

    first, second = summaries.drawn_features()
    gap = ((first.mean(0) - second.mean(0)) ** 2).sum()
    covariances = [np.cov(features, rowvar=False) for features in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    assert gap + np.trace(covariances[0] + covariances[1] - 2 * root) == pytest.approx(summaries.FRECHET, abs=1e-5)
    assert gap < 0.5 * summaries.FRECHET  # means alone are not enough


def test_intervals_are_scipys() -> None:
    from scipy import stats

    low, high = stats.t.interval(0.95, 5, 0, stats.sem(summaries.OFFSETS))
    assert high == pytest.approx(-low)
    assert high == pytest.approx(summaries.HALF_WIDTH, abs=1e-3)
    for ones, n, *expected in summaries.SHARES:
        assert list(stats.binomtest(ones, n).proportion_ci(method="exact")) == pytest.approx(expected, abs=1e-5)


def test_the_interval_of_a_share_over_products_is_korn_and_graubards() -> None:
    from scipy import stats

    values = np.repeat([0.0, 1, 1, 1, 1, 1], 2)  # 6 products, 2 samples each
    n, num_products, share = 12, 6, values.mean()
    residuals = (values - share).reshape(num_products, 2).sum(axis=1) / n
    variance = num_products / (num_products - 1) * (residuals**2).sum()
    worth = (
        share
        * (1 - share)
        / variance
        * n
        / (n - 1)
        * (stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, num_products - 1)) ** 2
    )
    ones = worth * share
    low, high = stats.beta.ppf(0.025, ones, worth - ones + 1), stats.beta.ppf(0.975, ones + 1, worth - ones)
    assert (low, high) == pytest.approx(summaries.AGREEING, abs=1e-5)
