"""report: decision, metrics, videos, loss histories, rejects and licences → outs/report.

report.html; tables.md and tables.tex for a paper; cards/model/README.md and cards/data/README.md for the Hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params

STAGE = Stage(
    name="report",
    help="Write the report, tables for a paper, and cards of model and data",
    reads=(
        "data",
        "metrics/decision.json",
        "metrics/evaluate.json",
        "outs/clip/rejects.jsonl",
        "outs/encode/encoded.jsonl",
        "outs/encode/rejects.jsonl",
        "outs/encode/samples",
        "outs/encode/transfers.jsonl",
        "outs/evaluate",
        "outs/photos/photos",
        "outs/photos/rejects.jsonl",
        "outs/segment/rejects.jsonl",
        "outs/train_stage1/loss.csv",
        "outs/train_stage1/validation.csv",
        "outs/train_stage2/loss.csv",
        "outs/train_stage2/validation.csv",
        "outs/validate/entries.jsonl",
        "outs/validate/rejects.jsonl",
    ),
    params=(
        "encode.height",
        "encode.max_photos",
        "encode.num_frames",
        "encode.width",
        "model.base",
        "model.champion",
        "model.conditioning",
        "profile",
        "seed",
        "train.stage1",
        "train.stage2",
        "train.start",
    ),
    writes=("outs/report",),
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Write the report.

    Raises:
        MissingInputError: A stage before has not run.
        PvttError: One of its files is not in its format.
    """
    from pvtt.files.atomic import atomic_directory
    from pvtt.report.cards.data import data_card
    from pvtt.report.cards.model import model_card
    from pvtt.report.collect import collect
    from pvtt.report.grid import to_latex, to_markdown
    from pvtt.report.page import render
    from pvtt.report.paper import paper_tables

    inputs = collect(workspace, params)
    tables = paper_tables(inputs.metrics)
    files = {
        "report.html": render(inputs),
        "tables.md": to_markdown(tables),
        "tables.tex": to_latex(tables),
        "cards/model/README.md": model_card(inputs),
        "cards/data/README.md": data_card(inputs),
    }
    with atomic_directory(workspace.out(STAGE.name)) as out:
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text, encoding="utf-8")
    print(f"report: {workspace.out(STAGE.name) / 'report.html'}")
