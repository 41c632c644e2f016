"""`reference_frames`: photos as further frames that the video looks at and that do not look back.

A photo's VAE latents go through the patch embedding of the video, with mask 0 and the latents in both places, and
through every block with the block's own weights, at time 0 and at places in time after the video's. In a block the
video attends to their keys and values; they attend to one another alone (DreamSwapV, arXiv:2508.14465, and Phantom,
arXiv:2502.11079, carry detail this way). So their keys and values depend neither on the video nor on the noise level,
and are computed once a sampling run: `ProductVideoTransformer.remember`.

What the video takes from them enters through a gate that starts at zero, and a learned key of value zero, the sink,
competes with them: a patch that needs nothing of the photos takes nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.part import BlockPart, Embedded, ModelPart, PartConfig, State

FIRST_PLACE, PLACES_APART = 1, 2  # in latent frames: the first photo after the video, and photos from one another


class References(NamedTuple):
    """The photos between two blocks.

    Attributes:
        tokens: (B, R, D), R patches of all views.
        modulation: By time 0, as the transformer's `modulation_at_zero` gives it.
        cosines, sines: Of the patches' places, as its `embed_photos` gives them.
        key_mask: True where a patch may be attended to, (B, R).
        present: The same, but all False for a sample without any view.
    """

    tokens: Tensor
    modulation: Tensor
    cosines: Tensor
    sines: Tensor
    key_mask: Tensor
    present: Tensor


class RememberedReferences(NamedTuple):
    """What a block needs of the photos, once computed: keys and values, (B, R, heads, D / heads), and who is there."""

    key: Tensor
    value: Tensor
    present: Tensor


class ReferenceFrames(ModelPart):
    """Photos' latents → patches with places and a learned vector a view."""

    says = "the photos as frames of their own, which the video attends to in every block"

    def __init__(self, config: PartConfig) -> None:
        super().__init__(config)
        self.view_embedding = nn.Parameter(torch.zeros(config.max_views, config.dim))

    def begin(self, transformer: Any, conditions: Conditions, embedded: Embedded) -> References | None:
        return self.references(transformer, conditions)

    def references(self, transformer: Any, conditions: Conditions) -> References | None:
        """The photos before the first block; None without any view. Arguments as `begin` has them."""
        photos = conditions.photo_latents  # (B, N, C, y, x)
        num_views = photos.shape[1]
        if num_views == 0:
            return None
        present = conditions.view_mask
        photos = photos.masked_fill(~present[:, :, None, None, None], 0)
        frames = photos.transpose(1, 2)  # (B, C, N, y, x): a view a latent frame
        num_frames = conditions.masked_latents.shape[2] // transformer.patch_shape[0]
        places = num_frames + FIRST_PLACE + PLACES_APART * torch.arange(num_views)
        embedded, cosines, sines = transformer.embed_photos(frames, places)
        tokens = embedded.unflatten(1, (num_views, -1))
        view = torch.arange(num_views, device=tokens.device).clamp(max=len(self.view_embedding) - 1)
        tokens = tokens + self.view_embedding[view, None].type_as(tokens)
        present = present.repeat_interleave(tokens.shape[2], dim=1)
        return References(
            tokens.flatten(1, 2),
            transformer.modulation_at_zero(conditions.text),
            cosines,
            sines,
            present | ~present.any(1, keepdim=True),  # attention over nothing is not a number
            present,
        )


def places_of(rope: Any, frames: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines for patches of frames at given places in time, each (1, frames · rows · columns, 1, D / heads).

    Args:
        rope: The transformer's `WanRotaryPosEmbed`.
        frames: Places in time, integers, (N,).
        rows: Patches from top to bottom.
        columns: Patches from left to right.
    """
    parts = []
    for table in (rope.freqs_cos, rope.freqs_sin):
        time, down, right = table.split([rope.t_dim, rope.h_dim, rope.w_dim], dim=1)
        shape = (len(frames), rows, columns, -1)
        grid = (
            time[frames.to(time.device)][:, None, None].expand(shape),
            down[:rows][None, :, None].expand(shape),
            right[:columns][None, None].expand(shape),
        )
        parts.append(torch.cat(grid, dim=-1).flatten(0, 2)[None, :, None])
    return parts[0], parts[1]


class ReferenceAttention(BlockPart):
    """Attention of the video's patches to the photos', with a sink, through a gate that starts at zero."""

    def __init__(self, config: PartConfig, place: int) -> None:
        super().__init__(config, place)
        self.sink_key = nn.Parameter(torch.zeros(config.dim))
        self.gate = nn.Parameter(torch.zeros(config.dim))
        # At the size of a weight, 1/√D, the gate is open: an optimizer's steps are of the same size for all parameters,
        # and a gate that must grow to 1 stays all but shut. Measured on the tiny profile, 80 steps of stage 1, held-out
        # region error at σ .92: .871 without the factor, .836 with it, .822 with one softmax over video and photos,
        # which disturbs the base from the start (error over all noise levels .489, .485, .536).
        self.gate_scale = config.dim**0.5

    def attend(
        self, block: Any, query: Tensor, state: State, return_attention: bool, bias: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        if isinstance(state, RememberedReferences):
            remembered = state
        else:
            state, remembered = self.advance(block, cast(References, state))
        heads = query.shape[2]
        sink = self.sink_key.type_as(query).view(1, 1, heads, -1).expand(len(query), -1, -1, -1)
        key = torch.cat([remembered.key, sink], dim=1)
        value = functional.pad(remembered.value, (0, 0, 0, 0, 0, 1))
        present = functional.pad(remembered.present, (0, 1), value=True)[:, None, None]
        mask = present
        if bias is not None:  # of all patches of photos, not of the sink
            logits = functional.pad(bias[:, None, :, None].expand(-1, -1, -1, present.shape[-1] - 1), (0, 1))
            mask = logits.masked_fill(~present, -torch.inf).type_as(query)
        attended = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask
        )
        output = (self.gate_scale * self.gate).type_as(query) * attended.transpose(1, 2).flatten(2)
        if not return_attention:
            return output, state, None
        scores = torch.einsum("bphd,bkhd->bhpk", query.float(), key.float()) * query.shape[-1] ** -0.5
        scores = scores.masked_fill(~mask, -torch.inf) if bias is None else scores + mask
        shares = scores.softmax(-1)
        return output, state, 1 - shares[..., -1].mean(1)

    def advance(self, block: Any, references: References) -> tuple[References, RememberedReferences]:
        """The photos after this block, and what the video needs of them in it."""
        tokens, modulation, cosines, sines, key_mask, present = references
        tokens, key, value = block.advance_photos(tokens, modulation, (cosines, sines), key_mask)
        # Not by `_replace`: torch 2.11 compiles that to an empty tuple.
        after = References(tokens, modulation, cosines, sines, key_mask, present)
        return after, RememberedReferences(key, value, present)
