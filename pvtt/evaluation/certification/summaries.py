"""Samples' figures become a part's: means, intervals over products, shares, least numbers, targets, FVD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pvtt.evaluation.certification.check import near, require
from pvtt.evaluation.generations import averaged
from pvtt.evaluation.metrics.fvd import FvdFeatures, FvdResult, frechet_distance
from pvtt.evaluation.metrics.metric import Networks
from pvtt.evaluation.selection import swap_partners
from pvtt.evaluation.summary import summarise, summarise_categories
from pvtt.media.arrays import Video
from pvtt.params.evaluate import EvaluateParams
from pvtt.records.dataset import EncodedSample
from pvtt.records.evaluation import EvaluatedSample, MetricValue
from pvtt.stats.bootstrap import cluster_share

NUM_PRODUCTS, NUM_CLIPS = 6, 2
OFFSETS = (-2.0, -1.1, -0.3, 0.4, 1.2, 1.8)  # of the products; their mean is 0
PSNR, SSIM, IDENTITY, WARP = 26.0, 0.8, 10 / 12, 1.5
SETTINGS = EvaluateParams(min_n=12, min_products=6, fvd_min_n=3, bootstrap=2000)
# Student's interval of six products' means, which the widened bootstrap interval must come near:
# scipy.stats.t.interval(0.95, 5, 0, scipy.stats.sem(OFFSETS))
HALF_WIDTH = 1.494479
WITHIN = 0.12  # of chance in 2000 resamples, and of a distribution that is no normal one
# Of Clopper and Pearson, scipy.stats.binomtest(k, n).proportion_ci(method="exact"), where each product has one sample.
SHARES = ((10, 12, 0.515862, 0.979137), (0, 8, 0.0, 0.369417), (16, 16, 0.794093, 1.0))
# Of 10 in 12 that are five products' of six, all of whose samples agree: Korn and Graubard's interval.
AGREEING = (0.251519, 0.999187)
# Fréchet distance of two drawn sets of features, with scipy.linalg.sqrtm as clean-fid has it.
FRECHET = 1.205653


def checks(probes: Networks) -> Iterator[str]:
    """The names of the checks that passed. Raises `PvttError` where one failed."""
    samples = _samples()
    found = summarise(samples, "test", NUM_PRODUCTS, SETTINGS, 0, FvdResult(250.0, 12))
    yield _means(found)
    yield _intervals(found)
    yield _targets(found)
    yield _least_numbers(samples)
    yield _categories(samples)
    yield _shares()
    yield _generations(samples)
    yield _frechet()
    yield _fvd(probes)
    yield _partners()


def _samples() -> list[EvaluatedSample]:
    """Two clips of each product, in two categories. The ratios' mean is not the ratio of the sums."""
    made = []
    for number, offset in enumerate(OFFSETS):
        for clip in range(NUM_CLIPS):
            metrics: dict[str, float | None] = {
                "psnr": PSNR + offset,
                "ssim": SSIM + offset / 100,
                "lpips": None if clip else 0.3,
                "identity_top1": float(number > 0),
                "relative_flow_warp_error": 1.0 if clip else 2.0,
                "flow_warp_error_ground_truth": 0.3 if clip else 0.1,
                "swap_gain": 3.0 + offset,
                "paste_gain": offset - 0.5,
                "product_delta_e": 8.0 + offset,
            }
            made.append(
                EvaluatedSample(
                    split="test",
                    product_id=f"P{number}",
                    clip_id=f"{clip + 1:03d}",
                    category="ring" if number < 3 else "box",
                    caption="",
                    swapped_product_id=None,
                    photo_paths=(),
                    videos={},
                    metrics=metrics,
                )
            )
    return made


def _means(found: Mapping[str, MetricValue]) -> str:
    expected = {
        "psnr": PSNR,
        "ssim": SSIM,
        "identity_top1": IDENTITY,
        "relative_flow_warp_error": (2.0 * 0.1 + 1.0 * 0.3) / 0.4,  # the ratio of the sums
        "swap_gain": 3.0,
        "product_delta_e": 8.0,
        "fvd": 250.0,
    }
    values = {name: found[name].value for name in expected}
    numbers = {name: found[name].n for name in expected} == dict.fromkeys(expected, NUM_PRODUCTS * NUM_CLIPS)
    fits = all(near(values[name], value, 1e-9) for name, value in expected.items())
    return require(fits and numbers, "a part's figure is the mean over its samples", values)


def _intervals(found: Mapping[str, MetricValue]) -> str:
    """As wide as Student's over products; a share's is exact."""
    psnr, share = found["psnr"], found["identity_top1"]
    if psnr.low is None or psnr.high is None or share.low is None or share.high is None:
        return require(False, "intervals are over products", (psnr, share))
    fits = near(PSNR - psnr.low, HALF_WIDTH, WITHIN) and near(psnr.high - PSNR, HALF_WIDTH, WITHIN)
    exact = near(share.low, AGREEING[0], 1e-5) and near(share.high, AGREEING[1], 1e-5)
    return require(fits and exact, "intervals are over products", (psnr.low, psnr.high, share.low, share.high))


def _targets(found: Mapping[str, MetricValue]) -> str:
    expected = {
        "psnr": (25.0, "pass"),
        "ssim": (0.85, "fail"),
        "fvd": (300.0, "pass"),
        "identity_top1": (1 / NUM_PRODUCTS, "pass"),
        "swap_gain": (0.0, "pass"),
        "paste_gain": (0.0, "fail"),
        "product_delta_e": (None, "measured"),
        "clip_i": (0.8, "not_measured"),
        "lpips": (0.15, "too_few"),
    }
    given = {name: (found[name].target, found[name].status) for name in expected}
    barely = summarise(_moved(0.9), "test", NUM_PRODUCTS, SETTINGS, 0, FvdResult(350.0, 12))
    barely_status = barely["swap_gain"].status, barely["fvd"].status  # the mean is above 0, its interval not
    return require(given == expected and barely_status == ("fail", "fail"), "targets", (given, barely_status))


def _moved(gain: float) -> list[EvaluatedSample]:
    samples = _samples()
    return [
        one.model_copy(update={"metrics": {**one.metrics, "swap_gain": (one.metrics["swap_gain"] or 0.0) - 3.0 + gain}})
        for one in samples
    ]


def _least_numbers(samples: Sequence[EvaluatedSample]) -> str:
    """At the least numbers there is a figure, with one sample or one product less there is none."""
    enough = {"min_n": 12, "min_products": 6}
    statuses = []
    for least in (enough, enough | {"min_n": 13}, enough | {"min_products": 7}):
        settings = SETTINGS.model_copy(update=least)
        statuses.append(summarise(samples, "test", NUM_PRODUCTS, settings, 0, None)["psnr"].status)
    unmeasured = summarise(samples, "test", NUM_PRODUCTS, SETTINGS, 0, None)["fvd"].status
    few = summarise(samples, "test", NUM_PRODUCTS, SETTINGS, 0, FvdResult(None, 2))["fvd"].status
    fits = statuses == ["pass", "too_few", "too_few"] and (unmeasured, few) == ("not_measured", "too_few")
    return require(fits, "too few samples or products are no figure", (statuses, unmeasured, few))


def _categories(samples: Sequence[EvaluatedSample]) -> str:
    settings = SETTINGS.model_copy(update={"min_n": 6, "min_products": 3})
    found = summarise_categories(samples, "test", NUM_PRODUCTS, settings, 0)
    values = {category: of_it["product_delta_e"].value for category, of_it in found.items()}
    expected = {"ring": 8.0 + float(np.mean(OFFSETS[:3])), "box": 8.0 + float(np.mean(OFFSETS[3:]))}
    fits = values.keys() == expected.keys() and all(near(values[name], expected[name], 1e-9) for name in expected)
    return require(fits, "a category's figure is the mean over its own samples", values)


def _shares() -> str:
    found = []
    for ones, n, low, high in SHARES:
        share = cluster_share([1.0] * ones + [0.0] * (n - ones), [str(index) for index in range(n)])
        found.append(near(share.value, ones / n) and near(share.low, low, 1e-5) and near(share.high, high, 1e-5))
    return require(all(found), "a share's interval is Clopper and Pearson's", found)


def _generations(samples: Sequence[EvaluatedSample]) -> str:
    """Three generations of each sample, 1 apart, of which two show the product: a mean, and what seeds make of it."""
    several = []
    for sample in samples:
        psnr = sample.metrics["psnr"] or 0.0
        shown = (1.0, 0.0, 1.0) if sample.product_id != "P0" else (0.0, 0.0, 0.0)
        each = tuple({"psnr": psnr + step, "identity_top1": one} for step, one in zip((-1, 0, 1), shown, strict=True))
        several.append(sample.model_copy(update={"metrics": averaged(each), "generations": each}))
    found = summarise(several, "test", NUM_PRODUCTS, SETTINGS, 0, FvdResult(250.0, 12, 9.0))
    values = {name: (found[name].value, found[name].n) for name in ("psnr", "identity_top1")}
    alone = summarise(samples, "test", NUM_PRODUCTS, SETTINGS, 0, None)["psnr"]
    fits = (
        near(values["psnr"][0], PSNR, 1e-9)
        and near(values["identity_top1"][0], 20 / 36, 1e-9)
        and {n for _, n in values.values()} == {NUM_PRODUCTS * NUM_CLIPS}
        and near(found["psnr"].seed_noise, 1.0, 1e-9)
        and near(found["identity_top1"].seed_noise, (10 * (2 / 3) / 24) ** 0.5, 1e-9)
        and found["fvd"].seed_noise == 9.0
        and near(found["psnr"].low, alone.low, 1e-9)
        and near(found["psnr"].high, alone.high, 1e-9)
        and alone.seed_noise is None
    )
    return require(fits, "generations are averaged, and their spread is the seeds' noise", (values, found["psnr"]))


def _frechet() -> str:
    features, others = drawn_features()
    values = [
        frechet_distance(features, features),
        frechet_distance(features, others),
        frechet_distance(others, features),
    ]
    fits = near(values[0], 0, 1e-6) and near(values[1], FRECHET, 1e-4) and near(values[2], FRECHET, 1e-4)
    return require(fits, "the Fréchet distance of two drawn sets of features", values)


def drawn_features() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(40, 3) and (50, 3): two sets whose means and covariances both differ."""
    index = np.arange(40)[:, None]
    first = np.concatenate(
        [np.sin(index * 1.3), np.cos(index * 0.7) + np.sin(index * 1.3), np.sin(index * 2.9)], axis=1
    )
    index = np.arange(50)[:, None]
    second = np.concatenate([2 * np.sin(index * 0.9) + 0.5, np.cos(index * 1.9), np.sin(index * 0.4) - 0.3], axis=1)
    return first, second


def _fvd(probes: Networks) -> str:
    """The probe sees all frames as RGB in [-1, 1] and 224 wide; outputs are held against their ground truths."""
    assert probes.fvd is not None
    plain = np.full((3, 8, 12, 3), (255, 0, 51), np.uint8)
    plain[-1] = 255
    (features,) = probes.fvd([plain])
    expected = [1, -1 / 3, -1 / 15, 1, 1, (2 * 0.36 + 1) / 3, (0 + 2 + 1.6) / 3, 1]
    outputs = [_plain(30 * index, 40, 200 - 9 * index) for index in range(4)]
    truths = [_plain(20 * index + 9, 50 + 3 * index, 120) for index in range(4)]
    collected = FvdFeatures(probes.fvd)
    for output, truth in zip(outputs, truths, strict=True):
        collected.add([output], truth)
    direct = frechet_distance(probes.fvd(outputs), probes.fvd(truths))
    measured, few, none = collected.distance(4), collected.distance(5), FvdFeatures(None).distance(1)
    fits = (
        np.allclose(features, expected, atol=1e-5)
        and measured is not None
        and near(measured.value, direct, 1e-9)
        and direct > 0.01
        and few == FvdResult(None, 4)
        and none is None
    )
    return require(bool(fits), "FVD is of outputs and ground truths", (features, measured, direct, few, none))


def _plain(red: int, green: int, blue: int) -> Video:
    return np.full((2, 8, 12, 3), (red, green, blue), np.uint8)


def _partners() -> str:
    """Nobody is swapped with itself."""
    samples = [
        EncodedSample(
            split="test",
            product_id=f"P{number}",
            clip_id="001",
            category="ring",
            caption="",
            path=f"samples/P{number}.safetensors",
            num_variants=1,
            num_views=1,
            latent_shape=(1, 1, 1, 1),
            num_windows=1,
            photo_paths=(),
            photo_sha256s=(),
        )
        for number in range(5)
    ]
    partners = swap_partners(samples, 0)
    names = {sample.product_id for sample in samples}
    fits = set(partners) == set(partners.values()) == names and all(one != other for one, other in partners.items())
    return require(fits, "the photos of the swap test are another product's", partners)
