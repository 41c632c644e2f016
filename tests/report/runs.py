"""Workspaces of runs to compare: a copy of an evaluated one that another model would have left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

OUTCOME = ("metrics", "outs/evaluate")


def copy_run(root: Path, destination: Path, project_root: Path) -> Path:
    """What a comparison reads of a workspace, with the project's params."""
    for name in OUTCOME:
        shutil.copytree(root / name, destination / name)
    shutil.copy(project_root / "params.yaml", destination)
    return destination


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file in place."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def rename_run(root: Path, run_id: str) -> None:
    """Give a copied run an id of its own, wherever that stands."""
    for name in ("metrics/evaluate.json", "metrics/decision.json", "outs/evaluate/run.json"):
        edit(root / name, lambda data: data.update(run_id=run_id))


def shift(root: Path, metric: str, by: float) -> None:
    """Add to a metric of every sample, and to its means with their intervals."""

    def means(data: dict[str, Any]) -> None:
        for part in ("train", "val", "test", "transfer"):
            found = data[part].get(metric)
            if found and found["value"] is not None:
                found.update({end: found[end] + by for end in ("value", "low", "high")})

    edit(root / "metrics" / "evaluate.json", means)
    samples = root / "outs" / "evaluate" / "evaluated.jsonl"
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    for row in rows:
        if row["metrics"].get(metric) is not None:
            row["metrics"][metric] += by
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
