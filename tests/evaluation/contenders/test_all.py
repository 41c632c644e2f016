"""One more contender: a class and a place in the list, and every table has it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.evaluation.certification import compositing, drawn, figures
from pvtt.evaluation.contenders import all as contenders
from pvtt.evaluation.contenders.contender import Contender, Setting, Task
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Video
from pvtt.records.base import read_jsonl
from pvtt.records.evaluation import EvaluatedSample, read_metrics
from pvtt.report.glossary import groups, meanings
from pvtt.stages import decide, evaluate, report
from tests.evaluated import EvaluatedProject


class Grey(Contender):
    """The hole in mid-grey."""

    name = "grey"
    says = "the hole in mid-grey: what anybody knows"

    def videos(self, tasks: Sequence[Task], setting: Setting) -> list[Video | None]:
        return [np.where(task.hole[..., None], np.uint8(128), task.template) for task in tasks]


def test_a_contender_in_the_list_is_in_metrics_summary_glossary_and_report(
    evaluated_project: EvaluatedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(evaluated_project.workspace.root, root)
    workspace, params = Workspace(root), evaluated_project.params
    with_grey = (*contenders.CONTENDERS, Grey())
    for module in (contenders, drawn, figures, compositing):  # as each finds it in the list when it is imported
        monkeypatch.setattr(module, "CONTENDERS", with_grey)
    for stage in (evaluate, decide, report):
        stage.run(workspace, params, InlineDispatcher())

    metrics = read_metrics(workspace.metrics / "evaluate.json")
    lead = metrics.get("test", "grey_gain")
    assert lead is not None
    assert lead.value is not None
    assert lead.target == 0
    identity = metrics.get("test", "identity_top1_grey")
    assert identity is not None
    assert identity.chance == 0.25
    for sample in read_jsonl(workspace.out("evaluate") / "evaluated.jsonl", EvaluatedSample):
        own, grey = sample.metrics["product_psnr"], sample.metrics["product_psnr_grey"]
        assert own is not None
        assert grey is not None
        assert sample.metrics["grey_gain"] == pytest.approx(own - grey)
    rows = {row["metric"] for row in csv.DictReader((workspace.out("evaluate") / "metrics.csv").open())}
    assert {"grey_gain", "product_psnr_grey", "product_delta_e_grey", "relative_flow_warp_error_grey"} <= rows
    assert meanings()["product_psnr_grey"].label == "product PSNR, grey"
    assert meanings()["grey_gain"] in groups()["The model's lead over other contenders"]
    page = (workspace.out("report") / "report.html").read_text()
    assert "lead over grey" in page
    assert page.count(Grey.says) == 6 + 7  # its lead and five metrics; transfers have one more
