"""Nothing of a flow outlives it, however it ends: a temporary server, DVC, a stage that passes no signal on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flows.lifetime import end_leftovers
from flows.watcher import VARIABLE, Mark, marked_processes
from pvtt.dispatch.profile import SlurmProfile
from tests.dispatch.drivers import Project as Items
from tests.flows.conftest import Project
from tests.flows.receiver import receiver

STARTS_WITHIN_S = 400.0
ENDS_WITHIN_S = 120.0  # "within seconds", on a busy machine
WATCHED = """
import subprocess, sys
from pathlib import Path
from flows.lifetime import watched
with watched(Path.cwd()):
    subprocess.Popen(sys.argv[1:]).wait()
"""


def wait_until(what: Callable[[], object], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def start(project: Project, **environment: str) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A pipeline whose first stage works for long in a process of its own; and all that belongs to it."""
    dvc_yaml = project.root / "dvc.yaml"
    dvc_yaml.write_text(dvc_yaml.read_text().replace("python stage.py clip data", "sleep 300; echo done"))
    run = subprocess.Popen(
        [sys.executable, "-m", "flows.pipeline", "--no-ingest"],
        env=project.environment() | environment,
        stderr=subprocess.PIPE,
    )

    def sleeps() -> bool:
        assert run.poll() is None
        return any(process.name() == "sleep" for process in psutil.Process(run.pid).children(recursive=True))

    try:
        wait_until(sleeps, STARTS_WITHIN_S)
    except BaseException:
        run.kill()
        raise
    return run, psutil.Process(run.pid).children(recursive=True)


def commands(processes: list[psutil.Process]) -> str:
    return "\n".join(" ".join(process.cmdline()) for process in processes)


def cancel(api: str) -> None:
    """What the button on a run's page does."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.states import Cancelling

    with get_client(sync_client=True) as client:
        running = FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING"]}}})
        (run,) = client.read_flow_runs(flow_run_filter=running)
        client.set_flow_run_state(run.id, Cancelling())


def test_a_killed_flow_takes_its_server_dvc_and_stage_along(project: Project) -> None:
    run, below = start(project)
    assert "uvicorn" in commands(below)
    assert "dvc" in commands(below)
    assert "flows/watcher.py" in commands(below)

    run.kill()
    run.communicate()

    _, left = psutil.wait_procs(below, ENDS_WITHIN_S)
    assert left == [], commands(left)


@pytest.mark.parametrize("end", ["SIGTERM", "SIGHUP", "cancelled in Prefect"])
def test_a_flow_that_is_told_to_end_leaves_nothing_and_says_how_to_go_on(
    project: Project, prefect_api: str, end: str
) -> None:
    with receiver() as (webhook, told):
        run, below = start(project, PREFECT_API_URL=prefect_api, PVTT_WEBHOOK_URL=webhook)

        if end == "cancelled in Prefect":
            cancel(prefect_api)
        else:
            run.send_signal(signal.Signals[end])
        _, printed = run.communicate(timeout=ENDS_WITHIN_S)

    _, left = psutil.wait_procs(below, ENDS_WITHIN_S)
    assert left == [], commands(left)
    status = 130 if end == "cancelled in Prefect" else 128 + signal.Signals[end]
    assert run.returncode == status, printed.decode()
    last = printed.decode().splitlines()[-1]
    assert end in last
    assert "run the same command again" in last
    assert "Traceback" not in printed.decode()
    assert [message["error"] for message in told] == ([] if end.startswith("cancelled") else [f"stopped by {end}"])


def test_what_an_earlier_flow_left_is_ended_in_words(project: Project) -> None:
    """Where its watcher was killed too."""
    mark = Mark(os.getpid(), 0.0, str(project.root))  # this process started later
    others = Mark(os.getpid(), 0.0, "/another/checkout")
    alive = Mark(os.getpid(), psutil.Process().create_time(), str(project.root))
    with (
        sleeping(mark, DVC_STAGE="train_stage1") as left,
        sleeping(mark, DVC_STAGE="train_stage1", PVTT_DISPATCH="infra/slurm/h800.yaml") as waiting,
        sleeping(others) as other,
        sleeping(alive) as own,
        sleeping(mark, SLURM_JOB_ID="7") as job,
    ):
        own_pids = {left.pid, waiting.pid}
        wait_until(lambda: own_pids <= {process.pid for _, process in marked_processes()}, STARTS_WITHIN_S)
        said: list[str] = []
        end_leftovers(project.root, said.append)
        assert left.wait(ENDS_WITHIN_S) == -signal.SIGTERM
        assert waiting.wait(ENDS_WITHIN_S) == -signal.SIGKILL  # told to end, it would cancel its jobs
        assert [process.poll() for process in (other, own, job)] == [None, None, None]
        for process in (other, own, job):
            process.kill()

    assert len(said) == 1
    assert said[0].startswith(f"train_stage1: left running by a flow that was killed (process {os.getpid()})")


@pytest.mark.proof
@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM"])
def test_jobs_of_a_killed_flow_run_on_and_the_next_run_waits_for_them(
    slurm_cluster: SlurmProfile, tmp_path: Path, end: str
) -> None:
    """Those of a flow that was told to end do not. The flow here is a process that is watched as flows are."""
    items = Items(tmp_path, slurm_cluster)
    stage = [sys.executable, "-m", "tests.dispatch.drivers", slurm_cluster.to_json(), str(tmp_path), "4"]
    place = {"DVC_STAGE": "clip", "PVTT_DISPATCH": "infra/slurm/local.yaml"}
    hold = items.hold(3)
    with subprocess.Popen([sys.executable, "-c", WATCHED, *stage], env=os.environ | place) as flow:
        wait_until(lambda: flow.poll() is not None or len(items.began) == 4, STARTS_WITHIN_S)
        below = psutil.Process(flow.pid).children(recursive=True)
        flow.send_signal(signal.Signals[end])
    _, left = psutil.wait_procs(below, ENDS_WITHIN_S)
    assert left == [], commands(left)
    if end == "SIGTERM":
        assert (items.queued(), items.submissions[0].state) == ([], "cancelled")
        return
    assert items.job_of(3) in items.queued()

    second = items.start()
    items.until(lambda: items.submissions[0].driver.endswith(f":{second.pid}"), second)
    hold.unlink()
    assert items.finish(second)[0] == items.undisturbed()
    (submission,) = items.submissions  # sent once, worked on once
    assert (submission.state, sorted(items.began)) == ("done", [0, 1, 2, 3])


def sleeping(mark: Mark, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "300"], env=os.environ | environment | {VARIABLE: str(mark)}, cwd=Path("/"))
