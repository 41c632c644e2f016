"""Shapes of published networks: what nothing has to be loaded for."""

from __future__ import annotations

HEAD_DIM = 128  # of all of Wan's transformers
# Wan2.1-T2V's transformers, as in their `config.json`, by the profile that trains them.
WAN_T2V: dict[str, dict[str, int]] = {
    "poc": {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30},
    "prod": {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40},
}
CLIP_TOKENS = (257, 1280)  # of a photo and their width: CLIP ViT-H/14
DINO_TOKENS = (257, 768)  # DINOv2 ViT-B/14
