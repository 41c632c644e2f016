from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file, save_file
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.loading import load_component
from pvtt.models.transformer import ProductVideoTransformer, is_product_parameter
from tests.tiny_wan import TEXT_DIM, opened, tiny_transformer

SIZES = {
    "tokens_per_view": 9,
    "num_product_tokens": 6,
    "product_heads": 2,
    "dino_dim": 10,
    "dino_tokens_per_view": 5,
}
WAYS: tuple[tuple[str, ...], ...] = (
    ("mask_channels",),
    ("template_frames",),
    ("reference_frames",),
    ("mask_channels", "reference_frames"),
    ("mask_channels", "reference_frames", "collage"),
    ("mask_channels", "product_tokens"),
    ("template_frames", "reference_frames"),
    ("dual_encoder",),
    ("context_blocks",),
    ("context_blocks", "product_tokens", "dual_encoder"),
    ("mask_channels", "template_frames", "reference_frames", "collage", "product_tokens", "dual_encoder"),
)
PRODUCT: dict[str, Any] = {"conditioning": WAYS[-1]} | SIZES


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
            photo_latents=torch.randn(batch_size, num_views, 16, 6, 6, dtype=dtype),
            view_mask=torch.ones(batch_size, num_views, dtype=torch.bool),
            text=torch.randn(batch_size, 5, TEXT_DIM, dtype=dtype),
            template_latents=torch.randn(batch_size, 16, 3, *size, dtype=dtype),
            image_tokens=torch.randn(batch_size, num_views, 9, 64, dtype=dtype),
            dino_tokens=torch.randn(batch_size, num_views, 5, 10, dtype=dtype),
            context_mask=torch.randn(batch_size, 64, 3, *size, dtype=dtype),
            reactive_latents=torch.randn(batch_size, 16, 3, *size, dtype=dtype),
            canvas_latents=torch.randn(batch_size, num_views, 16, *size, dtype=dtype),
            collage_latents=torch.randn(batch_size, 16, 3, *size, dtype=dtype),
            collage_mask=torch.randn(batch_size, 4, 3, *size, dtype=dtype),
        ),
    }


def velocity_of(base: WanTransformer3DModel, given: dict[str, Any]) -> torch.Tensor:
    """What the base makes of the part of the inputs that it knows."""
    velocity: torch.Tensor = base(given["hidden_states"], given["timestep"], given["conditions"].text).sample
    return velocity


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
@torch.no_grad()
def test_a_new_model_equals_its_base_bit_for_bit(
    conditioning: tuple[str, ...], dtype: torch.dtype, dropped: bool
) -> None:
    base = tiny_transformer().to(dtype)
    model = ProductVideoTransformer.from_base(base, conditioning=conditioning, **SIZES)
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
        own, expected = model(**given).sample, velocity_of(base, given)
    # The base computes the noise level in bfloat16, which the model does not: to rounding, and to the bit in float32.
    torch.testing.assert_close(own, expected, atol=0.02, rtol=0.02)


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


@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
@torch.no_grad()
def test_an_opened_model_uses_what_its_parts_read_and_nothing_else(conditioning: tuple[str, ...]) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), conditioning=conditioning, **SIZES))
    given = inputs()
    before = model(**given).sample
    conditions = given["conditions"]
    read = {
        "photo_latents": "reference_frames" in conditioning,
        "image_tokens": not {"product_tokens", "dual_encoder"}.isdisjoint(conditioning),
        "dino_tokens": "dual_encoder" in conditioning,
        "mask": "mask_channels" in conditioning,
        "masked_latents": not {"mask_channels", "collage", "context_blocks"}.isdisjoint(conditioning),
        "collage_latents": "collage" in conditioning,
        "collage_mask": "collage" in conditioning,
        "template_latents": "template_frames" in conditioning,
        "context_mask": "context_blocks" in conditioning,
        "reactive_latents": "context_blocks" in conditioning,
        "canvas_latents": "context_blocks" in conditioning,
    }
    for name, is_read in read.items():
        changed = replace(conditions, **{name: getattr(conditions, name) + 1})
        after = model(**(given | {"conditions": changed})).sample
        assert torch.allclose(after, before, atol=1e-4) != is_read, name


@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
@torch.no_grad()
def test_masked_views_do_not_matter_and_a_dropped_product_gives_finite_output(conditioning: tuple[str, ...]) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), conditioning=conditioning, **SIZES))
    given = inputs()
    given["conditions"].view_mask[:] = torch.tensor([[True, False, True], [False, False, False]])
    before = model(**given).sample
    assert before.isfinite().all()
    for name in ("photo_latents", "image_tokens", "dino_tokens", "canvas_latents"):
        getattr(given["conditions"], name)[0, 1] = float("nan")
        getattr(given["conditions"], name)[1] = 7
    assert torch.equal(model(**given).sample, before)


@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
@torch.no_grad()
def test_any_number_of_views_is_taken(conditioning: tuple[str, ...]) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), conditioning=conditioning, **SIZES))
    for num_views in (1, 2, 8, 11):
        assert model(**inputs(num_views=num_views)).sample.isfinite().all()


@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
@torch.no_grad()
def test_unequal_numbers_of_views_share_a_batch(conditioning: tuple[str, ...]) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), conditioning=conditioning, **SIZES))
    given = inputs(num_views=4)
    whole = given["conditions"]
    samples = [whole[0], whole[1].with_views((2,))]
    together = model(**(given | {"conditions": Conditions.concatenate(samples)})).sample
    for place, one in enumerate(samples):
        alone = {name: given[name][place : place + 1] for name in ("hidden_states", "timestep")}
        assert torch.allclose(model(**alone, conditions=one).sample[0], together[place], atol=1e-4)


@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
@torch.no_grad()
def test_no_view_at_all_is_a_dropped_product(conditioning: tuple[str, ...]) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), conditioning=conditioning, **SIZES))
    given = inputs()
    without = model(**(given | {"conditions": given["conditions"].with_views(())})).sample
    assert torch.allclose(without, model(**(given | {"conditions": given["conditions"].without_product()})).sample)


@torch.no_grad()
def test_what_a_part_reads_and_is_not_there_is_named() -> None:
    for name, field in (
        ("template_frames", "template_latents"),
        ("dual_encoder", "dino_tokens"),
        ("collage", "collage_latents"),
    ):
        model = ProductVideoTransformer.from_base(tiny_transformer(), conditioning=(name,), **SIZES)
        given = inputs()
        with pytest.raises(ValueError, match=f"the conditions have no {field}"):
            model(**(given | {"conditions": replace(given["conditions"], **{field: None})}))


@torch.no_grad()
def test_references_look_at_one_another_alone_and_are_computed_once() -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT)).eval()
    given = inputs()
    memory = model.remember(given["conditions"])
    assert len(memory) == len(model.blocks)
    for changed in (
        {"hidden_states": given["hidden_states"] * 3, "timestep": given["timestep"] / 7},
        {"conditions": replace(given["conditions"], mask=given["conditions"].mask + 1)},
        {"conditions": given["conditions"].with_text(torch.zeros(5, TEXT_DIM))},
    ):
        other = given | changed
        again = model.remember(other["conditions"])
        for one, two in zip(memory, again, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one["reference_frames"], two["reference_frames"], strict=True))
        assert torch.equal(model(**other, memory=memory).sample, model(**other).sample)


@torch.no_grad()
def test_views_are_an_unordered_set_up_to_their_embeddings() -> None:
    encoder = ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT).parts["product_tokens"].encoder
    encoder.view_embedding.zero_()
    views = torch.randn(1, 11, 9, 64)
    assert torch.allclose(encoder(views), encoder(views.flip(1)), atol=1e-5)
    assert encoder(views[:, :1]).shape == (1, 6, 32)


def test_product_attention_has_the_patch_grid_and_lies_in_zero_to_one() -> None:
    model = ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT)
    output = model(**inputs(), return_product_attention=True)
    assert output.product_attention.shape == (2, 2 * 3, 3, 3, 4)  # two blocks, three parts that attend
    assert output.product_attention.min() >= 0
    assert output.product_attention.max() <= 1
    output.product_attention.mean().backward()
    assert model.blocks[0].parts["product_tokens"].cross_attn.sink_key.grad.abs().sum() > 0
    assert model.blocks[0].parts["reference_frames"].sink_key.grad.abs().sum() > 0


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_reach_a_contexts_ends_and_then_all_of_it(checkpointing: bool) -> None:
    model = ProductVideoTransformer.from_base(tiny_transformer(), conditioning=("context_blocks",))
    if checkpointing:
        model.enable_gradient_checkpointing()
    model.train()
    model(**inputs()).sample.square().mean().backward()
    context = model.parts["context_blocks"]
    assert all(block.proj_out.weight.grad.abs().sum() > 0 for block in context.blocks)
    model.zero_grad()
    opened(model)(**inputs()).sample.square().mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in context.parameters())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_reach_gate_condition_and_then_everything_new(checkpointing: bool) -> None:
    model = ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT)
    if checkpointing:
        model.enable_gradient_checkpointing()
    model.train()
    model(**inputs()).sample.square().mean().backward()
    for block in model.blocks:
        assert all(
            block.parts[name].gate.grad.abs().sum() > 0
            for name in ("reference_frames", "product_tokens", "dual_encoder")
        )
    for name in ("mask_channels", "template_frames"):
        assert model.parts[name].embedding.weight.grad.abs().sum() > 0
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


@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
def test_it_is_saved_and_loaded_with_its_config(tmp_path: Path, conditioning: tuple[str, ...]) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), conditioning=conditioning, **SIZES))
    model.save_pretrained(tmp_path)
    loaded = load_component(tmp_path, ProductVideoTransformer)
    assert loaded.config.num_product_tokens == 6
    with torch.no_grad():
        assert torch.equal(loaded(**inputs()).sample, model(**inputs()).sample)


@pytest.mark.parametrize("padding", range(0, 64, 8))
@torch.no_grad()
def test_the_same_weights_give_the_same_bits_wherever_they_lie_in_their_file(tmp_path: Path, padding: int) -> None:
    model = opened(ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT))
    model.save_pretrained(tmp_path)
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    save_file(load_file(path), path, metadata={"format": "pt", "padding": " " * padding})
    loaded = load_component(tmp_path, ProductVideoTransformer, torch_dtype=torch.float32)
    for batch_size in (1, 2):
        given = inputs(batch_size=batch_size)
        assert torch.equal(loaded(**given).sample, model(**given).sample)


def test_it_is_built_from_a_base_folder_the_same_for_the_same_seed(tmp_path: Path) -> None:
    tiny_transformer().save_pretrained(tmp_path)
    first, second = (ProductVideoTransformer.from_base(tmp_path, seed=3, **PRODUCT).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_base_that_takes_more_and_reads_no_photo_is_refused() -> None:
    with pytest.raises(PvttError, match=r"neither Wan2\.1-T2V nor Wan2\.1-I2V"):
        ProductVideoTransformer.from_base(tiny_transformer(in_channels=36), **PRODUCT)


def test_wrong_channels_and_token_counts_are_named() -> None:
    model = ProductVideoTransformer.from_base(tiny_transformer(), **PRODUCT)
    given = inputs()
    with pytest.raises(ValueError, match="15 channels, not z_t's 16"):
        model(**(given | {"hidden_states": given["hidden_states"][:, :15]}))
    conditions = replace(given["conditions"], image_tokens=given["conditions"].image_tokens[:, :, :4])
    with pytest.raises(ValueError, match="4 tokens a view"):
        model(**(given | {"conditions": conditions}))
