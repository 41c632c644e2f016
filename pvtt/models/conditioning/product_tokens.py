"""`product_tokens`: any number of photos → a fixed number of tokens, which every block attends to.

Learned queries attend to the tokens of all views (a frozen network's, or the VAE's latents in patches); the result
enters each block by a cross-attention whose gate starts at zero, between text and feed-forward.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from diffusers.models.normalization import FP32LayerNorm
from torch import Tensor, nn
from torch.nn import functional

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.part import BlockPart, Embedded, ModelPart, PartConfig, State

PATCH = 2  # latents a side in one token


def latent_tokens(photo_latents: Tensor) -> Tensor:
    """A photo's latents in patches of 2×2 as tokens: (B, N, C, y, x) → (B, N, y·x / 4, 4·C)."""
    patches = photo_latents.unflatten(3, (-1, PATCH)).unflatten(5, (-1, PATCH))  # (B, N, C, y, 2, x, 2)
    return patches.permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(2, 3)


class QueryKeyNormAttention(nn.Module):
    """Cross-attention whose queries and keys are RMS-normalised across heads, as Wan's are.

    Args:
        dim: Width D of queries, keys and output; a multiple of `num_heads`.
        num_heads: Number of attention heads.
        eps: What keeps the norms from dividing by zero.
        sink: Add a learned key of value zero. A query that finds nothing of use attends to it and gets nothing; the
            rest of its attention says how much it takes from the keys, which is what the STCA loss supervises.
    """

    def __init__(self, dim: int, num_heads: int, *, eps: float, sink: bool = False) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim {dim} is no multiple of num_heads {num_heads}")
        self.num_heads = num_heads
        self.to_q = nn.Linear(dim, dim)
        self.to_k = nn.Linear(dim, dim)
        self.to_v = nn.Linear(dim, dim)
        self.to_out = nn.Linear(dim, dim)
        self.norm_q = nn.RMSNorm(dim, eps=eps)
        self.norm_k = nn.RMSNorm(dim, eps=eps)
        self.sink_key = nn.Parameter(torch.zeros(1, 1, dim)) if sink else None
        # The values pass at full strength from the start. PyTorch's default would hand on a ninth of their variance,
        # and on a copying task a new adapter then took a third more steps to the same loss.
        nn.init.orthogonal_(self.to_v.weight)
        nn.init.orthogonal_(self.to_out.weight)

    def forward(
        self,
        queries: Tensor,
        context: Tensor,
        key_mask: Tensor | None = None,
        return_attention: bool = False,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Args:
            queries: What asks, (B, P, D).
            context: What is attended to, (B, K, D).
            key_mask: True where a key may be attended to, (B, K); at least one in each row. Not with a sink.
            return_attention: Also return the attention that is not the sink's, mean over heads, (B, P). Needs a sink.
            bias: Added to each query's logits of all keys but the sink, (B, P). Needs a sink.
        """
        query = self.norm_q(self.to_q(queries))
        key = self.norm_k(self.to_k(context))
        value = self.to_v(context)
        if self.sink_key is not None:
            key = torch.cat([key, self.sink_key.expand(len(key), -1, -1).type_as(key)], dim=1)
            value = functional.pad(value, (0, 0, 0, 1))
        query, key, value = (
            part.type_as(value).unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in (query, key, value)
        )  # (B, heads, P or K, D / heads)
        mask = None if key_mask is None else key_mask[:, None, None, :]
        if bias is not None:
            mask = functional.pad(bias[:, None, :, None].expand(-1, -1, -1, context.shape[1]), (0, 1)).type_as(query)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        output = self.to_out(attended.transpose(1, 2).flatten(2))
        if not return_attention:
            return output, None
        scores = query.float() @ key.float().transpose(-1, -2) * query.shape[-1] ** -0.5
        scores = scores if bias is None else scores + mask
        return output, 1 - scores.softmax(-1)[..., -1].mean(1)


class ProductEncoderLayer(nn.Module):
    """Queries attend to the photos' tokens, then to a feed-forward network; pre-norm."""

    def __init__(self, dim: int, num_heads: int, eps: float) -> None:
        super().__init__()
        self.norm1 = FP32LayerNorm(dim, eps)
        self.attn = QueryKeyNormAttention(dim, num_heads, eps=eps)
        nn.init.orthogonal_(self.attn.to_q.weight)
        with torch.no_grad():  # queries and keys start in one space
            self.attn.to_k.weight.copy_(self.attn.to_q.weight)
            self.attn.to_k.bias.copy_(self.attn.to_q.bias)
        self.norm2 = FP32LayerNorm(dim, eps)
        self.ffn = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(approximate="tanh"), nn.Linear(2 * dim, dim))

    def forward(self, queries: Tensor, tokens: Tensor, key_mask: Tensor) -> Tensor:
        attended, _ = self.attn(self.norm1(queries), tokens, key_mask)
        queries = queries + attended
        return queries + self.ffn(self.norm2(queries))


class ProductEncoder(nn.Module):
    """Learned queries that attend to the tokens of all views.

    Where every view is masked (the product is dropped, for classifier-free guidance) they attend to a learned null
    token instead. Without the view embeddings the result does not depend on the views' order.

    Args:
        product_dim: Width Dp of the photos' tokens.
        dim: Width D of the transformer.
        num_tokens: Number K of queries.
        num_layers: Number of attention layers.
        num_heads: Number of attention heads.
        tokens_per_view: Number L of tokens a view; each place has a learned embedding.
        max_views: Views with an embedding of their own; later ones share the last.
        eps: What keeps the norms from dividing by zero.
    """

    def __init__(
        self,
        product_dim: int,
        dim: int,
        *,
        num_tokens: int,
        num_layers: int,
        num_heads: int,
        tokens_per_view: int,
        max_views: int,
        eps: float,
    ) -> None:
        super().__init__()
        self.proj_in = nn.Linear(product_dim, dim)
        nn.init.orthogonal_(self.proj_in.weight)
        self.position_embedding = nn.Parameter(torch.randn(tokens_per_view, dim))
        self.view_embedding = nn.Parameter(torch.randn(max_views, dim) * 0.1)
        self.null_token = nn.Parameter(torch.zeros(1, 1, dim))
        # A query starts as a place of the photos, spread evenly, and looks at it in every view: from the first step
        # the tokens say what is where, which queries that start at random have to learn first.
        self.query_tokens = nn.Parameter(0.1 * torch.randn(num_tokens, dim))
        with torch.no_grad():
            places = torch.arange(num_tokens, device=self.query_tokens.device) * tokens_per_view // num_tokens
            self.query_tokens.add_(self.position_embedding[places])
        self.cross_attn = nn.ModuleList([ProductEncoderLayer(dim, num_heads, eps) for _ in range(num_layers)])
        self.norm = FP32LayerNorm(dim, eps)

    def forward(self, product_tokens: Tensor, view_mask: Tensor | None = None) -> Tensor:
        """Sum a product up.

        Args:
            product_tokens: (B, N, L, Dp). What masked views hold does not matter.
            view_mask: True where a view is there, (B, N). None: all are.

        Returns:
            (B, K, D).

        Raises:
            ValueError: L is not the number the encoder was made for.
        """
        batch_size, num_views, tokens_per_view, _ = product_tokens.shape
        if tokens_per_view != len(self.position_embedding):
            raise ValueError(f"{tokens_per_view} tokens a view, but the encoder knows {len(self.position_embedding)}")
        if view_mask is None:
            view_mask = product_tokens.new_ones(batch_size, num_views, dtype=torch.bool)
        view = torch.arange(num_views, device=product_tokens.device).clamp(max=len(self.view_embedding) - 1)
        tokens = self.proj_in(product_tokens.masked_fill(~view_mask[:, :, None, None], 0).type_as(self.proj_in.weight))
        tokens = tokens + self.position_embedding + self.view_embedding[view, None]
        tokens = torch.cat([tokens.flatten(1, 2), self.null_token.type_as(tokens).expand(batch_size, -1, -1)], dim=1)
        key_mask = torch.cat([view_mask.repeat_interleave(tokens_per_view, 1), ~view_mask.any(1, keepdim=True)], dim=1)
        queries = self.query_tokens.expand(batch_size, -1, -1)
        for layer in self.cross_attn:
            queries = layer(queries, tokens, key_mask)
        return self.norm(queries)


class ProductState(NamedTuple):
    """The product's tokens, (B, K, D)."""

    tokens: Tensor


class ProductTokens(ModelPart):
    """The product encoder, over the photos' image tokens or, where there are none, their latents' patches."""

    says = "the photos summed up in tokens, which every block attends to (gated cross-attention)"

    def __init__(self, config: PartConfig) -> None:
        super().__init__(config)
        self.encoder = ProductEncoder(
            config.product_dim,
            config.dim,
            num_tokens=config.num_product_tokens,
            num_layers=config.encoder_layers,
            num_heads=config.product_heads,
            tokens_per_view=config.tokens_per_view,
            max_views=config.max_views,
            eps=config.eps,
        )

    def begin(self, transformer: Any, conditions: Conditions, embedded: Embedded) -> ProductState:
        tokens = conditions.image_tokens
        if tokens is None:
            tokens = latent_tokens(conditions.photo_latents)
        return ProductState(self.encoder(tokens, conditions.view_mask).type_as(tokens))


class ProductAttention(BlockPart):
    """Gated cross-attention to the product's tokens."""

    def __init__(self, config: PartConfig, place: int) -> None:
        super().__init__(config, place)
        self.norm = FP32LayerNorm(config.dim, config.eps, elementwise_affine=True)
        self.cross_attn = QueryKeyNormAttention(config.dim, config.product_heads, eps=config.eps, sink=True)
        self.gate = nn.Parameter(torch.zeros(config.dim))

    def cross(
        self, hidden_states: Tensor, state: State, return_attention: bool, bias: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        normed = self.norm(hidden_states.float()).type_as(hidden_states)
        tokens = cast(ProductState, state).tokens
        attended, attention = self.cross_attn(normed, tokens, return_attention=return_attention, bias=bias)
        return (self.gate * attended).type_as(hidden_states), attention
