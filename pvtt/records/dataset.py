"""The dataset: which clip, mask and photos make a sample, and in which split it is.

Three forms of the same list:

- `DatasetEntry`: what `validate` hands to `encode`; paths are relative to the workspace and hashes are included.
- `EncodedSample`: what `encode` hands to training and evaluation.
- `DatasetFile`: `dataset.json`, field for field as the experiment document's section 2.3 writes it; `pvtt export` makes
  the folder that its paths lead into. `dataset.schema.json` beside this file is its JSON Schema, made by
  `python -m pvtt.records.dataset`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainSerializer, StringConstraints, model_validator

from pvtt.files.atomic import atomic_write_text
from pvtt.records.base import Record, read_output, read_output_jsonl
from pvtt.records.catalog import ClipId, ProductId, Sha256
from pvtt.records.clips import ClipRecord

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
# What a sample asks for: its clip's own product again, or another product in a template's place.
Track = Literal["reconstruct", "transfer"]
ENTRIES_FILE = "entries.jsonl"  # in outs/validate: a `DatasetEntry` a line
ENCODED_FILE = "encoded.jsonl"  # in outs/encode: an `EncodedSample` a line
TRANSFERS_FILE = "transfers.json"  # in outs/validate: a `TransferSet`
FIRST_TRANSFER = 9000  # transfers are numbered from here, so that no clip of their product has their key
ENCODED_TRANSFERS_FILE = "transfers.jsonl"  # in outs/encode: an `EncodedSample` a line
FOREIGN_FILE = "foreign.jsonl"  # in outs/encode: a `ForeignSample` a line
SCHEMA_FILE = Path(__file__).with_name("dataset.schema.json")


class TemplateClip(Record):
    """The same shot as a sample's clip, filmed with another product: what a transfer to the sample starts from."""

    product_id: ProductId
    clip_path: str
    mask_path: str
    clip_sha256: Sha256
    mask_sha256: Sha256


class OtherClip(Record):
    """Another clip of a sample's product: its cut-outs stand in where no photo may be given."""

    clip_id: ClipId
    clip_path: str
    mask_path: str
    clip_sha256: Sha256
    mask_sha256: Sha256


class DatasetEntry(ClipRecord):
    """One sample: a clip, its mask, and the photos of its product.

    All paths are relative to the workspace's root, for example `outs/clip/videos/JEWE001_001.mp4`.
    """

    schema_version: Literal[1] = 1
    split: Split
    category: str
    caption: str
    clip_path: str
    mask_path: str
    photo_paths: tuple[str, ...]  # none: the product in its other clips stands in
    clip_sha256: Sha256
    mask_sha256: Sha256
    photo_sha256s: tuple[Sha256, ...]
    photo_hashes: tuple[str, ...] = ()  # pHash of each photo with its background, hexadecimal; none: not known
    num_frames: int = Field(gt=0)
    fps: float = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    template: TemplateClip | None = None  # frame by frame the same shot; only rendered data have it
    track: Track = "reconstruct"

    @model_validator(mode="after")
    def _one_hash_a_photo(self) -> Self:
        if len(self.photo_paths) != len(self.photo_sha256s):
            raise ValueError(f"{len(self.photo_paths)} photos but {len(self.photo_sha256s)} photo hashes")
        if len(self.photo_hashes) not in (0, len(self.photo_paths)):
            raise ValueError(f"{len(self.photo_paths)} photos but {len(self.photo_hashes)} perceptual hashes")
        return self

    @model_validator(mode="after")
    def _transfers_have_a_template(self) -> Self:
        if self.track == "transfer" and self.template is None:
            raise ValueError("a transfer needs the template that it starts from")
        return self


class TransferSet(Record):
    """The test samples of the track *transfer*: each a template, and as its clip the truth of another product there."""

    entries: tuple[DatasetEntry, ...]
    reason: str | None  # why there are none; None where there are some


class EncodedSample(ClipRecord):
    """One sample's tensors on disk (safetensors); `path` is relative to the encode stage's output directory.

    Its references are photos that show no moment of its clip, or the product cut out of other clips; their paths are
    relative to the workspace.
    """

    schema_version: Literal[1] = 1
    split: Split
    category: str
    caption: str
    path: str
    num_variants: int = Field(ge=1)
    num_views: int = Field(ge=1)
    latent_shape: tuple[int, int, int, int]  # (C, F', h, w)
    num_windows: int = Field(ge=1)  # windows of the clip that the variants draw from
    track: Track = "reconstruct"
    photo_paths: tuple[str, ...]
    photo_sha256s: tuple[Sha256, ...]
    own_moments: tuple[str, ...] = ()  # photos of its product that show a moment of its clip: no references
    reference_clips: tuple[str, ...] = ()  # ids of the clips that references are cut out of; none: they are photos

    def given(self, entry: DatasetEntry) -> DatasetEntry:
        """The dataset's entry of this sample with the references that it was given."""
        paths = {"photo_paths": self.photo_paths, "photo_sha256s": self.photo_sha256s, "photo_hashes": ()}
        return entry.model_copy(update=paths)


class ForeignSample(Record):
    """A foreign clip's tensors on disk (safetensors): latents (V, C, F', h, w) and the text's embedding (T, Dt)."""

    schema_version: Literal[1] = 1
    name: str  # its place in the folder of foreign clips
    caption: str
    path: str  # relative to the encode stage's output directory
    num_variants: int = Field(ge=1)  # windows of it
    latent_shape: tuple[int, int, int, int]  # (C, F', h, w)


def read_entries(folder: Path) -> list[DatasetEntry]:
    """The dataset in the validate stage's output directory.

    Raises:
        MissingInputError: The stage has not run.
        PvttError: A line is no `DatasetEntry`.
    """
    return read_output_jsonl(folder / ENTRIES_FILE, DatasetEntry, "validate")


def read_encoded(folder: Path) -> list[EncodedSample]:
    """The samples in the encode stage's output directory. Raises as `read_entries`."""
    return read_output_jsonl(folder / ENCODED_FILE, EncodedSample, "encode")


def read_transfers(folder: Path) -> TransferSet:
    """The transfers in the validate stage's output directory. Raises as `read_entries`."""
    return read_output(folder / TRANSFERS_FILE, TransferSet, "validate")


def write_transfers(folder: Path, transfers: TransferSet) -> None:
    """Write the transfers into the validate stage's output directory, atomically."""
    atomic_write_text(folder / TRANSFERS_FILE, transfers.to_json() + "\n")


def read_encoded_transfers(folder: Path) -> list[EncodedSample]:
    """The transfers in the encode stage's output directory. Raises as `read_entries`."""
    return read_output_jsonl(folder / ENCODED_TRANSFERS_FILE, EncodedSample, "encode")


def read_foreign(folder: Path) -> list[ForeignSample]:
    """The foreign clips in the encode stage's output directory. Raises as `read_entries`."""
    return read_output_jsonl(folder / FOREIGN_FILE, ForeignSample, "encode")


def _whole_number(value: float) -> float | int:
    """24.0 as 24, as the seeds write it."""
    return int(value) if value.is_integer() else value


# Paths stay inside the folder: relative, posix, no `..`.
RelativePath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*/?$")]
Fps = Annotated[float, Field(gt=0), PlainSerializer(_whole_number, return_type=float | int)]


class DatasetFileEntry(Record):
    """One sample of `dataset.json`; paths are relative to the folder that holds it."""

    product_id: ProductId
    clip_id: ClipId
    video_path: RelativePath
    masked_video_path: RelativePath
    mask_dir: RelativePath
    product_images: tuple[RelativePath, ...] = Field(min_length=1)
    caption: str
    num_frames: int = Field(gt=0)
    fps: Fps


class DatasetFile(Record):
    """The whole of `dataset.json`."""

    train: tuple[DatasetFileEntry, ...]
    val: tuple[DatasetFileEntry, ...]
    test: tuple[DatasetFileEntry, ...]

    @classmethod
    def from_entries(cls, entries: Iterable[DatasetEntry]) -> DatasetFile:
        """The same samples, in the same order, with the paths of the seeds' folder layout; those of products without
        photos have no place in it."""
        splits: dict[Split, list[DatasetFileEntry]] = {split: [] for split in SPLITS}
        for entry in (entry for entry in entries if entry.photo_paths):
            splits[entry.split].append(
                DatasetFileEntry(
                    product_id=entry.product_id,
                    clip_id=entry.clip_id,
                    video_path=f"videos/{entry.key}.mp4",
                    masked_video_path=f"masked/{entry.key}.mp4",
                    mask_dir=f"masks/{entry.key}/",
                    product_images=tuple(
                        f"product_images/{entry.product_id}/{Path(path).name}" for path in entry.photo_paths
                    ),
                    caption=entry.caption,
                    num_frames=entry.num_frames,
                    fps=entry.fps,
                )
            )
        return cls(train=tuple(splits["train"]), val=tuple(splits["val"]), test=tuple(splits["test"]))

    def write(self, path: Path) -> None:
        """Write the file as UTF-8 JSON, atomically."""
        text = json.dumps(json.loads(self.to_json()), indent=2, ensure_ascii=False)
        atomic_write_text(path, text + "\n")


def dataset_json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `dataset.json`."""
    schema = DatasetFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    atomic_write_text(SCHEMA_FILE, json.dumps(dataset_json_schema(), indent=2) + "\n")
