"""The architecture of wan-tiny: the classes of Wan2.1 in Diffusers, small enough for two CPU cores."""

from __future__ import annotations

from typing import Any

NUM_FRAMES = 9
HEIGHT = 96
WIDTH = 144
LATENT_SHAPE = (16, 3, 12, 18)  # (C, F', h, w)
MAX_TEXT_TOKENS = 24

# The residual arrangement of Wan2.2's VAE (pixel-unshuffled input, averaging and repeating shortcuts) at Wan2.1's
# strides (4 in time, 8 in space) and 16 channels: it converges several times faster than the plain one at this size.
VAE: dict[str, Any] = {
    "base_dim": 32,
    "decoder_base_dim": 32,
    "z_dim": 16,
    "dim_mult": [1, 2, 2],
    "num_res_blocks": 1,
    "attn_scales": [],
    "temperal_downsample": [True, True],
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_temporal": 4,
    "scale_factor_spatial": 8,
}

TRANSFORMER: dict[str, Any] = {
    "patch_size": [1, 2, 2],
    "num_attention_heads": 8,
    "attention_head_dim": 32,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 64,
    "ffn_dim": 1024,
    "num_layers": 6,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 64,
}

TEXT_ENCODER: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 1,
    "num_heads": 4,
    "is_gated_act": True,
    "dense_act_fn": "gelu_new",
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
}

SIGMA_SHIFT = 3.0
