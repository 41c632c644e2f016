"""Starting noise that moves along a flow."""

from __future__ import annotations

import numpy as np
import torch

from pvtt.models.moved_noise import moved_noise
from pvtt.models.sampling import initial_noise


def flows(right: float, down: float) -> np.ndarray:
    """Of 9 frames of 64×96, each moved by this from the one before; the flow leads back."""
    return np.broadcast_to(np.float32([-right, -down]), (8, 64, 96, 2)).copy()


def test_each_frames_noise_is_the_one_before_moved_along() -> None:
    noise = initial_noise((16, 3, 8, 12), [0])[0]
    moved = moved_noise(noise, flows(4.0, 2.0), kept=1.0)  # a latent frame is four frames, a cell eight pixels
    assert torch.equal(moved[:, 0], noise[:, 0])
    for frame in (1, 2):
        assert torch.equal(moved[:, frame, 1:, 2:], moved[:, frame - 1, :-1, :-2])
        assert torch.equal(moved[:, frame, 0], noise[:, frame, 0])  # nothing was there before


def test_what_stands_still_keeps_its_noise_and_a_share_of_nothing_changes_nothing() -> None:
    noise = initial_noise((16, 3, 8, 12), [0])[0]
    still = moved_noise(noise, flows(0.0, 0.0), kept=1.0)
    assert torch.equal(still, noise[:, :1].expand_as(noise))
    assert torch.equal(moved_noise(noise, flows(4.0, 2.0), kept=0.0), noise)


def test_it_stays_normal() -> None:
    noise = initial_noise((16, 3, 64, 96), [1])[0]
    still = np.zeros((8, 512, 768, 2), np.float32)
    moved = moved_noise(noise, still)
    for frame in range(3):
        assert abs(float(moved[:, frame].mean())) < 0.02
        assert abs(float(moved[:, frame].std()) - 1) < 0.02
    shared = torch.corrcoef(torch.stack([moved[:, 0].flatten(), moved[:, 1].flatten()]))[0, 1]
    assert abs(float(shared) - 0.5**0.5) < 0.02
