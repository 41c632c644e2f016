"""Where the product is drawn, without training: MotionBooth's edit of cross-attention (arXiv:2406.17758).

In the early steps, which decide what stands where, each patch's attention to what says the product is raised inside a
box and lowered outside it: to the product's word in the text, to its tokens (`product_tokens`, `dual_encoder`) and to
its photos' patches (`reference_frames`). It is added to the attention's logits: `strength` times the share of the frame
outside the box where a patch lies in it, so that a small box gets the most, and minus `strength` where it does not.
MotionBooth takes attention outside away altogether; here a strength does as much as it says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.vae import SPATIAL_FACTOR

Box = tuple[float, float, float, float]  # left, top, right, bottom


class PlaceBias(NamedTuple):
    """What is added to logits.

    Attributes:
        product: Of the attention to the product's tokens and photos, a patch, (B, P).
        text: Of the attention to the text, (B, 1, P, T); None leaves it.
    """

    product: Tensor
    text: Tensor | None

    def after(self, num_before: int, dtype: torch.dtype) -> PlaceBias:
        """The same in a type, for a video with so many patches of something else before it, whose logits stay."""
        text = None if self.text is None else functional.pad(self.text, (0, 0, num_before, 0)).to(dtype)
        return PlaceBias(functional.pad(self.product, (num_before, 0)).to(dtype), text)


@dataclass(frozen=True)
class PlaceEdit:
    """Where the product is to stand.

    Args:
        strength: Added to logits; 0 changes no bit and costs nothing. MotionBooth: 10.
        end: Share of the sampling steps after which it is done; MotionBooth: 15 of 50.
        boxes: In pixels, spread evenly over the video from its first frame to its last, straight between; one stands
            still. None at all: the box around the hole, latent frame by latent frame.
        word: The product's, as it stands in the prompt; empty leaves the text alone.

    Raises:
        PvttError: A value is out of its range.
    """

    strength: float = 0.0
    end: float = 0.3
    boxes: tuple[Box, ...] = ()
    word: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.strength) and self.strength >= 0):
            raise PvttError(f"the place's strength is {self.strength}", "give 0, which is off, or more")
        if not 0 < self.end <= 1:
            raise PvttError(f"the place's end is {self.end}", "give a share of the steps above 0, at most 1")
        for left, top, right, bottom in self.boxes:
            if not (left < right and top < bottom):
                raise PvttError(
                    f"the place's box {left:g}, {top:g}, {right:g}, {bottom:g} holds nothing",
                    "give left, top, right and bottom, in pixels",
                )

    def acts_on(self, step: int, num_steps: int) -> bool:
        """Whether it acts on a step, from 0 on: the first always."""
        return self.strength > 0 and step < max(1, round(self.end * num_steps))

    def region(self, mask: Tensor) -> Tensor:
        """The target box of each latent frame.

        Args:
            mask: The hole, packed to latent time, (B, 4, F', h, w).

        Returns:
            1 inside, (B, F', h, w), float32.
        """
        if not self.boxes:
            return _around(mask.amax(1) > 0).float()
        batch_size, _, num_frames, height, width = mask.shape
        given = torch.tensor(self.boxes, dtype=torch.float32).T[None] / SPATIAL_FACTOR  # (1, 4, boxes)
        left, top, right, bottom = functional.interpolate(given, num_frames, mode="linear", align_corners=True).unbind(
            1
        )
        columns, rows = torch.arange(width) + 0.5, torch.arange(height) + 0.5
        across = (columns >= left[..., None]) & (columns <= right[..., None])  # (1, F', w)
        along = (rows >= top[..., None]) & (rows <= bottom[..., None])
        inside = along[..., :, None] & across[..., None, :]
        return inside.expand(batch_size, -1, -1, -1).to(mask.device).float()

    def bias(
        self, conditions: Conditions, patch_size: tuple[int, int, int], words: Sequence[Sequence[int]]
    ) -> PlaceBias:
        """What it adds to the attention of a batch.

        Args:
            conditions: Of B samples.
            patch_size: Latents a patch, (time, height, width).
            words: For each sample the places of the product's word in its text; empty leaves its text.
        """
        inside = functional.avg_pool3d(self.region(conditions.mask)[:, None], patch_size)[:, 0] >= 0.5
        outside = 1 - inside.float().mean((2, 3), keepdim=True)
        product = self.strength * torch.where(inside, outside, -1.0).flatten(1)  # (B, P)
        if not any(words):
            return PlaceBias(product, None)
        said = torch.zeros(len(conditions), conditions.text.shape[1], device=product.device)
        for sample, places in enumerate(words):
            said[sample, list(places)] = 1
        return PlaceBias(product, product[:, None, :, None] * said[:, None, None])


def _around(hole: Tensor) -> Tensor:
    """The box around each frame's hole, (B, F', h, w) bool."""
    rows, columns = hole.any(-1).int(), hole.any(-2).int()

    def between(marked: Tensor) -> Tensor:
        """From the first mark to the last."""
        return (marked.cumsum(-1) > 0) & (marked.flip(-1).cumsum(-1).flip(-1) > 0)

    return between(rows)[..., :, None] & between(columns)[..., None, :]


def places_of_word(word: str, prompts: Sequence[str], tokenizer: Any, max_tokens: int) -> list[tuple[int, ...]]:
    """The places of a word's tokens in each prompt, wherever it stands; empty where a prompt is.

    Args:
        word: One word or several; empty: no places.
        prompts: B texts.
        tokenizer: The text encoder's.
        max_tokens: T; what is beyond is not seen.

    Raises:
        PvttError: A prompt lacks the word.
    """
    from diffusers.pipelines.wan.pipeline_wan import prompt_clean

    if not word.strip():
        return [() for _ in prompts]
    wanted = tokenizer(word.strip(), add_special_tokens=False).input_ids
    found = []
    for prompt in prompts:
        tokens = tokenizer(prompt_clean(prompt), truncation=True, max_length=max_tokens).input_ids
        starts = [place for place in range(len(tokens)) if tokens[place : place + len(wanted)] == wanted]
        if prompt.strip() and not starts:
            raise PvttError(f"the prompt {prompt!r} has no {word!r}", "give the product's word as it stands there")
        found.append(tuple(place for start in starts for place in range(start, start + len(wanted))))
    return found
