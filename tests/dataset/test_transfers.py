"""Which truths of transfers a dataset can use, and what it says where it can use none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pvtt.dataset.join import Dataset, Sources, join
from pvtt.dataset.transfers import join_transfers
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import TransferSet
from pvtt.records.transfers import TRUTHS_FILE, TransferTruth
from tests.dataset.build import Rows, params, sha256

FOLDER = "truths"


def truth(template: str, product: str, **changes: Any) -> TransferTruth:
    """Of the template's second clip with another product."""
    fields: dict[str, Any] = {
        "template_video_sha256": sha256(f"video of {template}"),
        "template_start_s": 4.0,
        "product_video_sha256": sha256(f"products/{product}/media/v.mp4"),
        "num_frames": 48,
        "fps": 12.0,
        "width": 720,
        "height": 480,
        "path": f"{template}-as-{product}.mp4",
        "sha256": sha256("film"),
        "mask_path": f"{template}-as-{product}.mkv",
        "mask_sha256": sha256("mask"),
        "template_mask_path": f"{template}-as-{product}-template.mkv",
        "template_mask_sha256": sha256("template's mask"),
    }
    return TransferTruth(**(fields | changes))


@pytest.fixture(scope="module")
def joined() -> tuple[Sources, Dataset]:
    """Two clips a product, the second from second 4 on."""
    rows = Rows(24)
    for index, clip in enumerate(rows.clips):
        start = 4.0 * (int(clip.clip_id) - 1)
        source = sha256(f"video of {clip.product_id}")
        rows.change("clips", index, source_sha256=source, source_start_s=start, source_end_s=start + 4)
    sources = Sources(tuple(rows.products), tuple(rows.clips), tuple(rows.masks), tuple(rows.photo_sets), ())
    return sources, join(sources, params())


def products(dataset: Dataset, split: str) -> list[str]:
    return sorted({entry.product_id for entry in dataset.entries if entry.split == split})


def found(root: Path, joined: tuple[Sources, Dataset], *truths: TransferTruth) -> TransferSet:
    (root / FOLDER).mkdir()
    write_jsonl(root / FOLDER / TRUTHS_FILE, truths)
    return join_transfers(root, FOLDER, *joined)


def test_a_truth_between_test_products_becomes_a_sample(joined: tuple[Sources, Dataset], tmp_path: Path) -> None:
    template, product = products(joined[1], "test")[:2]
    one = found(tmp_path, joined, truth("JEWE999", product), truth(template, product, template_start_s=4.02))
    assert one.reason is None
    (entry,) = one.entries
    own = next(entry for entry in joined[1].entries if entry.product_id == product)
    assert (entry.track, entry.split, entry.product_id, entry.clip_id) == ("transfer", "test", product, "9002")
    assert (entry.photo_paths, entry.caption) == (own.photo_paths, own.caption)
    assert (entry.clip_path, entry.mask_path) == (
        f"truths/{template}-as-{product}.mp4",
        f"truths/{template}-as-{product}.mkv",
    )
    assert entry.template is not None
    assert entry.template.product_id == template
    assert entry.template.clip_path == f"outs/clip/videos/{template}_002.mp4"
    assert entry.key not in {entry.key for entry in joined[1].entries}


def test_truths_of_other_splits_other_data_and_other_clips_are_left_out(
    joined: tuple[Sources, Dataset], tmp_path: Path
) -> None:
    template, product = products(joined[1], "test")[:2]
    trained = products(joined[1], "train")[0]
    one = found(
        tmp_path,
        joined,
        truth(template, trained),
        truth(trained, product),
        truth(template, "JEWE999"),
        truth(template, product, template_start_s=4.1),
        truth(template, product, fps=24.0),
        truth(template, product, num_frames=47),
    )
    assert one.entries == ()
    assert one.reason == (
        "of 6 truths in truths, 2 have a product outside the test split, 2 lack the product or a clip of the shot, "
        "2 have the shot at another frame rate or length"
    )


def test_without_truths_there_is_a_reason_and_no_error(joined: tuple[Sources, Dataset], tmp_path: Path) -> None:
    assert join_transfers(tmp_path, FOLDER, *joined) == TransferSet(entries=(), reason="there are no truths in truths")
