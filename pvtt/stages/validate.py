"""validate: the tables of clip, segment and photos → samples.jsonl, dataset.json, Data Docs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.dataset.join import Sources
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params
    from pvtt.records.base import RecordT

STAGE = Stage(
    name="validate",
    help="Check the tables, split by product, write dataset.json",
    reads=("data", "outs/clip", "outs/photos", "outs/segment"),
    params=("clip", "photos", "segment", "validate"),
    writes=(
        "outs/validate/samples.jsonl",
        "outs/validate/dataset.json",
        "outs/validate/rejects.jsonl",
        "outs/validate/expectations.jsonl",
        "outs/validate/data_docs",
    ),
    metrics=("metrics/validate.json",),
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Join, split, and check the dataset. What failed is written before it is raised.

    Raises:
        MissingInputError: A stage before has not run.
        ValidationFailedError: A critical expectation failed; names the rows.
    """
    from pvtt.dataset.expectations import describe, raise_critical, validate_tables
    from pvtt.dataset.join import join, summarise
    from pvtt.dataset.tables import build_tables
    from pvtt.files.atomic import atomic_directory, atomic_write_text
    from pvtt.records.base import write_jsonl
    from pvtt.records.dataset import DatasetFile

    sources = read_sources(workspace)
    dataset = join(sources, params)
    tables = build_tables(workspace, sources, dataset, params.validate_)
    with atomic_directory(workspace.out(STAGE.name)) as out:
        outcomes = validate_tables(tables, params, out / "data_docs")
        write_jsonl(out / "samples.jsonl", dataset.entries)
        DatasetFile.from_entries(dataset.entries).write(out / "dataset.json")
        write_jsonl(out / "rejects.jsonl", dataset.left_out)
        write_jsonl(out / "expectations.jsonl", outcomes)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    num_critical = sum(outcome.severity == "critical" for outcome in failed)
    metrics = summarise(sources, dataset) | {
        "expectations": {
            "passed": len(outcomes) - len(failed),
            "failed_critical": num_critical,
            "failed_warning": len(failed) - num_critical,
        }
    }
    atomic_write_text(workspace.metrics / f"{STAGE.name}.json", json.dumps(metrics, indent=2) + "\n")
    for outcome in failed:
        if outcome.severity == "warning":
            print(f"validate: warning: {describe(outcome)}", file=sys.stderr)
    raise_critical(outcomes, workspace.out(STAGE.name) / "data_docs")


def read_sources(workspace: Workspace) -> Sources:
    """Everything that the stages before wrote. Raises `MissingInputError`."""
    from pvtt.dataset.join import Sources
    from pvtt.records.base import read_jsonl
    from pvtt.records.catalog import Reject, read_products
    from pvtt.records.clips import Clip, Mask, PhotoSet

    rejects = [workspace.data, *(workspace.out(stage) for stage in ("clip", "segment", "photos"))]
    return Sources(
        products=tuple(read_products(workspace.data)),
        clips=_read(workspace.out("clip") / "clips.jsonl", Clip),
        masks=_read(workspace.out("segment") / "masks.jsonl", Mask),
        photo_sets=_read(workspace.out("photos") / "photos.jsonl", PhotoSet),
        rejects=tuple(
            reject
            for folder in rejects
            if (folder / "rejects.jsonl").is_file()
            for reject in read_jsonl(folder / "rejects.jsonl", Reject)
        ),
    )


def _read(path: Path, kind: type[RecordT]) -> tuple[RecordT, ...]:
    from pvtt.files.workspace import require_output
    from pvtt.records.base import read_jsonl

    require_output(path, path.parent.name)
    return tuple(read_jsonl(path, kind))
