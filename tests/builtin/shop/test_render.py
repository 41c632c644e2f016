"""Pictures show the product where the mask says, and are the same bytes in every process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from pvtt.builtin.shop.catalog import FilmShot, catalog
from pvtt.builtin.shop.film import SAMPLE_RATE, music, write_film
from pvtt.builtin.shop.products import product_spec
from pvtt.builtin.shop.render import Placed, Renderer
from pvtt.builtin.shop.scenes import CameraMove, SceneSpec
from pvtt.media.video import probe, read_video
from tests.builtin.shop.digest import film_digest

PLAIN = SceneSpec(background=(0.8, 0.8, 0.8), ground=(0.9, 0.9, 0.9), style="plain")


def test_the_mask_covers_what_the_product_changes(renderer: Renderer) -> None:
    move = CameraMove("orbit", amount=60.0)
    spec = product_spec("tests", 4)
    frames, masks = renderer.render_shot(spec, move, PLAIN, 3, 144, 96)
    empty, nothing = renderer.render([], replace(move, amount=0.0), PLAIN, 1, 144, 96)
    assert frames.shape == (3, 96, 144, 3)
    assert masks.shape == (3, 96, 144)
    assert set(np.unique(masks)) == {0, 255}
    assert not nothing.any()
    assert 0.03 < (masks[1] > 0).mean() < 0.35
    # The middle frame's camera is the still one's: outside the mask only the soft shadow differs.
    difference = np.abs(frames[1].astype(int) - empty[0]).max(axis=2)
    assert (difference[masks[1] > 0] > 24).mean() > 0.9
    assert not np.array_equal(frames[0], frames[2])


def test_photos_differ_from_one_another(renderer: Renderer) -> None:
    spec = product_spec("tests", 0)
    photos = [renderer.render_photo(spec, index, 96)[0] for index in range(3)]
    assert np.abs(photos[0].astype(int) - photos[1]).mean() > 5
    assert np.abs(photos[1].astype(int) - photos[2]).mean() > 5


def test_a_film_has_its_shots_its_masks_and_its_sound(renderer: Renderer, tmp_path: Path) -> None:
    import av

    film = catalog()[0].films[0]
    scenes = (PLAIN, replace(PLAIN, background=(0.1, 0.1, 0.2), ground=(0.2, 0.2, 0.4)))
    shots = tuple(replace(part, num_frames=6, scene=scene) for part, scene in zip(film.shots, scenes, strict=True))
    short = replace(film, shots=shots, width=144, height=96)
    masks = write_film(renderer, short, tmp_path / "film.mp4")
    frames = read_video(tmp_path / "film.mp4")
    assert frames.shape == (12, 96, 144, 3)
    assert masks.shape == (12, 96, 144)
    assert short.cuts == (6,)
    border = np.concatenate([masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]], axis=1)
    assert not border.any(), "the product leaves the frame"
    steps = np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert steps.argmax() == 5
    assert (probe(tmp_path / "film.mp4").width, probe(tmp_path / "film.mp4").height) == (144, 96)
    with av.open(str(tmp_path / "film.mp4")) as container:
        sound = container.streams.audio[0]
        assert sound.codec_context.name == "aac"
        assert sound.rate == SAMPLE_RATE


def test_music_is_audible_bounded_and_as_long_as_its_film() -> None:
    film = catalog()[3].films[0]
    samples = music(film)
    assert len(samples) == round(film.duration_s * SAMPLE_RATE)
    assert float(np.sqrt((samples**2).mean())) > 0.02
    assert np.abs(samples).max() <= 1.0


def test_two_processes_render_the_same_bytes(renderer: Renderer, tmp_path: Path, project_root: Path) -> None:
    here = film_digest(renderer, tmp_path / "here.mp4")
    elsewhere = subprocess.run(
        [sys.executable, "-m", "tests.builtin.shop.digest", str(tmp_path / "elsewhere.mp4")],
        cwd=project_root,
        check=True,
        capture_output=True,
        text=True,
    )
    assert elsewhere.stdout.strip() == here


def test_two_products_stand_apart(renderer: Renderer) -> None:
    import cv2

    entry = next(entry for entry in catalog() if entry.defect == "two_products")
    part: FilmShot = entry.films[0].shots[0]
    products = (Placed(part.products[0].spec, x=-1.25), Placed(part.products[1].spec, x=1.25))
    _, masks = renderer.render(products, CameraMove("orbit", distance=7.0, amount=0.0), PLAIN, 1, 144, 96)
    count, _ = cv2.connectedComponents(masks[0])
    assert count == 3  # the background, and two
