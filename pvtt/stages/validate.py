"""validate: the tables of clip, segment and photos, less what reviews turned away → samples, transfers, Data Docs."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.dataset.join import Sources
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params

STAGE = Stage(
    name="validate",
    help="Check the tables, split by product, write dataset.json",
    reads=("${validate.transfers}", "data", "outs/clip", "outs/photos", "outs/segment", "reviews"),
    params=("clip", "photos", "segment", "validate"),
    writes=(
        "outs/validate/entries.jsonl",
        "outs/validate/transfers.json",
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
    from pvtt.dataset.drift import FIELD, drift, histogram
    from pvtt.dataset.expectations import describe, raise_critical, validate_tables
    from pvtt.dataset.join import join, summarise
    from pvtt.dataset.looks import look_at
    from pvtt.dataset.reviewed import without_turned_away
    from pvtt.dataset.tables import build_tables
    from pvtt.dataset.transfers import join_transfers
    from pvtt.files.atomic import atomic_directory, atomic_write_text
    from pvtt.records.base import write_jsonl
    from pvtt.records.catalog import REJECTS_FILE
    from pvtt.records.dataset import ENTRIES_FILE, DatasetFile, write_transfers
    from pvtt.records.reviews import read_answers

    sources, reviewed_out = without_turned_away(read_sources(workspace), read_answers(workspace.reviews))
    dataset = join(sources, params)
    dataset = replace(dataset, left_out=(*reviewed_out, *dataset.left_out))
    transfers = join_transfers(workspace.root, params.validate_.transfers, sources, dataset)
    areas = histogram(mask.area_mean for mask in sources.masks)
    moved = drift(workspace, areas)
    looks = look_at(workspace, dataset.entries, dispatcher)
    tables = build_tables(workspace, sources, dataset, params.validate_, looks, moved)
    when = max(datetime.fromisoformat(product.retrieved_at) for product in sources.products)
    with atomic_directory(workspace.out(STAGE.name)) as out:
        results = validate_tables(tables, params, out / "data_docs", when)
        write_jsonl(out / ENTRIES_FILE, dataset.entries)
        write_transfers(out, transfers)
        DatasetFile.from_entries(dataset.entries).write(out / "dataset.json")
        write_jsonl(out / REJECTS_FILE, dataset.left_out)
        write_jsonl(out / "expectations.jsonl", results)
    failed = [result for result in results if not result.passed]
    num_critical = sum(result.severity == "critical" for result in failed)
    metrics = summarise(sources, dataset) | {
        "transfers": len(transfers.entries),
        FIELD: areas,
        "expectations": {
            "passed": len(results) - len(failed),
            "failed_critical": num_critical,
            "failed_warning": len(failed) - num_critical,
        },
    }
    atomic_write_text(workspace.metrics / f"{STAGE.name}.json", json.dumps(metrics, indent=2) + "\n")
    print(f"validate: {moved.says}", file=sys.stderr)
    for result in failed:
        if result.severity == "warning":
            print(f"validate: warning: {describe(result)}", file=sys.stderr)
    raise_critical(results, workspace.out(STAGE.name) / "data_docs")


def read_sources(workspace: Workspace) -> Sources:
    """Everything that the stages before wrote. Raises `MissingInputError`."""
    from pvtt.dataset.join import Sources
    from pvtt.records.base import read_output_jsonl
    from pvtt.records.catalog import read_products, read_rejects
    from pvtt.records.clips import Clip, Mask, PhotoSet

    folders = [workspace.data, *(workspace.out(stage) for stage in ("clip", "segment", "photos"))]
    return Sources(
        products=tuple(read_products(workspace.data)),
        clips=tuple(read_output_jsonl(workspace.out("clip") / "clips.jsonl", Clip, "clip")),
        masks=tuple(read_output_jsonl(workspace.out("segment") / "masks.jsonl", Mask, "segment")),
        photo_sets=tuple(read_output_jsonl(workspace.out("photos") / "photos.jsonl", PhotoSet, "photos")),
        rejects=read_rejects(folders),
    )
