from __future__ import annotations

from pathlib import Path

import numpy as np

from pvtt.encoding.gaps import gap_partners
from pvtt.records.dataset import DatasetEntry
from tests.encoding.samples import write_sample


def entries(tmp_path: Path, per_category: int) -> list[DatasetEntry]:
    one = write_sample(tmp_path)
    return [
        one.model_copy(update={"product_id": f"{category}{number:03d}", "category": category, "split": "train"})
        for category in ("ring", "mug", "box")
        for number in range(per_category)
    ]


def test_a_partner_is_a_training_sample_of_another_category(tmp_path: Path) -> None:
    samples = entries(tmp_path, 10)
    held_out = [entry.model_copy(update={"split": "test"}) for entry in samples[:5]]
    partners = gap_partners([*held_out, *samples[5:]])
    assert set(partners) == {entry.key for entry in samples[5:]}
    by_key = {entry.key: entry for entry in samples}
    for key, partner in partners.items():
        assert partner.category != by_key[key].category
        assert partner.split == "train"
    assert len({partner.key for partner in partners.values()}) > 8
    assert gap_partners(samples[:10]) == {}  # all are rings


def test_a_further_product_changes_few_partners(tmp_path: Path) -> None:
    samples = entries(tmp_path, 40)
    before, after = gap_partners(samples[1:]), gap_partners(samples)
    changed = [key for key in before if before[key].key != after[key].key]
    assert len(changed) <= 8  # of 119
    order = np.random.default_rng(0).permutation(len(samples))
    assert gap_partners([samples[place] for place in order]) == after
