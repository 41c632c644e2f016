"""A film's figures: what the truth and the untouched template get, and what each fault costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.bench.axes import METRICS
from pvtt.bench.contenders import Job, write_film
from pvtt.bench.measure import (
    Values,
    changed_region,
    colour_drift,
    cut_f1,
    leftover,
    measure_film,
    seam,
    shot_length_error,
    sound_is_same,
    text_distance,
)
from pvtt.bench.sets import SHIPPED, BenchSet, Pixels, read_bench
from pvtt.errors import PvttError
from pvtt.evaluation.metrics.lettering import load_reader
from pvtt.evaluation.metrics.metric import Networks
from pvtt.media.arrays import Video
from pvtt.media.video import read_video, write_video
from tests.bench.sets import TWO_SHOTS

LETTERED = "010-bottle-as-bottle"


@pytest.fixture(scope="module")
def pixels(bench: BenchSet) -> Pixels:
    (triplet,) = bench.only([TWO_SHOTS])
    return Pixels(triplet, bench.place(triplet))


def test_the_truth_is_the_ceiling(pixels: Pixels) -> None:
    values = measure_film(pixels.place / "truth.mp4", pixels, Networks())
    assert set(values) == {metric.name for metric in METRICS}
    exact: Values = {
        "identity_top1": 1,
        "identity_template": 0,
        "product_delta_e": 0,
        "leftover": 0,
        "cut_f1": 1,
        "shot_length_error": 0,
        "sound_same": 1,
        "psnr": 100,
        "ssim": 1,
        "product_psnr": 100,
        "product_ssim": 1,
        "flicker": 0,
        "warp_error": 1,
        "seam": 1,
        "colour_drift": 0,
    }
    assert {name: values[name] for name in exact} == pytest.approx(exact, abs=1e-3)
    assert (values["outside_psnr"] or 0) > 40  # both films were encoded
    assert (values["camera_shift"] or 9) < 0.3
    assert [name for name, value in values.items() if value is None] == [
        "text_distance",
        "clip_i",
        "dino",
        "lpips",
        "product_lpips",
    ]


def test_an_untouched_template_loses_what_is_about_the_product_alone(pixels: Pixels) -> None:
    values = measure_film(pixels.place / pixels.triplet.template, pixels, Networks())
    assert values["identity_top1"] == 0
    assert values["outside_psnr"] == 100
    assert values["leftover"] == 100
    assert values["motion_error"] == 0
    assert values["cut_f1"] == values["sound_same"] == 1
    assert (values["product_psnr"] or 99) < 20
    assert (values["product_delta_e"] or 0) > 5


def test_lettering_is_held_against_what_is_read_on_the_true_product() -> None:
    pytest.importorskip("rapidocr")
    reader = load_reader()
    assert reader is not None
    shipped = read_bench(SHIPPED)
    (triplet,) = shipped.only([LETTERED])
    lettered = Pixels(triplet, shipped.place(triplet))
    assert lettered.truth is not None
    assert len(lettered.true_text(reader) or "") >= 4
    assert text_distance(lettered.truth, lettered, reader) == 0
    assert text_distance(lettered.template, lettered, reader) == 1
    assert text_distance(lettered.truth[:, :, ::-1], lettered, reader) not in (None, 0)  # mirrored letters


def test_where_nothing_is_written_lettering_is_not_measured(pixels: Pixels) -> None:
    assert pixels.truth is not None
    assert text_distance(pixels.truth, pixels, lambda _: "a print") is None  # a matte box
    (triplet,) = read_bench(SHIPPED).only([LETTERED])
    lettered = Pixels(triplet, read_bench(SHIPPED).place(triplet))
    assert text_distance(lettered.template, lettered, lambda _: "") is None


def written(pixels: Pixels, film: Video, path: Path, bench: BenchSet) -> Path:
    write_film(Job(bench, pixels.triplet, pixels, path, 0), film)
    return path


def test_each_fault_costs_on_its_own_axis(pixels: Pixels, bench: BenchSet, tmp_path: Path) -> None:
    assert pixels.truth is not None
    truth = measure_film(pixels.place / "truth.mp4", pixels, Networks())
    signed = pixels.truth.copy()
    signed[:, :20, :60] = 255 - signed[:, :20, :60]  # outside of the region
    values = measure_film(written(pixels, signed, tmp_path / "signed.mp4", bench), pixels, Networks())
    assert (values["outside_psnr"] or 99) < 20 < (truth["outside_psnr"] or 0)
    assert (values["seam"] or 0) > 2
    assert values["identity_top1"] == 1
    assert values["leftover"] == 0

    late = np.concatenate([pixels.truth[:1], pixels.truth[:-1]])  # every frame one too late, cuts too
    values = measure_film(written(pixels, late, tmp_path / "late.mp4", bench), pixels, Networks())
    assert values["cut_f1"] == 0
    assert values["shot_length_error"] == 1
    assert (values["flicker"] or 0) > 0.3


def test_a_film_of_another_length_or_size_is_refused(pixels: Pixels, tmp_path: Path) -> None:
    write_video(tmp_path / "short.mp4", pixels.template[:-1], 12)
    with pytest.raises(PvttError, match=r"short.mp4 has 22 frames of 240×160, the template 23 of 240×160"):
        measure_film(tmp_path / "short.mp4", pixels, Networks())


def test_cuts_are_exact_to_the_frame() -> None:
    assert cut_f1([], []) == 1
    assert cut_f1([10], []) == 0
    assert cut_f1([10, 20], [10, 30]) == 0.5
    assert cut_f1([10], [10, 20]) == pytest.approx(2 / 3)
    assert shot_length_error([10, 20], [10, 20], 30) == 0
    assert shot_length_error([12], [10], 30) == 2
    assert shot_length_error([], [10], 30) == (20 + 10) / 2


def test_sound_is_told_packet_by_packet(pixels: Pixels, bench: BenchSet, tmp_path: Path) -> None:
    template = pixels.place / pixels.triplet.template
    assert sound_is_same(written(pixels, pixels.template, tmp_path / "same.mp4", bench), template) == 1
    write_video(tmp_path / "silent.mp4", pixels.template, 12)
    assert sound_is_same(tmp_path / "silent.mp4", template) == 0
    assert sound_is_same(template, tmp_path / "silent.mp4") is None
    (other,) = bench.only([name for name in (one.name for one in bench.triplets) if name != TWO_SHOTS])
    assert sound_is_same(bench.place(other) / other.template, template) == 0


def test_leftovers_are_a_share_of_the_old_products_place(pixels: Pixels) -> None:
    assert pixels.truth is not None
    half = pixels.truth.copy()
    half[:, :, :120] = pixels.template[:, :, :120]
    share = leftover(half, pixels)
    assert share is not None
    assert 5 < share < 95
    assert leftover(pixels.truth, pixels) == 0


def test_what_was_changed_is_told_from_what_was_encoded_again(pixels: Pixels, bench: BenchSet, tmp_path: Path) -> None:
    path = written(pixels, pixels.template, tmp_path / "again.mp4", bench)
    changed = changed_region(read_video(path), pixels.template)
    assert pixels.region is not None
    assert changed[~pixels.region].mean() < 1e-4
    assert changed.mean() < 0.01  # saturated edges lose colour to 4:2:0 once more


def test_a_hard_edge_is_a_seam_and_a_drift_is_told() -> None:
    y, x = np.mgrid[:64, :96]
    still = np.repeat((50 + x + y)[None, ..., None].repeat(3, -1).astype(np.uint8), 8, axis=0)
    product = np.zeros(still.shape[:3], np.bool_)
    product[:, 20:40, 30:60] = True
    patch = still.copy()
    patch[:, 10:50, 10:80] += 30
    assert (seam(patch, still, still, product) or 0) > 5
    assert seam(still, still, still, product) == 1
    drifting = still.astype(int)
    drifting += np.arange(8)[:, None, None, None] * 4
    assert (colour_drift(drifting.astype(np.uint8), still, product) or 0) > 5
    assert colour_drift(still + np.uint8(20), still, product) == pytest.approx(0, abs=0.3)  # off, but steadily
