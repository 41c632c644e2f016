from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.transformer import ProductVideoTransformer, is_product_parameter
from tests.tiny_wan import TEXT_DIM, opened, tiny_transformer

PRODUCT = {"product_dim": 24, "tokens_per_view": 9, "num_product_tokens": 6, "product_heads": 2}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def inputs(
    dtype: torch.dtype = torch.float32, batch_size: int = 2, num_views: int = 3, size: tuple[int, int] = (6, 8)
) -> dict[str, Any]:
    torch.manual_seed(1)
    return {
        "hidden_states": torch.randn(batch_size, 16, 3, *size, dtype=dtype),
        "timestep": torch.linspace(900, 100, batch_size),
        "conditions": Conditions(
            mask=torch.randn(batch_size, 4, 3, *size, dtype=dtype),
            masked_latents=torch.randn(batch_size, 16, 3, *size, dtype=dtype),
            product_tokens=torch.randn(batch_size, num_views, 9, 24, dtype=dtype),
            view_mask=torch.ones(batch_size, num_views, dtype=torch.bool),
            text=torch.randn(batch_size, 5, TEXT_DIM, dtype=dtype),
        ),
    }


def velocity_of(base: WanTransformer3DModel, given: dict[str, Any]) -> torch.Tensor:
    """What the base makes of the part of the inputs that it knows."""
    velocity: torch.Tensor = base(given["hidden_states"], given["timestep"], given["conditions"].text).sample
    return velocity


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropped", [False, True])
@torch.no_grad()
def test_a_new_model_equals_its_base_bit_for_bit(dtype: torch.dtype, dropped: bool) -> None:
    base = tiny_transformer().to(dtype)
    model = ProductVideoTransformer.from_base(base, **PRODUCT)
    given = inputs(dtype)
    if dropped:
        given["conditions"] = given["conditions"].without_product()
    assert torch.equal(model(**given).sample, velocity_of(base, given))


@torch.no_grad()
def test_a_new_model_equals_its_base_under_autocast() -> None:
    base = tiny_transformer()
    model = ProductVideoTransformer.from_base(base, **PRODUCT)
    given = inputs()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(**given).sample, velocity_of(base, given))


@torch.no_grad()
def test_a_new_model_equals_a_base_loaded_in_bf16_which_keeps_parts_in_fp32(tmp_path: Path) -> None:
    tiny_transformer().save_pretrained(tmp_path)
    base = WanTransformer3DModel.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    model = ProductVideoTransformer.from_base(base, **PRODUCT)
    given = inputs(torch.bfloat16)
    assert torch.equal(model(**given).sample, velocity_of(base, given))


@torch.no_grad()
def test_the_last_bits_hold_at_the_tiny_profiles_size_and_batch() -> None:
    base = tiny_transformer(num_attention_heads=4, attention_head_dim=32)
    model = ProductVideoTransformer.from_base(base, **PRODUCT)
    given = inputs(batch_size=4, size=(12, 18))
    assert torch.equal(model(**given).sample, velocity_of(base, given))


@torch.no_grad()
def test_an_opened_model_uses_photos_mask_and_masked_video() -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT))
    given = inputs()
    before = model(**given).sample
    conditions = given["conditions"]
    for name in ("product_tokens", "mask", "masked_latents"):
        changed = replace(conditions, **{name: getattr(conditions, name) + 1})
        assert not torch.allclose(model(**(given | {"conditions": changed})).sample, before, atol=1e-4)


@torch.no_grad()
def test_masked_views_do_not_matter_and_a_dropped_product_gives_finite_output() -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT))
    given = inputs()
    given["conditions"].view_mask[:] = torch.tensor([[True, False, True], [False, False, False]])
    before = model(**given).sample
    assert before.isfinite().all()
    given["conditions"].product_tokens[0, 1] = float("nan")
    given["conditions"].product_tokens[1] = 7
    assert torch.equal(model(**given).sample, before)


@torch.no_grad()
def test_views_are_an_unordered_set_up_to_their_embeddings_and_any_number_is_taken() -> None:
    encoder = ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT).product_encoder
    encoder.view_embedding.zero_()
    views = torch.randn(1, 11, 9, 24)
    assert torch.allclose(encoder(views), encoder(views.flip(1)), atol=1e-5)
    assert encoder(views[:, :1]).shape == (1, 6, 32)


def test_product_attention_has_the_patch_grid_and_lies_in_zero_to_one() -> None:
    model = ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT)
    output = model(**inputs(), return_product_attention=True)
    assert output.product_attention.shape == (2, 2, 3, 3, 4)
    assert output.product_attention.min() >= 0
    assert output.product_attention.max() <= 1
    output.product_attention.mean().backward()
    assert model.blocks[0].product_cross_attn.sink_key.grad.abs().sum() > 0


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_reach_gate_condition_and_then_everything_new(checkpointing: bool) -> None:
    model = ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT)
    if checkpointing:
        model.enable_gradient_checkpointing()
    model.train()
    model(**inputs()).sample.square().mean().backward()
    assert all(block.product_gate.grad.abs().sum() > 0 for block in model.blocks)
    assert model.patch_embedding.condition.weight.grad.abs().sum() > 0
    model.zero_grad()
    given = inputs()
    given["conditions"].view_mask[1] = False
    opened(model)(**given).sample.square().mean().backward()
    still = [name for name, p in model.named_parameters() if is_product_parameter(name) and not p.grad.abs().sum() > 0]
    assert still == []


@pytest.fixture
def one_process() -> Iterator[None]:
    """A process group of this process alone."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("param_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module")
@pytest.mark.usefixtures("one_process")
def test_sharded_and_checkpointed_it_takes_conditions_and_gives_gradients(param_dtype: torch.dtype) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT)).train()
    expected = model(**inputs()).sample
    model.enable_gradient_checkpointing()
    options: dict[str, Any] = {
        "mesh": torch.distributed.init_device_mesh("cpu", (1,)),
        "mp_policy": MixedPrecisionPolicy(param_dtype=param_dtype),
    }
    for block in model.blocks:
        fully_shard(block, **options)
    fully_shard(model, **options)
    with torch.autocast("cpu", torch.bfloat16, enabled=param_dtype == torch.bfloat16):
        velocity = model(**inputs()).sample
    assert torch.allclose(velocity.float(), expected, atol=1e-6 if param_dtype == torch.float32 else 0.2)
    velocity.float().square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_it_is_saved_and_loaded_with_its_config(tmp_path: Path) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT))
    model.save_pretrained(tmp_path)
    loaded = ProductVideoTransformer.from_pretrained(tmp_path)
    assert loaded.config.num_product_tokens == 6
    with torch.no_grad():
        assert torch.equal(loaded(**inputs()).sample, model(**inputs()).sample)


def test_it_is_built_from_a_base_folder_the_same_for_the_same_seed(tmp_path: Path) -> None:
    tiny_transformer().save_pretrained(tmp_path)
    first, second = (ProductVideoTransformer.from_base(tmp_path, seed=3, **PRODUCT).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_image_to_video_base_is_refused() -> None:
    with pytest.raises(PvttError, match="not a text-to-video model"):
        ProductVideoTransformer.from_base(tiny_transformer(in_channels=36), **PRODUCT)


def test_wrong_channels_and_token_counts_are_named() -> None:
    model = ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT)
    given = inputs()
    with pytest.raises(ValueError, match="15 channels, not z_t's 16"):
        model(**(given | {"hidden_states": given["hidden_states"][:, :15]}))
    conditions = replace(given["conditions"], product_tokens=given["conditions"].product_tokens[:, :, :4])
    with pytest.raises(ValueError, match="4 tokens a view"):
        model(**(given | {"conditions": conditions}))
