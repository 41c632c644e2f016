"""An ad in another ratio than its template's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import pvtt
from pvtt.errors import PvttError
from pvtt.generation.ad.framing import Framing, frame_shots
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.region import ShotPlan, plan_shot
from pvtt.generation.ad.settings import ModelFormat, chosen_settings
from pvtt.generation.ad.template import ShotSpan, Template, read_template
from pvtt.generation.ad.write import AdWriter
from pvtt.media.arrays import Frame, Region
from pvtt.media.video import read_video
from pvtt.models.contracts import Contracts
from tests.generation.ad.films import (
    PARAMS,
    SHOT,
    disc_shot,
    packets,
    write_model,
    write_photos,
    write_template,
)

MODEL = ModelFormat(
    Path(), Contracts.from_params(PARAMS), num_frames=5, steps=2, product_guidance=1, text_guidance=1, strength=1
)


def template(size: tuple[int, int], num_frames: int, pixel_aspect: Fraction = Fraction(1)) -> Template:
    """Of one shot and one without a product, 20 frames a second."""
    times = tuple(Fraction(index, 20) for index in range(num_frames + 4))
    shots = (ShotSpan(1, 0, num_frames), ShotSpan(2, num_frames, 4))
    end = Fraction(num_frames + 4, 20)
    return Template(Path(), "", *size, 0, pixel_aspect, Fraction(20), times, end, shots)


def planned(product: Region, size: tuple[int, int], aspect: str, pixel_aspect: Fraction = Fraction(1)) -> Framing:
    plan = plan_shot(product, [], MODEL, size, pixel_aspect, Fraction(20))
    ratio = chosen_settings(aspect=aspect).ratio
    assert ratio is not None
    framing = frame_shots(template(size, len(product), pixel_aspect), ratio, {1: plan})
    _require_whole(framing, plan, size)
    return framing


def _require_whole(framing: Framing, plan: ShotPlan, size: tuple[int, int]) -> None:
    """Each frame's region is inside of its cut-out, and that inside of the frame."""
    corners = framing.corners[1]
    assert (corners >= 0).all()
    assert (corners + framing.size <= size).all()
    for index in range(plan.num_frames):
        stretch = next(one for one in plan.stretches if one.first <= index <= one.last)
        assert stretch.view is not None
        region = stretch.view.region(size, index - stretch.first, stretch.hole(index))
        assert framing.cut(region, 1, index).sum() == region.sum()


def test_a_product_that_stays_in_reach_of_one_place_is_cut_out_there_all_along() -> None:
    framing = planned(disc_shot(200, num_frames=13)[1] > 127, (768, 512), "1:1")
    assert framing.size == (512, 512)
    assert len(np.unique(framing.corners[1], axis=0)) == 1
    assert framing.corners[2].tolist() == [[128, 0]] * 4  # the middle


def test_a_product_that_crosses_the_frame_is_followed_smoothly() -> None:
    product = np.zeros((81, 60, 200), np.bool_)
    for index in range(81):
        left = round(85 - 80 * np.cos(index / 80 * np.pi))
        product[index, 20:40, left : left + 20] = True
    framing = planned(product, (1000, 300), "4:3")
    left = framing.corners[1][:, 0]
    assert np.ptp(left) > 400
    steps = np.diff(left)
    assert (steps >= 0).all()
    assert steps.max() <= 14  # the product moves by 16 pixels a frame at most
    assert abs(np.diff(steps)).max() <= 3
    assert (framing.corners[1][:, 1] == 0).all()


def test_a_tall_film_is_cut_above_and_below_and_pixels_need_not_be_square() -> None:
    product = np.zeros((13, 160, 90), np.bool_)
    product[:, 90:110, 30:60] = True
    framing = planned(product, (540, 960), "1:1")
    assert framing.size == (540, 540)
    assert (framing.corners[1][:, 0] == 0).all()
    assert (framing.corners[1][:, 1] > 210).all()  # the middle would be 210
    assert planned(product, (540, 960), "1:1", Fraction(4, 3)).size == (540, 720)


def test_where_the_region_is_too_large_the_product_in_its_place_is_inside() -> None:
    product = np.zeros((9, 60, 100), np.bool_)
    product[:, 20:40, 30:60] = True
    cutout = np.zeros((64, 64, 4), np.uint8)
    cutout[8:56, 26:38] = 255
    plan = plan_shot(product, [cutout], MODEL, (1000, 600), Fraction(1), Fraction(20))
    framing = frame_shots(template((1000, 600), 9), Fraction(1, 2), {1: plan})
    assert framing.size == (300, 600)
    assert framing.notes == ("shot 1: the product is in the cut-out, what is generated around it is cut off",)
    assert plan.placement is not None
    left, _, right, _ = plan.placement.box(4)
    assert framing.corners[1][4, 0] <= left < right <= framing.corners[1][4, 0] + 300
    with pytest.raises(
        AdError, match=r"in shot 1 the new product is up to \d+×\d+ pixels large, .* 60×600 of"
    ) as raised:
        frame_shots(template((1000, 600), 9), Fraction(1, 10), {1: plan})
    assert raised.value.reason == "aspect_too_narrow"
    with pytest.raises(AdError, match="has 2×600 of the template's"):
        frame_shots(template((1000, 600), 9), Fraction(1, 250), {1: plan})


@pytest.mark.parametrize("aspect", ["9", "0:1", "1:0", "9/16", "a:b", "-1:2"])
def test_what_is_no_ratio_is_refused(aspect: str) -> None:
    with pytest.raises(PvttError, match="is no ratio of width to height"):
        chosen_settings(aspect=aspect)


def test_a_cut_ad_is_the_whole_one_cut_with_the_same_times_cuts_and_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "cache"))
    film, photos, model = write_template(tmp_path / "ad.mp4"), write_photos(tmp_path), write_model(tmp_path)
    own_write = AdWriter.write
    made: dict[str | None, list[Frame]] = {}
    for aspect in (None, "11:10"):
        frames = made[aspect] = []

        def write(writer: AdWriter, frame: Frame, frames: list[Frame] = frames) -> None:
            frames.append(frame.copy())
            own_write(writer, frame)

        monkeypatch.setattr(AdWriter, "write", write)
        record = pvtt.generate(film, photos, tmp_path / "new.mp4", model=model, aspect=aspect, compare=False)
    monkeypatch.setattr(AdWriter, "write", own_write)
    assert record.cut_size == record.film_size == (140, 128)
    assert len(made["11:10"]) == 3 * SHOT
    for shot in record.shots:
        assert shot.cut_at is not None
        left, top = shot.cut_at
        frames = made["11:10"][shot.first_frame : shot.first_frame + SHOT]
        whole = np.stack(made[None][shot.first_frame : shot.first_frame + SHOT])
        assert (np.stack(frames) == whole[:, top : top + 128, left : left + 140]).all()  # it stays in one place
        if shot.generated:
            assert shot.region is not None
            assert left <= shot.region[0]
            assert shot.region[0] + shot.region[2] <= left + 140
    new, old = read_template(tmp_path / "new.mp4"), read_template(film)
    assert (new.width, new.height) == (140, 128)
    assert (new.times, new.end, new.shots) == (old.times, old.end, old.shots)
    assert packets(tmp_path / "new.mp4", "audio") == packets(film, "audio")

    again = pvtt.generate(film, photos, tmp_path / "both.mp4", model=model, aspect="11:10", label="AI generated")
    assert read_video(tmp_path / "both.compare.mp4").shape == (3 * SHOT, 128, 192 + 4 + 140, 3)
    assert again.produce_id != record.produce_id
