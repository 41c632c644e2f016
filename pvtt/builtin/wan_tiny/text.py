"""wan-tiny's text side: a small unigram tokenizer and a fixed random UMT5 encoder, in the layout that Wan uses.

A random encoder is a random but injective code of words, which is all that a model needs to learn what a handful of
words looks like; it costs 60 kB where UMT5-XXL costs 11 GB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pvtt.builtin.wan_tiny import config

if TYPE_CHECKING:
    import torch

VOCABULARY_SIZE = 384


def build_tokenizer(captions: Sequence[str]) -> Any:
    """A `T5TokenizerFast` with a unigram vocabulary of the captions; unknown words fall back to characters."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz0123456789-,."),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(set(captions)), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=config.MAX_TEXT_TOKENS,
    )


def build_text_encoder(vocabulary_size: int, seed: int) -> Any:
    """A random, frozen `UMT5EncoderModel`."""
    import torch
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(seed)
    encoder = UMT5EncoderModel(UMT5Config(vocab_size=vocabulary_size, **config.TEXT_ENCODER))
    with torch.no_grad():
        # T5's initialisation leaves embeddings and attention on very different scales at this width; words as unit
        # normal vectors keep captions apart.
        encoder.shared.weight.normal_()
    return encoder.eval().requires_grad_(False)


def embed(tokenizer: Any, encoder: Any, captions: Sequence[str]) -> torch.Tensor:
    """Text embeddings (B, T, Dt), zero where padded, as Wan's pipeline makes them."""
    import torch

    tokens = tokenizer(
        list(captions),
        padding="max_length",
        max_length=config.MAX_TEXT_TOKENS,
        truncation=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        hidden = encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state
    return hidden * tokens.attention_mask[..., None]
