"""report: decision, metrics, videos, loss histories and reject tables → outs/report/report.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params

STAGE = Stage(
    name="report",
    help="Write outs/report/report.html",
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
    params=("profile",),
    writes=("outs/report",),
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Write the report.

    Raises:
        MissingInputError: A stage before has not run.
        PvttError: One of its files is not in its format.
    """
    from pvtt.files.atomic import atomic_directory
    from pvtt.report.collect import collect
    from pvtt.report.page import render

    page = render(collect(workspace, params))
    with atomic_directory(workspace.out(STAGE.name)) as out:
        (out / "report.html").write_text(page, encoding="utf-8")
    print(f"report: {workspace.out(STAGE.name) / 'report.html'}")
