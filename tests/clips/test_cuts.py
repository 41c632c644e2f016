"""Hard cuts are found on any backdrop, to the frame; and nothing else is one."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.clips.cuts import CutDetector
from pvtt.media.arrays import Frame
from tests import scenes
from tests.clips.cut_films import HEIGHT, WIDTH, Backdrop, Event, draw_film, draw_shot, film_set, whip_pan

BACKDROPS: tuple[Backdrop, ...] = ("white", "grey", "dark", "studio", "textured")


def cuts(frames: list[Frame], fps: int) -> list[int]:
    detector = CutDetector("adaptive", 3.0, Fraction(fps))
    found = [detector.push(index, Fraction(index, fps), frame) for index, frame in enumerate(frames)]
    return [round(time * fps) for times in found for time in times]


@pytest.mark.parametrize("backdrop", BACKDROPS)
def test_cuts_between_products_are_found_to_the_frame(backdrop: Backdrop) -> None:
    fps = 8
    film = draw_film(BACKDROPS.index(backdrop) + fps, [("cut", 0)] * 2, backdrop, fps=fps)
    assert cuts(film.frames, fps) == [one.first for one in film.joints]


@pytest.mark.parametrize("form", [0, 1, 2])
def test_cuts_between_products_of_one_category_on_white_are_found(form: int) -> None:
    film = draw_film(form, [("cut", 0)], "white", fps=8, form=form)
    assert cuts(film.frames, 8) == [one.first for one in film.joints]


def test_a_shot_of_half_a_second_is_one_and_a_shorter_one_is_none() -> None:
    shots = [draw_shot(seed, 14, "studio") for seed in range(3)]
    assert cuts(shots[0][:6] + shots[1], 12) == [6]
    assert cuts(shots[0] + shots[1][:5] + shots[2], 12) == [14]


@pytest.mark.parametrize("backdrop", ["white", "studio"])
@pytest.mark.parametrize("event", ["none", "text", "exposure", "flash", "hand", "pop_noise", "flicker"])
def test_light_flashes_words_hands_noise_and_flicker_are_no_new_shot(backdrop: Backdrop, event: Event) -> None:
    assert cuts(draw_shot(BACKDROPS.index(backdrop), 18, backdrop, motion=0.3, event=event), 24) == []


@pytest.mark.parametrize("motion", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("backdrop", ["white", "textured"])
def test_motion_alone_is_no_new_shot(backdrop: Backdrop, motion: float) -> None:
    assert cuts(draw_shot(5, 18, backdrop, motion=motion), 24) == []


def test_a_whip_pan_is_no_new_shot() -> None:
    assert cuts(whip_pan(0), 24) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_product_that_hops_back_is_the_same_shot(seed: int) -> None:
    once = [cv2.resize(frame, (256, 171), interpolation=cv2.INTER_AREA) for frame in scenes.draw_shot(seed, 14)[0]]
    assert cuts(once * 2, 8) == []  # by a fifth of its own width, as a film that plays twice


def test_a_jump_over_much_of_the_picture_is_a_cut() -> None:
    rng = np.random.default_rng(0)
    room = cv2.resize(rng.uniform(20, 235, (12, 30, 3)).astype(np.float32), (2 * WIDTH, HEIGHT))
    lefts = [*range(0, 20), *range(60, 80)]
    assert cuts([room[:, left : left + WIDTH].astype(np.uint8) for left in lefts], 24) == [20]


def test_an_empty_place_of_another_colour_is_another_shot_and_a_lamp_is_none() -> None:
    rng = np.random.default_rng(0)
    wall, floor = np.array([196.0, 205, 228]), np.linspace(1.05, 0.85, HEIGHT)[:, None, None]

    def place(colour: np.ndarray) -> list[Frame]:
        noisy = (colour * floor + rng.normal(0, 1, (HEIGHT, WIDTH, 3)) for _ in range(14))
        return [np.clip(frame, 0, 255).astype(np.uint8) for frame in noisy]

    assert cuts(place(wall) + place(np.array([92.0, 60, 48])), 24) == [14]
    assert cuts(place(wall) + place(np.array([224.0, 196, 150])), 24) == [14]
    assert cuts(place(wall) + place(0.7 * wall), 24) == []


@pytest.mark.proof
def test_cuts_of_the_whole_set_of_drawn_films() -> None:
    found, true, right = 0, 0, 0
    for make in film_set():
        film = make()
        gradual = [one for one in film.joints if one.first - one.last > 1]
        if gradual:
            continue
        detected, wanted = set(cuts(film.frames, film.fps)), {one.first for one in film.joints}
        found, true, right = found + len(detected), true + len(wanted), right + len(detected & wanted)
    assert right / found >= 0.98
    assert right / true >= 0.97
