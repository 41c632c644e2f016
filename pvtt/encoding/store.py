"""Encoded samples on disk: their tensors' names and shapes, the writer, and the only reader.

A sample is one safetensors file of floating-point tensors, all of one type. With V variants:

    latents         (V, C, F', h, w)    x₀, normalised
    region          (V, 1, F', h, w)    the product's share of each latent cell, in [0, 1]
    mask            (V, 4, F', h, w)    ┐
    masked_latents  (V, C, F', h, w)    │ the parts of `Conditions`, except the view mask: the template's and the
    photo_latents   (V, N, C, y, x)     │ photos' for each variant, the text's once
    text            (T, Dt)             │
    image_tokens    (V, N, L, Dp)       │
    dino_tokens     (V, N, M, Dd)       │ only with a frozen image network (`encode.image_features`)
    template_latents (V, C, F', h, w)   ┘ only for `template_frames` (`model.conditioning`)
    context_mask, reactive_latents, canvas_latents: only for `context_blocks`, as `Conditions` has them
    point_patches   (V, 1, F', h, w)    1 around tracked points, only with `encode.point_tracks`
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pvtt.errors import PvttError
from pvtt.files.storage import raise_storage_fault
from pvtt.models.conditioning.conditions import Conditions
from pvtt.records.dataset import ENCODED_FILE, EncodedSample, Split, read_encoded

TENSORS_FILE = "tensors.safetensors"  # of one encoded item
HOLD_UP_TO_BYTES = 2 << 30  # splits up to this size are held in memory

OF_TRUTH = {
    "latents": ("B", "C", "F'", "h", "w"),
    "region": ("B", "1", "F'", "h", "w"),
    "point_patches": ("B", "1", "F'", "h", "w"),
}
PER_VARIANT = (*OF_TRUTH, *(name for name in Conditions.names("template", "photos") if name != "view_mask"))
SHARED = Conditions.names("text")  # by all variants
OPTIONAL = (*Conditions.optional(), "point_patches")


@dataclass(frozen=True)
class EncodedVariant:
    """One variant of an encoded sample, as a batch of one; types are as stored."""

    latents: Tensor  # x₀, (1, C, F', h, w)
    region: Tensor  # the product's coverage, (1, 1, F', h, w)
    conditions: Conditions  # with all views
    point_patches: Tensor | None = None  # 1 around the product's tracked points, (1, 1, F', h, w)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write one sample's tensors.

    Args:
        path: The .safetensors file to write.
        tensors: Those that the module's head lists; all of them, but for the optional.

    Raises:
        ValueError: One is missing or none of them.
    """
    from safetensors.torch import save_file

    if {*tensors, *OPTIONAL} != {*PER_VARIANT, *SHARED}:
        raise ValueError(f"an encoded sample has {sorted((*PER_VARIANT, *SHARED))}, not {sorted(tensors)}")
    save_file(dict(tensors), path)


def read_variant(folder: Path, sample: EncodedSample, variant: int = 0) -> EncodedVariant:
    """Read one variant, and nothing else of the file.

    Args:
        folder: The encode stage's output directory.
        sample: The record of the sample to read.
        variant: Which of its variants; 0 is the one that is evaluated.

    Raises:
        PvttError: The file is missing, damaged, lacks a tensor, or is another sample's.
    """
    from safetensors import safe_open

    path = folder / sample.path
    with reading(path), safe_open(path, framework="pt") as file:
        names = _names(file.keys())
        _require_shapes({name: tuple(file.get_slice(name).get_shape()) for name in names}, sample)
        of_variant = {name: file.get_slice(name)[variant] for name in names if name in PER_VARIANT}
        return _as_variant(of_variant | {name: file.get_tensor(name) for name in SHARED})


class EncodedDataset:
    """The encoded samples of one split.

    Only the variant that is asked for is read; a split that is small enough is held in memory instead.

    Args:
        folder: The encode stage's output directory.
        split: The split whose samples are read.
        hold_up_to: Hold the split in memory if its files have at most this many bytes.

    Raises:
        MissingInputError: There is no `encoded.jsonl`.
        PvttError: Samples differ in shape; otherwise as `read_variant`.
    """

    def __init__(self, folder: Path, split: Split, hold_up_to: int = HOLD_UP_TO_BYTES) -> None:
        self.folder = folder
        self.split = split
        self.samples = [sample for sample in read_encoded(folder) if sample.split == split]
        for sample in self.samples:
            if sample.latent_shape != self.samples[0].latent_shape:
                raise PvttError(
                    f"{folder / ENCODED_FILE}: {sample.key} has latents {sample.latent_shape}, {self.samples[0].key} "
                    f"{self.samples[0].latent_shape}: samples of different shapes cannot share a batch",
                    "encode all of them with the same params: `dvc repro --force encode`",
                )
        self._held: list[dict[str, Tensor]] = []
        if sum(_size(folder / sample.path) for sample in self.samples) <= hold_up_to:
            self._held = [_load(folder, sample) for sample in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def max_views(self) -> int:
        """The most photos that any product has."""
        return max((sample.num_views for sample in self.samples), default=0)

    def read(self, index: int, variant: int) -> EncodedVariant:
        """One variant of a sample. Raises as `read_variant`."""
        if not self._held:
            return read_variant(self.folder, self.samples[index], variant)
        held = self._held[index]
        with reading(self.folder / self.samples[index].path):
            return _as_variant({name: held[name] if name in SHARED else held[name][variant] for name in held})


def _names(stored: Collection[str]) -> list[str]:
    """The tensors to read of a file that holds `stored`: all, and the optional ones that it has."""
    return [name for name in (*PER_VARIANT, *SHARED) if name in stored or name not in OPTIONAL]


def _size(path: Path) -> int:
    with reading(path):
        return path.stat().st_size


def _load(folder: Path, sample: EncodedSample) -> dict[str, Tensor]:
    """All variants of a sample."""
    from safetensors.torch import load_file

    with reading(folder / sample.path):
        tensors = load_file(folder / sample.path)
        tensors = {name: tensors[name] for name in _names(tensors)}
        _require_shapes({name: tuple(tensor.shape) for name, tensor in tensors.items()}, sample)
        return tensors


def _as_variant(tensors: Mapping[str, Tensor]) -> EncodedVariant:
    """Tensors without their dimension of variants → a batch of one."""
    batch = {name: tensor[None] for name, tensor in tensors.items()}
    latents, region, point_patches = batch.pop("latents"), batch.pop("region"), batch.pop("point_patches", None)
    view_mask = torch.ones(1, batch["photo_latents"].shape[1], dtype=torch.bool)
    return EncodedVariant(latents, region, Conditions(view_mask=view_mask, **batch), point_patches)


def _require_shapes(shapes: Mapping[str, Sequence[int]], sample: EncodedSample) -> None:
    """Check tensors against the sample's record; `ValueError` where they differ."""
    known = {"B": sample.num_variants, "N": sample.num_views}
    known |= dict(zip(("C", "F'", "h", "w"), sample.latent_shape, strict=True))
    for name in (name for name in PER_VARIANT if name in shapes):
        dims = OF_TRUTH.get(name) or Conditions.dims(name)
        found = tuple(shapes[name])
        sizes = [int(dim) if dim.isdigit() else known.get(dim) for dim in dims]
        fits = len(found) == len(dims) and all(
            wanted in (None, size) for wanted, size in zip(sizes, found, strict=True)
        )
        if not fits:
            wanted = ", ".join(dim if size is None else str(size) for dim, size in zip(dims, sizes, strict=True))
            raise ValueError(f"{name} is {found}, not ({wanted}) as {sample.key}'s is")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name the file that the block cannot read. Raises `PvttError`, and of a disk's fault `StorageError`."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise_storage_fault(error, path)
        raise PvttError(
            f"{path}: cannot be read as an encoded sample: {error}", "run `dvc repro --force encode`"
        ) from error
