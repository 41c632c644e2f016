"""Mask areas against the last committed version: a real repository, masks that moved and masks that did not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pvtt.dataset.drift import FIELD, METRICS, compare, drift, histogram
from pvtt.files.workspace import Workspace


def areas(seed: int, count: int, mean: float = 0.2) -> list[float]:
    return [float(area) for area in np.random.default_rng(seed).beta(8 * mean, 8 * (1 - mean), count)]


def test_a_histogram_holds_every_mask_from_none_to_the_whole_frame() -> None:
    counts = histogram([0.0, 0.0049, 0.005, 0.2, 0.9, 1.0])
    assert sum(counts.values()) == 6
    assert (counts["0%"], counts["0.5%"], counts["20%"], counts["90%"]) == (2, 1, 1, 2)


@pytest.mark.parametrize("count", [20, 110, 1000, 5000])
def test_chance_is_no_drift_and_another_kind_of_mask_is(count: int) -> None:
    pairs = [compare(histogram(areas(seed, count)), histogram(areas(seed + 100, count))) for seed in range(20)]
    assert max(beyond for _, beyond in pairs) < 0.1
    assert compare(histogram(areas(1, count)), histogram(areas(2, count, mean=0.6)))[1] > 0.1


def test_nothing_to_compare_is_no_drift() -> None:
    assert compare(histogram([]), histogram(areas(1, 50))) == (0.0, 0.0)


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    return subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


def commit(root: Path, content: str) -> str:
    (root / "metrics").mkdir(exist_ok=True)
    (root / METRICS).write_text(content)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "data")
    return git(root, "rev-parse", "HEAD").strip()


def test_it_is_measured_against_the_last_version_with_other_masks(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    workspace, now = Workspace(root), histogram(areas(3, 400, mean=0.5))
    assert drift(workspace, now).commit is None  # no repository
    git(root, "init", "-q")
    assert drift(workspace, now).commit is None  # no commit
    commit(root, json.dumps({"splits": {}}))
    commit(root, '{"mask_area": {"0%": "many"}}')
    commit(root, '{"mask_area"')
    first = drift(workspace, now)
    assert first.commit is None
    assert first.beyond_chance is None
    assert "no earlier version" in first.says

    old = commit(root, json.dumps({FIELD: histogram(areas(1, 400))}))
    moved = drift(workspace, now)
    assert moved.commit == old
    assert moved.beyond_chance is not None
    assert moved.beyond_chance > 0.1
    assert old[:12] in moved.says

    commit(root, json.dumps({FIELD: now}))  # the same run, committed: what it says stays what it was
    assert drift(workspace, now) == moved
