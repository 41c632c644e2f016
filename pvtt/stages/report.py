"""report: decision, metrics, videos, loss histories and reject tables → outs/report/report.html."""

from __future__ import annotations

from pvtt.files.atomic import atomic_directory
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.params.file import Params

STAGE = "report"


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Write the report.

    Raises:
        MissingInputError: A stage before has not run.
        PvttError: One of its files is not in its format.
    """
    from pvtt.report.collect import collect
    from pvtt.report.page import render

    page = render(collect(workspace, params))
    with atomic_directory(workspace.out(STAGE)) as out:
        (out / "report.html").write_text(page, encoding="utf-8")
    print(f"report: {workspace.out(STAGE) / 'report.html'}")
