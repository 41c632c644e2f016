"""Which products differ between two versions of `data/`, as DVC has them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.records.base import Record
from pvtt.records.catalog import PRODUCT_FILE


class DataChanges(Record):
    """What one version of `data/` has that another has not, by product."""

    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]  # product → its files that came (`+`), went (`-`) or differ (`~`)


def compare_versions(workspace: Workspace, old: str, new: str | None = None) -> DataChanges:
    """Compare two versions of `data/`.

    Args:
        workspace: A checkout, with DVC.
        old: A revision of Git.
        new: Another; None: what is there now.

    Raises:
        PvttError: DVC cannot compare them; with its own message.
    """
    revisions = [old] if new is None else [old, new]
    command = [sys.executable, "-m", "dvc", "diff", "--json", "--targets", "data", "--", *revisions]
    answer = subprocess.run(
        command, cwd=workspace.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        message = (answer.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("ERROR: ")
        raise PvttError(
            f"DVC cannot compare data/ with {' and '.join(revisions)}: {message}",
            "name commits that have a data.dvc: `git log --oneline -- data.dvc`",
        )
    found = json.loads(answer.stdout or "{}")
    marks: dict[str, dict[str, str]] = {}
    for mark, path in _marked(found):
        parts = PurePosixPath(path).parts
        if len(parts) > 3 and parts[:2] == ("data", "products"):
            marks.setdefault(parts[2], {})["/".join(parts[3:])] = mark
    of_record = {product_id: files.get(PRODUCT_FILE) for product_id, files in marks.items()}
    return DataChanges(
        new=tuple(sorted(product_id for product_id, mark in of_record.items() if mark == "+")),
        gone=tuple(sorted(product_id for product_id, mark in of_record.items() if mark == "-")),
        changed={
            product_id: tuple(f"{mark} {file}" for file, mark in sorted(files.items()))
            for product_id, files in sorted(marks.items())
            if of_record[product_id] not in ("+", "-")
        },
    )


def _marked(found: dict[str, list[dict[str, object]]]) -> Iterator[tuple[str, str]]:
    """Every path that DVC names with its mark; a renamed one goes and comes."""
    for kind, mark in (("added", "+"), ("deleted", "-"), ("modified", "~")):
        yield from ((mark, str(one["path"])) for one in found.get(kind, ()))
    for one in found.get("renamed", ()):
        paths = one["path"]
        assert isinstance(paths, dict)
        yield "-", str(paths["old"])
        yield "+", str(paths["new"])


def in_lines(changes: DataChanges) -> Iterable[str]:
    """A line a product."""
    yield from (f"+ {product_id}" for product_id in changes.new)
    yield from (f"- {product_id}" for product_id in changes.gone)
    for product_id, files in changes.changed.items():
        yield f"~ {product_id}  {', '.join(files)}"
