from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pvtt.training.losses import (
    contrastive_loss,
    outside_loss,
    region_error,
    stca_loss,
    temporal_difference_loss,
    velocity_loss,
)

SHAPE = (2, 3, 4, 2, 2)  # (B, C, F', h, w)


def random_velocities() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator)
    region = torch.rand(2, 1, 4, 2, 2, generator=generator)
    return predicted.requires_grad_(), target, region


def numeric_gradient(loss: Callable[[Tensor], Tensor], at: Tensor, index: tuple[int, ...], step: float = 1e-2) -> float:
    """Central difference; exact up to rounding for the quadratic losses."""
    shift = torch.zeros_like(at)
    shift[index] = step
    return float((loss(at + shift) - loss(at - shift)) / (2 * step))


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_the_velocity_loss_has_the_right_value_and_gradient(weight: float) -> None:
    predicted, target, region = random_velocities()
    loss = velocity_loss(predicted, target, weight * region)
    weights = (1 + weight * region).expand(SHAPE)
    expected = (weights * (predicted - target) ** 2).flatten(1).sum(1) / weights.flatten(1).sum(1)
    assert torch.allclose(loss, expected)
    loss.sum().backward()
    assert predicted.grad is not None
    analytic = 2 * weights * (predicted - target) / weights.flatten(1).sum(1).view(-1, 1, 1, 1, 1)
    assert torch.allclose(predicted.grad, analytic, atol=1e-6)


def test_the_region_weight_keeps_the_scale_of_an_even_error() -> None:
    _, target, region = random_velocities()
    for weight in (0.0, 1.0, 10.0):
        assert torch.allclose(velocity_loss(target + 0.5, target, weight * region), torch.full((2,), 0.25), atol=1e-5)


def test_the_region_weight_prefers_errors_inside() -> None:
    _, target, _ = random_velocities()
    region = torch.zeros(2, 1, 4, 2, 2)
    region[..., 0] = 1
    inside, outside = target + region, target + (1 - region)
    assert torch.allclose(velocity_loss(inside, target), velocity_loss(outside, target))
    assert (velocity_loss(inside, target, 3 * region) > 3 * velocity_loss(outside, target, 3 * region)).all()


def test_the_region_error_is_the_error_inside() -> None:
    _, target, _ = random_velocities()
    region = torch.zeros(2, 1, 4, 2, 2)
    region[0, :, :, 0] = 1  # the second sample has no region
    predicted = target + torch.where(region > 0, 2.0, 100.0)
    assert region_error(predicted, target, region).tolist() == pytest.approx([4.0, 0.0])


def test_the_outside_loss_sees_only_what_is_kept() -> None:
    predicted, target, _ = random_velocities()
    hole = torch.zeros(2, 1, 4, 2, 2)
    hole[..., 0] = 1  # half of the frame
    assert outside_loss(target + 3 * hole, target, hole).tolist() == [0, 0]
    assert outside_loss(target + 3 * (1 - hole), target, hole).tolist() == pytest.approx([4.5, 4.5])
    outside_loss(predicted, target, hole).sum().backward()
    assert predicted.grad is not None
    assert not predicted.grad[..., 0].any()
    at = (1, 2, 0, 1, 1)
    numeric = numeric_gradient(lambda p: outside_loss(p, target, hole).sum(), predicted.detach(), at)
    assert float(predicted.grad[at]) == pytest.approx(numeric, abs=1e-4)


def test_the_contrastive_loss_pulls_the_errors_apart_up_to_the_margin() -> None:
    own, other = torch.tensor([0.5, 0.5, 0.5]), torch.tensor([0.4, 0.55, 0.7])
    own.requires_grad_()
    other.requires_grad_()
    loss = contrastive_loss(own, other, margin=0.1)
    assert loss.tolist() == pytest.approx([0.2, 0.05, 0.0], abs=1e-6)
    loss.sum().backward()
    assert own.grad is not None
    assert other.grad is not None
    assert own.grad.tolist() == [1, 1, 0]  # less own error is better, until the margin is reached
    assert other.grad.tolist() == [-1, -1, 0]


def test_the_temporal_difference_sees_flicker_and_no_offset() -> None:
    predicted, target, _ = random_velocities()
    assert torch.allclose(temporal_difference_loss(target + 5.0, target), torch.zeros(2), atol=1e-9)
    flicker = torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 1, 4, 1, 1)
    assert torch.allclose(temporal_difference_loss(target + flicker, target), torch.full((2,), 4.0), atol=1e-5)
    temporal_difference_loss(predicted, target).sum().backward()
    assert predicted.grad is not None
    at = (1, 2, 0, 1, 0)
    numeric = numeric_gradient(lambda p: temporal_difference_loss(p, target).sum(), predicted.detach(), at)
    assert float(predicted.grad[at]) == pytest.approx(numeric, abs=1e-4)


def test_one_latent_frame_does_not_flicker() -> None:
    predicted, target, _ = random_velocities()
    assert temporal_difference_loss(predicted[:, :, :1], target[:, :, :1]).tolist() == [0, 0]


def test_stca_pulls_the_attention_into_the_region() -> None:
    region = torch.zeros(1, 1, 2, 4, 4)
    region[..., :2] = 1  # patches of 2×2: the left column of a 2×2 grid
    attention = torch.full((1, 3, 2, 2, 2), 0.5, requires_grad=True)  # 3 blocks
    loss = stca_loss(attention, region)
    assert loss.item() == pytest.approx(0.6931, abs=1e-3)
    loss.sum().backward()
    assert attention.grad is not None
    assert (attention.grad[..., 0] < 0).all()  # more inside is better
    assert (attention.grad[..., 1] > 0).all()
    at = (0, 1, 0, 1, 0)
    numeric = numeric_gradient(lambda a: stca_loss(a, region).sum(), attention.detach(), at, 1e-2)
    assert float(attention.grad[at]) == pytest.approx(numeric, rel=1e-2)


def test_stca_is_finite_at_the_ends_and_half_covered_patches_count_half() -> None:
    region = torch.zeros(1, 1, 1, 2, 2)
    assert stca_loss(torch.ones(1, 1, 1, 1, 1), region).isfinite().all()
    region[..., 0] = 1  # half of the only patch
    losses = [float(stca_loss(torch.full((1, 1, 1, 1, 1), value), region)) for value in (0.25, 0.5, 0.75)]
    assert min(losses) == losses[1]
