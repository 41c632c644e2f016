"""The evaluator's own checks, and that they notice a fault."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.errors import PvttError
from pvtt.evaluation import certify as module
from pvtt.evaluation.certify import certify
from pvtt.evaluation.metrics import reconstruction


def test_the_evaluator_passes() -> None:
    passed = certify()
    assert len(passed) == len(set(passed)) >= 13
    assert "psnr of identical videos is inf" in passed


def test_a_reversed_region_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = reconstruction.psnr

    def reversed_psnr(video: np.ndarray, truth: np.ndarray, region: np.ndarray | None = None) -> float | None:
        return right(video, truth, None if region is None else ~region)

    monkeypatch.setattr(module.reconstruction, "psnr", reversed_psnr)
    with pytest.raises(PvttError, match="the region is the product"):
        certify()


def test_a_metric_that_falls_when_it_should_rise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = module.motion.flicker
    monkeypatch.setattr(module.motion, "flicker", lambda v, t, r: -(right(v, t, r) or 0.0))
    with pytest.raises(PvttError, match="flicker rises with noise"):
        certify()
