"""`Conditions`: what a batch of samples is generated from besides noise, as one record.

A part is a field. Its metadata says whose it is (the template's, the photos' or the text's) and what its dimensions
are, and all methods go over the fields by these. So a further part is one more field here, and nothing that hands a
`Conditions` on has to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

Source = Literal["template", "photos", "text"]
VIEWS_DIM = 1  # of every part that is the photos'


def _part(source: Source, dims: str) -> dict[str, str]:
    return {"source": source, "dims": dims}


@dataclass(frozen=True, eq=False)
class Conditions:
    """The conditions of B samples. A part that a model does not have may be None where its field allows it.

    Args:
        mask: 1 = generate, packed to latent time.
        masked_latents: Normalised latents of the template with its hole filled.
        photo_latents: Normalised latents of N photos on grey. What a missing view holds does not matter.
        view_mask: True where a view is there, bool. None at all: the product is dropped.
        text: Embedding of the caption.
        image_tokens: A frozen image network's tokens, L a photo, where the data has them.
        dino_tokens: DINOv2's tokens, M a photo, for `dual_encoder`.
        template_latents: Normalised latents of the whole template, the old product in it, for `template_frames`.
        context_mask: `context_blocks`' own mask: every pixel of it, 1 = generate.
        reactive_latents: Normalised latents of what is shown in the hole for `context_blocks` to change: nothing.
        canvas_latents: Normalised latents of N photos on white, each as large as a frame, for `context_blocks`.
        collage_latents: Normalised latents of the masked template with one of the photos in its hole, for `collage`;
            where no photo is to be seen they are `masked_latents`.
        collage_mask: 1 where that photo is, packed as `mask`.
        draft_latents: Normalised latents of what sampling starts from instead of noise alone: the template with its
            hole filled from around it and one of the photos pasted in. No part of a model reads it.

    Raises:
        ValueError: The parts do not fit each other; names the one that does not.
    """

    mask: Tensor = field(metadata=_part("template", "B 4 F' h w"))
    masked_latents: Tensor = field(metadata=_part("template", "B C F' h w"))
    photo_latents: Tensor = field(metadata=_part("photos", "B N C y x"))
    view_mask: Tensor = field(metadata=_part("photos", "B N"))
    text: Tensor = field(metadata=_part("text", "B T Dt"))
    image_tokens: Tensor | None = field(default=None, metadata=_part("photos", "B N L Dp"))
    dino_tokens: Tensor | None = field(default=None, metadata=_part("photos", "B N M Dd"))
    template_latents: Tensor | None = field(default=None, metadata=_part("template", "B C F' h w"))
    context_mask: Tensor | None = field(default=None, metadata=_part("template", "B 64 F' h w"))
    reactive_latents: Tensor | None = field(default=None, metadata=_part("template", "B C F' h w"))
    canvas_latents: Tensor | None = field(default=None, metadata=_part("photos", "B N C h w"))
    collage_latents: Tensor | None = field(default=None, metadata=_part("template", "B C F' h w"))
    collage_mask: Tensor | None = field(default=None, metadata=_part("template", "B 4 F' h w"))
    draft_latents: Tensor | None = field(default=None, metadata=_part("template", "B C F' h w"))

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name, tensor in self._parts().items():
            dims = self.dims(name)
            fits = len(dims) == tensor.ndim and all(
                size == (int(dim) if dim.isdigit() else sizes.setdefault(dim, size))
                for dim, size in zip(dims, tensor.shape, strict=True)
            )
            if not fits:
                wanted = ", ".join(f"{dim}={sizes[dim]}" if dim in sizes else dim for dim in dims)
                raise ValueError(f"{name} is {tuple(tensor.shape)}, not ({wanted})")

    @classmethod
    def names(cls, *sources: Source) -> tuple[str, ...]:
        """The parts that come from any of `sources`, in the fields' order."""
        return tuple(part.name for part in fields(cls) if part.metadata["source"] in sources)

    @classmethod
    def optional(cls) -> tuple[str, ...]:
        """The parts that may be None."""
        return tuple(part.name for part in fields(cls) if part.default is None)

    @classmethod
    def dims(cls, name: str) -> tuple[str, ...]:
        """The names of a part's dimensions."""
        dims: str = cls.__dataclass_fields__[name].metadata["dims"]
        return tuple(dims.split())

    def _parts(self, *sources: Source) -> dict[str, Tensor]:
        """The tensors that are there: of `sources`, or all."""
        names = self.names(*(sources or ("template", "photos", "text")))
        return {name: tensor for name in names if (tensor := getattr(self, name)) is not None}

    def _map(self, change: Callable[[Tensor], Tensor], *sources: Source) -> Self:
        return replace(self, **{name: change(tensor) for name, tensor in self._parts(*sources).items()})

    def __len__(self) -> int:
        """B."""
        return len(self.mask)

    @property
    def num_views(self) -> int:
        """N, missing views included."""
        return self.view_mask.shape[VIEWS_DIM]

    @property
    def has_product(self) -> Tensor:
        """Whether any view is there, (B,) bool."""
        return self.view_mask.any(VIEWS_DIM)

    def __getitem__(self, index: int | slice) -> Self:
        """The samples of a slice; of an integer a batch of that one."""
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"sample {index} of {len(self)}")
            index = slice(index % len(self), index % len(self) + 1)
        return self._map(lambda tensor: tensor[index])

    def select(self, places: Tensor) -> Self:
        """The samples at `places`, (B',) integers, in this order."""
        return self._map(lambda tensor: tensor[places])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """On another device, and with floating-point parts of another type."""
        return self._map(lambda tensor: tensor.to(device, dtype if tensor.is_floating_point() else None))

    @classmethod
    def concatenate(cls, batches: Sequence[Self], num_views: int | None = None) -> Self:
        """One batch of several, one after another.

        Args:
            batches: At least one; their numbers of views may differ.
            num_views: N of the result; None takes the largest. Views that a batch does not have are missing ones.

        Raises:
            ValueError: A batch has more views than `num_views`, or a part that another lacks.
        """
        most = max(batch.num_views for batch in batches)
        num_views = most if num_views is None else num_views
        if most > num_views:
            raise ValueError(f"{most} views do not fit into {num_views}")

        def pad(tensor: Tensor) -> Tensor:
            missing = num_views - tensor.shape[VIEWS_DIM]
            return functional.pad(tensor, (*[0, 0] * (tensor.ndim - VIEWS_DIM - 1), 0, missing)) if missing else tensor

        padded = [batch._map(pad, "photos")._parts() for batch in batches]
        if any(parts.keys() != padded[0].keys() for parts in padded):
            raise ValueError("a part that some of the batches have is missing in others")
        return cls(**{name: torch.cat([parts[name] for parts in padded]) for name in padded[0]})

    def with_views(self, views: Sequence[int]) -> Self:
        """The same with these of its views, in this order; without any the product is dropped."""
        chosen = self._map(lambda tensor: tensor[:, list(views)], "photos")
        return chosen if views else chosen.without_collage()

    def with_photos_of(self, other: Self) -> Self:
        """The same template and text with another batch's photos, sample by sample.

        Their collage in this template is not known: `with_collage` adds it.
        """
        return replace(self.without_collage(), **other._parts("photos"))

    def with_collage(self, latents: Tensor, mask: Tensor) -> Self:
        """The same with another collage: (B, C, F', h, w) and (B, 4, F', h, w)."""
        return replace(self, collage_latents=latents.to(self.masked_latents), collage_mask=mask.to(self.mask))

    def without_collage(self) -> Self:
        """The same with no photo in the hole, and no draft with one."""
        bare = self.with_draft(None)
        if self.collage_latents is None:
            return bare
        return bare.with_collage(self.masked_latents, torch.zeros_like(self.mask))

    def with_draft(self, latents: Tensor | None) -> Self:
        """The same with another draft, (B, C, F', h, w), or without any."""
        return replace(self, draft_latents=None if latents is None else latents.to(self.masked_latents))

    def without_product(self) -> Self:
        """The same with every view missing."""
        return replace(self.without_collage(), view_mask=torch.zeros_like(self.view_mask))

    def with_text(self, text: Tensor) -> Self:
        """The same with another text: an embedding for all, (T, Dt), or one a sample, (B, T, Dt)."""
        return replace(self, text=text.to(self.text).expand_as(self.text))

    def all_hole(self, empty_latents: Tensor) -> Self:
        """The same with nothing of the template: all of it is generated.

        Args:
            empty_latents: Normalised latents of a video that is all hole, (C, F', h, w).
        """
        empty = empty_latents.to(self.masked_latents).expand_as(self.masked_latents)
        whole = replace(
            self,
            mask=torch.ones_like(self.mask),
            masked_latents=empty,
            template_latents=None if self.template_latents is None else empty,
            context_mask=None if self.context_mask is None else torch.ones_like(self.context_mask),
        )
        return whole.without_collage()
