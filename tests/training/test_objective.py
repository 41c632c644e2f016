from __future__ import annotations

from typing import Any

import pytest
import torch

from pvtt.encoding.store import EncodedDataset
from pvtt.files.workspace import Workspace
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.train import LossParams, TrainParams
from pvtt.training.dataset import Batch, SampleSequence, collate
from pvtt.training.losses import velocity_loss
from pvtt.training.objective import evaluate_loss
from tests.tiny_wan import TEXT_DIM, tiny_transformer
from tests.training.samples import LATENT_SHAPE, TEXT_TOKENS, tiny_params

CONDITIONING = ("mask_channels", "reference_frames", "product_tokens")
EMPTY_LATENTS = torch.full(LATENT_SHAPE, 0.25)


class CountedModel:
    """The real model; remembers how it was called."""

    def __init__(self) -> None:
        self.model = ProductVideoTransformer.from_base(
            tiny_transformer(), conditioning=CONDITIONING, tokens_per_view=4, num_product_tokens=6, product_heads=2
        )
        self.calls: list[dict[str, Any]] = []

    def __call__(self, **arguments: Any) -> Any:
        self.calls.append(arguments)
        return self.model(**arguments)


def params_with(**weights: float) -> TrainParams:
    return tiny_params().train.model_copy(update={"loss": LossParams(**({"region": 0.0} | weights))})


@pytest.fixture
def batch(workspace: Workspace) -> Batch:
    dataset = EncodedDataset(workspace.out("encode"), "train")
    sequence = SampleSequence(dataset.samples, seed=1, product_dropout=0.5)
    draws = [sequence[position] for position in range(4)]
    assert {bool(draw.views) for draw in draws} == {False, True}
    return collate(dataset, draws, torch.zeros(TEXT_TOKENS, TEXT_DIM), 3, torch.device("cpu"))


def test_terms_of_weight_zero_cost_nothing(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("computed at weight 0")

    for name in ("temporal_difference_loss", "stca_loss", "_preservation_loss"):
        monkeypatch.setattr(f"pvtt.training.objective.{name}", refuse)
    model = CountedModel()
    loss = evaluate_loss(model, batch, params_with())
    assert len(model.calls) == 1
    assert not model.calls[0]["return_product_attention"]
    assert set(loss.parts) == {"region"}


def test_the_product_and_the_hole_count_more_where_they_are(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[torch.Tensor | None] = []

    def keep(predicted: torch.Tensor, target: torch.Tensor, extra_weight: torch.Tensor | None = None) -> torch.Tensor:
        given.append(extra_weight)
        return velocity_loss(predicted, target, extra_weight)

    monkeypatch.setattr("pvtt.training.objective.velocity_loss", keep)
    hole = batch.conditions.mask.amax(1, keepdim=True)
    for weights, expected in (
        ({}, None),
        ({"region": 2.0}, 2 * batch.region),
        ({"hole": 3.0}, 3 * hole),
        ({"region": 2.0, "hole": 3.0}, 2 * batch.region + 3 * hole),
    ):
        evaluate_loss(CountedModel(), batch, params_with(**weights))
        extra = given.pop()
        assert (extra is None) == (expected is None)
        assert extra is None or expected is None or torch.equal(extra, expected)


@pytest.mark.parametrize("name", ["temporal_difference", "stca", "preservation"])
def test_each_term_is_added_with_its_weight(batch: Batch, name: str) -> None:
    model = CountedModel()
    plain = evaluate_loss(model, batch, params_with()).total
    for weight in (0.5, 2.0):
        loss = evaluate_loss(model, batch, params_with(**{name: weight}), EMPTY_LATENTS)
        assert torch.allclose(loss.total, plain + weight * loss.parts[name], atol=1e-6)
        assert torch.allclose(loss.parts["velocity"], plain)
        assert not loss.parts[name].requires_grad


def test_the_channels_are_noise_mask_and_masked_video_in_this_order(batch: Batch) -> None:
    model = CountedModel()
    given: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: torch.nn.Module, arguments: tuple[torch.Tensor]) -> None:
            given.setdefault(name, *arguments)  # the video's come before the references'

        return hook

    model.model.patch_embedding.register_forward_pre_hook(keep("noise"))
    model.model.parts["mask_channels"].embedding.register_forward_pre_hook(keep("channels"))
    evaluate_loss(model, batch, params_with())
    assert torch.equal(given["noise"], model.calls[0]["hidden_states"])
    assert given["channels"].shape[1] == 20
    assert torch.equal(given["channels"][:, :4], batch.conditions.mask)
    assert torch.equal(given["channels"][:, 4:], batch.conditions.masked_latents)


def test_stca_leaves_dropped_products_out(batch: Batch) -> None:
    loss = evaluate_loss(CountedModel(), batch, params_with(stca=1.0))
    assert ((loss.parts["stca"] > 0) == batch.conditions.view_mask.any(1)).all()


def test_preservation_generates_the_whole_video_without_product(batch: Batch) -> None:
    model = CountedModel()
    evaluate_loss(model, batch, params_with(preservation=1.0), EMPTY_LATENTS)
    _, second = model.calls
    assert (second["conditions"].mask == 1).all()
    assert (second["conditions"].masked_latents == 0.25).all()
    assert not second["conditions"].view_mask.any()


def test_all_trained_parameters_get_gradients_once_the_gates_open(batch: Batch) -> None:
    model = CountedModel()
    for name, parameter in model.model.named_parameters():
        if name.endswith("gate"):
            torch.nn.init.ones_(parameter)
    weights = params_with(region=1, temporal_difference=1, stca=1, preservation=1)
    evaluate_loss(model, batch, weights, EMPTY_LATENTS).total.mean().backward()
    without = [
        name for name, parameter in model.model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []
