from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pvtt.errors import MissingInputError, PvttError
from pvtt.models.perceptual import NETWORKS, DecodedDistance
from pvtt.models.vae import decode_latents
from tests.random_trunks import save_trunk
from tests.tiny_wan import tiny_vae

CPU = torch.device("cpu")
KEY = "train.perceptual.weights"


@pytest.mark.parametrize("name", ["lpips_alex", "lpips_vgg"])
def test_a_distance_is_zero_for_equal_frames_rises_with_noise_and_has_a_gradient(tmp_path: Path, name: str) -> None:
    distance = NETWORKS[name](save_trunk(name.removeprefix("lpips_"), tmp_path), KEY, CPU)
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(2, 3, 32, 48, generator=generator) * 2 - 1
    noise = torch.randn(truth.shape, generator=generator)
    found = [distance(truth + level * noise, truth) for level in (0.0, 0.1, 0.5)]
    assert found[0].tolist() == [0, 0]
    assert (found[0] < found[1]).all()
    assert (found[1] < found[2]).all()
    frames = (truth + 0.1 * noise).requires_grad_()
    distance(frames, truth).sum().backward()
    assert frames.grad is not None
    assert frames.grad.abs().max() > 0


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=rf"{KEY}: .*none\.pth does not exist") as missing:
        NETWORKS["lpips_vgg"](tmp_path / "none.pth", KEY, CPU)
    assert "vgg16-397923af.pth" in str(missing.value.hint)
    with pytest.raises(PvttError, match="not torchvision's VGG16"):
        NETWORKS["lpips_vgg"](save_trunk("alex", tmp_path), KEY, CPU)


def test_the_first_latent_frames_decode_to_what_they_are_in_the_whole_video() -> None:
    torch.set_num_threads(1)
    latents = torch.randn(2, 16, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    vae = tiny_vae()
    with torch.no_grad():
        whole, start = decode_latents(vae, latents), decode_latents(vae, latents[:, :, :2])
    assert torch.allclose(whole[:, :, :5], start, atol=1e-5)


def test_a_decoded_distance_is_one_a_sample_and_its_gradient_reaches_the_latents() -> None:
    torch.set_num_threads(1)
    given: list[torch.Size] = []

    def squared(frames: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        given.append(frames.shape)
        return (frames - truth).square().mean((1, 2, 3))

    vae = tiny_vae().requires_grad_(False)
    truth = torch.randn(2, 16, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    latents = torch.cat([truth[:1], truth[1:] + 0.5]).requires_grad_()
    found = DecodedDistance(vae, squared)(latents, truth)
    assert given == [(10, 3, 32, 48)]  # five frames of each
    assert found[0] == 0
    assert found[1] > 0
    found.sum().backward()
    assert latents.grad is not None
    assert not latents.grad[0].any()
    direction = latents.grad[1]
    with torch.no_grad():  # the finite difference along the gradient
        step = 1e-2 / direction.norm()
        apart = [DecodedDistance(vae, squared)(latents[1:] + sign * step * direction, truth[1:]) for sign in (1, -1)]
    assert float((apart[0] - apart[1]) / (2 * step)) == pytest.approx(float(direction.square().sum()), rel=0.02)
