"""What goes wrong with Slurm jobs, told apart; each ends in what an undisturbed run gives, or stops in words."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pvtt.dispatch.jobs import Jobs
from pvtt.dispatch.profile import Requeue, SlurmProfile
from pvtt.files.workspace import Workspace
from tests.dispatch.drivers import Project, mend_cluster, mend_node, scancel, scontrol
from tests.slurm_cluster import SLURM_FOLDER


@pytest.fixture
def project(slurm_cluster: SlurmProfile, tmp_path: Path) -> Iterator[Project]:
    yield Project(tmp_path, slurm_cluster)
    mend_cluster()


def local_cluster(action: str, program: str) -> None:
    folder = Path(os.environ["SLURM_CONF"]).parent
    subprocess.run([str(SLURM_FOLDER / "local-cluster"), action, str(folder), program], check=True)


def test_an_item_that_ends_its_job_is_found_in_one_more_array(project: Project) -> None:
    six = Project(project.folder, project.profile, 6)
    (six.folder / "kill-2").touch()
    result, said = six.finish()
    assert result == six.undisturbed(2)
    assert [each.num_tasks for each in six.submissions] == [2, 2]  # item 2 alone, beside 4, which came after it
    assert sorted(six.began) == [0, 1, 2, 2, 3, 4, 5]
    assert "failed: N2: the worker died: MemoryLimitError: clip: Slurm job" in said


def test_a_wrong_venv_stops_at_the_first_array(project: Project, tmp_path: Path) -> None:
    wrong = Project(project.folder, project.profile.model_copy(update={"venv": str(tmp_path / "venv")}))
    result, said = wrong.finish()
    assert result == {"error": "EnvironmentFaultError"}
    assert f"{tmp_path}/venv/bin/python" in said
    assert "mend `venv`" in said
    assert len(wrong.submissions) == 1
    assert wrong.queued() == []


@pytest.mark.proof
def test_a_package_that_the_node_lacks_is_no_item_s_failure(project: Project) -> None:
    need = project.folder / "need-1"
    need.touch()
    result, said = project.finish()
    assert result == {"error": "EnvironmentFaultError"}
    assert "No module named 'a_package_that_is_not_here'" in said
    need.unlink()
    assert project.finish()[0] == project.undisturbed()


@pytest.mark.proof
def test_a_task_that_a_person_cancels_stops_the_stage_after_the_others(project: Project) -> None:
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    jobs = Jobs(Workspace(project.folder))
    jobs.cancel(jobs.find(project.job_of(3)), project.job_of(3))  # as `scancel`
    result, said = project.finish(driver)
    assert result == {"error": "WorkStoppedError"}
    assert f"Slurm job {project.job_of(3)} on localhost was cancelled (JobState=CANCELLED" in said
    assert len(project.submissions) == 1
    hold.unlink()
    assert project.finish()[0] == project.undisturbed()
    assert project.began.count(0) == 1  # what was finished is kept


def test_a_time_limit_is_not_booked_on_the_item_in_work(project: Project) -> None:
    once = Project(project.folder, project.profile.model_copy(update={"requeue": Requeue(max_timeouts=0)}))
    short = once.profile.shards.model_copy(update={"minutes": 1})
    once = Project(once.folder, once.profile.model_copy(update={"shards": short}))
    hold = once.hold(3)
    driver = once.start()
    once.until(lambda: len(once.began) == 4, driver)
    scancel("--signal=USR2", once.job_of(3))  # what `requeue.signal_s` sends
    result, said = once.finish(driver)
    assert result == {"error": "TimeLimitError"}
    assert "was ended by its time limit of 1 minutes" in said
    assert "raise shards.minutes or requeue.max_timeouts" in said
    hold.unlink()
    assert once.finish()[0] == once.undisturbed()


@pytest.mark.proof
@pytest.mark.parametrize("how", ["requeue", "retry", "notice", "time limit", "node fails"])
def test_work_that_is_taken_away_goes_on_in_the_same_job(project: Project, how: str) -> None:
    minutes = project.profile.shards.model_copy(update={"minutes": 1})
    project = Project(project.folder, project.profile.model_copy(update={"shards": minutes}))
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    take_away: dict[str, Callable[[], None]] = {
        "requeue": lambda: scontrol("requeue", project.job_of(3)),
        "retry": lambda: _retry(project),
        "notice": lambda: scancel("--signal=USR2", project.job_of(3)),
        "time limit": lambda: None,
        "node fails": lambda: _fail_node(project),
    }
    take_away[how]()
    project.until(lambda: project.began.count(3) == 2, driver)
    hold.unlink()
    assert project.finish(driver)[0] == project.undisturbed()
    assert len(project.submissions) == 1
    last = [attempt for attempt in project.attempts if attempt.job_id == project.job_of(3)]
    assert [attempt.attempt for attempt in last][:2] == [1, 2]
    log = Path(last[0].log).with_suffix(".out").read_text()
    assert log.count("Starting with JobEnvironment") == 2  # of both starts


def _fail_node(project: Project) -> None:
    """As the controller has it when a node is gone. Then what a person does: mend it, and let go of what is held.

    A job is held when it is started again where slurmd still has its old start, as can be on a cluster of one machine.
    """
    scontrol("update", "NodeName=localhost", "State=DOWN", "Reason=test")

    def mended() -> bool:
        mend_node()
        subprocess.run(["scontrol", "release", project.job_of(3)], check=False, capture_output=True)
        return project.began.count(3) == 2

    project.until(mended)


def _retry(project: Project) -> None:
    jobs = Jobs(Workspace(project.folder))
    assert jobs.retry(jobs.find(project.job_of(3)), project.job_of(3)) == f"put back in the queue: {project.job_of(3)}"


@pytest.mark.proof
def test_an_array_that_a_person_cancels_stops_at_once(project: Project) -> None:
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    scancel(str(project.submissions[0].job_id))
    assert project.finish(driver)[0] == {"error": "WorkStoppedError"}
    assert len(project.submissions) == 1
    hold.unlink()
    assert project.finish()[0] == project.undisturbed()


@pytest.mark.proof
def test_a_controller_that_is_down_at_submission_is_waited_for(project: Project) -> None:
    local_cluster("kill", "slurmctld")
    try:
        driver = project.start()
        project.until(lambda: (project.folder / ".pvtt" / "progress").exists(), driver)
        with pytest.raises(subprocess.TimeoutExpired):
            driver.wait(timeout=15)
    finally:
        local_cluster("revive", "slurmctld")
    result, said = project.finish(driver)
    assert result == project.undisturbed()
    assert "Slurm's controller does not answer (" in said
    assert "correct the Slurm profile" not in said


@pytest.mark.proof
def test_a_controller_that_dies_while_jobs_work_costs_nothing(project: Project) -> None:
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    local_cluster("kill", "slurmctld")
    try:
        hold.unlink()
        project.until(lambda: len(list((project.folder / ".pvtt" / "cache").rglob("result.json"))) == 4, driver)
    finally:
        local_cluster("revive", "slurmctld")
    assert project.finish(driver)[0] == project.undisturbed()
    assert len(project.submissions) == 1


@pytest.mark.proof
def test_a_node_s_daemon_that_is_killed_costs_one_start(project: Project) -> None:
    hold = project.hold(3)
    driver = project.start()
    project.until(lambda: len(project.began) == 4, driver)
    local_cluster("kill", "slurmd")
    hold.unlink()
    scontrol("update", "PartitionName=main", "State=DOWN")
    scontrol("update", "NodeName=localhost", "State=DOWN", "Reason=test")  # what the controller does in the end
    project.until(lambda: project.is_ended(3))
    local_cluster("revive", "slurmd")
    mend_node()
    assert project.finish(driver)[0] == project.undisturbed()
    assert len(project.submissions) <= 2
