"""`CogVideoXProductTransformer`: CogVideoX's transformer, told where to put which product.

    z_t ► x_t ► patch_embed ──┐
    Conditions ► parts ───────┴─► blocks: attention over text and video (+ parts) → feed-forward ─► v ► velocity

Its parts are Wan's, in the same places, and start without effect: a new model's v equals the base's, bit for bit. What
goes in and comes out is rectified flow's (`cogvideox_schedule.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self, cast

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import apply_rotary_emb, get_3d_rotary_pos_embed, get_3d_sincos_pos_embed
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock, CogVideoXTransformer3DModel
from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid
from diffusers.utils import apply_lora_scale
from torch import Tensor, nn
from torch.nn import functional

from pvtt.errors import PvttError
from pvtt.models.cogvideox_schedule import mixture, nearest_steps
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.mask_channels import MaskChannels
from pvtt.models.conditioning.part import BlockPart, Embedded, ModelPart, PartConfig, State
from pvtt.models.conditioning.parts import part_classes
from pvtt.models.conditioning.reference_frames import ReferenceAttention, ReferenceFrames
from pvtt.models.flow_matching import NUM_TRAIN_TIMESTEPS
from pvtt.models.place import PlaceBias
from pvtt.models.transformer import (
    CONDITIONING,
    LATENT_CHANNELS,
    Memory,
    ProductTransformerOutput,
    own_arguments,
    take_weights,
)
from pvtt.models.vae import TEMPORAL_FACTOR

__all__ = ["CogVideoXProductTransformer", "ModelMixin"]  # diffusers looks for ModelMixin here

FEED_FORWARD = 4  # widths of the transformer in a block's feed-forward network


class CogVideoXProductBlock(CogVideoXBlock):
    """CogVideoX's block with what its parts add to attention, and after it."""

    def __init__(self, parts: Mapping[str, BlockPart], **config: Any) -> None:
        super().__init__(**config)
        self.parts = nn.ModuleDict(parts)

    def part(self, name: str) -> BlockPart:
        """Its half of a part."""
        return cast(BlockPart, self.parts[name])

    def project(self, normed: Tensor, turns: tuple[Tensor, ...], num_text: int) -> tuple[Tensor, Tensor, Tensor]:
        """Attention's queries, keys and values of text and patches (B, T + P, D), each (B, heads, T + P, D / heads)."""
        attention = self.attn1
        heads = [layer(normed).unflatten(2, (attention.heads, -1)).transpose(1, 2) for layer in self._layers]
        query, key = attention.norm_q(heads[0]), attention.norm_k(heads[1])
        query, key = (
            torch.cat([one[:, :, :num_text], apply_rotary_emb(one[:, :, num_text:], turns)], dim=2)
            if len(turns)
            else one
            for one in (query, key)
        )
        return query, key, heads[2]

    @property
    def _layers(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        return self.attn1.to_q, self.attn1.to_k, self.attn1.to_v

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        turns: tuple[Tensor, ...],
        states: Mapping[str, State],
        return_attention: bool = False,
        place: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, dict[str, State], list[Tensor]]:
        """One block.

        Args:
            hidden_states: Video patches, (B, P, D).
            encoder_hidden_states: Text, (B, T, D).
            temb: The time, (B, Dm).
            turns: Cosines and sines of the patches' places, (P, D / heads) each; empty where these are added instead.
            states: What its parts were given by the model or the block before; those without are left out.
            return_attention: Also return the attention on the product, (B, P) of each part that has one.
            place: What is added to the logits of the product, (B, P); None: nothing.

        Returns:
            The patches, the text, the parts' states for the next block, and the attentions.
        """
        # As CogVideoXBlock.forward and CogVideoXAttnProcessor2_0 (diffusers 0.42), with what the parts add put in; a
        # test holds the two equal bit for bit.
        num_text = encoder_hidden_states.shape[1]
        after, attentions = dict(states), []

        # 1. Attention over text and video
        normed, normed_text, gate, text_gate = self.norm1(hidden_states, encoder_hidden_states, temb)
        query, key, value = self.project(torch.cat([normed_text, normed], dim=1), turns, num_text)
        attended = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        for name, state in states.items():
            of_video = query[:, :, num_text:].transpose(1, 2)
            added, after[name], attention = self.part(name).attend(self, of_video, state, return_attention, place)
            attended = attended if added is None else attended + functional.pad(added, (0, 0, num_text, 0))
            attentions += [] if attention is None else [attention]
        attended = self.attn1.to_out[0](attended)
        hidden_states = hidden_states + gate * attended[:, num_text:]
        encoder_hidden_states = encoder_hidden_states + text_gate * attended[:, :num_text]
        for name, state in states.items():
            added, attention = self.part(name).cross(hidden_states, state, return_attention, place)
            hidden_states = hidden_states if added is None else hidden_states + added
            attentions += [] if attention is None else [attention]

        # 2. Feed-forward
        normed, normed_text, gate, text_gate = self.norm2(hidden_states, encoder_hidden_states, temb)
        made = self.ff(torch.cat([normed_text, normed], dim=1))
        hidden_states = hidden_states + gate * made[:, num_text:]
        encoder_hidden_states = encoder_hidden_states + text_gate * made[:, :num_text]
        for name, state in states.items():
            added = self.part(name).after(hidden_states, state)
            hidden_states = hidden_states if added is None else hidden_states + added
        return hidden_states, encoder_hidden_states, after, attentions

    def advance_photos(
        self, tokens: Tensor, modulation: Tensor, turns: tuple[Tensor, Tensor], key_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Photos' patches after this block, with its own weights, looking at one another alone: neither text nor video.

        Args:
            tokens: (B, R, D).
            modulation: The time 0, (1, Dm).
            turns: Cosines and sines of their places, (R, D / heads) each.
            key_mask: True where a patch may be attended to, (B, R).

        Returns:
            The patches, and their keys and values, (B, R, heads, D / heads).
        """
        nothing = tokens[:, :0]
        normed, _, gate, _ = self.norm1(tokens, nothing, modulation)
        query, key, value = self.project(normed, turns, 0)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=key_mask[:, None, None])
        tokens = tokens + gate * self.attn1.to_out[0](attended.transpose(1, 2).flatten(2))
        normed, _, gate, _ = self.norm2(tokens, nothing, modulation)
        return tokens + gate * self.ff(normed), key.transpose(1, 2), value.transpose(1, 2)


class CogVideoXProductTransformer(CogVideoXTransformer3DModel):
    """CogVideoX's transformer with the parts of its conditioning.

    Args:
        snr_shift_scale: Of the base's noise schedule: 3 for 2B, 1 for 5B.
        conditioning: Names of the parts; all but `context_blocks`, which are VACE's.
        product_dim, tokens_per_view, num_product_tokens, encoder_layers, product_heads, max_views, dino_dim,
        dino_tokens_per_view: As `pvtt.models.conditioning.part.PartConfig` has them.

    The other arguments are `CogVideoXTransformer3DModel`'s, of a text-to-video model of version 1.0.
    """

    _no_split_modules: ClassVar[list[str]] = ["CogVideoXProductBlock", "CogVideoXPatchEmbed"]
    _repeated_blocks: ClassVar[list[str]] = ["CogVideoXProductBlock"]

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        num_attention_heads: int = 30,
        attention_head_dim: int = 64,
        in_channels: int = LATENT_CHANNELS,
        out_channels: int = LATENT_CHANNELS,
        flip_sin_to_cos: bool = True,
        freq_shift: int = 0,
        time_embed_dim: int = 512,
        text_embed_dim: int = 4096,
        num_layers: int = 30,
        dropout: float = 0.0,
        attention_bias: bool = True,
        sample_width: int = 90,
        sample_height: int = 60,
        sample_frames: int = 49,
        patch_size: int = 2,
        temporal_compression_ratio: int = TEMPORAL_FACTOR,
        max_text_seq_length: int = 226,
        activation_fn: str = "gelu-approximate",
        timestep_activation_fn: str = "silu",
        norm_elementwise_affine: bool = True,
        norm_eps: float = 1e-5,
        spatial_interpolation_scale: float = 1.875,
        temporal_interpolation_scale: float = 1.0,
        use_rotary_positional_embeddings: bool = False,
        patch_bias: bool = True,
        snr_shift_scale: float = 3.0,
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
        # The base's own __init__ without its config registration, which would register a base's config.
        CogVideoXTransformer3DModel.__init__.__wrapped__(
            self,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            flip_sin_to_cos=flip_sin_to_cos,
            freq_shift=freq_shift,
            time_embed_dim=time_embed_dim,
            text_embed_dim=text_embed_dim,
            num_layers=0,
            dropout=dropout,
            attention_bias=attention_bias,
            sample_width=sample_width,
            sample_height=sample_height,
            sample_frames=sample_frames,
            patch_size=patch_size,
            temporal_compression_ratio=temporal_compression_ratio,
            max_text_seq_length=max_text_seq_length,
            activation_fn=activation_fn,
            timestep_activation_fn=timestep_activation_fn,
            norm_elementwise_affine=norm_elementwise_affine,
            norm_eps=norm_eps,
            spatial_interpolation_scale=spatial_interpolation_scale,
            temporal_interpolation_scale=temporal_interpolation_scale,
            use_rotary_positional_embeddings=use_rotary_positional_embeddings,
            patch_bias=patch_bias,
        )
        if "context_blocks" in conditioning:
            raise PvttError(
                "context_blocks are VACE's, whose blocks are Wan's: a CogVideoX has no place for them",
                "leave them out of model.conditioning, or set model.base to a Wan2.1 folder",
            )
        dim = num_attention_heads * attention_head_dim
        config = PartConfig(
            dim=dim,
            patch_size=(1, patch_size, patch_size),
            latent_channels=in_channels,
            eps=norm_eps,
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
            ffn_dim=FEED_FORWARD * dim,
            qk_norm="layer_norm",
            cross_attn_norm=False,
            context_layers=(),
            prepends_references=False,
        )
        classes = {name: part_classes(name) for name in conditioning}
        self.parts = nn.ModuleDict({name: in_model(config) for name, (in_model, _) in classes.items()})
        self.transformer_blocks = nn.ModuleList(
            CogVideoXProductBlock(
                {name: in_block(config, place) for name, (_, in_block) in classes.items()},
                dim=dim,
                num_attention_heads=num_attention_heads,
                attention_head_dim=attention_head_dim,
                time_embed_dim=time_embed_dim,
                dropout=dropout,
                activation_fn=activation_fn,
                attention_bias=attention_bias,
                norm_elementwise_affine=norm_elementwise_affine,
                norm_eps=norm_eps,
            )
            for place in range(num_layers)
        )

    @classmethod
    def from_base(cls, base: CogVideoXTransformer3DModel | Self, *, seed: int = 0, **config: Any) -> Self:
        """A new model around a stock CogVideoX, or a trained one with further parts.

        Args:
            base: The base's transformer.
            seed: Of the new parameters that do not start at zero.
            **config: `snr_shift_scale` of a stock one, `conditioning`, `max_views`, `num_product_tokens`, ….

        Returns:
            A model whose v equals the base's, bit for bit, on the same mixture, step and text.

        Raises:
            PvttError: The base is no text-to-video model of CogVideoX 1.0, or a part cannot be had on it.
        """
        shape = base.config
        if shape.in_channels != shape.out_channels or shape.get("use_learned_positional_embeddings"):
            raise PvttError(
                f"the base takes {shape.in_channels} channels and gives {shape.out_channels}: "
                "it is not a text-to-video model",
                "set model.base to a folder of CogVideoX-2B or 5B, not of 5B-I2V",
            )
        if shape.get("patch_size_t") is not None:
            raise PvttError(
                f"the base has patches of {shape.patch_size_t} latent frames: it is a CogVideoX 1.5",
                "set model.base to a folder of CogVideoX-2B or 5B",
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls(**(own_arguments(cls, shape) | config))
        take_weights(model, base)
        return model

    @property
    def product_config(self) -> dict[str, Any]:
        """What of its configuration the base does not have: `from_base`'s arguments for another like it."""
        names = set(self._get_init_keys(type(self))) - set(self._get_init_keys(CogVideoXTransformer3DModel)) - {"self"}
        return {name: self.config[name] for name in sorted(names)}

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """Latents a patch, (time, height, width)."""
        return 1, self.config.patch_size, self.config.patch_size

    def embed_photos(self, frames: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Photos' latents as frames at places in time.

        Args:
            frames: (B, C, N, y, x), shown whole: the mask is 0, the template they.
            places: In latent frames, integers, (N,).

        Returns:
            Patches (B, R, D), and cosines and sines of their places, (R, D / heads) each.
        """
        rows, columns = frames.shape[3] // self.config.patch_size, frames.shape[4] // self.config.patch_size
        embedded = self._embed(frames)
        if "mask_channels" in self.parts:
            no_hole = frames.new_zeros(len(frames), TEMPORAL_FACTOR, *frames.shape[2:])
            part = cast(MaskChannels, self.parts["mask_channels"])
            embedded = embedded + part.embed_pair(no_hole, frames).flatten(2).transpose(1, 2)
        chosen = tuple(int(place) for place in places)
        cosines, sines = self._turns(chosen, rows, columns, frames.device)
        if not self.config.use_rotary_positional_embeddings:
            size = (rows, columns)
            scales = (self.config.spatial_interpolation_scale, self.config.temporal_interpolation_scale)
            added = waves(embedded.shape[-1], chosen, size, scales, str(frames.device))
            embedded = embedded + added.to(embedded)
        return embedded, cosines, sines

    def _embed(self, latents: Tensor) -> Tensor:
        """Latents (B, C, F', h, w) → patches, (B, P, D), without places."""
        patches: Tensor = self.patch_embed.proj(latents.transpose(1, 2).flatten(0, 1))
        return patches.unflatten(0, (len(latents), -1)).flatten(3).transpose(2, 3).flatten(1, 2)

    def _turns(self, places: tuple[int, ...], rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosines and sines of patches of frames at places in time; those that turn nothing where they are added."""
        config = self.config
        if config.use_rotary_positional_embeddings:
            region = (config.sample_height // config.patch_size, config.sample_width // config.patch_size)
            return turns(config.attention_head_dim, places, (rows, columns), region, str(device))
        shape = (len(places) * rows * columns, config.attention_head_dim)
        return torch.ones(shape, device=device), torch.zeros(shape, device=device)

    def modulation_at_zero(self, text: Tensor) -> Tensor:
        """The time at noise level 0, (1, Dm)."""
        return self._time(text.new_zeros(1, dtype=torch.long), text.dtype)

    def _time(self, steps: Tensor, dtype: torch.dtype) -> Tensor:
        time: Tensor = self.time_embedding(self.time_proj(steps).to(dtype))
        return time

    @torch.no_grad()
    def remember(self, conditions: Conditions) -> Memory:
        """As `ProductVideoTransformer.remember`."""
        name = "reference_frames"
        if name not in self.parts:
            return []
        references = cast(ReferenceFrames, self.parts[name]).references(self, conditions.to(dtype=self.dtype))
        memory: Memory = []
        if references is not None:
            for block in cast(Iterable[CogVideoXProductBlock], self.transformer_blocks):
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
        """Predict the velocity, float32. Arguments as of `ProductVideoTransformer.forward`.

        Raises:
            PvttError: The text has another number of tokens than CogVideoX was trained with, or the place is said by a
                word of it.
            ValueError: The channels or the frame's size do not fit.
        """
        batch_size, num_channels, num_frames, height, width = hidden_states.shape
        patch = self.config.patch_size
        if num_channels != self.config.in_channels:
            raise ValueError(f"hidden_states has {num_channels} channels, not z_t's {self.config.in_channels}")
        if height % patch or width % patch:
            raise ValueError(f"latents of {height}×{width} are no multiple of the patch {patch}×{patch}")
        num_text = conditions.text.shape[1]
        if num_text != self.config.max_text_seq_length:
            raise PvttError(
                f"a text has {num_text} tokens, and this CogVideoX was trained with {self.config.max_text_seq_length}",
                f"set encode.text_tokens: {self.config.max_text_seq_length}",
            )
        if place is not None and place.text is not None:
            raise PvttError(
                "a CogVideoX's text is part of its self-attention: no word of it can be given a place",
                "leave the word out; the product's own tokens and photos can be",
            )
        grid = (num_frames, height // patch, width // patch)
        dtype = hidden_states.dtype

        sigmas = (timestep.float() / NUM_TRAIN_TIMESTEPS).view(-1, 1, 1, 1, 1)
        signal, noise = mixture(sigmas)
        mixed = (signal + noise) * hidden_states.float()  # x_t
        temb = self._time(nearest_steps(sigmas.flatten(), self.config.snr_shift_scale), dtype)

        conditions = conditions.to(dtype=dtype)
        parts = {name: cast(ModelPart, part) for name, part in self.parts.items()}
        together = self.patch_embed(conditions.text, mixed.to(dtype).transpose(1, 2))
        text, patches = together[:, :num_text], together[:, num_text:]
        for part in parts.values():
            added = part.embed(conditions)
            patches = patches if added is None else patches + added.flatten(2).transpose(1, 2)
        turned: tuple[Tensor, ...] = ()
        if self.config.use_rotary_positional_embeddings:
            turned = self._turns(tuple(range(num_frames)), *grid[1:], patches.device)
        first = Embedded(patches, cast(tuple[Tensor, Tensor], turned), temb, text, None)
        states: dict[str, State] = {}
        for name, part in parts.items():
            state = None if memory and name in memory[0] else part.begin(self, conditions, first)
            states |= {} if state is None else {name: state}

        of_product = None if place is None else place.product.to(dtype)
        attentions: list[Tensor] = []
        for number, block in enumerate(self.transformer_blocks):
            given = states | memory[number] if memory else states
            arguments = (patches, text, temb, turned, given, return_product_attention, of_product)
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                patches, text, after, attention = self._gradient_checkpointing_func(block, *arguments)
            else:
                patches, text, after, attention = block(*arguments)
            states = {name: after[name] for name in states}
            attentions += attention

        patches = self.proj_out(self.norm_out(self.norm_final(patches), temb=temb))
        made = patches.reshape(batch_size, *grid, -1, patch, patch)
        v = made.permute(0, 4, 1, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4).float()
        sample = (noise - signal) * mixed + (signal + noise) * v
        if not return_dict:
            return (sample,)
        product_attention = None
        if return_product_attention and attentions:
            product_attention = torch.stack(attentions, dim=1).unflatten(2, grid)
        return ProductTransformerOutput(sample=sample, product_attention=product_attention)


@lru_cache(maxsize=16)
def turns(
    head_dim: int, places: tuple[int, ...], size: tuple[int, int], region: tuple[int, int], device: str
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of patches of frames at places in time, as `CogVideoXPipeline` makes them for whole videos.

    Args:
        head_dim: Width of an attention head.
        places: In latent frames.
        size: Rows and columns of patches of a frame.
        region: Rows and columns of the frames that the base was trained on.
        device: Where they are wanted.

    Returns:
        (patches of all frames, head_dim) each, float32.
    """
    corners = get_resize_crop_region_for_grid(size, region[1], region[0])
    with torch.inference_mode(False):  # it is kept, for training too
        tables = get_3d_rotary_pos_embed(head_dim, corners, size, max(places) + 1, device=torch.device(device))
    cosines, sines = (table.unflatten(0, (-1, size[0] * size[1]))[list(places)].flatten(0, 1) for table in tables)
    return cosines, sines


@lru_cache(maxsize=16)
def waves(dim: int, places: tuple[int, ...], size: tuple[int, int], scales: tuple[float, float], device: str) -> Tensor:
    """What is added to patches of frames at places in time where nothing is turned, (patches of all frames, dim).

    Arguments as of `turns`; `scales` are in space and in time.
    """
    with torch.inference_mode(False):
        table = get_3d_sincos_pos_embed(dim, size[::-1], max(places) + 1, *scales, device=torch.device(device))
    return cast(Tensor, table)[list(places)].flatten(0, 1)
