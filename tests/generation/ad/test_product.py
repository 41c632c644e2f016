"""Which shots show one product, and which are generated in."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.errors import PvttError
from pvtt.generation.ad.product import FoundShot, Survey, alike, appearance, choose
from pvtt.generation.ad.settings import AdSettings
from pvtt.generation.ad.template import ShotSpan
from tests.generation.ad.films import BLUE, RED, SHOT, disc_shot


def found(number: int, backdrop: int, colour: tuple[int, int, int] | None, num_frames: int = SHOT) -> FoundShot:
    """A shot of a disc of this colour; of nothing where there is none."""
    span = ShotSpan(number, (number - 1) * SHOT, num_frames)
    packed = np.zeros((num_frames, 1), np.uint8)
    if colour is None:
        return FoundShot(span, packed, 0.0, "no_product", "no product in 2 of 2 key frames", appearance([]))
    frames, masks = disc_shot(backdrop, colour)
    return FoundShot(span, packed, 0.1, None, "", appearance(zip(frames[::5], masks[::5] > 127, strict=True)))


def test_a_product_is_alike_before_any_backdrop_and_another_is_not() -> None:
    red, again, blue = (
        found(1, backdrop, colour).appearance for backdrop, colour in ((215, RED), (90, RED), (90, BLUE))
    )
    assert alike(red, red) == pytest.approx(1)
    assert alike(red, again) > 0.95
    assert alike(red, blue) < 0.8


def test_the_product_that_is_shown_longest_is_replaced_and_the_choice_is_said() -> None:
    shots = (found(1, 200, BLUE), found(2, 215, RED), found(3, 0, None), found(4, 90, RED))
    choice = choose(Survey((8, 1), shots), AdSettings())
    assert choice.labels == {1: "B", 2: "A", 4: "A"}
    assert choice.chosen == (2, 4)
    assert "in shots 2, 4" in choice.says
    assert "--shots 1,2,4 takes both" in choice.says


def test_given_shots_are_taken_whatever_they_show() -> None:
    shots = (found(1, 200, BLUE), found(2, 215, RED), found(3, 215, RED))
    assert choose(Survey((8, 1), shots), AdSettings(shots=(1,))).chosen == (1,)


def test_a_mask_takes_every_shot_that_it_marks() -> None:
    shots = (found(1, 200, BLUE), found(2, 215, RED), found(3, 0, None))
    assert choose(Survey((8, 1), shots), AdSettings(), masked=True).chosen == (1, 2)


def test_without_a_product_the_reasons_are_named() -> None:
    shots = Survey((8, 1), (found(1, 0, None),))
    with pytest.raises(PvttError, match="shot 1: no product in 2 of 2 key frames") as raised:
        choose(shots, AdSettings())
    assert "--box" in str(raised.value.hint)
    with pytest.raises(PvttError, match="shot 1"):
        choose(shots, AdSettings(shots=(1,)))
    with pytest.raises(PvttError, match="no shot 2"):
        choose(shots, AdSettings(shots=(2,)))
