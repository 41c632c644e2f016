from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from pvtt.encoding.store import EncodedDataset
from pvtt.files.workspace import Workspace
from pvtt.models.perceptual import DecodedDistance
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.train import LossParams, PerceptualParams, TrainParams
from pvtt.training.dataset import Batch, ForeignBatch, SampleSequence, collate
from pvtt.training.losses import velocity_loss
from pvtt.training.objective import evaluate_loss, predict
from pvtt.training.terms import TERMS, LossInputs, other_products
from tests.tiny_wan import TEXT_DIM, tiny_transformer, tiny_vae
from tests.training.samples import LATENT_SHAPE, TEXT_TOKENS, tiny_params

CONDITIONING = ("mask_channels", "reference_frames", "product_tokens")


def squared(frames: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The simplest distance of frames."""
    return (frames - truth).square().mean((1, 2, 3))


torch.set_num_threads(1)
BASE = ProductVideoTransformer.from_base(tiny_transformer(), conditioning=()).requires_grad_(False)
INPUTS = LossInputs(
    base=BASE,
    empty_latents=torch.full(LATENT_SHAPE, 0.25),
    decoded=DecodedDistance(tiny_vae().requires_grad_(False), squared),
)


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
    batch = collate(dataset, draws, torch.zeros(TEXT_TOKENS, TEXT_DIM), 3, torch.device("cpu"))
    assert batch.point_patches is None
    point_patches = torch.zeros_like(batch.region)
    point_patches[:3, :, :, 1, 2:4] = 1  # the last sample has no points
    assert batch.foreign is None
    torch.manual_seed(3)
    foreign = ForeignBatch(torch.randn_like(batch.latents), torch.randn_like(batch.conditions.text))
    return replace(batch, point_patches=point_patches, foreign=foreign)


def test_terms_of_weight_zero_cost_nothing(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("computed at weight 0")

    for name in set(TERMS) - {"velocity"}:
        monkeypatch.setitem(TERMS, name, refuse)  # type: ignore[arg-type]
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

    monkeypatch.setattr("pvtt.training.terms.velocity_loss", keep)
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


@pytest.mark.parametrize("name", sorted(set(TERMS) - {"velocity"}))
def test_each_term_is_added_with_its_weight(batch: Batch, name: str) -> None:
    model = CountedModel()
    plain = evaluate_loss(model, batch, params_with()).total
    for weight in (0.5, 2.0):
        loss = evaluate_loss(model, batch, params_with(**{name: weight}), INPUTS)
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
    evaluate_loss(model, batch, params_with(preservation=1.0), INPUTS)
    _, second = model.calls
    assert (second["conditions"].mask == 1).all()
    assert (second["conditions"].masked_latents == 0.25).all()
    assert not second["conditions"].view_mask.any()


def test_on_foreign_clips_the_model_is_held_to_its_base(batch: Batch) -> None:
    model, params = CountedModel(), params_with(foreign_preservation=1.0)
    assert not evaluate_loss(model, batch, params, INPUTS).parts["foreign_preservation"].any()  # it has not moved
    first, second = model.calls
    assert batch.foreign is not None
    assert not torch.equal(second["hidden_states"], first["hidden_states"])
    assert torch.equal(second["timestep"], first["timestep"])
    conditions = second["conditions"]
    assert (conditions.mask == 1).all()
    assert (conditions.masked_latents == 0.25).all()
    assert not conditions.view_mask.any()
    assert torch.equal(conditions.text, batch.foreign.text)

    with torch.no_grad():
        model.model.proj_out.weight.add_(0.1)
    loss = evaluate_loss(model, batch, params, INPUTS)
    assert (loss.parts["foreign_preservation"] > 0).all()
    expected = velocity_loss(
        model(**second).sample, BASE(second["hidden_states"], second["timestep"], conditions).sample
    )
    assert torch.allclose(loss.parts["foreign_preservation"], expected)
    loss.total.mean().backward()
    assert all(parameter.grad is None for parameter in BASE.parameters())
    with pytest.raises(ValueError, match="foreign clips needs them"):
        evaluate_loss(model, replace(batch, foreign=None), params, INPUTS)


def test_all_trained_parameters_get_gradients_once_the_gates_open(batch: Batch) -> None:
    model = CountedModel()
    for name, parameter in model.model.named_parameters():
        if name.endswith("gate"):
            torch.nn.init.ones_(parameter)
    weights = params_with(region=1, temporal_difference=1, stca=1, preservation=1, contrastive=1)
    evaluate_loss(model, batch, weights, INPUTS).total.mean().backward()
    without = [
        name for name, parameter in model.model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []


def test_the_loss_of_dreamswapv_is_outside_plus_inside(batch: Batch) -> None:
    """L = (1 - M) ⊙ L_pt + λ · L_rw, and nothing else."""
    loss = evaluate_loss(CountedModel(), batch, params_with(velocity=0.0, outside=1.0, inside=2.5))
    assert set(loss.parts) == {"region", "outside", "inside"}
    assert torch.equal(loss.total, loss.parts["outside"] + 2.5 * loss.parts["inside"])
    hole = batch.conditions.mask.amax(1, keepdim=True)
    plain = evaluate_loss(CountedModel(), batch, params_with()).total
    assert torch.allclose(loss.parts["outside"] + loss.parts["inside"] * hole.mean((1, 2, 3, 4)), plain, atol=1e-6)


def test_without_a_term_that_sees_the_whole_product_there_is_nothing_to_train_on() -> None:
    with pytest.raises(ValueError, match="velocity, outside and inside are all 0"):
        LossParams(velocity=0, stca=1)


def test_the_contrastive_term_compares_with_the_photos_of_the_next_other_product(batch: Batch) -> None:
    model = CountedModel()
    evaluate_loss(model, batch, params_with(contrastive=1.0))
    first, second = (call["conditions"] for call in model.calls)
    others = other_products(batch)
    assert [other is not None for other in others] == batch.conditions.has_product.tolist()
    for place, other in enumerate(others):
        source = place if other is None else other
        assert torch.equal(second.photo_latents[place], first.photo_latents[source])
        assert torch.equal(second.view_mask[place], first.view_mask[source])
        assert torch.equal(second.masked_latents[place], first.masked_latents[place])


def test_a_product_is_not_contrasted_with_itself_nor_with_a_dropped_one(batch: Batch) -> None:
    present = batch.conditions.has_product
    same = replace(batch, product_ids=("A",) * 4)
    assert other_products(same) == [None] * 4
    loss = evaluate_loss(CountedModel(), same, params_with(contrastive=1.0))
    assert loss.parts["contrastive"].tolist() == [0] * 4
    some = evaluate_loss(CountedModel(), batch, params_with(contrastive=1.0)).parts["contrastive"]
    assert torch.allclose(some, 0.1 * present)  # a new model does not look at photos: both errors are one


def test_the_contrastive_term_teaches_a_model_to_look_at_photos(batch: Batch) -> None:
    """Its gradient alone opens the gates: the other's photos come to fit worse than the own."""
    model = CountedModel()
    gates = [parameter for name, parameter in model.model.named_parameters() if name.endswith("gate")]
    only = params_with(contrastive=1.0).model_copy(update={"contrastive_margin": 1.0})
    optimizer = torch.optim.Adam(gates, lr=0.05)
    history = []
    for _ in range(12):
        loss = TERMS["contrastive"](predict(model, batch, only)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.98 * history[0]


def test_the_point_patch_term_is_the_error_in_the_patches(batch: Batch) -> None:
    made = predict(CountedModel(), batch, params_with())
    error = (made.velocity - made.target).square()[:, :, :, 1, 2:4].mean((1, 2, 3))
    assert torch.allclose(TERMS["point_patch"](made), error * torch.tensor([1.0, 1, 1, 0]))
    with pytest.raises(ValueError, match="tracked points"):
        TERMS["point_patch"](replace(made, batch=replace(batch, point_patches=None)))


def test_the_perceptual_term_sees_the_estimate_of_the_data_at_low_noise(batch: Batch) -> None:
    made = predict(CountedModel(), batch, params_with(), INPUTS)
    exact = replace(made, velocity=made.target)
    assert TERMS["perceptual"](exact).abs().max() < 1e-6  # x₀ = x_t - σ·v
    near = made.sigmas <= 0.5
    assert {True, False} == set(near.tolist())
    found = TERMS["perceptual"](made)
    assert ((found > 0) == near).all()
    estimate = made.noisy - made.sigmas.view(-1, 1, 1, 1, 1) * made.velocity
    assert INPUTS.decoded is not None
    assert torch.allclose(found, INPUTS.decoded(estimate[:, :, :1], batch.latents[:, :, :1]) * near, atol=1e-6)
    nowhere = made.params.model_copy(update={"perceptual": PerceptualParams(max_sigma=0.0)})
    assert TERMS["perceptual"](replace(made, params=nowhere)).tolist() == [0] * 4
