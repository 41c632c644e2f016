"""Random CogVideoX checkpoints of a few thousand parameters, in the exact Diffusers layout, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXPipeline, CogVideoXTransformer3DModel
from transformers import T5Config, T5EncoderModel

from tests.tiny_wan import TEXT_DIM, tiny_tokenizer

Size = Literal["2b", "5b"]  # what differs in kind: places that are added or turned, and the schedule's shift
SHIFTS: dict[Size, float] = {"2b": 3.0, "5b": 1.0}
TEXT_TOKENS = 12


def tiny_cogvideox(size: Size = "2b", seed: int = 0, **changes: Any) -> CogVideoXTransformer3DModel:
    """A random transformer: width 32, two blocks."""
    torch.manual_seed(seed)
    config: dict[str, Any] = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "time_embed_dim": 16,
        "text_embed_dim": TEXT_DIM,
        "num_layers": 2,
        "sample_width": 6,
        "sample_height": 4,
        "sample_frames": 9,
        "max_text_seq_length": TEXT_TOKENS,
        "use_rotary_positional_embeddings": size == "5b",
    }
    return CogVideoXTransformer3DModel(**(config | changes)).eval()


def tiny_cogvideox_vae(seed: int = 0) -> AutoencoderKLCogVideoX:
    """A random VAE, 8× in space and 4× in time."""
    torch.manual_seed(seed)
    return AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8), latent_channels=16, layers_per_block=1, norm_num_groups=2, scaling_factor=0.7
    ).eval()


def tiny_schedule(size: Size = "2b", **changes: Any) -> CogVideoXDDIMScheduler:
    """CogVideoX's own scheduler, as it is published."""
    config: dict[str, Any] = {
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "clip_sample": False,
        "snr_shift_scale": SHIFTS[size],
        "timestep_spacing": "trailing",
    }
    return CogVideoXDDIMScheduler(**(config | changes))


def build_tiny_cogvideox(folder: Path, size: Size = "2b", seed: int = 0) -> Path:
    """Save a whole random text-to-video pipeline; returns `folder`."""
    torch.manual_seed(seed)
    text = T5Config(vocab_size=64, d_model=TEXT_DIM, d_kv=16, d_ff=32, num_layers=1, num_heads=2)
    pipeline = CogVideoXPipeline(
        tokenizer=tiny_tokenizer(),
        text_encoder=T5EncoderModel(text).eval(),
        vae=tiny_cogvideox_vae(seed),
        scheduler=tiny_schedule(size),
        transformer=tiny_cogvideox(size, seed),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
