from __future__ import annotations

from pathlib import Path

import lpips
import numpy as np
import pytest
import torch

from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.metrics.perceptual import Lpips
from pvtt.models.perceptual import NETWORKS, DecodedDistance, Trunk, load_lpips, pool_in_order
from pvtt.models.vae import decode_latents, to_unit_range
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


@pytest.mark.parametrize("trunk", ["alex", "vgg"])
def test_pooling_in_order_changes_neither_the_distance_nor_its_gradient(tmp_path: Path, trunk: Trunk) -> None:
    network = load_lpips(trunk, save_trunk(trunk, tmp_path), KEY)
    generator = torch.Generator().manual_seed(0)
    truth, frames = (torch.rand(2, 3, 40, 56, generator=generator) * 2 - 1 for _ in range(2))

    def distance_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        leaf = frames.clone().requires_grad_()
        distance = network(leaf, truth).flatten()
        distance.sum().backward()
        assert leaf.grad is not None
        return distance.detach(), leaf.grad

    expected = distance_and_gradient()
    pool_in_order(network)
    assert not [module for module in network.modules() if isinstance(module, torch.nn.MaxPool2d)]
    torch.testing.assert_close(distance_and_gradient(), expected)


@pytest.mark.parametrize("trunk", ["alex", "vgg"])
def test_both_metrics_are_the_packages_own_figure_of_the_same_trunk(tmp_path: Path, trunk: Trunk) -> None:
    """The package is given the trunk through its own place for one, torchvision's model, and reads pictures itself."""
    path = save_trunk(trunk, tmp_path)
    random = np.random.default_rng(0)
    truth = random.integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    video = np.clip(truth + random.integers(-60, 60, truth.shape), 0, 255).astype(np.uint8)
    pairs = [
        tuple(lpips.im2tensor(frame, cent=1.0, factor=255.0 / 2) for frame in pair)
        for pair in zip(video, truth, strict=True)
    ]
    frame, pixel = (packages_own(trunk, path, spatial) for spatial in (False, True))
    with torch.inference_mode():
        expected = torch.stack([frame(*pair).flatten()[0] for pair in pairs])
        maps = torch.cat([pixel(*pair)[:, 0] for pair in pairs])
        unscaled = torch.stack([frame(*((1 + one) / 2 for one in pair)).flatten()[0] for pair in pairs])
    given = [to_unit_range(torch.from_numpy(frames)[None])[0].transpose(0, 1) for frames in (video, truth)]
    torch.testing.assert_close(NETWORKS[f"lpips_{trunk}"](path, KEY, CPU)(*given), expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(unscaled, expected, rtol=0.05)  # so the range is seen
    metric = Lpips(load_lpips(trunk, path, KEY, spatial=True))
    torch.testing.assert_close(metric.map(video, truth), maps, rtol=1e-4, atol=1e-6)
    region = random.random(truth.shape[:3]) < 0.3
    assert metric(video, truth) == pytest.approx(float(maps.mean()), rel=1e-5)
    assert metric(video, truth, region) == pytest.approx(float(maps.numpy()[region].mean()), rel=1e-5)


def packages_own(trunk: Trunk, path: Path, spatial: bool) -> torch.nn.Module:
    """`lpips.LPIPS` as the package makes it with its trunk, which it takes from torchvision."""
    from torchvision import models

    name = {"alex": "alexnet", "vgg": "vgg16"}[trunk]
    with torch.device("meta"):
        whole = getattr(models, name)(weights=None)
    whole.load_state_dict(torch.load(path, weights_only=True), strict=False, assign=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(models, name, lambda **_: whole)
        return lpips.LPIPS(net=trunk, spatial=spatial, verbose=False)


@pytest.mark.parametrize("trunk", ["alex", "vgg"])
def test_the_package_is_the_papers_formula(tmp_path: Path, trunk: Trunk) -> None:
    """Equation 1 of the paper over torchvision's layers, with the package's own linear weights."""
    from torchvision import models

    path = save_trunk(trunk, tmp_path)
    with torch.device("meta"):
        whole = {"alex": models.alexnet, "vgg": models.vgg16}[trunk](weights=None)
    whole.load_state_dict(torch.load(path, weights_only=True), strict=False, assign=True)
    taps = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}[trunk]  # after the ReLU of each level
    package = Path(lpips.__file__).parent
    linear = torch.load(package / f"weights/v0.1/{trunk}.pth", map_location="cpu", weights_only=True)
    generator = torch.Generator().manual_seed(1)
    pair = torch.rand(2, 3, 40, 56, generator=generator) * 2 - 1
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])  # ImageNet's, of [0, 1]
    seen = (((pair + 1) / 2) - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    total = torch.zeros(())
    with torch.inference_mode():
        for number, layer in enumerate(whole.features[: max(taps) + 1]):
            seen = layer(seen)
            if number in taps:
                unit = seen / (seen.square().sum(1, keepdim=True).sqrt() + 1e-10)
                weights = linear[f"lin{taps.index(number)}.model.1.weight"].flatten()
                total = total + ((unit[0] - unit[1]).square() * weights.view(-1, 1, 1)).sum(0).mean()
    found = NETWORKS[f"lpips_{trunk}"](path, KEY, CPU)(pair[:1], pair[1:])
    # The package's constants of the range are ImageNet's, rounded to three digits.
    assert float(found) == pytest.approx(float(total), rel=5e-3)


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
