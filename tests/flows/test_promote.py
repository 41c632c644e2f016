"""The promotion flow: gate, plan, a person's answer through a Prefect pause, the record."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from flows.pipeline import pipeline
from flows.promote import answer, promote
from pvtt.errors import PvttError
from pvtt.promotion.gate import read_promotions
from pvtt.records.evaluation import EvaluationRun, Fingerprint
from tests.flows.conftest import Project


@pytest.fixture
def evaluated(project: Project, prefect_api: str, project_root: Path) -> Project:
    """A project whose run succeeded, with everything committed."""
    for folder in ("profiles", "slurm", "accelerate"):
        (project.root / "infra" / folder).mkdir(parents=True)
    for name in ("profiles/poc.yaml", "profiles/prod.yaml", "slurm/h800.yaml", "accelerate/fsdp2.yaml"):
        shutil.copy(project_root / "infra" / name, project.root / "infra" / name)
    project.git("add", "infra")
    project.git("commit", "-q", "-m", "Profiles")
    pipeline(ingest=False, commit=True)
    run = EvaluationRun(
        run_id="0123456789ab",
        model="outs/train_stage2/model",
        model_sha256="0" * 64,
        seed=0,
        fingerprint=Fingerprint(
            versions={},
            device="cpu",
            num_threads=1,
            dataset_sha256="1" * 64,
            base_sha256="2" * 64,
            protocol={},
            weights={},
            evaluator="1",
        ),
        certified=(),
    )
    (project.workspace.out("evaluate")).mkdir()
    (project.workspace.out("evaluate") / "run.json").write_text(run.to_json())
    return project


def test_a_person_approves(evaluated: Project, prefect_api: str) -> None:
    project = evaluated
    evaluated_commit = project.git("rev-parse", "HEAD")
    promotion = subprocess.Popen(
        [sys.executable, "-u", "-m", "flows.promote"],
        env=project.environment() | {"PREFECT_API_URL": prefect_api},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert promotion.stdout is not None
    shown, run = "", None
    while run is None and (line := promotion.stdout.readline()):
        shown += line
        run = re.search(r"flows\.promote approve (\S+)", shown)
    assert run is not None, shown + promotion.communicate()[1]
    assert "verdict: success" in shown
    assert "14.3 B parameters" in shown
    assert "it fits" in shown

    _answer_when_paused(uuid.UUID(run[1]), "Ada Lovelace", "the test videos convince me")
    printed, errors = promotion.communicate(timeout=300)

    assert promotion.returncode == 0, errors
    assert "approved by Ada Lovelace: the test videos convince me (promotions/promotions.jsonl, number 1)" in printed
    assert "PVTT_DISPATCH=infra/slurm/h800.yaml python -m flows.pipeline" in printed
    (record,) = read_promotions(project.root)
    assert (record.sign_off.person, record.sign_off.flow_run) == ("Ada Lovelace", run[1])
    assert (record.evidence.commit, record.evidence.run_id) == (evaluated_commit, "0123456789ab")
    assert record.evidence.data_version in (project.root / "data.dvc").read_text()
    assert project.git("log", "-1", "--format=%s") == "Promotion of run 0123456789ab: approved by Ada Lovelace"
    assert project.git("status", "--porcelain") == ""


def _answer_when_paused(run: uuid.UUID, person: str, reason: str) -> None:
    """The id is printed just before the run pauses; until then Prefect refuses the answer."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        while True:
            state = client.read_flow_run(run).state
            if state is not None and state.is_paused():
                break
    with pytest.raises(PvttError, match="reason is empty"):
        answer(run, "approved", person, "")
    answer(run, "approved", person, reason)


def test_the_gate_stays_shut_on_what_is_not_committed(evaluated: Project) -> None:
    (evaluated.workspace.metrics / "decision.json").write_text(
        (evaluated.workspace.metrics / "decision.json").read_text().replace("26.5", "29.5")
    )

    with pytest.raises(PvttError) as caught:
        promote()

    assert "not committed: metrics/decision.json" in caught.value.message
    assert "decide are stale" in caught.value.message
    assert read_promotions(evaluated.root) == []
