"""The test samples of the track *transfer*: truths of transfers that are of this dataset's test products."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pvtt.dataset.join import Dataset, Sources
from pvtt.records.base import read_jsonl
from pvtt.records.clips import Clip
from pvtt.records.dataset import FIRST_TRANSFER, DatasetEntry, TemplateClip, TransferSet
from pvtt.records.transfers import TRUTHS_FILE, TransferTruth


def join_transfers(root: Path, folder: str, sources: Sources, dataset: Dataset) -> TransferSet:
    """Join the truths in a folder with the dataset.

    A truth counts where both its products are test products of the dataset, known by the content of their videos, and
    where the clip that was cut of the template's shot shows it frame by frame. The rest is left out: a model may have
    been trained on a product of another split.

    Args:
        root: The workspace's root.
        folder: Of the truths, relative to `root`; it may be missing.
        sources: What the stages before wrote.
        dataset: The samples.

    Raises:
        PvttError: The list of truths is not in its format.
    """
    file = root / folder / TRUTHS_FILE
    truths = read_jsonl(file, TransferTruth) if file.is_file() else []
    owners = {video.sha256: product.product_id for product in sources.products for video in product.videos}
    first = {entry.product_id: entry for entry in reversed(dataset.entries)}
    by_key = {entry.key: entry for entry in dataset.entries}
    found: list[DatasetEntry] = []
    left_out: Counter[str] = Counter()
    for number, truth in enumerate(truths, start=1):
        product = first.get(owners.get(truth.product_video_sha256, ""))
        clip = next((clip for clip in sources.clips if _is_the_shot(clip, truth)), None)
        template = None if clip is None else by_key.get(clip.key)
        if product is None or clip is None or template is None:
            left_out["lack the product or a clip of the shot"] += 1
        elif {product.split, template.split} != {"test"}:
            left_out["have a product outside the test split"] += 1
        elif (clip.fps, clip.num_frames) != (truth.fps, truth.num_frames):
            left_out["have the shot at another frame rate or length"] += 1
        else:
            found.append(_entry(product, template, truth, folder, FIRST_TRANSFER + number))
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    empty = f"of {len(truths)} truths in {folder}, {reasons}" if truths else f"there are no truths in {folder}"
    return TransferSet(entries=tuple(found), reason=None if found else empty)


def _is_the_shot(clip: Clip, truth: TransferTruth) -> bool:
    """To half a frame."""
    same_video = clip.source_sha256 == truth.template_video_sha256
    return same_video and abs(clip.source_start_s - truth.template_start_s) < 0.5 / truth.fps


def _entry(
    product: DatasetEntry, template: DatasetEntry, truth: TransferTruth, folder: str, number: int
) -> DatasetEntry:
    return product.model_copy(
        update={
            "clip_id": f"{number:04d}",
            "clip_path": f"{folder}/{truth.path}",
            "mask_path": f"{folder}/{truth.mask_path}",
            "clip_sha256": truth.sha256,
            "mask_sha256": truth.mask_sha256,
            "num_frames": truth.num_frames,
            "fps": truth.fps,
            "width": truth.width,
            "height": truth.height,
            "template": TemplateClip(
                product_id=template.product_id,
                clip_path=template.clip_path,
                mask_path=template.mask_path,
                clip_sha256=template.clip_sha256,
                mask_sha256=template.mask_sha256,
            ),
            "track": "transfer",
        }
    )
