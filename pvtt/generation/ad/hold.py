"""Sampling with a known beginning: the first latent frame is given, the others are generated to go with it.

After each step the first latent frame is set to the known one at the step's noise level, x = (1-σ)·x₀ + σ·ε, as RePaint
does for pictures (Lugmayr et al. 2022, arXiv:2201.09865). It is what a model sees in training, a film of which all
latent frames have one noise level, so that no model needs to be trained for it.

Measured from noise alone (strength 1) on the first 25 frames of shot 2 of the shop's JEWE016 with BOTT001's photos and
an earlier models/pvtt-tiny, as the mean difference of neighbouring frames in the region, of 255, inside windows and
from a window to the next:

| the last frame is given | noise | inside | joints |
|---|---|---|---|
| not at all | the same | 4.3 | 9.8 |
| in the template, with an empty mask | shared in the overlap | 4.6 | 10.7 |
| held, and in the template with an empty mask | shared in the overlap | 3.6 | 3.3 |
| held, the hole as in training | shared in the overlap | 3.8 | 3.4 |
| held, the hole as in training | the same in all windows | 2.8 | 2.7 |

From a draft (strength 0.4), held and with the same noise, over each whole shot of ten windows:

| photo and its place are chosen | shot | inside | joints | joints / inside | ΔE of the product, first to last window |
|---|---|---|---|---|---|
| in each window | 1 | 5.0 | 3.7 | .74 | 3.8 |
| | 2 | 4.6 | 3.7 | .81 | 3.6 |
| | 3 | 3.4 | 3.0 | .88 | 3.9 |
| once a shot (`placement.py`), a wider pvtt-tiny | 1 | 2.5 | 2.4 | .97 | 1.1 |
| | 2 | 2.5 | 2.2 | .89 | 2.2 |
| | 3 | 2.1 | 2.4 | 1.13 | 1.0 |

A ratio far below 1 is no merit: a product that jumps does so after the known frame, inside the window.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def hold_first(scheduler: Any, known: Tensor, noise: Tensor) -> Any:
    """A scheduler like the given one that keeps the first latent frame known.

    Args:
        scheduler: A flow-matching scheduler of diffusers.
        known: Normalised latents of the known frame, (B, C, 1, h, w).
        noise: The starting noise, (B, C, F', h, w).
    """

    class Holding(type(scheduler)):  # type: ignore[misc]  # `sample` makes a new one from the class and the config
        def step(self, *arguments: Any, **options: Any) -> Any:
            """See the scheduler's own."""
            output = super().step(*arguments, **options)
            sigma = self.sigmas[self.step_index].to(known)
            latents = output.prev_sample.clone()
            latents[:, :, :1] = (1 - sigma) * known + sigma * noise[:, :, :1]
            return type(output)(prev_sample=latents)

    return Holding.from_config(scheduler.config)


def first_latent(vae: Any, frame: Any) -> Tensor:
    """The latents of a film's first frame, (H, W, 3) uint8: normalised, (1, C, 1, h, w). The VAE is causal."""
    from pvtt.models.vae import encode_video, to_unit_range

    with torch.no_grad():
        return encode_video(vae, to_unit_range(torch.from_numpy(frame[None, None])).to(vae.device))
