"""Random Wan checkpoints of a few thousand parameters, in the exact Diffusers layout, for tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
    WanVACETransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.encode import EncodeParams

TEXT_DIM = 32
VaeKind = Literal["wan2.1", "wan2.2"]


def tiny_transformer(seed: int = 0, **changes: Any) -> WanTransformer3DModel:
    """A random transformer: width 32, two blocks."""
    torch.manual_seed(seed)
    config: dict[str, Any] = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": TEXT_DIM,
        "freq_dim": 32,
        "ffn_dim": 64,
        "num_layers": 2,
        "rope_max_seq_len": 64,
    }
    return WanTransformer3DModel(**(config | changes)).eval()


def tiny_vace(seed: int = 0, **changes: Any) -> WanVACETransformer3DModel:
    """A random VACE: width 32, three blocks, two of them with a context block."""
    torch.manual_seed(seed)
    config: dict[str, Any] = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "text_dim": TEXT_DIM,
        "freq_dim": 32,
        "ffn_dim": 64,
        "num_layers": 3,
        "rope_max_seq_len": 64,
        "vace_layers": [0, 2],
        "vace_in_channels": 96,
    }
    return WanVACETransformer3DModel(**(config | changes)).eval()


def tiny_i2v(seed: int = 0, **changes: Any) -> WanTransformer3DModel:
    """A random image-to-video transformer: width 32, two blocks, pictures' tokens of width 32."""
    return tiny_transformer(seed, **({"in_channels": 36, "image_dim": 32, "added_kv_proj_dim": 32} | changes))


def tiny_clip(folder: Path) -> Path:
    """Random weights in the layout of Wan2.1-I2V-14B's folder."""
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=14
    )
    CLIPVisionModel(config).save_pretrained(folder / "image_encoder")
    size = {"height": 28, "width": 28}
    CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=size).save_pretrained(folder / "image_processor")
    return folder


def tiny_vae(kind: VaeKind = "wan2.2", seed: int = 0) -> AutoencoderKLWan:
    """A random VAE, 8× in space and 4× in time, in the arrangement of Wan2.1 or of Wan2.2 (residual, patched)."""
    torch.manual_seed(seed)
    common: dict[str, Any] = {"base_dim": 8, "z_dim": 16, "num_res_blocks": 1}
    if kind == "wan2.1":
        return AutoencoderKLWan(**common).eval()
    return AutoencoderKLWan(
        **common,
        dim_mult=[1, 2, 2],
        temperal_downsample=[True, True],
        is_residual=True,
        patch_size=2,
        in_channels=12,
        out_channels=12,
        decoder_base_dim=8,
        scale_factor_spatial=8,
        scale_factor_temporal=4,
    ).eval()


def tiny_tokenizer() -> T5Tokenizer:
    """A T5 tokenizer over single characters."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    letters = [(character, -3.0) for character in "abcdefghijklmnopqrstuvwxyz0123456789-"]
    return T5Tokenizer(vocab=special + letters, extra_ids=0)


def tiny_text_encoder(seed: int = 0) -> UMT5EncoderModel:
    """A random UMT5 encoder of one layer."""
    torch.manual_seed(seed)
    config = UMT5Config(vocab_size=64, d_model=TEXT_DIM, d_kv=16, d_ff=32, num_layers=1, num_heads=2)
    return UMT5EncoderModel(config).eval()


def build_tiny_base(folder: Path, vae: VaeKind = "wan2.2", seed: int = 0) -> Path:
    """Save a whole random text-to-video pipeline; returns `folder`."""
    pipeline = WanPipeline(
        tokenizer=tiny_tokenizer(),
        text_encoder=tiny_text_encoder(seed),
        vae=tiny_vae(vae, seed),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        transformer=tiny_transformer(seed),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


STARTS_AT_ZERO = ("gate", *(f"{part}.embedding.weight" for part in ("mask_channels", "template_frames", "collage")))
CONTEXT_STARTS_AT_ZERO = re.compile(r"parts\.context_blocks\..*proj_(in|out)\.weight")


def opened(model: ProductVideoTransformer) -> ProductVideoTransformer:
    """The model with its gates open and its condition channels in use, as after some training."""
    torch.manual_seed(2)
    for name, parameter in model.named_parameters():
        if name.endswith(STARTS_AT_ZERO) or CONTEXT_STARTS_AT_ZERO.fullmatch(name):
            torch.nn.init.normal_(parameter, std=0.5)
    return model


def build_tiny_pipeline(base: Path, params: EncodeParams) -> ProductVideoPipeline:
    """A pipeline over a base of `build_tiny_base` whose adapter has an effect."""
    transformer = ProductVideoTransformer.from_base(
        base / "transformer", tokens_per_view=4, num_product_tokens=6, product_heads=2
    )
    return ProductVideoPipeline.from_base(base, opened(transformer).eval(), params)
