"""How alike decoded frames look to a network: differentiable, on weights from a local file; nothing is downloaded.

A network is anything that is a `FrameDistance`; `NETWORKS` has those that params can name. LPIPS (Zhang et al.,
arXiv:1801.03924) ships its linear layers in its package; its trunk is a state dict of torchvision's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from pvtt.errors import MissingInputError, PvttError, first_line
from pvtt.models.vae import decode_latents

Trunk = Literal["alex", "vgg"]
TRUNKS: Mapping[Trunk, tuple[str, str]] = {  # torchvision's name and file
    "alex": ("AlexNet", "alexnet-owt-7be5be79.pth"),
    "vgg": ("VGG16", "vgg16-397923af.pth"),
}


class FrameDistance(Protocol):
    """A perceptual distance of frames."""

    def __call__(self, frames: Tensor, truth: Tensor) -> Tensor:
        """Frames (N, 3, H, W) in [-1, 1] and their truth, same shape → distances, (N,), at least 0."""
        ...


def load_lpips(trunk: Trunk, weights: Path, key: str, spatial: bool = False) -> Any:
    """The `lpips.LPIPS` module, frozen.

    Args:
        trunk: Which network's features it compares.
        weights: torchvision's state dict of that network.
        key: The key of params.yaml that names the file, for the error.
        spatial: Return a distance a pixel instead of one a frame.

    Raises:
        MissingInputError: There is no such file.
        PvttError: It is not such a state dict.
    """
    import lpips

    name, file = TRUNKS[trunk]
    if not weights.is_file():
        raise MissingInputError(f"{key}: {weights} does not exist", f"put torchvision's {name} there: {file}")
    network = lpips.LPIPS(net=trunk, version="0.1", spatial=spatial, pnet_rand=True, verbose=False)
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        # slice2.3.weight of the package is features.3.weight of torchvision.
        renamed = {name: state[re.sub(r"^slice\d+\.", "features.", name)] for name in network.net.state_dict()}
        network.net.load_state_dict(renamed)
    except (KeyError, RuntimeError, AttributeError, TypeError, ValueError, EOFError) as error:
        raise PvttError(
            f"{key}: {weights} is not torchvision's {name}: {first_line(error)}", f"point it at {file}"
        ) from None
    return network.eval().requires_grad_(False)


class Lpips:
    """LPIPS as a `FrameDistance`. Frames need a side of 31 pixels at least. Arguments and errors as `load_lpips`."""

    def __init__(self, trunk: Trunk, weights: Path, key: str, device: torch.device) -> None:
        self._network = load_lpips(trunk, weights, key).to(device)
        if device.type == "cuda":
            pool_in_order(self._network)

    def __call__(self, frames: Tensor, truth: Tensor) -> Tensor:
        distances: Tensor = self._network(frames, truth)
        return distances.flatten()


class _MaxPool(torch.nn.Module):
    """`MaxPool2d` without padding, whose gradient a GPU computes in one order: torch's own adds atomically."""

    def __init__(self, size: int, stride: int) -> None:
        super().__init__()
        self._size, self._stride = size, stride

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) → the maxima of their windows, smaller by the stride."""
        windows = features.unfold(2, self._size, self._stride).unfold(3, self._size, self._stride)
        maxima: Tensor = windows.amax((-1, -2))
        return maxima


def pool_in_order(network: torch.nn.Module) -> None:
    """Let a network pool with deterministic gradients, in place; values are equal, so are gradients but for ties."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, torch.nn.MaxPool2d):
                size, stride = child.kernel_size, child.stride
                assert isinstance(size, int)  # as all of torchvision's are
                assert isinstance(stride, int)
                setattr(parent, name, _MaxPool(size, stride))


NETWORKS: Mapping[str, Callable[[Path, str, torch.device], FrameDistance]] = {
    "lpips_alex": lambda weights, key, device: Lpips("alex", weights, key, device),
    "lpips_vgg": lambda weights, key, device: Lpips("vgg", weights, key, device),
}


@dataclass(frozen=True)
class DecodedDistance:
    """The distance of latents by what they decode to.

    Args:
        vae: A frozen `AutoencoderKLWan`.
        distance: Of its frames.
    """

    vae: Any
    distance: FrameDistance

    def __call__(self, latents: Tensor, truth: Tensor) -> Tensor:
        """Normalised latents (B, C, F', h, w) and their truth → distances, means over frames, (B,).

        Wan's VAE is causal: the first F' latent frames of a video decode to what they are in the whole.
        """
        with torch.no_grad():
            expected = decode_latents(self.vae, truth)
        frames = decode_latents(self.vae, latents)
        pairs = (video.transpose(1, 2).flatten(0, 1) for video in (frames, expected))
        return self.distance(*pairs).unflatten(0, (len(latents), -1)).mean(1)
