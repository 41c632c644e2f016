"""The nightly run: deployed to a real Prefect server, killed in a real process worker, and run by the next one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.deploy import crashed_after, register, wait_for_server
from pvtt.errors import PvttError
from tests.flows.conftest import Project, free_port
from tests.flows.receiver import receiver

CRASHED_AFTER_S = 15  # the command itself takes no less than two heartbeats
WITHIN_S = 300.0
WORKER = ("-m", "prefect", "worker", "start", "--pool", "pvtt", "--run-once")


def wait_until(what: Callable[[], object]) -> None:
    end = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.2)


def kill_a_night(project: Project, api: str, state: Callable[[], str | None]) -> None:
    """Start a worker and kill it and its run, as a power cut does, while the first stage works."""
    dvc_yaml = project.root / "dvc.yaml"
    own = dvc_yaml.read_text()
    dvc_yaml.write_text(own.replace("python stage.py clip data", "touch started; sleep 300"))
    worker = subprocess.Popen([sys.executable, *WORKER], env=project.environment() | {"PREFECT_API_URL": api})
    wait_until((project.root / "started").exists)
    assert state() == "Running"
    below = psutil.Process(worker.pid).children(recursive=True)
    worker.kill()
    for process in below:
        if "prefect" in " ".join(process.cmdline()):
            process.kill()
    worker.wait()
    _, left = psutil.wait_procs(below, WITHIN_S)
    assert left == []
    dvc_yaml.write_text(own)


def test_a_night_that_is_killed_has_crashed_and_the_next_one_runs_through_a_worker(
    project: Project, prefect_api: str, project_root: Path
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.deployments import run_deployment

    (project.root / "infra").mkdir()
    shutil.copy(project_root / "infra" / "prefect.yaml", project.root / "infra")
    project.git("add", "infra")
    project.git("commit", "-q", "-m", "Deployments")
    with get_client(sync_client=True) as client, receiver() as (webhook, sent), ExitStack() as undone:
        deploy = ("-m", "flows.deploy", "--wait")
        deployed = project.python(*deploy, PREFECT_API_URL=prefect_api, PVTT_WEBHOOK_URL=webhook)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        assert len(client.read_automations()) == 2
        undone.callback(register, client, crashed_after(3600))  # other flows on this server are slower to be heard of
        register(client, crashed_after(CRASHED_AFTER_S))  # in the place of the command's
        assert len(client.read_automations()) == 2

        nightly = client.read_deployment_by_name("pipeline/nightly")
        (schedule,) = nightly.schedules
        assert isinstance(schedule.schedule, CronSchedule)
        assert (schedule.schedule.cron, schedule.active) == ("0 2 * * *", True)
        assert nightly.parameters == {"ingest": True, "commit": True}
        for name in ("ingest/on-demand", "promote/gate"):
            assert client.read_deployment_by_name(name).schedules == []

        killed: Any = run_deployment("pipeline/nightly", parameters={"ingest": False}, timeout=0)
        kill_a_night(project, prefect_api, lambda: client.read_flow_run(killed.id).state_name)
        wait_until(lambda: client.read_flow_run(killed.id).state_name == "Crashed")  # nobody could tell the server
        wait_until(lambda: sent)

        run: Any = run_deployment("pipeline/nightly", parameters={"ingest": False}, timeout=0)
        worker = project.python(*WORKER, PREFECT_API_URL=prefect_api)
        state = client.read_flow_run(run.id).state

    assert state is not None
    assert state.type.value == "COMPLETED", worker.stdout + worker.stderr
    assert [project.runs(stage) for stage in ("clip", "photos", "decide")] == [1, 1, 1]
    assert project.git("log", "-1", "--format=%s") == "Run 0123456789ab: success"
    assert (sent[0]["event"], sent[0]["flow"], sent[0]["flow_run"]) == ("failure", "pipeline", str(killed.id))
    assert f"No heartbeat for {CRASHED_AFTER_S} s" in sent[0]["text"]


def test_a_server_that_does_not_answer_is_named_after_the_wait() -> None:
    with pytest.raises(PvttError, match="no Prefect server answers") as caught:
        wait_for_server(f"http://me:xyzzy@127.0.0.1:{free_port()}/api", 0.6)

    assert "xyzzy" not in caught.value.message
    assert caught.value.hint is not None
    assert "prefect server start" in caught.value.hint
