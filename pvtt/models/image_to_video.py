"""`ProductImageVideoTransformer`: Wan2.1's image-to-video transformer as a base.

It was trained to film a given first frame: beside z_t it has a mask and a video's latents as channels, and its blocks
attend to the frame's CLIP tokens beside the text. Both are given here what goes with the task: the template around its
hole, in every frame, and the first photo. So a new model does not equal a text-to-video model but this base, bit for
bit, given the same. The parts of the conditioning are added to it as to any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from diffusers import WanTransformer3DModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor, WanImageEmbedding
from torch import Tensor, nn

from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.demands import TEXT_TOKENS
from pvtt.models.transformer import (
    CONDITIONING,
    LATENT_CHANNELS,
    ProductVideoTransformer,
    own_arguments,
    take_weights,
)
from pvtt.models.vae import TEMPORAL_FACTOR

__all__ = ["ModelMixin", "ProductImageVideoTransformer"]  # diffusers looks for ModelMixin here


class ProductImageVideoTransformer(ProductVideoTransformer):
    """Wan's image-to-video transformer with the parts of its conditioning.

    Args:
        in_channels: C of z_t alone; the base's own `in_channels` counts the mask and the template too.
        image_dim: Width Dp of the first photo's tokens.
        added_kv_proj_dim: Width that its keys and values are made from.

    The other arguments are `ProductVideoTransformer`'s; `context_blocks` are VACE's, and no part here.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = LATENT_CHANNELS,
        out_channels: int = LATENT_CHANNELS,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        cross_attn_norm: bool = True,
        qk_norm: str = "rms_norm_across_heads",
        eps: float = 1e-6,
        image_dim: int = 1280,
        added_kv_proj_dim: int = 5120,
        rope_max_seq_len: int = 1024,
        conditioning: Sequence[str] = CONDITIONING,
        product_dim: int = 64,
        tokens_per_view: int = 196,
        num_product_tokens: int = 64,
        encoder_layers: int = 1,
        product_heads: int = 12,
        max_views: int = 8,
        dino_dim: int = 768,
        dino_tokens_per_view: int = 257,
    ) -> None:
        if "context_blocks" in conditioning:
            raise PvttError(
                "context_blocks are VACE's, and the base is an image-to-video model",
                "leave them out of model.conditioning, or set model.base to a Wan2.1-T2V or VACE folder",
            )
        # Without its config registration, which would register its configuration.
        ProductVideoTransformer.__init__.__wrapped__(
            self,
            patch_size=patch_size,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            text_dim=text_dim,
            freq_dim=freq_dim,
            ffn_dim=ffn_dim,
            num_layers=num_layers,
            cross_attn_norm=cross_attn_norm,
            qk_norm=qk_norm,
            eps=eps,
            rope_max_seq_len=rope_max_seq_len,
            conditioning=conditioning,
            product_dim=product_dim,
            tokens_per_view=tokens_per_view,
            num_product_tokens=num_product_tokens,
            encoder_layers=encoder_layers,
            product_heads=product_heads,
            max_views=max_views,
            dino_dim=dino_dim,
            dino_tokens_per_view=dino_tokens_per_view,
        )
        dim = num_attention_heads * attention_head_dim
        channels = 2 * in_channels + TEMPORAL_FACTOR
        self.patch_embedding = nn.Conv3d(channels, dim, kernel_size=patch_size, stride=patch_size)
        self.condition_embedder.image_embedder = WanImageEmbedding(image_dim, dim)
        for block in self.blocks:
            block.attn2 = WanAttention(
                dim=dim,
                heads=num_attention_heads,
                dim_head=attention_head_dim,
                eps=eps,
                added_kv_proj_dim=added_kv_proj_dim,
                cross_attention_dim_head=attention_head_dim,
                processor=WanAttnProcessor(),
            )

    @classmethod
    def from_base(cls, base: WanTransformer3DModel | Self, *, seed: int = 0, **config: Any) -> Self:
        """A new model around a stock Wan2.1-I2V, or a trained one with further parts.

        Args:
            base: The base's transformer.
            seed: Of the new parameters that do not start at zero.
            **config: `conditioning`, `max_views`, `num_product_tokens`, ….

        Raises:
            PvttError: The base films between two frames, the photos' tokens are not those that it reads, or a part
                cannot be had on it.
        """
        shape = base.config
        if shape.get("pos_embed_seq_len") is not None:
            raise PvttError(
                "the base is given a first and a last frame: it is a Wan2.1-FLF2V",
                "set model.base to a folder of Wan2.1-I2V-14B",
            )
        if config.get("product_dim", shape.image_dim) != shape.image_dim:
            raise PvttError(
                f"the base reads a photo's CLIP tokens of width {shape.image_dim}, and the data have tokens of width "
                f"{config['product_dim']}",
                "set encode.image_features: clip, and encode.image_encoder to the base's folder",
            )
        of_base = own_arguments(cls, shape) | {"in_channels": shape.out_channels}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls(**(of_base | {"product_dim": shape.image_dim} | config))
        take_weights(model, base)
        return model

    def embed_latents(self, latents: Tensor, mask: Tensor, masked_latents: Tensor) -> Tensor:
        """As of any base; its own mask is 1 where the template is kept."""
        embedded: Tensor = self.patch_embedding(torch.cat([latents, 1 - mask, masked_latents], dim=1))
        return embedded

    def read_text(self, conditions: Conditions) -> Tensor:
        """The first photo's tokens before the text's; where there is no photo, what is made of none.

        Raises:
            PvttError: The conditions lack the photos' tokens, or the text has not Wan's number of tokens.
        """
        text = super().read_text(conditions)
        tokens = conditions.image_tokens  # (B, N, L, Dp)
        if tokens is None:
            raise PvttError(
                "the base reads the first photo's CLIP tokens, and the conditions have none",
                "set encode.image_features: clip, and encode.image_encoder to the base's folder",
            )
        if text.shape[1] != TEXT_TOKENS:
            raise PvttError(f"a text has {text.shape[1]} tokens", f"set encode.text_tokens: {TEXT_TOKENS}")
        if conditions.num_views == 0:
            first = tokens.new_zeros(len(tokens), *tokens.shape[2:])
        else:
            first = tokens[:, 0].masked_fill(~conditions.view_mask[:, :1, None], 0)
        return torch.cat([self.condition_embedder.image_embedder(first), text], dim=1)
