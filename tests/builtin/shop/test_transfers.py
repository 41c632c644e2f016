"""The committed truths of transfers are what the shop's builder makes, fit its films, and are not served."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.builtin.shop.build import mask_name
from pvtt.builtin.shop.catalog import FPS, good_entries
from pvtt.builtin.shop.render import Renderer
from pvtt.builtin.shop.serve import SITE
from pvtt.builtin.shop.transfers import TRUTHS, Transfer, held_out_entries, render_transfer, transfers
from pvtt.files.hashing import sha256_file
from pvtt.media.masks import read_masks
from pvtt.media.video import read_video
from pvtt.records.base import read_jsonl
from pvtt.records.transfers import TRUTHS_FILE, TransferTruth
from tests.builtin.shop.test_site import TRUTH


@pytest.fixture(scope="module")
def truths() -> list[TransferTruth]:
    return read_jsonl(TRUTHS / TRUTHS_FILE, TransferTruth)


def test_each_test_product_takes_anothers_place() -> None:
    held_out = {entry.product_id for entry in held_out_entries()}
    assert len(held_out) == 8
    assert {one.product.product_id for one in transfers()} == held_out
    assert {one.template.product_id for one in transfers()} <= held_out
    pairs = [(one.template.product_id, one.product.product_id) for one in transfers()]
    assert len(set(pairs)) == len(pairs) == len(held_out)
    assert all(template != product for template, product in pairs)


def test_the_list_names_films_and_videos_by_their_content(truths: list[TransferTruth]) -> None:
    videos = {sha256_file(SITE / name): entry for entry in good_entries() for name in entry.video_paths}
    assert len(truths) == len(transfers())
    for truth, transfer in zip(truths, transfers(), strict=True):
        assert videos[truth.template_video_sha256] is transfer.template
        assert videos[truth.product_video_sha256] is transfer.product
        assert sha256_file(TRUTHS / truth.path) == truth.sha256
        assert sha256_file(TRUTHS / truth.mask_path) == truth.mask_sha256
        assert sha256_file(TRUTHS / truth.template_mask_path) == truth.template_mask_sha256
    files = {name for truth in truths for name in (truth.path, truth.mask_path, truth.template_mask_path)}
    assert {path.name for path in TRUTHS.iterdir()} == {TRUTHS_FILE, *files}


def test_a_truth_is_the_shot_with_another_product(truths: list[TransferTruth]) -> None:
    truth, transfer = truths[0], transfers()[0]
    first = round(truth.template_start_s * FPS)
    shot = read_video(SITE / transfer.template.video_paths[transfer.film])[first : first + truth.num_frames].astype(int)
    film = read_video(TRUTHS / truth.path).astype(int)
    assert film.shape == shot.shape
    before, after = (read_masks(TRUTHS / name) > 127 for name in (truth.template_mask_path, truth.mask_path))
    difference = np.abs(film - shot).mean(-1)
    far = np.zeros_like(before)
    far[:, :80, :80] = far[:, :80, -80:] = True  # the frame's upper corners, where no product stands or casts a shadow
    assert difference[far & ~before & ~after].mean() < 2
    assert difference[before | after].mean() > 10
    exact = read_masks(TRUTH / mask_name(transfer.template.video_paths[transfer.film]))[first : first + len(before)]
    assert np.array_equal(before[:, 2::4, 2::4], exact > 127)


def test_products_stay_in_the_frame(truths: list[TransferTruth]) -> None:
    for truth in truths:
        masks = read_masks(TRUTHS / truth.mask_path)
        assert masks.shape == (truth.num_frames, truth.height, truth.width)
        assert (masks > 0).mean(axis=(1, 2)).min() > 0.01
        assert not np.concatenate([masks[:, 0], masks[:, -1]], axis=1).any(), truth.path
        assert not np.concatenate([masks[:, :, 0], masks[:, :, -1]], axis=1).any(), truth.path


def test_they_are_small_and_not_served() -> None:
    assert sum(path.stat().st_size for path in TRUTHS.iterdir()) < 4e6
    assert not TRUTHS.is_relative_to(SITE)


@pytest.mark.proof  # shop/test_render.py is the smaller version
def test_the_renderer_makes_the_same_again(renderer: Renderer, truths: list[TransferTruth]) -> None:
    shortest = min(transfers(), key=lambda one: one.part.num_frames)
    assert isinstance(shortest, Transfer)
    truth = truths[transfers().index(shortest)]
    frames, after, before = render_transfer(renderer, shortest)
    assert np.mean(after != read_masks(TRUTHS / truth.mask_path)) < 0.001
    assert np.mean(before != read_masks(TRUTHS / truth.template_mask_path)) < 0.001
    assert np.abs(frames.astype(int) - read_video(TRUTHS / truth.path)).mean() < 3
