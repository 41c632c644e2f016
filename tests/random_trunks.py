"""torchvision's networks with random weights, in the layout of their published files."""

from __future__ import annotations

from pathlib import Path

import torch


def save_trunk(name: str, folder: Path) -> Path:
    """Save AlexNet's (`alex`) or VGG16's (`vgg`) convolutions; returns the file."""
    from torchvision.models import alexnet, vgg16

    with torch.device("meta"):  # the names and shapes, without VGG's 120 million weights of classification
        features = {"alex": alexnet, "vgg": vgg16}[name](weights=None).features
    generator = torch.Generator().manual_seed(0)
    state = {
        f"features.{key}": torch.randn(tensor.shape, generator=generator) * (2 / max(tensor[0].numel(), 1)) ** 0.5
        for key, tensor in features.state_dict().items()
    }
    path = folder / f"{name}.pth"
    torch.save(state, path)
    return path
