"""The nightly run: deployed to a real Prefect server, and run by a real process worker."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.flows.conftest import Project


def test_the_nightly_pipeline_runs_through_a_worker(project: Project, prefect_api: str, project_root: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.deployments import run_deployment

    (project.root / "infra").mkdir()
    shutil.copy(project_root / "infra" / "prefect.yaml", project.root / "infra")
    project.git("add", "infra")
    project.git("commit", "-q", "-m", "Deployments")
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="pvtt", type="process"))

        deploy = ("-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "infra/prefect.yaml")
        deployed = project.python(*deploy, PREFECT_API_URL=prefect_api)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr

        nightly = client.read_deployment_by_name("pipeline/nightly")
        (schedule,) = nightly.schedules
        assert isinstance(schedule.schedule, CronSchedule)
        assert (schedule.schedule.cron, schedule.active) == ("0 2 * * *", True)
        assert nightly.parameters == {"ingest": True, "commit": True}
        for name in ("ingest/on-demand", "promote/gate"):
            assert client.read_deployment_by_name(name).schedules == []

        run: Any = run_deployment("pipeline/nightly", parameters={"ingest": False}, timeout=0)
        worker = project.python(
            "-m", "prefect", "worker", "start", "--pool", "pvtt", "--run-once", PREFECT_API_URL=prefect_api
        )
        state = client.read_flow_run(run.id).state

    assert state is not None
    assert state.type.value == "COMPLETED", worker.stdout + worker.stderr
    assert [project.runs(stage) for stage in ("clip", "photos", "decide")] == [1, 1, 1]
    assert project.git("log", "-1", "--format=%s") == "Run 0123456789ab: success"
