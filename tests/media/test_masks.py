"""Masks on disk are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.media.masks import iter_masks, read_mask_frames, read_masks, write_masks


@pytest.mark.parametrize(("height", "width"), [(48, 64), (17, 31)])
def test_masks_survive_exactly(tmp_path: Path, height: int, width: int) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (7, height, width), dtype=np.uint8) * 255
    assert write_masks(tmp_path / "m.mkv", noise, fps=12) == 7
    np.testing.assert_array_equal(read_masks(tmp_path / "m.mkv"), noise)


def test_soft_masks_survive_exactly(tmp_path: Path) -> None:
    soft = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, axis=0)
    write_masks(tmp_path / "m.mkv", soft, fps=23.976)
    np.testing.assert_array_equal(read_masks(tmp_path / "m.mkv"), soft)


def test_equal_masks_are_equal_bytes(tmp_path: Path) -> None:
    masks = np.random.default_rng(1).integers(0, 2, (5, 32, 48), dtype=np.uint8) * 255
    for name in ("a.mkv", "b.mkv"):
        write_masks(tmp_path / name, masks, fps=12)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_single_masks_are_picked(tmp_path: Path) -> None:
    masks = np.zeros((5, 32, 48), np.uint8)
    masks[3, 4:8] = 255
    write_masks(tmp_path / "m.mkv", masks, fps=12)
    np.testing.assert_array_equal(read_mask_frames(tmp_path / "m.mkv", [3, 0]), masks[[3, 0]])
    assert sum(1 for _ in iter_masks(tmp_path / "m.mkv")) == 5
