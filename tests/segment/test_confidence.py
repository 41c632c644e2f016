"""Which masks are trusted: drawn clips of what no clip should show, and the signs one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.files.hashing import sha256_file
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Video
from pvtt.media.video import write_video
from pvtt.params.segment import SegmentParams
from pvtt.records.clips import Confidence, Mask
from pvtt.segment.confidence import Witness, agreement, likeness
from pvtt.segment.people import look, skin
from pvtt.segment.segmenter import UNTRUSTED, ClipSource, Judge, segment_clip
from tests.scenes import draw_shot
from tests.segment.hard_clips import (
    SKINS,
    card_passes,
    draw_hand,
    hand_holds,
    hand_reaches_in,
    product_is_exchanged,
    slides_out,
)


def segmented(folder: Path, frames: Video, params: SegmentParams | None = None) -> Mask:
    path = folder / "clip.mp4"
    write_video(path, frames, fps=12.0)
    source = ClipSource(
        product_id="P", clip_id="001", sha256=sha256_file(path), num_frames=len(frames), fps=12.0, path=path
    )
    return segment_clip(source, folder, params or SegmentParams())


@pytest.mark.parametrize(
    ("draw", "seed", "reasons"),
    [
        (hand_reaches_in, 0, {"unstable_mask", "hand_or_person"}),
        (hand_holds, 1, {"hand_or_person"}),
        (hand_holds, 2, {"hand_or_person"}),
        (card_passes, 0, {"unstable_mask"}),
        (slides_out, 1, {"unstable_mask", "enters_or_leaves"}),
        (product_is_exchanged, 2, {"unstable_mask"}),
    ],
)
def test_a_clip_whose_mask_is_not_to_be_trusted_is_turned_away(
    tmp_path: Path, draw: Callable[[int], Video], seed: int, reasons: set[str]
) -> None:
    with pytest.raises(ItemRejectedError) as caught:
        segmented(tmp_path, draw(seed))
    assert caught.value.reason in reasons
    assert "below 0.5: stability" in caught.value.message


def test_a_clean_clip_is_trusted(tmp_path: Path) -> None:
    mask = segmented(tmp_path, draw_shot(1, 24, width=240, height=160)[0])
    assert mask.confidence is not None
    assert mask.confidence.score > 0.95
    assert mask.doubts == ()


def signs(**changed: float) -> Confidence:
    return Confidence(**{**dict.fromkeys(Confidence.model_fields, 1.0), **changed})


def test_the_least_sign_decides_and_borderline_ones_are_named() -> None:
    judge = Judge(SegmentParams(min_confidence=0.5, sure_confidence=0.8))
    assert judge.trust(signs()) == ()
    assert judge.trust(signs(area=0.5, border=0.79, people=0.8)) == ("area", "border")
    assert set(UNTRUSTED) == set(Confidence.model_fields)
    for name, reason in UNTRUSTED.items():
        with pytest.raises(ItemRejectedError, match=f"{name} is below") as caught:
            judge.trust(signs(**{name: 0.49}))
        assert caught.value.reason == reason


def witnessed(masks: list[np.ndarray], counts: tuple[int, ...] = (1, 1)) -> Confidence:
    witness = Witness(counts=list(counts))
    list(witness.follow(mask.astype(np.float32) for mask in masks))
    for mask in masks:
        border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
        witness.measure(mask, float(mask.mean()), float(border.mean()))
    return witness.confidence()


def disc(x: float, y: float, radius: int, thickness: int = -1) -> np.ndarray:
    mask = np.zeros((240, 360), np.uint8)
    cv2.circle(mask, (round(x), round(y)), radius, 255, thickness)
    return mask > 0


def test_a_product_may_move_grow_and_be_thin() -> None:
    moving = [disc(60 + 6 * index, 120, 40 + index // 2) for index in range(40)]
    ring = [disc(180 + 2 * index, 120 + index, 50, 3) for index in range(20)]
    for masks in (moving, ring):
        assert witnessed(masks).score > 0.95


def test_a_mask_that_flickers_vanishes_or_comes_in_is_not_trusted() -> None:
    steady = [disc(180, 120, 50)] * 12
    flickering = [*steady, disc(180, 120, 50) & (np.arange(360) < 180), *steady]
    vanishing = [disc(180, 120, 60 - 3 * index) for index in range(20)]
    half = [
        disc(180, 120, 50) | ((np.arange(360) < 12 * max(0, index - 8)) & (np.abs(np.arange(240) - 120) < 60)[:, None])
        for index in range(12)
    ]
    assert witnessed(flickering).stability < 0.5
    assert witnessed(vanishing).area < 0.5
    assert witnessed(half).border < witnessed(steady).border == 1.0
    assert witnessed(steady, counts=(1, 2, 1, 0)).objects == 0.5


def test_an_empty_mask_is_no_reason_to_trust() -> None:
    assert witnessed([np.zeros((24, 36), np.bool_)] * 3).score == 0.0


def test_masks_carried_from_both_sides_that_differ_are_half_sure() -> None:
    one, other = disc(150, 120, 50), disc(210, 120, 50)
    assert agreement(cv2.GaussianBlur(one.astype(np.float32), (9, 9), 0)) > 0.97
    assert agreement(0.5 * one.astype(np.float32) + 0.5 * other.astype(np.float32)) < 0.4


def test_likeness_forgives_a_move_and_one_pixel() -> None:
    assert likeness(disc(100, 100, 40), disc(160, 130, 40)) > 0.99
    assert likeness(disc(100, 100, 40), disc(100, 100, 30)) < 0.8


@pytest.mark.parametrize("complexion", SKINS)
def test_a_hand_is_seen_by_its_colours_and_where_it_comes_from(complexion: tuple[int, int, int]) -> None:
    frame = np.full((480, 720, 3), 200, np.uint8)
    draw_hand(frame, 500, 240, (1, 0.1), complexion)
    mask = (frame != 200).any(axis=-1)
    assert skin(frame)[mask].mean() > 0.5
    seen = look(frame, mask)
    assert seen.skin > 0.5
    assert seen.contact > 0.005
    assert not seen.face


@pytest.mark.parametrize("colour", [(40, 60, 190), (20, 140, 90), (128, 128, 128), (240, 240, 240), (220, 20, 20)])
def test_paint_is_no_skin(colour: tuple[int, int, int]) -> None:
    assert not skin(np.full((8, 8, 3), colour, np.uint8)).any()
