"""What the crawl tests look at in `data/`."""

from __future__ import annotations

import json
from typing import Any

from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.records.base import read_jsonl
from pvtt.records.catalog import Reject, read_catalog


def tree(workspace: Workspace) -> dict[str, bytes]:
    """Every file of `data/` with its bytes."""
    return {
        path.relative_to(workspace.data).as_posix(): path.read_bytes()
        for path in sorted(workspace.data.rglob("*"))
        if path.is_file()
    }


def tree_without_times(workspace: Workspace) -> dict[str, Any]:
    """As `tree`, with the retrieval times taken out of the records."""
    found: dict[str, Any] = dict(tree(workspace))
    for name in [name for name in found if name.endswith("product.json")]:
        record = json.loads(found[name])
        for part in (record, *record["videos"], *record["photos"]):
            del part["retrieved_at"]
        found[name] = record
    return found


def rejects(workspace: Workspace) -> list[Reject]:
    return read_jsonl(workspace.data / "rejects.jsonl", Reject)


def check_catalog(workspace: Workspace) -> None:
    """Every record is where it says, every file is what its record says, and there is nothing else."""
    catalog = read_catalog(workspace.data)
    expected = {"rejects.jsonl"} | {path.name for path in workspace.data.glob("tombstones.jsonl")}
    for product_id, product in catalog.items():
        expected.add(f"products/{product_id}/product.json")
        for medium in (*product.videos, *product.photos):
            path = workspace.data / medium.path
            assert medium.path == f"products/{product_id}/media/{medium.sha256[:16]}{path.suffix}"
            assert sha256_file(path) == medium.sha256
            assert path.stat().st_size == medium.num_bytes
            expected.add(medium.path)
    assert set(tree(workspace)) == expected
