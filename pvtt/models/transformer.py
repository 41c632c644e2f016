"""`ProductVideoTransformer`: Wan's video transformer, told where to put which product.

    z_t ► patch_embedding ──┐
    Conditions ► parts ─────┴─► blocks: self-attention (+ parts) → text (+ parts) → feed-forward ─► velocity

What it is told by is a list of parts, `conditioning`; `pvtt.models.conditioning.parts` has them all. A part has a half
in the model, `parts.<name>`, and one in each block, `blocks.*.parts.<name>`. All start without effect, so a new model's
output equals the base model's, bit for bit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock
from diffusers.models.transformers.transformer_wan_vace import WanVACETransformer3DModel
from diffusers.utils import BaseOutput, apply_lora_scale
from torch import Tensor, nn
from torch.nn import functional

from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.context_blocks import ContextBlocks, references_mask
from pvtt.models.conditioning.mask_channels import MaskChannels
from pvtt.models.conditioning.part import BlockPart, Embedded, ModelPart, PartConfig, State
from pvtt.models.conditioning.parts import part_classes
from pvtt.models.conditioning.reference_frames import ReferenceAttention, ReferenceFrames, places_of
from pvtt.models.place import PlaceBias
from pvtt.models.vae import TEMPORAL_FACTOR

__all__ = ["ModelMixin", "ProductTransformerOutput", "ProductVideoTransformer"]  # diffusers looks for ModelMixin here

LATENT_CHANNELS = 16
CONDITIONING = ("mask_channels", "reference_frames", "collage")
VACE_HINT = "set model.conditioning: [context_blocks], or model.base to a Wan2.1-T2V folder"
Memory = list[dict[str, State]]  # a block: its parts' states, by name


@dataclass
class ProductTransformerOutput(BaseOutput):
    """What the transformer returns.

    Args:
        sample: The velocity ε - x₀, (B, C, F', h, w).
        product_attention: Per block and part that attends to the product, how much of this attention each video patch
            gives to the product rather than to the sink, in [0, 1]: (B, blocks · parts, F', h/p, w/p). None unless
            asked for.
    """

    sample: Tensor
    product_attention: Tensor | None = None


class ProductTransformerBlock(WanTransformerBlock):
    """Wan's block with what its parts add to self-attention, and after the text."""

    def __init__(
        self,
        dim: int,
        ffn_dim: int,
        num_heads: int,
        qk_norm: str,
        cross_attn_norm: bool,
        eps: float,
        parts: Mapping[str, BlockPart],
    ) -> None:
        super().__init__(dim, ffn_dim, num_heads, qk_norm, cross_attn_norm, eps)
        self.parts = nn.ModuleDict(parts)

    def part(self, name: str) -> BlockPart:
        """Its half of a part."""
        return cast(BlockPart, self.parts[name])

    def project(self, normed: Tensor, rotary_emb: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Self-attention's queries, keys and values of patches (B, P, D), each (B, P, heads, D / heads)."""
        attention = self.attn1
        query = attention.norm_q(attention.to_q(normed)).unflatten(2, (attention.heads, -1))
        key = attention.norm_k(attention.to_k(normed)).unflatten(2, (attention.heads, -1))
        value = attention.to_v(normed).unflatten(2, (attention.heads, -1))
        return rotated(query, *rotary_emb), rotated(key, *rotary_emb), value

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        rotary_emb: tuple[Tensor, Tensor],
        states: Mapping[str, State],
        return_attention: bool = False,
        key_mask: Tensor | None = None,
        place: PlaceBias | None = None,
    ) -> tuple[Tensor, dict[str, State], list[Tensor]]:
        """One block.

        Args:
            hidden_states: Video patches, (B, P, D).
            encoder_hidden_states: Text, (B, T, D).
            temb: Modulation by time, (B, 6, D).
            rotary_emb: Cosines and sines of the patches' positions.
            states: What its parts were given by the model or the block before; those without are left out.
            return_attention: Also return the attention on the product, (B, P) of each part that has one.
            key_mask: True where a patch may be attended to, (B, 1, 1, P); None: everywhere.
            place: What is added to the logits of text and product; None: nothing.

        Returns:
            The patches, the parts' states for the next block, and the attentions.
        """
        # As WanTransformerBlock.forward and WanAttnProcessor (diffusers 0.42), with what the parts add put in; a test
        # holds the two equal bit for bit.
        shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = (self.scale_shift_table + temb.float()).chunk(6, dim=1)
        after, attentions = dict(states), []
        of_text, of_product = (None, None) if place is None else (place.text, place.product)

        # 1. Self-attention over space and time
        normed = (self.norm1(hidden_states.float()) * (1 + scale) + shift).type_as(hidden_states)
        query, key, value = self.project(normed, rotary_emb)
        attended = dispatch_attention_fn(query, key, value, key_mask, backend=self.attn1.processor._attention_backend)
        attended = attended.flatten(2, 3).type_as(query)
        for name, state in states.items():
            added, after[name], attention = self.part(name).attend(self, query, state, return_attention, of_product)
            attended = attended if added is None else attended + added
            attentions += [] if attention is None else [attention]
        attended = self.attn1.to_out[0](attended)
        hidden_states = (hidden_states.float() + attended * gate).type_as(hidden_states)

        # 2. Text
        normed = self.norm2(hidden_states.float()).type_as(hidden_states)
        hidden_states = hidden_states + self.attn2(normed, encoder_hidden_states, of_text, None)
        for name, state in states.items():
            added, attention = self.part(name).cross(hidden_states, state, return_attention, of_product)
            hidden_states = hidden_states if added is None else hidden_states + added
            attentions += [] if attention is None else [attention]

        # 3. Feed-forward
        normed = (self.norm3(hidden_states.float()) * (1 + ffn_scale) + ffn_shift).type_as(hidden_states)
        hidden_states = (hidden_states.float() + self.ffn(normed).float() * ffn_gate).type_as(hidden_states)
        for name, state in states.items():
            added = self.part(name).after(hidden_states, state)
            hidden_states = hidden_states if added is None else hidden_states + added
        return hidden_states, after, attentions

    def advance_photos(
        self, tokens: Tensor, modulation: Tensor, rotary_emb: tuple[Tensor, Tensor], key_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Photos' patches after this block, with its own weights, looking at one another alone.

        Args:
            tokens: (B, R, D).
            modulation: By time 0, (1, 6, D).
            rotary_emb: Cosines and sines of their places, (1, R, 1, D / heads) each.
            key_mask: True where a patch may be attended to, (B, R).

        Returns:
            The patches, and their keys and values, (B, R, heads, D / heads).
        """
        shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = (self.scale_shift_table + modulation.float()).chunk(6, 1)
        normed = (self.norm1(tokens.float()) * (1 + scale) + shift).type_as(tokens)
        query, key, value = self.project(normed, rotary_emb)
        attended = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=key_mask[:, None, None]
        )
        attended = self.attn1.to_out[0](attended.transpose(1, 2).flatten(2).type_as(query))
        tokens = (tokens.float() + attended * gate).type_as(tokens)
        normed = (self.norm3(tokens.float()) * (1 + ffn_scale) + ffn_shift).type_as(tokens)
        return (tokens.float() + self.ffn(normed).float() * ffn_gate).type_as(tokens), key, value


def rotated(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Queries or keys (B, P, heads, d) turned to their places, as `WanAttnProcessor` does it."""
    first, second = heads.unflatten(-1, (-1, 2)).unbind(-1)
    cosine, sine = cosines[..., 0::2], sines[..., 1::2]
    out = torch.empty_like(heads)
    out[..., 0::2] = first * cosine - second * sine
    out[..., 1::2] = first * sine + second * cosine
    return out.type_as(heads)


class ProductVideoTransformer(WanTransformer3DModel):
    """Wan's transformer with the parts of its conditioning.

    Args:
        conditioning: Names of the parts.
        product_dim, tokens_per_view, num_product_tokens, encoder_layers, product_heads, max_views, dino_dim,
        dino_tokens_per_view: As
            `pvtt.models.conditioning.part.PartConfig` has them.
        context_layers, prepends_references: The same; `from_base` takes them from a base that is a VACE.

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
        conditioning: Sequence[str] = CONDITIONING,
        product_dim: int = 64,
        tokens_per_view: int = 196,
        num_product_tokens: int = 64,
        encoder_layers: int = 1,
        product_heads: int = 12,
        max_views: int = 8,
        dino_dim: int = 768,
        dino_tokens_per_view: int = 257,
        context_layers: Sequence[int] = (),
        prepends_references: bool = False,
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
        config = PartConfig(
            dim=dim,
            patch_size=patch_size,
            latent_channels=in_channels,
            eps=eps,
            max_views=max_views,
            product_dim=product_dim,
            tokens_per_view=tokens_per_view,
            num_product_tokens=num_product_tokens,
            encoder_layers=encoder_layers,
            product_heads=product_heads,
            dino_dim=dino_dim,
            dino_tokens_per_view=dino_tokens_per_view,
            num_layers=num_layers,
            num_heads=num_attention_heads,
            ffn_dim=ffn_dim,
            qk_norm=qk_norm,
            cross_attn_norm=cross_attn_norm,
            context_layers=tuple(context_layers),
            prepends_references=prepends_references,
        )
        classes = {name: part_classes(name) for name in conditioning}
        self.parts = nn.ModuleDict({name: in_model(config) for name, (in_model, _) in classes.items()})
        self.blocks = nn.ModuleList()
        for place in range(num_layers):
            parts = {name: in_block(config, place) for name, (_, in_block) in classes.items()}
            self.blocks.append(
                ProductTransformerBlock(dim, ffn_dim, num_attention_heads, qk_norm, cross_attn_norm, eps, parts)
            )

    @classmethod
    def from_base(
        cls, base: WanTransformer3DModel | WanVACETransformer3DModel | Path | str, *, seed: int = 0, **config: Any
    ) -> Self:
        """A new model around a stock Wan text-to-video transformer, or a VACE, whose blocks are `context_blocks` then.

        Args:
            base: The base, or its Diffusers folder (the one with `config.json`).
            seed: Of the new parameters that do not start at zero.
            **config: `conditioning`, `max_views`, `num_product_tokens`, ….

        Returns:
            A model whose output equals the base's, bit for bit, on the same latents, timesteps and text.

        Raises:
            PvttError: The base is no text-to-video transformer of Wan's, it is a VACE and the conditioning lacks
                `context_blocks`, or its folder is missing.
        """
        if isinstance(base, Path | str):
            from pvtt.models.loading import load_base_transformer

            base = load_base_transformer(Path(base))
        of_base = own_arguments(cls, base.config)
        if base.config.in_channels != base.config.out_channels or base.config.get("image_dim") is not None:
            raise PvttError(
                f"the base takes {base.config.in_channels} channels and gives {base.config.out_channels}: "
                "it is neither Wan2.1-T2V nor Wan2.1-I2V",
                "set model.base to a Wan2.1-T2V folder in Diffusers layout, or to one of Wan2.1-I2V-14B",
            )
        has_context = "context_blocks" in config.get("conditioning", CONDITIONING)
        is_vace = isinstance(base, WanVACETransformer3DModel)
        if is_vace:
            if not has_context:
                raise PvttError("the base is a VACE, and no part of the conditioning is", VACE_HINT)
            of_base |= {"context_layers": base.config.vace_layers, "prepends_references": True}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls(**(of_base | config))
        take_weights(model, base)
        if has_context and not is_vace and "context_blocks" not in base.config.get("conditioning", ()):
            cast(ContextBlocks, model.parts["context_blocks"]).copy_from(list(model.blocks))
        return model

    @property
    def product_config(self) -> dict[str, Any]:
        """What of its configuration the base does not have: `from_base`'s arguments for another like it."""
        names = set(self._get_init_keys(type(self))) - set(self._get_init_keys(WanTransformer3DModel)) - {"self"}
        return {name: self.config[name] for name in sorted(names)}

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """Latents a patch, (time, height, width)."""
        shape: tuple[int, int, int] = self.config.patch_size
        return shape

    def embed_photos(self, frames: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Photos' latents as frames at places in time.

        Args:
            frames: (B, C, N, y, x), shown whole: the mask is 0, the template they.
            places: In latent frames, integers, (N,).

        Returns:
            Patches (B, R, D), and cosines and sines of their places, (1, R, 1, D / heads) each.
        """
        no_hole = frames.new_zeros(len(frames), TEMPORAL_FACTOR, *frames.shape[2:])
        embedded = self.embed_latents(frames.contiguous(), no_hole, frames)
        if "mask_channels" in self.parts:
            embedded = embedded + cast(MaskChannels, self.parts["mask_channels"]).embed_pair(no_hole, frames)
        return embedded.flatten(2).transpose(1, 2), *places_of(self.rope, places, *embedded.shape[3:])

    def embed_latents(self, latents: Tensor, mask: Tensor, masked_latents: Tensor) -> Tensor:
        """What the base's own patch embedding makes of z_t, (B, C, F', h, w) → (B, D, F', h/p, w/p).

        Args:
            latents: z_t.
            mask, masked_latents: As `Conditions` has them; a text-to-video base does not read them.
        """
        embedded: Tensor = self.patch_embedding(latents)
        return embedded

    def read_text(self, conditions: Conditions) -> Tensor:
        """What the blocks' attention to the text is given, (B, T, D)."""
        text: Tensor = self.condition_embedder.text_embedder(conditions.text)
        return text

    def modulation_at_zero(self, text: Tensor) -> Tensor:
        """Modulation of the blocks at noise level 0, (1, 6, D)."""
        return self.embed_time(text.new_zeros(1), text.dtype)[1]

    def embed_time(self, timestep: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The time and the blocks' modulation by it, not touched by autocast: bfloat16 knows σ·1000 to 4 only.

        Args:
            timestep: σ·1000, (B,).
            dtype: Of what is returned, but where the weights' type gives it.

        Returns:
            (B, D) and (B, 6, D).
        """
        # As WanTimeTextImageEmbedding.forward (diffusers 0.42).
        embedder = self.condition_embedder
        with torch.autocast(timestep.device.type, enabled=False):
            time = embedder.timesteps_proj(timestep).to(next(embedder.time_embedder.parameters()).dtype)
            time = embedder.time_embedder(time).to(dtype)
            weight_dtype = embedder.time_proj.weight.dtype
            modulation = embedder.time_proj(embedder.act_fn(time).to(weight_dtype))
        return time, modulation.unflatten(1, (6, -1))

    @torch.no_grad()
    def remember(self, conditions: Conditions) -> Memory:
        """What the blocks' parts need of the photos and that neither noise nor time changes.

        Given to `forward`, it saves computing it anew in every step of a sampling run.
        """
        name = "reference_frames"
        if name not in self.parts:
            return []
        references = cast(ReferenceFrames, self.parts[name]).references(self, conditions.to(dtype=self.dtype))
        memory: Memory = []
        if references is not None:
            for block in cast(Iterable[ProductTransformerBlock], self.blocks):
                references, remembered = cast(ReferenceAttention, block.part(name)).advance(block, references)
                memory.append({name: remembered})
        return memory

    @apply_lora_scale("attention_kwargs")  # type: ignore[untyped-decorator]
    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        conditions: Conditions,
        return_product_attention: bool = False,
        memory: Memory | None = None,
        place: PlaceBias | None = None,
        return_dict: bool = True,
        attention_kwargs: Mapping[str, Any] | None = None,
    ) -> ProductTransformerOutput | tuple[Tensor]:
        """Predict the velocity.

        Args:
            hidden_states: z_t, (B, C, F', h, w).
            timestep: σ·1000, (B,).
            conditions: Of the same B samples, on the same device; taken in the type of `hidden_states`.
            return_product_attention: Also return the attention on the product, for the STCA loss.
            memory: `remember` of the same conditions.
            place: Says where the product is to be; see `pvtt.models.place`.
            return_dict: False returns `(velocity,)`, as diffusers' models do.
            attention_kwargs: diffusers' LoRA interface: `scale` scales loaded adapters.

        Raises:
            ValueError: The channels or the frame's size do not fit.
        """
        batch_size, num_channels, num_frames, height, width = hidden_states.shape
        p_t, p_h, p_w = self.config.patch_size
        if num_channels != self.config.in_channels:
            raise ValueError(f"hidden_states has {num_channels} channels, not z_t's {self.config.in_channels}")
        if num_frames % p_t or height % p_h or width % p_w:
            raise ValueError(f"latents of {num_frames}×{height}×{width} are no multiple of the patch {p_t}×{p_h}×{p_w}")
        grid = (num_frames // p_t, height // p_h, width // p_w)

        conditions = conditions.to(dtype=hidden_states.dtype)
        parts = {name: cast(ModelPart, part) for name, part in self.parts.items()}
        prepended = [part.prepend(conditions, timestep) for part in parts.values()]
        # At most one part has any: the schema refuses two.
        before = next((frames for frames in prepended if frames is not None), None)
        if before is not None:
            hidden_states = torch.cat([before.latents, hidden_states], dim=2)
        rotary_emb = self.rope(hidden_states)
        embedded = self.embed_latents(hidden_states, conditions.mask, conditions.masked_latents)
        for part in parts.values():
            added = part.embed(conditions)
            embedded = embedded if added is None else embedded + added
        hidden_states = embedded.flatten(2).transpose(1, 2).contiguous()
        temb, modulation = self.embed_time(timestep, conditions.text.dtype)
        text = self.read_text(conditions)
        num_before = hidden_states.shape[1] - math.prod(grid)
        key_mask = None if before is None else references_mask(before.present, hidden_states.shape[1], num_before)
        if place is not None:
            place = place.after(num_before, hidden_states.dtype)
        first = Embedded(hidden_states, rotary_emb, modulation, text, key_mask)
        states: dict[str, State] = {}
        for name, part in parts.items():
            state = None if memory and name in memory[0] else part.begin(self, conditions, first)
            states |= {} if state is None else {name: state}

        attentions: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            given = states | memory[number] if memory else states
            arguments = (hidden_states, text, modulation, rotary_emb, given, return_product_attention, key_mask, place)
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                hidden_states, after, attention = self._gradient_checkpointing_func(block, *arguments)
            else:
                hidden_states, after, attention = block(*arguments)
            states = {name: after[name] for name in states}
            attentions += attention

        shift, scale = (self.scale_shift_table.to(temb.device) + temb.unsqueeze(1)).chunk(2, dim=1)
        hidden_states = (self.norm_out(hidden_states.float()) * (1 + scale) + shift).type_as(hidden_states)
        patches = self.proj_out(hidden_states)[:, num_before:].reshape(batch_size, *grid, p_t, p_h, p_w, -1)
        sample = patches.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        if not return_dict:
            return (sample,)
        product_attention = None
        if return_product_attention and attentions:
            product_attention = torch.stack(attentions, dim=1)[:, :, num_before:].unflatten(2, grid)
        return ProductTransformerOutput(sample=sample, product_attention=product_attention)


def own_arguments(model: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a base's configuration a class of models takes too."""
    names = set(model._get_init_keys(model)) - {"self"}
    return {name: value for name, value in config.items() if name in names}


def take_weights(model: nn.Module, base: Any) -> None:
    """Give a new model its base's weights, and all parameters their types.

    Raises:
        PvttError: The two do not fit; names the first.
    """
    weights = {as_part(name): tensor for name, tensor in base.state_dict().items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    foreign = [*unexpected, *(name for name in missing if not is_product_parameter(name))]
    if foreign:
        raise PvttError(
            f"the base's weights do not fit its transformer: {', '.join(foreign[:3])}",
            "this version of diffusers and the base differ: compare its config.json with the published one",
        )
    dtypes = {as_part(name): tensor.dtype for name, tensor in (*base.named_parameters(), *base.named_buffers())}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        tensor.data = tensor.data.to(dtypes.get(name, base.dtype))  # a base in bf16 keeps some parts in fp32


def as_part(name: str) -> str:
    """The name that a base's parameter has here: VACE's blocks are a part."""
    return re.sub(r"^vace_(patch_embedding|blocks)\.", r"parts.context_blocks.\1.", name)


def is_product_parameter(name: str) -> bool:
    """Whether a parameter of `ProductVideoTransformer` is one that the base does not have."""
    return "parts" in name.split(".")
