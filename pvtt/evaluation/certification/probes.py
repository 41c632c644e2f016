"""Networks whose answers are known, in the place of those that measure.

No weights are needed to see that LPIPS, CLIP, DINO and I3D are given the right pixels: RGB, in the right range, of the
right size, of all frames. Each of these answers with a formula in which range, channel and frame show.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from pvtt.evaluation.metrics.consistency import TextEmbedder
from pvtt.evaluation.metrics.fvd import VideoEmbedder
from pvtt.evaluation.metrics.metric import Networks
from pvtt.evaluation.metrics.perceptual import Lpips
from pvtt.evaluation.metrics.similarity import ImageEmbedder
from pvtt.media.arrays import Frame

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS = (1.0, 2.0, 4.0)  # each channel has a weight of its own


def probes() -> Networks:
    """The project's own classes, on these networks."""
    return Networks(
        lpips=Lpips(square_distance),
        clip=ImageEmbedder(mean_colours, _Projection("image_embeds"), "clip"),
        dino=ImageEmbedder(mean_colours, _Projection("last_hidden_state"), "dino"),
        fvd=VideoEmbedder(video_features),
        clip_text=TextEmbedder(letters, _Texts()),
        reader=spelled,
    )


def square_distance(given: Tensor, expected: Tensor) -> Tensor:
    """(N, 3, H, W) twice → (N, 1, H, W): the difference of squares, which another range changes."""
    weights = given.new_tensor(CHANNELS)[:, None, None]
    return (((given + 0.5) ** 2 - (expected + 0.5) ** 2).abs() * weights).sum(dim=1, keepdim=True)


def mean_colours(images: Sequence[Frame], return_tensors: str) -> dict[str, Tensor]:
    """Each image's mean colour and its shape, (N, 5): what is cut off and what is filled shows."""
    import torch

    found = [[*image.reshape(-1, 3).mean(axis=0) / 255, image.shape[0] / 100, image.shape[1] / 100] for image in images]
    return {"pixel_values": torch.tensor(np.array(found), dtype=torch.float32)}


def spelled(frame: Frame) -> str:
    """A letter for each of five shares of the frame's width, by how red and how green it is there."""
    parts = np.array_split(frame.astype(np.float64), 5, axis=1)
    return "".join(
        chr(97 + int(part[..., 0].mean() // 10)) + chr(65 + int(part[..., 1].mean() // 10)) for part in parts
    )


def letters(texts: Sequence[str], truncation: bool, max_length: int, return_tensors: str) -> dict[str, Tensor]:
    """Five numbers of a text, (N, 5)."""
    import torch

    return {"input_ids": torch.tensor([[text.count(letter) for letter in "adeit"] for text in texts])}


class _Texts:
    """The numbers themselves."""

    def __call__(self, input_ids: Tensor) -> Any:
        return SimpleNamespace(text_embeds=input_ids)


class _Projection:
    """Turns 5 numbers into the 5 that a network's output has under this name."""

    def __init__(self, output: str) -> None:
        self._output = output

    def __call__(self, pixel_values: Tensor) -> Any:
        import torch

        if self._output == "image_embeds":
            return SimpleNamespace(image_embeds=pixel_values)
        squares = pixel_values**2
        return SimpleNamespace(
            last_hidden_state=torch.stack([squares, pixel_values.flip(1)], dim=1)
        )  # the first counts


def video_features(video: Tensor, rescale: bool, resize: bool, return_features: bool) -> Tensor:
    """(1, 3, F, H, W) → (1, 8): the channels' means and mean squares, the change from first to last, the width."""
    import torch

    means, squares = video.mean(dim=(0, 2, 3, 4)), (video**2).mean(dim=(0, 2, 3, 4))
    change = (video[:, :, -1] - video[:, :, 0]).mean()
    return torch.cat([means, squares, torch.stack([change, means.new_tensor(video.shape[-1] / 224)])])[None]
