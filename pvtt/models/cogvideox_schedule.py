"""CogVideoX's noise schedule in the terms of rectified flow: the same paths from data to noise by another clock.

CogVideoX mixes x_t = a x0 + s noise with a² + s² = 1 and predicts v = a noise - s x0. With n = 1 / (a + s)

    sigma = s n                 z = n x_t = (1 - sigma) x0 + sigma noise
                                velocity = noise - x0 = (s - a) x_t + (a + s) v

so a model of the one is one of the other, exactly, and a step of DDIM is one of Euler's. Training, sampling and losses
therefore know nothing of CogVideoX.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from diffusers import CogVideoXDDIMScheduler
from diffusers.schedulers.scheduling_utils import SchedulerMixin, SchedulerOutput
from torch import Tensor

from pvtt.errors import PvttError
from pvtt.models.flow_matching import NUM_TRAIN_TIMESTEPS

__all__ = ["CogVideoXFlowScheduler", "SchedulerMixin", "noise_levels"]  # diffusers looks for SchedulerMixin here

PUBLISHED = {  # what the schedules of 2B and 5B share, as in their `scheduler_config.json`
    "num_train_timesteps": NUM_TRAIN_TIMESTEPS,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
}


def require_published(config: dict[str, Any], where: str) -> None:
    """Check that a scheduler's configuration is CogVideoX's, but for the shift that 2B and 5B differ in.

    Raises:
        PvttError: It is not; names the first difference.
    """
    for name, value in PUBLISHED.items():
        if config.get(name) != value:
            raise PvttError(
                f"{where}: its scheduler's {name} is {config.get(name)!r}, of CogVideoX it is {value!r}",
                "set model.base to a folder of CogVideoX-2B or 5B as it is published",
            )


@lru_cache(maxsize=8)
def noise_levels(snr_shift_scale: float, device: str = "cpu") -> Tensor:
    """σ of each of the steps that CogVideoX was trained on, rising, (1000,) float64; the last is 1.

    Args:
        snr_shift_scale: Of the schedule: 3 for 2B, 1 for 5B.
        device: Where it is wanted.
    """
    alphas = CogVideoXDDIMScheduler(**PUBLISHED, snr_shift_scale=snr_shift_scale).alphas_cumprod.double()
    signal, noise = alphas.sqrt(), (1 - alphas).sqrt()
    return (noise / (signal + noise)).to(device)


def nearest_steps(sigmas: Tensor, snr_shift_scale: float) -> Tensor:
    """The trained steps nearest to noise levels: σ (B,) → whole numbers of [0, 999], (B,).

    The base knows whole steps alone. What is nearest is at most half a step away; the mixture itself is exact.
    """
    levels = noise_levels(snr_shift_scale, str(sigmas.device))
    sigmas = sigmas.double()
    above = torch.searchsorted(levels, sigmas).clamp(max=len(levels) - 1)
    below = (above - 1).clamp(min=0)
    return torch.where(sigmas - levels[below] <= levels[above] - sigmas, below, above)


def mixture(sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """a and s of noise levels, each in the shape of `sigmas`."""
    norm = ((1 - sigmas) ** 2 + sigmas**2).sqrt()
    return (1 - sigmas) / norm, sigmas / norm


class CogVideoXFlowScheduler(CogVideoXDDIMScheduler):
    """Euler's steps over CogVideoX's trained noise levels: what its DDIM does, in the terms of rectified flow.

    Its configuration is that of CogVideoX's own. The steps are always spaced as CogVideoX's authors sample
    (`trailing`): they start at the last trained one, which is noise alone. Where their number divides 1000 they are
    DDIM's; where it does not, DDIM takes each step a little too far or too short.
    """

    begin_index = 0
    step_index: int | None = None

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """Choose the noise levels of a run.

        Args:
            num_inference_steps: How many, at most as many as were trained.
            device: Of `timesteps`, σ·1000, and `sigmas`, which has one more, 0.
        """
        total = self.config.num_train_timesteps
        steps = np.round(np.arange(total, 0, -total / num_inference_steps)).astype(np.int64) - 1
        levels = noise_levels(self.config.snr_shift_scale)[torch.from_numpy(steps)].float()
        self.sigmas = torch.cat([levels, levels.new_zeros(1)]).to(device)
        self.timesteps = NUM_TRAIN_TIMESTEPS * self.sigmas[:-1]
        self.begin_index, self.step_index = 0, None

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Start at a later level than the first."""
        self.begin_index = begin_index

    def step(
        self, model_output: Tensor, timestep: Tensor | float, sample: Tensor, return_dict: bool = True
    ) -> SchedulerOutput | tuple[Tensor]:
        """One step down.

        Args:
            model_output: The velocity ε - x₀.
            timestep: The level's; the steps are taken in their order.
            sample: The latents at it, of the same shape.
            return_dict: False returns `(latents,)`.
        """
        index = self.begin_index if self.step_index is None else self.step_index
        latents = sample + (self.sigmas[index + 1] - self.sigmas[index]) * model_output
        self.step_index = index + 1
        return SchedulerOutput(prev_sample=latents) if return_dict else (latents,)
