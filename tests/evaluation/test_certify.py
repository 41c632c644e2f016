"""The evaluator's own checks, and that they notice a fault; `test_mutations.py` plants many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pvtt.errors import PvttError
from pvtt.evaluation.certification.all import certify
from pvtt.evaluation.metrics import colour, reconstruction
from pvtt.evaluation.metrics.metric import Networks
from pvtt.evaluation.metrics.perceptual import Lpips
from pvtt.evaluation.metrics.similarity import ImageEmbedder


def test_the_evaluator_passes() -> None:
    passed = certify()
    assert len(passed) == len(set(passed)) >= 80
    assert "psnr of identical videos is 100" in passed
    assert "product_ssim looks at the product" in passed
    assert "FVD is of outputs and ground truths" in passed


def test_networks_that_are_there_are_checked_too(alexnet: Path, clip_folder: Path, dino_folder: Path) -> None:
    there = Networks(
        lpips=Lpips.load(alexnet),
        clip=ImageEmbedder.load(clip_folder, "clip"),
        dino=ImageEmbedder.load(dino_folder, "dino"),
    )
    added = set(certify(there)) - set(certify())
    assert added == {
        "LPIPS is 0 for equal frames and rises",
        "CLIP likens an image to itself most",
        "DINO likens an image to itself most",
    }
    with pytest.raises(PvttError, match="LPIPS is 0 for equal frames and rises"):
        certify(Networks(lpips=lambda video, truth, region=None: 1.0))


def test_a_reversed_region_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = reconstruction.psnr

    def reversed_psnr(
        video: NDArray[np.uint8], truth: NDArray[np.uint8], region: NDArray[np.bool_] | None = None
    ) -> float | None:
        return right(video, truth, None if region is None else ~region)

    monkeypatch.setattr(reconstruction, "psnr", reversed_psnr)
    with pytest.raises(PvttError, match=r"product_psnr of the drawn sample is 22\.5607"):
        certify()


def test_another_librarys_colour_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = colour.palette_distance
    monkeypatch.setattr(colour, "palette_distance", lambda first, second: 1.02 * right(first, second))
    with pytest.raises(PvttError, match="main colours and what they cost"):
        certify()
