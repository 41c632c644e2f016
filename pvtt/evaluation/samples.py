"""The samples that are evaluated, and their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pvtt.encoding.photos import read_photos
from pvtt.encoding.windows import EvaluationWindow, load_window
from pvtt.evaluation.generations import averaged
from pvtt.evaluation.metrics.metric import Values
from pvtt.evaluation.selection import select, swap_partners
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Rgba
from pvtt.params.file import Params
from pvtt.records.dataset import (
    SPLITS,
    DatasetEntry,
    EncodedSample,
    read_encoded,
    read_encoded_transfers,
    read_entries,
    read_transfers,
)
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.parts import Part


@dataclass(frozen=True)
class Chosen:
    """A sample to evaluate.

    Args:
        entry: Its clip, mask and photos.
        encoded: The record of its tensors.
        partner: A sample of another product of the split, whose photos stand in for its own; None without one.
        partner_entry: The partner's clip, mask and photos.
        to_rate: Its video is among those that people rate.
    """

    entry: DatasetEntry
    encoded: EncodedSample
    partner: EncodedSample | None
    partner_entry: DatasetEntry | None
    to_rate: bool

    @property
    def part(self) -> Part:
        return self.entry.split if self.entry.track == "reconstruct" else self.entry.track

    @property
    def template_product_id(self) -> str | None:
        """Whose place a transfer's product takes."""
        template = self.entry.template
        return None if template is None or self.part != "transfer" else template.product_id

    def evaluated(self, params: Params, videos: dict[str, str], measured: Sequence[Values]) -> EvaluatedSample:
        """Its line of `evaluated.jsonl`.

        Args:
            params: All of params.yaml.
            videos: Those that are kept, relative to `outs/evaluate`.
            measured: The metrics of each generation.
        """
        entry, partner = self.entry, self.partner_entry
        return EvaluatedSample(
            split=entry.split,
            track=entry.track,
            template_product_id=self.template_product_id,
            product_id=entry.product_id,
            clip_id=entry.clip_id,
            category=entry.category,
            caption=entry.caption,
            swapped_product_id=None if self.partner is None else self.partner.product_id,
            photo_paths=photo_paths(entry, params),
            swapped_photo_paths=() if partner is None else photo_paths(partner, params),
            to_rate=self.to_rate,
            videos=videos,
            metrics=averaged(measured),
            generations=tuple(dict(values) for values in measured) if len(measured) > 1 else (),
        )


def choose(workspace: Workspace, params: Params) -> list[Chosen]:
    """The samples to evaluate, part by part."""
    validated, out = workspace.out("validate"), workspace.out("encode")
    entries = {entry.key: entry for entry in (*read_entries(validated), *read_transfers(validated).entries)}
    encoded = read_encoded(out)
    chosen: list[Chosen] = []
    for split in SPLITS:
        of_split = [sample for sample in encoded if sample.split == split]
        selected = select(of_split, params.evaluate.max_clips_per_split, params.seed)
        chosen += _with_partners(selected, entries, params)
    transfers = select(read_encoded_transfers(out), params.evaluate.max_transfers, params.seed)
    return [*chosen, *_with_partners(transfers, entries, params)]


def _with_partners(
    selected: Sequence[EncodedSample], entries: Mapping[str, DatasetEntry], params: Params
) -> Iterator[Chosen]:
    partners = swap_partners(selected, params.seed)
    first = {sample.product_id: sample for sample in reversed(selected)}
    for number, sample in enumerate(selected):
        partner = first[partners[sample.product_id]] if sample.product_id in partners else None
        yield Chosen(
            entry=sample.given(entries[sample.key]),
            encoded=sample,
            partner=partner,
            partner_entry=None if partner is None else partner.given(entries[partner.key]),
            to_rate=number < params.evaluate.save_videos,
        )


def photos_of(entry: DatasetEntry, workspace: Workspace, params: Params) -> list[Rgba]:
    """The photos of a sample's product that the model sees, (S, S, 4) RGBA each."""
    return read_photos(entry, workspace.root, params.encode.max_photos)


def photo_paths(entry: DatasetEntry, params: Params) -> tuple[str, ...]:
    """The photos of a sample's product that the model sees, relative to the workspace."""
    return entry.photo_paths[: params.encode.max_photos]


def shown_samples(params: Params) -> dict[str, str | int | float | None]:
    """What of `params.encode` the evaluated variant of a sample depends on."""
    encode = params.encode
    return {
        "size": f"{encode.width}x{encode.height}",
        "num_frames": encode.num_frames,
        "frame_stride": encode.frame_stride,
        "max_photos": encode.max_photos,
        "photo_size": encode.photo_size,
        "image_features": encode.image_features,
        "text_tokens": encode.text_tokens,
        "encode_dtype": encode.dtype,
        "crop": f"fill {encode.crop.fill}" if encode.crop.follow else "whole frame",
        **{f"mask.{name}": value for name, value in encode.mask.model_dump().items()},
    }


class Windows:
    """The samples' pixels.

    Args:
        workspace: The project's folders.
        params: As the samples were encoded with.
    """

    def __init__(self, workspace: Workspace, params: Params) -> None:
        self._workspace = workspace
        self._params = params

    def read(self, entry: DatasetEntry) -> EvaluationWindow:
        """A sample's pixels. Raises as `load_window`."""
        from_template = "template" in self._params.model.encoded_extras
        return load_window(entry, self._workspace.root, self._params.encode, from_template)

    def mean_product_colour(self, entries: Sequence[DatasetEntry]) -> npt.NDArray[np.uint8]:
        """The mean colour of these reconstructions' products, (3,); mid-grey without."""
        sums, count = np.zeros(3), 0
        for entry in entries:
            window = self.read(entry)
            sums += window.pixels[window.product].sum(axis=0, dtype=np.float64)
            count += int(window.product.sum())
        mean = sums / count if count else np.full(3, 127.5)
        return np.rint(mean).astype(np.uint8)
