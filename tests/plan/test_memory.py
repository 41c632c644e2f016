"""What the plan computes, against what PyTorch and the encoder do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pvtt.models.summary import dummy_conditions, new_transformer
from pvtt.params.file import Params
from pvtt.params.profiles import overlaid_params
from pvtt.plan.disk import sample_bytes
from pvtt.plan.memory import block_bytes
from pvtt.plan.shape import architecture, sample_shape
from pvtt.plan.work import VAE_DECODE, VAE_ENCODE

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def params() -> Params:
    poc = overlaid_params(PROJECT / "params.yaml", PROJECT / "infra" / "profiles", "poc")
    small = {"num_frames": 9, "width": 128, "height": 96, "photo_size": 32, "text_tokens": 8}
    return poc.model_copy(update={"encode": poc.encode.model_copy(update=small)})


def saved_bytes(params: Params, config: dict[str, Any], bf16: bool) -> int:
    """What autograd keeps of a forward pass, weights and their bf16 copies aside."""
    model = new_transformer(params, config, params.model.conditioning).train()
    conditions = dummy_conditions(params, config)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    shapes = {parameter.shape for parameter in model.parameters()} | {
        parameter.T.shape for parameter in model.parameters() if parameter.ndim == 2
    }
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in weights and tensor.shape not in shapes:
            kept[place] = tensor
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=bf16),
    ):
        model(torch.randn_like(conditions.masked_latents), torch.full((1,), 500.0), conditions)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("ffn_dim", [256, 1024])
def test_a_block_keeps_what_autograd_saves(params: Params, bf16: bool, ffn_dim: int) -> None:
    config: dict[str, Any] = {
        "attention_head_dim": 32,
        "num_attention_heads": 4,
        "ffn_dim": ffn_dim,
        "num_layers": 1,
        "in_channels": 16,
        "out_channels": 16,
        "patch_size": (1, 2, 2),
        "text_dim": 64,
        "freq_dim": 64,
    }
    one, two = (saved_bytes(params, config | {"num_layers": layers}, bf16) for layers in (1, 2))
    planned = block_bytes(architecture(config), sample_shape(params).patches, bf16)
    assert two - one == pytest.approx(planned, rel=0.1)


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
def test_a_cogvideox_s_block_keeps_what_autograd_saves(params: Params, bf16: bool) -> None:
    params = params.model_copy(update={"model": params.model.model_copy(update={"product_heads": 4})})
    config: dict[str, Any] = {
        "attention_head_dim": 32,
        "num_attention_heads": 4,
        "num_layers": 1,
        "in_channels": 16,
        "out_channels": 16,
        "patch_size": 2,
        "text_embed_dim": 64,
        "time_embed_dim": 64,
        "max_text_seq_length": 8,
    }
    one, two = (saved_bytes(params, config | {"num_layers": layers}, bf16) for layers in (1, 2))
    planned = block_bytes(architecture(config), sample_shape(params, config).patches, bf16)
    assert two - one == pytest.approx(planned, rel=0.1)


def test_an_encoded_sample_is_as_large_as_planned(params: Params) -> None:
    config = {"in_channels": 16, "patch_size": (1, 2, 2), "text_dim": 64}
    conditions = dummy_conditions(params, config)
    stored = [conditions.masked_latents, conditions.mask, conditions.collage_latents, conditions.collage_mask]
    values = sum(tensor.numel() for tensor in stored if tensor is not None)
    values += conditions.masked_latents.numel() + conditions.mask[:, :1].numel()  # latents, region
    values += conditions.photo_latents.numel()
    shape = architecture(
        config | {"attention_head_dim": 32, "num_attention_heads": 4, "ffn_dim": 8, "num_layers": 1, "freq_dim": 64}
    )
    planned = sample_bytes(params, shape, sample_shape(params), 3)
    assert planned == 2 * (3 * values + conditions.text.numel())  # bfloat16


def test_the_vae_s_work_is_wan_2_1_s() -> None:
    from diffusers import AutoencoderKLWan
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), torch.no_grad():
        vae = AutoencoderKLWan()
        video = torch.empty(1, 3, 17, 96, 96)
        with FlopCounterMode(display=False) as encoding:
            latents = vae.encode(video).latent_dist.mode()
        with FlopCounterMode(display=False) as decoding:
            vae.decode(latents)
    pixels = video[0, 0].numel()
    assert encoding.get_total_flops() / pixels == pytest.approx(VAE_ENCODE, rel=0.05)
    assert decoding.get_total_flops() / pixels == pytest.approx(VAE_DECODE, rel=0.05)
