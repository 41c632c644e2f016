"""`context_blocks`: VACE (arXiv:2503.07598), further blocks that read the template, its hole and the photos.

Their input is a latent video of its own: what is kept, what is to be changed (here nothing is shown in the hole), and
the mask, every pixel of it; photos stand before the first frame with mask 0. The blocks' outputs are added to the
patches after every few blocks of the model.

On a stock `Wan2.1-VACE` base they are its own, and a new model equals it. There the photos are frames of the generated
video too, before its first one, and are cut off the output. diffusers' pipeline starts these frames as noise and
denoises them with the video. Here they are known, so they are noised to the step's level anew: equal in the first step,
and later where the model is to predict. On any other base the blocks are copies of every second one and end in zeros
(as VACE is trained), and photos are in their input alone, so that a new model equals its base too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from diffusers.models.transformers.transformer_wan_vace import WanVACETransformerBlock
from torch import Tensor, nn
from torch.nn import functional

from pvtt.models.conditioning.conditions import VIEWS_DIM, Conditions
from pvtt.models.conditioning.part import BlockPart, Embedded, ModelPart, PartConfig, Prepended, State

MASK_CHANNELS = 64  # of a latent: its 8×8 pixels
TIMESTEPS = 1000  # a timestep is σ times this


class ContextBlock(WanVACETransformerBlock):
    """VACE's block, which can leave keys out."""

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        control_hidden_states: Tensor,
        temb: Tensor,
        rotary_emb: tuple[Tensor, Tensor],
        key_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One block.

        Args:
            hidden_states: The video's embedded patches, (B, P, D); the first block adds them to its input.
            encoder_hidden_states: Text, (B, T, D).
            control_hidden_states: The context's patches, (B, P, D).
            temb: Modulation by time, (B, 6, D).
            rotary_emb: Cosines and sines of the patches' positions.
            key_mask: True where a patch may be attended to, (B, 1, 1, P); None: everywhere.

        Returns:
            What is added to the video's patches, and the context for the next block.
        """
        # As WanVACETransformerBlock.forward (diffusers 0.42), with a mask; a test holds the two equal bit for bit.
        context = control_hidden_states
        if self.proj_in is not None:
            context = self.proj_in(context) + hidden_states
        shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = (self.scale_shift_table + temb.float()).chunk(6, dim=1)
        normed = (self.norm1(context.float()) * (1 + scale) + shift).type_as(context)
        attended = self.attn1(normed, None, key_mask, rotary_emb)
        context = (context.float() + attended * gate).type_as(context)
        normed = self.norm2(context.float()).type_as(context)
        context = context + self.attn2(normed, encoder_hidden_states, None, None)
        normed = (self.norm3(context.float()) * (1 + ffn_scale) + ffn_shift).type_as(context)
        context = (context.float() + self.ffn(normed).float() * ffn_gate).type_as(context)
        return self.proj_out(context), context


class References(NamedTuple):
    """Photos as frames before the video's first, the last view foremost, as VACE puts them one before another.

    Attributes:
        latents: (B, C, R, h, w).
        present: True where there is one, (B, R).
    """

    latents: Tensor
    present: Tensor


class ContextBlocks(ModelPart):
    """VACE's patch embedding and blocks."""

    says = "VACE: further blocks over the masked template, its mask and the photos, added to the model's own"

    def __init__(self, config: PartConfig) -> None:
        super().__init__(config)
        self.prepends = config.prepends_references
        self.layers = context_layers(config)
        channels = 2 * config.latent_channels + MASK_CHANNELS
        self.patch_embedding = nn.Conv3d(channels, config.dim, kernel_size=config.patch_size, stride=config.patch_size)
        self.blocks = nn.ModuleList(
            ContextBlock(
                config.dim,
                config.ffn_dim,
                config.num_heads,
                config.qk_norm,
                config.cross_attn_norm,
                config.eps,
                apply_input_projection=number == 0,
                apply_output_projection=True,
            )
            for number in range(len(self.layers))
        )
        for name, parameter in self.blocks.named_parameters():
            if ".proj_" in name:
                nn.init.zeros_(parameter)

    @torch.no_grad()
    def copy_from(self, blocks: Sequence[nn.Module]) -> None:
        """Start as copies of the model's own blocks, the projections apart."""
        for layer, block in zip(self.layers, self.blocks, strict=True):
            own = blocks[layer].state_dict()
            block.load_state_dict({name: own.get(name, value) for name, value in block.state_dict().items()})

    def prepend(self, conditions: Conditions, timestep: Tensor) -> Prepended | None:
        references = self._references(conditions) if self.prepends else None
        if references is None:
            return None
        latents, present = references
        size = (latents.shape[1], *latents.shape[3:])
        noise = [torch.randn(size, generator=torch.Generator().manual_seed(view)) for view in range(latents.shape[2])]
        sigma = (timestep.float() / TIMESTEPS).view(-1, 1, 1, 1, 1)
        noisy = (1 - sigma) * latents.float() + sigma * torch.stack(noise[::-1], dim=1).to(latents.device)
        return Prepended(noisy.type_as(latents), present)

    def begin(self, transformer: Any, conditions: Conditions, embedded: Embedded) -> State:
        kept, changed = conditions.masked_latents, self.required(conditions, "reactive_latents")
        context = torch.cat([kept, changed, self.required(conditions, "context_mask")], dim=1)
        references = self._references(conditions)
        hidden_states, key_mask, num_references = embedded.patches, embedded.key_mask, 0
        rotary_emb = embedded.rotary_emb
        if references is not None:
            shown = functional.pad(references.latents, (0, 0, 0, 0, 0, 0, 0, context.shape[1] - kept.shape[1]))
            context = torch.cat([shown, context], dim=2)
        tokens = self.patch_embedding(context).flatten(2).transpose(1, 2).contiguous()
        if references is not None and not self.prepends:
            num_references = tokens.shape[1] - hidden_states.shape[1]
            hidden_states = functional.pad(hidden_states, (0, 0, num_references, 0))
            rotary_emb = transformer.rope(context)
            key_mask = references_mask(references.present, tokens.shape[1], num_references)
        hints = []
        for block in self.blocks:
            arguments = (hidden_states, embedded.text, tokens, embedded.modulation, rotary_emb, key_mask)
            if torch.is_grad_enabled() and transformer.gradient_checkpointing:
                hint, tokens = transformer._gradient_checkpointing_func(block, *arguments)
            else:
                hint, tokens = block(*arguments)
            hints.append(hint[:, num_references:])
        return tuple(hints)

    def _references(self, conditions: Conditions) -> References | None:
        """The photos up to the last that any sample has; None where there is none."""
        shown = conditions.view_mask.any(0).nonzero()
        if not len(shown):
            return None
        num_references = int(shown[-1]) + 1
        canvases = self.required(conditions, "canvas_latents")[:, :num_references].flip(VIEWS_DIM)
        present = conditions.view_mask[:, :num_references].flip(VIEWS_DIM)
        canvases = canvases.masked_fill(~present[:, :, None, None, None], 0)
        return References(canvases.transpose(1, 2), present)


def context_layers(config: PartConfig) -> tuple[int, ...]:
    """The blocks after which the context is added: the base's own, else every second."""
    return config.context_layers or tuple(range(0, config.num_layers, 2))


def references_mask(present: Tensor, num_patches: int, num_references: int) -> Tensor | None:
    """Which patches may be attended to, (B, 1, 1, P); None: all.

    Args:
        present: Which photos there are, (B, R).
        num_patches: P, those of photos included.
        num_references: The first of them, which are of photos.
    """
    if present.all():
        return None
    of_photos = present.repeat_interleave(num_references // present.shape[1], dim=1)
    return functional.pad(of_photos, (0, num_patches - num_references), value=True)[:, None, None]


class ContextHint(BlockPart):
    """Adds the context's output after the blocks that have one."""

    def __init__(self, config: PartConfig, place: int) -> None:
        super().__init__(config, place)
        layers = context_layers(config)
        self.number = layers.index(place) if place in layers else None

    def after(self, hidden_states: Tensor, state: State) -> Tensor | None:
        return None if self.number is None else state[self.number]
