"""Captions → embeddings, as the base's pipelines make them: of Wan's UMT5, or of CogVideoX's T5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def encode_text(texts: Sequence[str], tokenizer: Any, text_encoder: Any, max_tokens: int) -> Tensor:
    """Embed texts. An empty text is legal.

    Args:
        texts: B captions.
        tokenizer: The base's tokenizer.
        text_encoder: The base's UMT5 or T5 encoder.
        max_tokens: T; longer texts are cut, shorter ones padded: with zeros for Wan, with what T5 makes of padding for
            CogVideoX. The number that the base was trained with, as its attention sees the padding too: 512 for Wan2.1,
            226 for CogVideoX.

    Returns:
        (B, T, Dt), the encoder's dtype.
    """
    from diffusers.pipelines.wan.pipeline_wan import prompt_clean

    tokens = tokenizer(
        [prompt_clean(text) for text in texts],
        padding="max_length",
        max_length=max_tokens,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    ).to(text_encoder.device)
    if text_encoder.config.model_type == "t5":
        of_all: Tensor = text_encoder(tokens.input_ids)[0]
        return of_all
    hidden = text_encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state
    return hidden * tokens.attention_mask.unsqueeze(-1).to(hidden.dtype)
