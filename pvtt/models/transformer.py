"""`ProductVideoTransformer`: Wan's video transformer, told where to put which product.

    z_t (16) ─────────► patch_embedding ──────────┐
    mask (4) + z_masked (16) ► .condition (0) ────┴─► blocks: self-attention → text → product (gate 0) → FFN ─► velocity
    photos' tokens (N, L, Dp) ► product_encoder ► K tokens ─────────────────────────────┘

What is added to the base starts without effect: the condition part of `patch_embedding` and every `product_gate` are
zero, so a new model's output equals the base model's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock
from diffusers.utils import BaseOutput, apply_lora_scale
from torch import Tensor, nn

from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.product_tokens import ProductEncoder, QueryKeyNormAttention

__all__ = ["ModelMixin", "ProductTransformerOutput", "ProductVideoTransformer"]  # diffusers looks for ModelMixin here

LATENT_CHANNELS = 16
MASK_CHANNELS = 4
CONDITION_CHANNELS = MASK_CHANNELS + LATENT_CHANNELS


@dataclass
class ProductTransformerOutput(BaseOutput):
    """What the transformer returns.

    Args:
        sample: The velocity ε - x₀, (B, C, F', h, w).
        product_attention: Per block, how much of its attention each video patch gives to the product rather than to
            the sink, in [0, 1]: (B, blocks, F', h/p, w/p). None unless asked for.
    """

    sample: Tensor
    product_attention: Tensor | None = None


class ConditionedPatchEmbedding(nn.Conv3d):
    """The base's patch embedding plus one of the mask and the masked video, which starts at zero.

    Two convolutions rather than one over 36 channels: zeros in a longer sum would change how it is blocked, and with
    that its last bits.
    """

    def __init__(
        self, latent_channels: int, condition_channels: int, dim: int, patch_size: tuple[int, int, int]
    ) -> None:
        super().__init__(latent_channels, dim, kernel_size=patch_size, stride=patch_size)
        self.condition = nn.Conv3d(condition_channels, dim, kernel_size=patch_size, stride=patch_size, bias=False)
        nn.init.zeros_(self.condition.weight)

    def forward(self, channels: Tensor) -> Tensor:
        """(B, latent + condition channels, F', h, w) → (B, D, F', h/p, w/p)."""
        latents, condition = channels.split([self.in_channels, self.condition.in_channels], dim=1)
        return super().forward(latents.contiguous()) + self.condition(condition.contiguous())


class ProductTransformerBlock(WanTransformerBlock):
    """Wan's block with gated cross-attention to the product between text and feed-forward."""

    def __init__(
        self,
        dim: int,
        ffn_dim: int,
        num_heads: int,
        qk_norm: str,
        cross_attn_norm: bool,
        eps: float,
        product_heads: int,
    ) -> None:
        super().__init__(dim, ffn_dim, num_heads, qk_norm, cross_attn_norm, eps)
        self.product_norm = FP32LayerNorm(dim, eps, elementwise_affine=True)
        self.product_cross_attn = QueryKeyNormAttention(dim, product_heads, eps=eps, sink=True)
        self.product_gate = nn.Parameter(torch.zeros(dim))

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        rotary_emb: tuple[Tensor, Tensor],
        product: Tensor,
        return_attention: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """One block.

        Args:
            hidden_states: Video patches, (B, P, D).
            encoder_hidden_states: Text, (B, T, D).
            temb: Modulation by time, (B, 6, D).
            rotary_emb: Cosines and sines of the patches' positions.
            product: Product tokens, (B, K, D).
            return_attention: Also return the attention on the product, (B, P).
        """
        # As WanTransformerBlock.forward (diffusers 0.42), with step 3 put in; a test holds the two equal bit for bit.
        shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = (self.scale_shift_table + temb.float()).chunk(6, dim=1)

        # 1. Self-attention over space and time
        normed = (self.norm1(hidden_states.float()) * (1 + scale) + shift).type_as(hidden_states)
        attended = self.attn1(normed, None, None, rotary_emb)
        hidden_states = (hidden_states.float() + attended * gate).type_as(hidden_states)

        # 2. Text
        normed = self.norm2(hidden_states.float()).type_as(hidden_states)
        hidden_states = hidden_states + self.attn2(normed, encoder_hidden_states, None, None)

        # 3. Product
        normed = self.product_norm(hidden_states.float()).type_as(hidden_states)
        attended, attention = self.product_cross_attn(normed, product, return_attention=return_attention)
        hidden_states = hidden_states + (self.product_gate * attended).type_as(hidden_states)

        # 4. Feed-forward
        normed = (self.norm3(hidden_states.float()) * (1 + ffn_scale) + ffn_shift).type_as(hidden_states)
        hidden_states = (hidden_states.float() + self.ffn(normed).float() * ffn_gate).type_as(hidden_states)
        return hidden_states, attention


class ProductVideoTransformer(WanTransformer3DModel):
    """Wan's transformer with 20 more input channels and a product in every block.

    Args:
        product_dim: Width Dp of the photos' tokens.
        tokens_per_view: Number L of tokens a photo.
        num_product_tokens: Number K of tokens that the product is summed up in.
        encoder_layers: Layers of the product encoder.
        product_heads: Attention heads of the product encoder and of the product cross-attention.
        max_views: Views with an embedding of their own; later ones share the last.

    The other arguments are `WanTransformer3DModel`'s, of a text-to-video model.
    """

    _no_split_modules: ClassVar[list[str]] = ["ProductTransformerBlock"]
    _repeated_blocks: ClassVar[list[str]] = ["ProductTransformerBlock"]

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 12,
        attention_head_dim: int = 128,
        in_channels: int = LATENT_CHANNELS,
        out_channels: int = LATENT_CHANNELS,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 8960,
        num_layers: int = 30,
        cross_attn_norm: bool = True,
        qk_norm: str = "rms_norm_across_heads",
        eps: float = 1e-6,
        rope_max_seq_len: int = 1024,
        product_dim: int = 1280,
        tokens_per_view: int = 257,
        num_product_tokens: int = 64,
        encoder_layers: int = 1,
        product_heads: int = 12,
        max_views: int = 8,
    ) -> None:
        # The base's own __init__ without its config registration, which would register a base's config.
        WanTransformer3DModel.__init__.__wrapped__(
            self,
            patch_size=patch_size,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            text_dim=text_dim,
            freq_dim=freq_dim,
            ffn_dim=ffn_dim,
            num_layers=0,
            cross_attn_norm=cross_attn_norm,
            qk_norm=qk_norm,
            eps=eps,
            rope_max_seq_len=rope_max_seq_len,
        )
        dim = num_attention_heads * attention_head_dim
        self.patch_embedding = ConditionedPatchEmbedding(in_channels, MASK_CHANNELS + in_channels, dim, patch_size)
        self.product_encoder = ProductEncoder(
            product_dim,
            dim,
            num_tokens=num_product_tokens,
            num_layers=encoder_layers,
            num_heads=product_heads,
            tokens_per_view=tokens_per_view,
            max_views=max_views,
            eps=eps,
        )
        self.blocks = nn.ModuleList(
            [
                ProductTransformerBlock(dim, ffn_dim, num_attention_heads, qk_norm, cross_attn_norm, eps, product_heads)
                for _ in range(num_layers)
            ]
        )

    @classmethod
    def from_base(cls, base: WanTransformer3DModel | Path | str, *, seed: int = 0, **product_config: int) -> Self:
        """A new model around a stock Wan text-to-video transformer.

        Args:
            base: The base, or its Diffusers folder (the one with `config.json`).
            seed: Of the new parameters that do not start at zero.
            **product_config: `product_dim`, `tokens_per_view`, `num_product_tokens`, ….

        Returns:
            A model whose output equals the base's, bit for bit, on the same latents, timesteps and text.

        Raises:
            PvttError: The base is no text-to-video transformer of Wan's, or its folder is missing.
        """
        if not isinstance(base, WanTransformer3DModel):
            from pvtt.models.loading import load_component

            base = load_component(Path(base), WanTransformer3DModel)
        names = set(cls._get_init_keys(cls)) - {"self"}
        config = {name: value for name, value in base.config.items() if name in names}
        if base.config.in_channels != base.config.out_channels or base.config.image_dim is not None:
            raise PvttError(
                f"the base takes {base.config.in_channels} channels and gives {base.config.out_channels}: "
                "it is not a text-to-video model",
                "set model.base to a Wan2.1-T2V folder in Diffusers layout",
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls(**(config | product_config))
        missing, unexpected = model.load_state_dict(base.state_dict(), strict=False)
        foreign = [*unexpected, *(name for name in missing if not is_product_parameter(name))]
        if foreign:
            raise PvttError(
                f"the base's weights do not fit Wan's transformer: {', '.join(foreign[:3])}",
                "this version of diffusers and the base differ: compare its config.json with Wan2.1-T2V's",
            )
        dtypes = {name: tensor.dtype for name, tensor in (*base.named_parameters(), *base.named_buffers())}
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            tensor.data = tensor.data.to(dtypes.get(name, base.dtype))  # a base in bf16 keeps some parts in fp32
        return model

    @apply_lora_scale("attention_kwargs")  # type: ignore[untyped-decorator]
    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        conditions: Conditions,
        return_product_attention: bool = False,
        return_dict: bool = True,
        attention_kwargs: Mapping[str, Any] | None = None,
    ) -> ProductTransformerOutput | tuple[Tensor]:
        """Predict the velocity.

        Args:
            hidden_states: z_t, (B, C, F', h, w).
            timestep: σ·1000, (B,).
            conditions: Of the same B samples, on the same device; taken in the type of `hidden_states`.
            return_product_attention: Also return the attention on the product, for the STCA loss.
            return_dict: False returns `(velocity,)`, as diffusers' models do.
            attention_kwargs: diffusers' LoRA interface: `scale` scales loaded adapters.

        Raises:
            ValueError: The channels or the frame's size do not fit.
        """
        batch_size, num_channels, num_frames, height, width = hidden_states.shape
        p_t, p_h, p_w = self.config.patch_size
        if num_channels != self.patch_embedding.in_channels:
            raise ValueError(f"hidden_states has {num_channels} channels, not z_t's {self.patch_embedding.in_channels}")
        if num_frames % p_t or height % p_h or width % p_w:
            raise ValueError(f"latents of {num_frames}×{height}×{width} are no multiple of the patch {p_t}×{p_h}×{p_w}")
        grid = (num_frames // p_t, height // p_h, width // p_w)

        rotary_emb = self.rope(hidden_states)
        conditions = conditions.to(dtype=hidden_states.dtype)
        channels = torch.cat([hidden_states, conditions.mask, conditions.masked_latents], dim=1)
        hidden_states = self.patch_embedding(channels).flatten(2).transpose(1, 2).contiguous()
        temb, modulation, text, _ = self.condition_embedder(timestep, conditions.text)
        modulation = modulation.unflatten(1, (6, -1))
        product = self.product_encoder(conditions.product_tokens, conditions.view_mask).type_as(hidden_states)

        attentions = []
        for block in self.blocks:
            arguments = (hidden_states, text, modulation, rotary_emb, product, return_product_attention)
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                hidden_states, attention = self._gradient_checkpointing_func(block, *arguments)
            else:
                hidden_states, attention = block(*arguments)
            attentions.append(attention)

        shift, scale = (self.scale_shift_table.to(temb.device) + temb.unsqueeze(1)).chunk(2, dim=1)
        hidden_states = (self.norm_out(hidden_states.float()) * (1 + scale) + shift).type_as(hidden_states)
        patches = self.proj_out(hidden_states).reshape(batch_size, *grid, p_t, p_h, p_w, -1)
        sample = patches.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        if not return_dict:
            return (sample,)
        product_attention = torch.stack(attentions, dim=1).unflatten(2, grid) if return_product_attention else None
        return ProductTransformerOutput(sample=sample, product_attention=product_attention)


def is_product_parameter(name: str) -> bool:
    """Whether a parameter of `ProductVideoTransformer` is one that the base does not have."""
    return name.startswith(("product_encoder.", "patch_embedding.condition.")) or ".product_" in name
